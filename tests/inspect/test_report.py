"""The HTML report: content, escaping, reproducibility."""

from __future__ import annotations

import base64
import hashlib
import itertools
import os
import re
import subprocess
import sys
import time
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from hatch_lambda.cli import main
from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.common.target import ARCHITECTURES, RUNTIMES, Target
from hatch_lambda.inspect import contents, report
from hatch_lambda.inspect.report.markup import tag
from hatch_lambda.inspect.report.treemap import Rect, squarify
from tests.support.elf import make_elf
from tests.support.lambda_zips import HOSTILE, make_hostile, make_shop, make_zip
from tests.support.packages import make_wheel

VOID = {"meta", "input", "br"}


class Page(HTMLParser):
    """A parsed report."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.raw: dict[str, str] = {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in {"style", "script"}:
            self.raw[self.open[-1]] = self.raw.get(self.open[-1], "") + data
        else:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.texts))

    def attributes(self, name: str) -> list[str]:
        return [attributes[name] or "" for _, attributes in self.tags if name in attributes]


def page_of(zip_path: Path, target: Target | None = None) -> Page:
    return Page(report.write(zip_path, zip_path.with_suffix(".html"), target).read_text(encoding="utf-8"))


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return make_shop(tmp_path)


def test_contents_and_sizes(shop: Path) -> None:
    text = page_of(shop).text

    whole = contents.read(shop)
    assert "shop-1.0-python3.13-x86_64.zip" in text
    assert "AWS Lambda function for python3.13 on x86_64 (Amazon Linux 2023, glibc 2.34)" in text
    assert f"{whole.size / 1024:.1f} kB unzipped" in text
    assert f"{shop.stat().st_size / 1024:.1f} kB zipped" in text
    assert f"files{len(whole.entries)}" in text.replace(" ", "")
    for words in ("numbers-kit 1.4", "carts 2.5", "shop 1.0", "engine.so", "numbers_kit/data/table.bin"):
        assert words in text
    assert "Compatible with python3.13 on x86_64" in text
    assert "1 file for x86_64. Requires glibc 2.17 or newer, because of " in text


def test_layer_shows_its_packages(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "wheels", "big", files={"big/a.py": "a" * 50_000, "big/b/c.py": "c" * 60_000})
    page = page_of(make_zip(tmp_path / "layer.zip", wheel, below="python/"))

    assert "AWS Lambda layer" in page.text
    labels = page.attributes("title")
    assert any(label.startswith("python/big/a.py\n48.8 kB unzipped") for label in labels)
    # Neither `python/` nor `big/` is a step of its own on the way to what weighs something.
    assert not any(label.startswith(("python\n", "python/big\n")) for label in labels)


def test_unzipped_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "app.py").write_text("def handler(event, context): ...\n", encoding="utf-8")
    monkeypatch.chdir(folder)

    outcome = CliRunner().invoke(main, ["report", "."])

    assert outcome.exit_code == 0, outcome.output
    page = Page((tmp_path / "bundle.html").read_text(encoding="utf-8"))
    assert "bundle" in page.text
    assert "app.py" in page.text
    assert "for a direct upload" not in page.text


def test_empty_zip(tmp_path: Path) -> None:
    text = page_of(make_zip(tmp_path / "empty.zip")).text

    assert "Compatible with every runtime and architecture" in text
    assert "No native code." in text


def test_incompatible_files_with_reason_and_remedy(tmp_path: Path) -> None:
    library = make_elf("aarch64", versions={"libc.so.6": ["GLIBC_2.38"]})
    wheel = make_wheel(tmp_path / "wheels", "foo", files={"foo/_c.so": library})
    zip_path = make_zip(tmp_path / "function.zip", wheel)
    graviton = Target(RUNTIMES["python3.13"], ARCHITECTURES["arm64"])

    text = page_of(zip_path, graviton).text

    assert "Incompatible with python3.13 on arm64: 1 problem" in text
    assert "Why it is incompatible with python3.13 on arm64foo 1.0 needs glibc 2.38" in text
    assert "but the runtime has glibc 2.34" in text
    assert "foo/_c.so" in text
    assert "What you can do: use a wheel tagged manylinux_2_34 or lower" in text


def test_compatible_runtimes_without_a_target(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "wheels", "foo", files={"foo/_c.so": make_elf("aarch64")})

    page = page_of(make_zip(tmp_path / "function.zip", wheel))

    assert "Compatible with every runtime on arm64" in page.text
    assert page.text.count("✓ yes") == len(RUNTIMES)


def test_target_from_the_file_name_or_the_option(tmp_path: Path) -> None:
    zip_path = make_shop(tmp_path, "shop-1.0-python3.12-arm64.zip")

    by_name = CliRunner().invoke(main, ["report", str(zip_path)])
    assert by_name.exit_code == 0, by_name.output
    assert "for python3.12 on arm64" in (tmp_path / "shop-1.0-python3.12-arm64.html").read_text(encoding="utf-8")

    output = tmp_path / "page.html"
    told = CliRunner().invoke(main, ["report", str(zip_path), "--runtime", "python3.13", "-o", str(output)])
    assert told.output == f"{output}\n"
    assert "for python3.13 on x86_64" in output.read_text(encoding="utf-8")


# --- dependency tree ---


def test_cycles_are_drawn_once(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    made = [
        make_wheel(wheels, "a", requires=["b"]),
        make_wheel(wheels, "b", requires=["a", "b"]),
        make_wheel(wheels, "top", requires=["c"]),
        make_wheel(wheels, "c"),
    ]

    text = page_of(make_zip(tmp_path / "circle.zip", *made)).text
    assert "a 1.0 · see above" in text


def test_missing_requirements_and_version_conflicts(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    made = [make_wheel(wheels, "app", requires=["boto3", "foo>=2"]), make_wheel(wheels, "foo", "1.0")]

    text = page_of(make_zip(tmp_path / "function.zip", *made)).text

    assert "boto3, required by app" in text
    assert "foo 1.0 (>=2) version conflict" in text


@pytest.mark.slow
def test_endless_chains_are_truncated(tmp_path: Path) -> None:
    names = [f"p{number:03}" for number in range(400)]
    files = {}
    for number, name in enumerate(names):
        files[f"{name}-1.0.dist-info/METADATA"] = (
            f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nRequires-Dist: p{number + 1:03}\n\n"
        )

    text = page_of(make_zip(tmp_path / "chain.zip", files=files)).text

    assert "· truncated" in text
    assert "p400, required by p399" in text


@pytest.mark.slow
def test_shared_requirements_are_drawn_once(tmp_path: Path) -> None:
    """Each requires all that follow: a tree without links would have 2**59 lines."""
    names = [f"p{number:02}" for number in range(60)]
    made = [make_wheel(tmp_path / "wheels", name, requires=names[n + 1 :]) for n, name in enumerate(names)]

    page = page_of(make_zip(tmp_path / "function.zip", *made))

    assert page.text.count("see above") == 59 * 60 // 2 - 59


# --- escaping ---


def test_names_from_a_zip_are_escaped(tmp_path: Path) -> None:
    page = page_of(make_hostile(tmp_path))

    names = Counter(name for name, _ in page.tags)
    assert names["script"] == names["style"] == 1
    assert not {"img", "i onmouseover", "x"} & set(names)
    assert not [key for _, attributes in page.tags for key in attributes if key.startswith("on")]
    for name in HOSTILE:
        shown = name.replace("\u202e", "\\u202e").replace("\n", "\\n").replace("\x07", "\\x07")
        assert shown in "".join(page.texts)
    assert "<b>evil</b>" in page.text


def test_unprintable_characters_are_escaped(tmp_path: Path) -> None:
    text = report.write(make_hostile(tmp_path), tmp_path / "page.html").read_text(encoding="utf-8")

    assert not {character for character in text if not character.isprintable()} - {"\n"}


@pytest.mark.skipif(os.name == "nt" or sys.platform == "darwin", reason="the file system takes no such name")
def test_undecodable_names(tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    folder.mkdir()
    Path(os.fsdecode(os.fsencode(folder) + b"/bad\xff.py")).write_bytes(b"x = 1")

    assert "bad\\udcff.py" in page_of(folder).text


@given(st.text(), st.text())
def test_text_and_attributes_round_trip(text: str, value: str) -> None:
    markup = tag("p", text, title=value)

    page = Page(markup)
    assert [name for name, _ in page.tags] == ["p"]
    printable = [all(character.isprintable() for character in one) for one in (text, value)]
    if printable[0]:
        assert "".join(page.texts) == text
    if printable[1]:
        assert page.tags[0][1] == {"title": value}


# --- a single file ---


def test_no_external_resources_or_links(shop: Path) -> None:
    page = page_of(shop)

    assert page.attributes("href")
    assert all(href.startswith("#") for href in page.attributes("href"))
    assert not page.attributes("src")
    assert not page.attributes("style")
    assert "url(" not in page.raw["style"]
    assert "@import" not in page.raw["style"]


def test_links_are_valid_and_ids_unique(shop: Path) -> None:
    page = page_of(shop)

    ids = Counter(page.attributes("id"))
    assert {name for name, number in ids.items() if number > 1} == set()
    assert {href.removeprefix("#") for href in page.attributes("href")} <= set(ids)


def test_distribution_installed_twice(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "wheels", "foo")
    inner = contents.read(make_zip(tmp_path / "inner.zip", wheel))
    vendored = {f"vendor/{entry.path}": inner.read(entry.path) for entry in inner.entries}

    page = page_of(make_zip(tmp_path / "function.zip", wheel, files=vendored))

    assert page.text.count("foo 1.0") >= 2
    ids = Counter(page.attributes("id"))
    assert {name for name, number in ids.items() if number > 1} == set()


def test_content_security_policy(shop: Path) -> None:
    page = page_of(shop)

    (policy,) = [
        attributes["content"] or ""
        for name, attributes in page.tags
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    hashes = {
        name: base64.b64encode(hashlib.sha256(page.raw[name].encode()).digest()).decode()
        for name in ("style", "script")
    }
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{hashes['style']}'; script-src 'sha256-{hashes['script']}'; "
        "base-uri 'none'; form-action 'none'"
    )


# --- writing ---


def test_same_zip_same_bytes(shop: Path, tmp_path: Path) -> None:
    first = report.write(shop, tmp_path / "first.html").read_bytes()

    elsewhere = tmp_path / "elsewhere" / shop.name
    elsewhere.parent.mkdir()
    elsewhere.write_bytes(shop.read_bytes())
    program = (
        "import sys, pathlib; from hatch_lambda.inspect import report; report.write(*map(pathlib.Path, sys.argv[1:]))"
    )
    subprocess.run(
        [sys.executable, "-c", program, str(elsewhere), str(tmp_path / "second.html")],
        env={**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C"},
        check=True,
    )

    assert (tmp_path / "second.html").read_bytes() == first


def test_failure_keeps_the_previous_report(tmp_path: Path) -> None:
    page = tmp_path / "broken.html"
    page.write_text("the former one", encoding="utf-8")
    (tmp_path / "broken.zip").write_bytes(b"PK\3\4 and no more")

    outcome = CliRunner().invoke(main, ["report", str(tmp_path / "broken.zip")])

    assert outcome.exit_code == 1
    assert "truncated" in outcome.output
    assert "Traceback" not in outcome.output
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(("broken", ".broken"))) == [
        "broken.html",
        "broken.zip",
    ]
    assert page.read_text(encoding="utf-8") == "the former one"


def test_unwritable_output(shop: Path, tmp_path: Path) -> None:
    outcome = CliRunner().invoke(main, ["report", str(shop), "-o", str(tmp_path / "nowhere" / "page.html")])

    assert outcome.exit_code == 1
    assert "nowhere" in outcome.output
    assert "No such file or directory" in outcome.output


def test_architecture_requires_runtime(shop: Path) -> None:
    outcome = CliRunner().invoke(main, ["report", str(shop), "--architecture", "arm64"])

    assert outcome.exit_code == 2
    assert "--architecture requires --runtime" in outcome.output


def test_not_a_zip(tmp_path: Path) -> None:
    file = tmp_path / "notes.zip"
    file.write_text("no zip", encoding="utf-8")

    with pytest.raises(LambdaBuildError, match="is not a zip file"):
        report.write(file, tmp_path / "page.html")


# --- the map ---


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=80), st.floats(20, 2_000), st.floats(20, 2_000))
def test_tile_areas_are_proportional_and_disjoint(sizes: list[int], width: float, height: float) -> None:
    sizes.sort(reverse=True)
    whole = Rect(5, 7, width, height)

    rects = squarify(sizes, whole)

    total = sum(sizes)
    for size, rect in zip(sizes, rects, strict=True):
        assert rect.area == pytest.approx(whole.area * size / total, rel=1e-6, abs=1e-9)
        assert rect.x >= whole.x - 1e-6
        assert rect.y >= whole.y - 1e-6
        assert rect.x + rect.width <= whole.x + width + 1e-6
        assert rect.y + rect.height <= whole.y + height + 1e-6
    for one, other in itertools.pairwise(rects):
        across = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
        down = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
        assert min(across, down) <= 1e-6


def test_equal_tiles_are_nearly_square() -> None:
    rects = squarify([1] * 12, Rect(0, 0, 400, 300))

    assert all(0.5 <= rect.width / rect.height <= 2 for rect in rects)


@pytest.mark.slow
def test_large_zip_gives_a_small_report_quickly(tmp_path: Path) -> None:
    wheels = [
        make_wheel(
            tmp_path / "wheels",
            f"package-{number}",
            files={
                f"package_{number}/module_{folder}/part_of_the_whole_{file}.py": b"x"
                * (100 + 97 * ((file * folder) % 50))
                for folder in range(30)
                for file in range(15)
            },
        )
        for number in range(10)
    ]
    zip_path = make_zip(tmp_path / "large.zip", *wheels)
    assert len(contents.read(zip_path).entries) > 4_500

    started = time.process_time()
    page = report.write(zip_path, tmp_path / "large.html")

    assert time.process_time() - started < 10  # 1.5 s on a machine of 2024 that does nothing else
    assert page.stat().st_size < 1_500_000


def test_top_level_tiles_are_proportional(shop: Path) -> None:
    """Small items share a tile."""
    page = report.write(shop, shop.with_suffix(".html")).read_text(encoding="utf-8")
    places = dict(re.findall(r"#(t\d+)\{inset:([^}]+)\}", page.partition("@media (max-width: 40rem) {#")[0]))
    whole = page.partition('class="map whole"')[2]
    top_level = re.findall(r'<li id="(t\d+)" class="(?:parent )?\w+"><(?:a|span)[^>]*title="([^\n"]+)', whole)

    areas = {}
    for identifier, name in top_level:
        top, right, bottom, left = (float(part.rstrip("%")) / 100 for part in places[identifier].split())
        areas[name] = (1 - top - bottom) * (1 - left - right)
    held = contents.read(shop)
    for found in held.installed:
        if found.name != "shop":
            assert areas[str(found)] == pytest.approx(found.portion.size / held.size, abs=0.002)


# --- colours ---


def colours(*, dark: bool) -> dict[str, str]:
    style = Path(report.__file__).with_name("page.css").read_text(encoding="utf-8")
    light, _, rest = style.partition("@media (prefers-color-scheme: dark)")
    found = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", light))
    return {**found, **dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", rest.partition("\n}\n")[0]))} if dark else found


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    channels = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted(map(luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


KINDS = ["native", "python", "tests", "bytecode", "typing", "metadata", "data", "small"]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_contrast_meets_wcag(dark: bool) -> None:  # noqa: FBT001 - a parameter of pytest's
    found = colours(dark=dark)

    pairs = [(text, ground) for text in ("ink", "soft", "link", "good", "bad", "warn") for ground in ("paper", "card")]
    pairs += [("on-tile", kind) for kind in KINDS]
    poor = {pair: contrast(found[pair[0]], found[pair[1]]) for pair in pairs}
    assert {pair: ratio for pair, ratio in poor.items() if ratio < 4.5} == {}


def test_dark_mode_has_its_own_colours() -> None:
    assert all(colours(dark=False)[name] != colours(dark=True)[name] for name in ("paper", "ink", *KINDS))

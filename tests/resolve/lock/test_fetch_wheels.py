"""Locked wheels by plain URLs: downloaded without pip, on many connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from hatch_lambda.common.errors import LambdaBuildError, ResolutionError
from tests.support.locks import distributions, sha256, write_lock
from tests.support.packages import make_sdist, make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hatch_lambda.bundle.files import Bundle
    from tests.support.recording_ui import RecordingUI
    from tests.support.simple_index import SimpleIndex

    BundleOf = Callable[..., Bundle]

WITHOUT_PIP = "without pip"


@pytest.fixture
def pip_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "hatch_lambda.resolve.pip.process.pip_download", lambda *_, **__: pytest.fail("pip was started")
    )


def entry(server: SimpleIndex, made: Path, **more: Any) -> dict[str, Any]:
    """A package of a lock file. `more`: of its wheel."""
    name, version = made.name.split("-")[:2]
    wheel = {"url": server.file_url(made.name), "hashes": {"sha256": sha256(made)}, **more}
    return {"name": name, "version": version, "wheels": [wheel]}


@pytest.mark.usefixtures("pip_fails")
def test_all_of_them(
    build: BundleOf, serve: type[SimpleIndex], project_root: Path, wheels: Path, ui: RecordingUI
) -> None:
    made = [make_wheel(wheels, f"part{number}", requires=["part0"]) for number in range(24)]
    with serve(wheels) as server:
        write_lock(project_root, *(entry(server, path, size=path.stat().st_size) for path in made))
        found = build("part23", verbose=True)
    assert distributions(found) == {f"part{number} 1.0" for number in range(24)}
    assert "Downloaded 24 wheels without pip" in ui.text
    assert found.origins.downloaded == 24


@pytest.mark.usefixtures("pip_fails")
def test_with_a_fragment_and_a_hash_in_upper_case(
    build: BundleOf, serve: type[SimpleIndex], project_root: Path, wheels: Path
) -> None:
    made = make_wheel(wheels, "foo")
    with serve(wheels) as server:
        url = f"{server.file_url(made.name)}#sha256={sha256(made)}"
        write_lock(project_root, entry(server, made, url=url, hashes={"sha256": sha256(made).upper()}))
        assert distributions(build("foo")) == {"foo 1.0"}


def test_sdists_beside_them_are_left_to_pip(
    build: BundleOf, serve: type[SimpleIndex], project_root: Path, wheels: Path, ui: RecordingUI
) -> None:
    made, sdist = make_wheel(wheels, "foo", requires=["bar"]), make_sdist(wheels, "bar")
    with serve(wheels) as server:
        source = {"url": server.file_url(sdist.name), "hashes": {"sha256": sha256(sdist)}}
        write_lock(project_root, entry(server, made), {"name": "bar", "version": "1.0", "sdist": source})
        assert distributions(build("foo", verbose=True)) == {"foo 1.0", "bar 1.0"}
    assert "Downloaded 1 wheel without pip" in ui.text


@pytest.mark.parametrize(
    "more", [{"hashes": {"sha256": "0" * 64}}, {"size": 7}, {"hashes": {"sha256": "", "sha512": "0" * 128}}]
)
def test_another_file_stops_the_build_with_pips_words(
    build: BundleOf, serve: type[SimpleIndex], project_root: Path, wheels: Path, more: dict[str, Any]
) -> None:
    made = make_wheel(wheels, "foo")
    if "sha512" in more.get("hashes", {}):
        more = {"hashes": {"sha256": sha256(made), "sha512": "0" * 128}}
    with serve(wheels) as server:
        write_lock(project_root, entry(server, made, **more))
        with pytest.raises(LambdaBuildError, match=r"do not match pylock.toml: foo 1.0|lock file says"):
            build("foo")


def test_what_is_missing_is_reported_in_pips_words(
    build: BundleOf, serve: type[SimpleIndex], project_root: Path, wheels: Path, ui: RecordingUI
) -> None:
    made = make_wheel(wheels, "foo")
    with serve(wheels) as server:
        write_lock(project_root, entry(server, made))
        made.unlink()
        with pytest.raises(ResolutionError, match="404"):
            build("foo", verbose=True)
    assert "Downloading with pip: http" in ui.text
    assert "answers 404" in ui.text


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("HTTP_PROXY", "{origin}", "a proxy is configured"),
        ("PIP_TRUSTED_HOST", "127.0.0.1", "about connections"),
    ],
)
def test_what_needs_more_of_pip_is_left_to_it(
    *,
    build: BundleOf,
    serve: type[SimpleIndex],
    project_root: Path,
    wheels: Path,
    ui: RecordingUI,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
    words: str,
) -> None:
    made = make_wheel(wheels, "foo")
    with serve(wheels) as server:
        monkeypatch.setenv(name, value.format(origin=server.url.removesuffix("/simple")))
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        write_lock(project_root, entry(server, made))
        assert distributions(build("foo", verbose=True)) == {"foo 1.0"}
    assert words in ui.text
    assert WITHOUT_PIP not in ui.text

"""`hatch-lambda diff`: differences as text, JSON and Markdown."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from hatch_lambda.cli import main
from tests.support.packages import make_wheel
from tests.support.zips import make_zip

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result


def diff(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["diff", *map(str, arguments)])


def as_json(*arguments: object) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(diff(*arguments, "--json").stdout)
    return found


@pytest.fixture
def old(tmp_path: Path) -> Path:
    wheels = tmp_path / "old wheels"
    return make_zip(
        tmp_path / "old.zip",
        {"app.py": "x = 1\n", "gone.py": "1234"},
        wheels=[
            make_wheel(wheels, "salt"),
            make_wheel(wheels, "soup", "1.0"),
            make_wheel(wheels, "pepper"),
            make_wheel(wheels, "oil", files={"oil.py": "cold"}),
        ],
    )


@pytest.fixture
def new(tmp_path: Path) -> Path:
    wheels = tmp_path / "new wheels"
    return make_zip(
        tmp_path / "new.zip",
        {"app.py": "x = 1000\n", "come.py": "12345"},
        wheels=[
            make_wheel(wheels, "salt"),
            make_wheel(wheels, "soup", "1.1"),
            make_wheel(wheels, "Big-Bread", files={"big_bread.py": "x" * 5000}),
            make_wheel(wheels, "oil", files={"oil.py": "hot!"}),
        ],
    )


class TestText:
    def test_distributions_and_sizes(self, old: Path, new: Path) -> None:
        result = diff(old, new)
        assert result.exit_code == 0
        assert result.stdout.startswith("old.zip -> new.zip\n")
        lines = [line.split() for line in result.stdout.splitlines()]
        assert ["own", "code", "10", "B", "14", "B", "+4", "B", "+40.0%"] in lines
        assert "Distributions  1 added, 1 removed, 2 changed, 1 unchanged\n" in result.stdout
        assert ["~", "own", "code", "3", "+4", "B"] in [line[:6] for line in lines]
        assert ["+", "big-bread", "1.0", "4"] in [line[:4] for line in lines]
        assert ["-", "pepper", "1.0", "4"] in [line[:4] for line in lines]
        assert ["~", "soup", "1.0", "->", "1.1"] in [line[:5] for line in lines]
        assert ["~", "oil", "1.0,", "different", "files", "2", "0", "B"] in [line[:8] for line in lines]
        assert not any("salt" in line for line in lines)

    def test_own_files_come_first(self, old: Path, new: Path) -> None:
        after = diff(old, new).stdout.partition("Files  ")[2]
        counts, *lines = after.splitlines()
        assert counts == "8 added, 8 removed, 4 changed"
        assert [line.split()[-1] for line in lines[:4]] == ["come.py", "gone.py", "app.py", "big_bread.py"]
        assert lines[0].split() == ["+", "+5", "B", "come.py"]

    def test_at_most_20_files_without_option(self, tmp_path: Path) -> None:
        old = make_zip(tmp_path / "old.zip", {f"{n}.py": "" for n in range(30)})
        new = make_zip(tmp_path / "new.zip")
        assert diff(old, new).stdout.endswith("  and 10 more (list all with --files)\n")
        listed = diff(old, new, "--files").stdout
        assert "more" not in listed
        assert all(f"  {n}.py\n" in listed for n in range(30))

    def test_no_differences(self, old: Path) -> None:
        result = diff(old, old)
        assert result.exit_code == 0
        assert result.stdout.endswith("\nNo differences.\n")


class TestDifferences:
    def test_exit_code(self, old: Path, new: Path) -> None:
        assert diff(old, new, "--exit-code").exit_code == 1
        assert diff(old, new, "--exit-code", "--json").exit_code == 1
        assert diff(old, old, "--exit-code").exit_code == 0

    def test_compression_and_timestamps_are_ignored(self, tmp_path: Path) -> None:
        one, other = make_zip(tmp_path / "a.zip", {"app.py": "x" * 100}), tmp_path / "b.zip"
        with zipfile.ZipFile(other, "w", zipfile.ZIP_STORED) as opened:
            opened.writestr(zipfile.ZipInfo("app.py", (2001, 1, 1, 0, 0, 0)), "x" * 100)
        with zipfile.ZipFile(other) as opened:
            opened.extractall(tmp_path / "folder")
        (tmp_path / "folder" / "app.py").chmod(0o644)
        assert diff(one, tmp_path / "folder", "--exit-code").exit_code == 0
        assert as_json(one, tmp_path / "folder")["distributions"] == []

    def test_same_size_different_content(self, tmp_path: Path) -> None:
        one, other = make_zip(tmp_path / "a.zip", {"app.py": "one"}), make_zip(tmp_path / "b.zip", {"app.py": "two"})
        assert as_json(one, other)["file_counts"] == {"added": 0, "removed": 0, "changed": 1}

    @pytest.mark.parametrize(("mode", "differ"), [(0o755, True), (0o640, True), (0o664, False), (0, False)])
    def test_modes_relevant_to_lambda(self, tmp_path: Path, mode: int, differ: bool) -> None:  # noqa: FBT001
        one = make_zip(tmp_path / "a.zip", {"run": ""})
        other = make_zip(tmp_path / "b.zip", {"run": ""}, modes={"run": mode})
        assert as_json(one, other)["differ"] is differ


class TestJson:
    def test_all_keys(self, old: Path, new: Path) -> None:
        found = as_json(old, new)
        assert (found["format"], found["differ"]) == (1, True)
        assert found["old"]["path"] == str(old)
        assert found["new"]["zipped"] == new.stat().st_size
        assert found["own_code"] == {"old": 10, "new": 14}
        assert found["unchanged_distributions"] == 1
        assert {
            part["name"]: (part["change"], part["old_version"], part["new_version"]) for part in found["distributions"]
        } == {
            "own code": ("changed", "", ""),
            "big-bread": ("added", None, "1.0"),
            "oil": ("changed", "1.0", "1.0"),
            "pepper": ("removed", "1.0", None),
            "soup": ("changed", "1.0", "1.1"),
        }
        assert (
            sum(part["unzipped"] for part in found["distributions"])
            == found["new"]["unzipped"] - found["old"]["unzipped"]
        )
        assert len(found["files"]) == sum(found["file_counts"].values()) == 20
        assert {
            "path": "gone.py",
            "change": "removed",
            "distribution": "own code",
            "old_size": 4,
            "new_size": None,
        } in found["files"]

    def test_project_counts_as_own_code(self, tmp_path: Path) -> None:
        soup = make_wheel(tmp_path, "soup")
        zips = [
            make_zip(
                tmp_path / f"{version}.zip", wheels=[soup, make_wheel(tmp_path, "Orders", version, requires=["soup"])]
            )
            for version in ("1.0", "1.1")
        ]
        (part,) = as_json(*zips)["distributions"]
        assert (part["name"], part["own"], part["change"]) == ("orders", True, "changed")


class TestMarkdown:
    def test_tables(self, old: Path, new: Path) -> None:
        lines = diff(old, new, "--markdown").stdout.splitlines()
        assert lines[:4] == ["### old.zip → new.zip", "", "|  | old | new | difference |", "|---|--:|--:|--:|"]
        assert "| own code | 10 B | 14 B | +4 B (+40.0%) |" in lines
        assert "**Distributions:** 1 added, 1 removed, 2 changed, 1 unchanged" in lines
        assert [line.split("|")[1:4] for line in lines if line.startswith("| soup")] == [[" soup ", " 1.0 ", " 1.1 "]]
        assert any(line.startswith("| oil | 1.0 | 1.0 (different files) | 0 B |") for line in lines)
        assert "! app.py (+3 B)" in lines
        assert "- gone.py (-4 B)" in lines
        assert lines[-1] == "</details>"

    def test_names_are_escaped(self, tmp_path: Path) -> None:
        evil = "x|@all <img src=y> `a` [b](c)"
        files = {
            "e.dist-info/METADATA": f"Name: {evil}\nVersion: 1\n",
            "```\n</details>@all": "",
        }
        text = diff(make_zip(tmp_path / "old.zip"), make_zip(tmp_path / "new.zip", files), "--markdown").stdout
        (row,) = [line for line in text.splitlines() if line.startswith("| x")]
        assert r"x\|&#64;all-&lt;img-src=y&gt;-\`a\`-\[b\]\(c\)" in row.replace(" ", "-")
        assert "\n````diff\n" in text
        assert "+ ```\\n</details>@all (0 B)\n" in text

    def test_no_differences(self, old: Path) -> None:
        text = diff(old, old, "--markdown").stdout
        assert text.startswith("### old.zip\n")
        assert text.endswith("\nNo differences.\n")

    def test_excludes_json(self, old: Path) -> None:
        result = diff(old, old, "--markdown", "--json")
        assert result.exit_code == 2
        assert "mutually exclusive" in result.stderr

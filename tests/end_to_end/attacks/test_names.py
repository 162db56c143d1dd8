"""Unusual names of files, commands and folders."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common.errors import BrokenWheelError
from tests.support.attacks import HERE, INFO, UNIX, good_files, write_wheel
from tests.support.packages import make_sdist, make_wheel, record
from tests.support.projects import BUNDLE, HOOK, PACKAGE, Project, write_project

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from hatch_lambda.bundle.files import Bundle

    BundleOf = Callable[..., Bundle]

pytestmark = UNIX


ODD_NAMES = {
    "letters of many scripts": "Straße/注文/данные.txt",
    "beyond the first plane": "🦀/🐍.py",
    "combining letters": "e\u0301te\u0301.txt",
    "spaces": " a b / c .txt",
    "leading dashes": "-rf/--help.py",
    "shell's own characters": "$(id)/`id`;&|*?'\".txt",
    "line breaks": "a\nb/c\rd.txt",
    "line breaks of Unicode": "a\u2028b\u2029c\x85d\x0be\x1cf.txt",
    "quotes and commas": 'a,"b",c.txt',
    "percent signs": "%2e%2e/%00.txt",
    "a long part": f"{'x' * 255}/{'y' * 255}",
    "a long path": "/".join(["z" * 100] * 20),
    "dots": ".../..a/b..",
    "a tilde": "~root/.bashrc",
}


BREAKS = [name for case, name in ODD_NAMES.items() if "line breaks" in case]
ONE_LINE = [name for name in ODD_NAMES.values() if name not in BREAKS]


@pytest.mark.parametrize("names", [ONE_LINE, *([name] for name in BREAKS)], ids=["one line", "breaks", "of Unicode"])
def test_unusual_names_in_a_dependency_are_kept(names: list[str], index: Path, bundle_of: BundleOf) -> None:
    files = good_files(dict.fromkeys(names, b"odd"))
    write_wheel(index, files, recorded=_csv_record(files))

    bundle = bundle_of("foo")

    found = {path.relative_to(bundle.directory).as_posix() for path in bundle.directory.rglob("*") if path.is_file()}
    assert found == {*files, f"{INFO}/RECORD"}
    assert all((bundle.directory / name).read_bytes() == b"odd" for name in names)


def _csv_record(files: Mapping[str, bytes]) -> str:
    """RECORD with quotes where a name needs them."""
    rows = record(files, f"{INFO}/RECORD")
    for name in files:
        if any(character in name for character in ',"\n\r'):
            quoted = name.replace('"', '""')
            rows = rows.replace(f"{name},sha256=", f'"{quoted}",sha256=')
    return rows


def test_unusual_names_of_the_project_are_in_the_zip(project: Callable[..., Project]) -> None:
    made = project(files={**PACKAGE, **{f"orders/{name}": "odd" for name in ONE_LINE}})

    made.build()

    assert {f"orders/{name}" for name in ONE_LINE} <= made.zipped()


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("x" * 300, id="a part that no file system takes"),
        pytest.param("/".join(["x" * 250] * 40), id="a path that no system takes"),
    ],
)
def test_a_name_that_the_file_system_rejects_stops_the_build(
    name: str, index: Path, project: Callable[..., Project]
) -> None:
    write_wheel(index, good_files({name: b"odd"}))
    made = project("foo")

    shown = made.fail()

    assert "File name too long" in shown
    assert not (made.root / BUNDLE).exists()


@pytest.mark.parametrize(
    ("script", "word"),
    [
        pytest.param("../evil", "malformed", id="a way out"),
        pytest.param("/tmp/evil", "malformed", id="an absolute path"),
        pytest.param("..\\evil", "malformed", id="a backslash"),
        pytest.param("e\0vil", "entry_points.txt", id="a NUL"),
        pytest.param("x" * 300, "File name too long", id="too long"),
    ],
)
def test_a_harmful_command_name_is_rejected(
    script: str, word: str, index: Path, project: Callable[..., Project]
) -> None:
    entry_points = f"[console_scripts]\n{script} = foo:main\n".encode()
    write_wheel(index, good_files({f"{INFO}/entry_points.txt": entry_points}))
    made = project("foo")

    shown = made.fail()

    assert word in shown or "malformed" in shown
    assert not (made.root / BUNDLE).exists()


@pytest.mark.parametrize("reference", ["foo:main; import os", "foo:main\n os.system('id')", "foo:main()", "foo"])
def test_code_in_an_object_reference_is_rejected(reference: str, index: Path, bundle_of: BundleOf) -> None:
    entry_points = f"[console_scripts]\nfoo = {reference}\n".encode()
    write_wheel(index, good_files({f"{INFO}/entry_points.txt": entry_points}))

    with pytest.raises(BrokenWheelError, match="malformed"):
        bundle_of("foo")


def test_a_project_in_a_directory_with_an_unusual_name(tmp_path: Path, index: Path) -> None:
    make_sdist(index, "foo")
    make_wheel(index, "bar")
    root = tmp_path / "-my projects $(id) 注文 %41"
    made = write_project(root, f'{HOOK}requirements = ["my requirements.txt"]\n', "", PACKAGE)
    (root / "my requirements.txt").write_text("foo\nbar\n", encoding="utf-8")

    made.build(HATCH_LAMBDA_RUNTIME=HERE, HATCH_LAMBDA_PYTHON=sys.executable)

    with zipfile.ZipFile(made.dist / f"orders-1.0-{HERE}-x86_64.zip") as archive:
        assert {"foo.py", "bar.py", "orders/app.py"} <= set(archive.namelist())


def test_unzip_unpacks_unusual_names(project: Callable[..., Project], tmp_path: Path) -> None:
    if not shutil.which("unzip"):  # it is no part of Python
        pytest.skip("no unzip at hand")
    odd = [name for case, name in ODD_NAMES.items() if "line breaks" not in case and "long" not in case]
    made = project(files={**PACKAGE, **{f"orders/{name}": "odd" for name in odd}})
    made.build()

    ended = subprocess.run(
        ["unzip", "-q", str(made.zip), "-d", str(tmp_path / "task")],
        env={**os.environ, "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ended.returncode, ended.stderr) == (0, "")
    assert all((tmp_path / "task" / "orders" / name).read_text(encoding="utf-8") == "odd" for name in odd)

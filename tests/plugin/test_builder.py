"""The zips of the target `lambda`: what they hold, options of the command line, output, and reproducibility."""

from __future__ import annotations

import hashlib
import os
import random
import re
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING
from zipfile import ZipFile

import pytest
from hatchling.plugin.manager import PluginManager

from hatch_lambda.plugin.build_hook import LambdaBuildHook
from hatch_lambda.plugin.builder import LambdaBuilder
from tests.support.packages import make_sdist, make_wheel
from tests.support.projects import (
    BUNDLE,
    DIST_INFO,
    FOO,
    HOOK,
    PACKAGE,
    SDIST,
    WHEEL,
    ZIP,
    NewProject,
    write_project,
)
from tests.support.trap import Trap

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_both_plugins_are_registered_with_hatch() -> None:
    plugins = PluginManager()

    assert plugins.build_hook.get("lambda") is LambdaBuildHook
    assert plugins.builder.get("lambda") is LambdaBuilder


@pytest.mark.real_processes
def test_the_zip_holds_the_project_and_its_dependencies_and_nothing_else(new_project: NewProject, index: Path) -> None:
    make_wheel(index, "foo")
    project = new_project(project='dependencies = ["foo"]')

    project.build()

    assert set(project.in_dist()) == {ZIP}
    assert project.zipped() == {*PACKAGE, *DIST_INFO, *FOO}


@pytest.mark.quick
def test_metadata_entry_points_and_commands_work_from_the_unpacked_zip(
    new_project: NewProject, index: Path, tmp_path: Path
) -> None:
    make_wheel(index, "foo")
    project = new_project(
        project=(
            'dependencies = ["foo"]\nscripts.order = "orders.app:main"\nentry-points.shop.app = "orders.app:handler"\n'
        )
    )
    project.build()
    task = tmp_path / "task"
    with ZipFile(project.zip) as archive:
        archive.extractall(task)

    assert "Requires-Dist: foo" in (task / "orders-1.0.dist-info/METADATA").read_text(encoding="utf-8")
    assert "[shop]\napp = orders.app:handler" in (task / "orders-1.0.dist-info/entry_points.txt").read_text("utf-8")
    assert _said(task / "bin/order") == "ordered"
    ask = tmp_path / "ask.py"
    ask.write_text(
        f"import sys; sys.path.insert(0, {str(task)!r})\n"
        "from importlib.metadata import entry_points, version\n"
        "(app,) = entry_points(group='shop')\n"
        "print(version('orders'), version('foo'), app.load()('event', None))\n",
        encoding="utf-8",
    )
    assert _said(ask) == "1.0 1.0 event"


def _said(script: Path) -> str:
    return subprocess.run(
        [sys.executable, "-I", "-S", str(script)], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_a_project_without_dependencies_is_zipped_alone_and_no_pip_is_started(
    new_project: NewProject, tmp_path: Path
) -> None:
    project = new_project()
    trap = Trap(tmp_path / "trap")

    shown = project.build("-t", "lambda", **trap.variables)

    assert project.zipped() == {*PACKAGE, *DIST_INFO}
    assert "the project (2 files) and 0 distributions" in shown
    assert [event for event in trap.caught if "pip" in event] == []


@pytest.mark.quick
def test_wheel_and_zip_are_built_side_by_side(new_project: NewProject, index: Path) -> None:
    make_wheel(index, "foo")
    project = new_project(project='dependencies = ["foo"]')

    project.build("-t", "wheel", "-t", "lambda", "-t", "sdist")

    assert set(project.in_dist()) == {WHEEL, ZIP, SDIST}
    assert project.zipped() == {*PACKAGE, *DIST_INFO, *FOO}


@pytest.mark.parametrize("folder", ["out", "deep/er", "{tmp}/elsewhere"])
def test_the_zip_goes_to_the_folder_that_is_asked_for(new_project: NewProject, tmp_path: Path, folder: str) -> None:
    folder = folder.format(tmp=tmp_path)
    project = new_project()

    shown = project.build("-t", "lambda", "-d", folder)

    assert [path.name for path in (project.root / folder).iterdir()] == [ZIP]
    assert shown.splitlines()[-1].endswith(f"{folder}/{ZIP}")
    assert not project.dist.exists()


CLEANABLE_NAMES = ["{name}-{version}-{runtime}-{architecture}.zip", "{version}.zip", "VERSION-{version}.zip"]


@pytest.mark.parametrize("archive_name", CLEANABLE_NAMES)
def test_cleaning_takes_the_zips_that_builds_of_this_project_and_target_made_and_nothing_else(
    new_project: NewProject, index: Path, archive_name: str
) -> None:
    make_wheel(index, "foo")
    target = f'[tool.hatch.build.targets.lambda]\narchive-name = "{archive_name}"\nreport = true\n'
    project = new_project(HOOK + target, project='dependencies = ["foo"]')
    pyproject = project.root / "pyproject.toml"
    current = pyproject.read_text()
    pyproject.write_text(current.replace('"1.0"', '"0.9"'))
    project.build("-t", "lambda")
    former = set(project.in_dist())
    pyproject.write_text(current)
    project.build("-t", "lambda", "-t", "wheel", "-t", "sdist")
    ours = set(project.in_dist()) - former
    others = {
        "orders-0.8-python3.13-x86_64.zip",
        "orders-1.0-python3.12-x86_64.zip",
        "others-1.0-python3.13-x86_64.zip",
        "VERSION-2.zip",
        "VERSION.zip",
        "2.zip",
        "notes.zip",
        "orders-0.8-python3.13-x86_64.html",
    }
    for name in others:
        project.dist.joinpath(name).write_bytes(b"")

    project.build("-t", "lambda", "-c")

    assert len(former) == 2
    assert set(project.in_dist()) == {*ours, *others}


def test_cleaning_removes_nothing_that_a_damaged_or_foreign_record_names(new_project: NewProject) -> None:
    project = new_project()
    project.build()
    (record,) = project.root.joinpath(".hatch/lambda/.zips").iterdir()
    keep, other = project.root / "keep.zip", project.dist / "orders.zip"
    keep.write_bytes(b"")
    other.write_bytes(b"")
    for number, content in enumerate(
        [
            *("", "[]", "{}", '{"files": ["\\u0000/x"]}', '{"files": ["dist/orders.zip"], "version": 1, "target": 1}'),
            record.read_text().replace(f"dist/{ZIP}", "keep.zip"),
        ]
    ):
        record.with_name(f"{number}.json").write_text(content)

    project.build("-t", "lambda", "--clean-only")

    assert keep.exists()
    assert set(project.in_dist()) == {other.name}


def make_file(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("make", [make_file, getattr(os, "mkfifo", make_file), lambda path: path.symlink_to("nowhere")])
@pytest.mark.parametrize("name", [".zips", "api", "api/python3.13-x86_64"])
def test_anything_else_in_place_of_a_directory_is_replaced(
    new_project: NewProject, name: str, make: Callable[[Path], None]
) -> None:
    project = new_project(f"{HOOK}[tool.hatch.build.hooks.lambda.functions.api]\n")
    place = project.root / ".hatch/lambda" / name
    place.parent.mkdir(parents=True)
    make(place)

    project.build()

    assert place.is_dir()
    assert len(list(project.root.glob(".hatch/lambda/.zips/*.json"))) == 1


def test_cleaning_only_leaves_neither_zip_nor_bundle_of_this_target(new_project: NewProject, index: Path) -> None:
    make_wheel(index, "foo")
    project = new_project(project='dependencies = ["foo"]')
    project.build("-t", "lambda", "-t", "wheel")
    project.build("-t", "lambda", HATCH_LAMBDA_ARCHITECTURE="arm64")
    assert (project.root / BUNDLE).is_dir()

    project.build("-t", "lambda", "--clean-only")

    assert set(project.in_dist()) == {WHEEL, "orders-1.0-python3.13-arm64.zip"}
    assert sorted(path.name for path in project.root.joinpath(".hatch", "lambda").iterdir()) == [
        ".gitignore",
        ".zips",
        "python3.13-arm64",
    ]


def test_cleaning_takes_the_zips_of_functions_that_are_no_longer_configured(new_project: NewProject) -> None:
    table = "[tool.hatch.build.hooks.lambda.functions.{}]\n"
    target = "[tool.hatch.build.targets.lambda]\nreport = true\n"
    a, b, c = map(table.format, "abc")
    project = new_project(f"{HOOK}{a}{b}{c}{target}")
    project.build()
    assert len(project.in_dist()) == 6
    new_project(f"{HOOK}{a}{b}{target}")

    project.build("-c", "-t", "lambda:a")
    assert len(project.in_dist()) == 6

    project.build("-c", "-t", "lambda")
    assert {name.split("-")[2] for name in project.in_dist()} == {"a", "b"}

    new_project(HOOK)
    project.build("-c", "-t", "lambda")
    assert set(project.in_dist()) == {ZIP}


def test_cleaning_the_wheel_leaves_zip_and_bundle(new_project: NewProject, index: Path) -> None:
    make_wheel(index, "foo")
    project = new_project(project='dependencies = ["foo"]')
    project.build("-t", "lambda", "-t", "wheel")

    project.build("-t", "wheel", "--clean-only")

    assert set(project.in_dist()) == {ZIP}
    assert (project.root / BUNDLE / "foo.py").is_file()


def test_cleaning_only_needs_no_table(new_project: NewProject) -> None:
    new_project().build()
    project = new_project("")
    project.dist.joinpath("orders-0.9-python3.13-x86_64.zip").write_bytes(b"of somebody else")

    project.build("-t", "lambda", "--clean-only")

    assert set(project.in_dist()) == {"orders-0.9-python3.13-x86_64.zip"}


def test_the_hooks_alone_lay_the_bundle_out_and_write_no_zip(new_project: NewProject, index: Path) -> None:
    make_wheel(index, "foo")
    project = new_project(project='dependencies = ["foo"]')

    shown = project.build("-t", "lambda", "--hooks-only")

    assert project.in_dist() == {}
    bundle = project.root / BUNDLE
    assert {path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file()} == FOO
    assert "  8 unpack" in shown


def test_bundles_may_be_cleaned_after_the_build(new_project: NewProject, index: Path) -> None:
    make_wheel(index, "foo")
    project = new_project(project='dependencies = ["foo"]')

    project.build("-t", "lambda", "--clean-hooks-after")

    assert set(project.in_dist()) == {ZIP}
    assert not (project.root / BUNDLE).exists()


def test_without_its_hook_the_target_says_that_it_needs_it(new_project: NewProject) -> None:
    shown = new_project().fail("-t", "lambda", "--no-hooks")

    assert "requires the `lambda` build hook, but hooks are disabled" in shown


def test_an_unknown_version_is_refused_with_the_one_there_is(new_project: NewProject) -> None:
    shown = new_project().fail("-t", "lambda:layers")

    assert "`layers`" in shown
    assert "`function`" in shown


def test_the_version_may_be_named(new_project: NewProject) -> None:
    project = new_project()

    project.build("-t", "lambda:function")

    assert project.zipped() == {*PACKAGE, *DIST_INFO}


@pytest.mark.quick
def test_the_target_comes_first_then_a_line_a_stage_then_the_sizes_beside_the_limits(
    new_project: NewProject, index: Path
) -> None:
    make_wheel(index, "foo")
    project = new_project(project='dependencies = ["foo"]')

    lines = project.build().splitlines()

    assert lines[0] == "Bundle for python3.13 on x86_64 (Amazon Linux 2023, glibc 2.34)"
    stages = [re.fullmatch(r"  (\d) (.+?) {2,}(.+?) +\d+\.\d s|  (\d) (.+)", line) for line in lines[1:10]]
    assert [stage[1] for stage in stages if stage] == [*"123456789"]
    assert f"{ZIP}: the project (2 files) and 1 distribution" in lines
    zipped, unzipped = (next(line for line in lines if line.strip().startswith(word)) for word in ("zipped", "unzip"))
    assert f"{project.zip.stat().st_size / 1024:.1f} kB of 50.0 MB" in zipped
    with ZipFile(project.zip) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    assert f"{size / 1024:.1f} kB of 250.0 MB" in unzipped
    assert lines[-1] == f"dist/{ZIP}"
    assert "Successfully downloaded" not in "".join(lines)


@pytest.mark.quick
def test_quiet_means_nothing_but_errors(new_project: NewProject, index: Path) -> None:
    project = new_project(project='dependencies = ["foo"]')

    shown = project.fail("-t", "lambda", HATCH_QUIET="1")

    assert shown.startswith("The dependencies of orders cannot be resolved")
    make_wheel(index, "foo")
    assert project.build("-t", "lambda", HATCH_QUIET="1") == ""


def test_verbose_shows_the_words_of_pip(new_project: NewProject, index: Path) -> None:
    make_wheel(index, "foo")
    project = new_project(project='dependencies = ["foo"]')

    shown = project.build("-t", "lambda", HATCH_VERBOSE="1")

    assert f"Looking in links: {index}" in shown
    assert "Successfully downloaded foo" in shown


def test_a_zip_that_lambda_would_refuse_is_not_made_and_the_largest_in_it_are_named(
    new_project: NewProject, index: Path
) -> None:
    pattern = random.Random(1).randbytes(500)
    for number in range(12):
        make_wheel(index, f"part{number:02}", files={f"part{number:02}/data.bin": pattern * 44_000 + bytes(number)})
    names = [f"part{number:02}" for number in range(12)]
    project = new_project(project=f"dependencies = {names}")

    shown = project.fail("-t", "lambda")

    assert "The zip would have 251.8 MB unzipped" in shown
    assert "Lambda's limit is 250.0 MB, layers included" in shown
    assert re.findall(r"MB  (part\d+) 1\.0", shown) == sorted(names, reverse=True)[:10]

    pyproject = project.root / "pyproject.toml"
    text = pyproject.read_text(encoding="utf-8").replace(HOOK, f'{HOOK}exclude = ["data.bin"]\n', 1)
    pyproject.write_text(text, encoding="utf-8")
    assert "Reusing the resolution" in project.build("-t", "lambda")


def test_files_that_often_hold_secrets_are_named(new_project: NewProject) -> None:
    secret = "--index-url https://bob:hunter2@index.example/simple"
    extra = {".env": "A=1", "server.pem": "x", "requirements.txt": secret, "requirements-dev.txt": "a", "key.py": ""}
    project = new_project(files={**PACKAGE, **{f"orders/{name}": text for name, text in extra.items()}})

    shown = project.build("-t", "lambda")

    (warning,) = [line for line in shown.splitlines() if "secrets" in line]
    assert warning.endswith(": orders/.env, orders/requirements.txt, orders/server.pem")
    assert "hunter2" not in shown


@pytest.mark.slow
def test_the_zip_is_the_same_in_another_folder_under_another_umask_time_zone_and_hash_seed(tmp_path: Path) -> None:
    def build(place: str, *, umask: int, mode: int, **variables: str) -> str:
        folder = tmp_path / place
        make_wheel(
            folder / "index", "foo", files={"foo.py": "", "foo/tool.sh": "#!/bin/sh\n"}, executables=["foo/tool.sh"]
        )
        make_sdist(folder / "index", "bar")
        project = write_project(
            folder / "project", HOOK, 'dependencies = ["foo", "bar"]\nscripts.order = "orders.app:main"', PACKAGE
        )
        for path in project.root.rglob("*.py"):
            path.chmod(mode)
            os.utime(path, (mode, 1_700_000_000 + mode))
        project = replace(project, umask=umask)
        project.build(PIP_FIND_LINKS=str(folder / "index"), HATCH_LAMBDA_PYTHON=sys.executable, **variables)
        return hashlib.sha256(project.zip.read_bytes()).hexdigest()

    first = build("here", umask=0o022, mode=0o644, TZ="UTC", PYTHONHASHSEED="1", LC_ALL="C.UTF-8")
    second = build("over/there", umask=0o077, mode=0o600, TZ="Asia/Tokyo", PYTHONHASHSEED="2", LC_ALL="C")

    assert first == second


def test_the_compression_level_holds_for_the_projects_files_and_bytecode_but_not_for_wheels(
    new_project: NewProject, index: Path
) -> None:
    text = "".join(f"X{number % 97} = {number * number}\n" for number in range(4_000))
    make_wheel(index, "foo", files={"foo.py": text})
    runtime = "python{}.{}".format(*sys.version_info)
    project = new_project(
        f'[tool.hatch.build.hooks.lambda]\nruntime = "{runtime}"\ncompile-bytecode = true\n'
        f'[tool.hatch.build.targets.lambda]\narchive-name = "{ZIP}"\n',
        project='dependencies = ["foo"]',
        files={**PACKAGE, "orders/data.py": text},
    )
    pyproject = project.root / "pyproject.toml"
    without = pyproject.read_text()

    def sizes(level: int | None) -> list[int]:
        """Compressed, of: a dependency's module, the project's, the bytecode of either."""
        pyproject.write_text(without + (f"compression-level = {level}\n" if level is not None else ""))
        project.build()
        tag = sys.implementation.cache_tag
        names = ("foo.py", "orders/data.py", f"__pycache__/foo.{tag}.pyc", f"orders/__pycache__/data.{tag}.pyc")
        with ZipFile(project.zip) as archive:
            entries = [archive.getinfo(name) for name in names]
        assert all(entry.compress_size == entry.file_size for entry in entries[1:]) == (level == 0)
        return [entry.compress_size for entry in entries]

    usual, best, none = sizes(6), sizes(9), sizes(0)

    assert usual == sizes(None)
    assert usual[0] == best[0] == none[0]
    assert all(one != other for one, other in zip(usual[1:], best[1:], strict=True))


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_the_zip_has_the_mode_of_any_new_file(new_project: NewProject, umask: int) -> None:
    project = replace(new_project(), umask=umask)

    project.build()

    assert project.zip.stat().st_mode & 0o777 == 0o666 & ~umask


@pytest.mark.parametrize(
    ("epoch", "expected"),
    [
        pytest.param(None, (2020, 2, 2, 0, 0, 0), id="Hatch's own"),
        pytest.param("1700000000", (2023, 11, 14, 22, 13, 20), id="given"),
        pytest.param("0", (1980, 1, 1, 0, 0, 0), id="older than zips"),
    ],
)
def test_all_times_are_that_of_the_source(
    new_project: NewProject, index: Path, epoch: str | None, expected: tuple[int, ...]
) -> None:
    make_wheel(index, "foo")
    project = new_project(project='dependencies = ["foo"]')

    project.build(**({"SOURCE_DATE_EPOCH": epoch} if epoch else {}))

    with ZipFile(project.zip) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {expected}

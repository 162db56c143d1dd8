"""A zip that the same inputs gave already is not written again; one that was touched since is."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common.files import looks_of
from hatch_lambda.plugin import made_zips
from hatch_lambda.plugin.builder import LambdaBuilder
from tests.support.packages import make_wheel
from tests.support.projects import HOOK, PACKAGE, NewProject, Project

if TYPE_CHECKING:
    from collections.abc import Callable

CONTENT = b"a zip" * 100


def is_written(
    root: Path,
    *,
    key: str = "key",
    content: bytes = CONTENT,
    target: str = "python3.13-x86_64",
    between: Callable[[], object] = lambda: None,
) -> bool:
    """Make `dist/orders.zip` as a build does; return whether it had to be written. `between`: called before its end."""
    zip_file = root / "dist" / "orders.zip"
    zip_file.parent.mkdir(exist_ok=True)
    with made_zips.note(root / "built", root, [zip_file], version="function", target=target, key=key) as moment:
        if moment is not None:
            write(zip_file, content, moment)
            between()
    return moment is not None


def write(zip_file: Path, content: bytes, moment: int) -> None:
    fresh = zip_file.with_name("fresh")
    fresh.write_bytes(content)
    os.utime(fresh, ns=(moment, moment))
    fresh.replace(zip_file)


def _fail_after(content: bytes, zip_file: Path) -> None:
    if content:
        zip_file.write_bytes(content)
    raise OSError("full")


def edited(zip_file: Path) -> None:
    """Another byte in the middle, and the time as it was."""
    status = zip_file.stat()
    with zip_file.open("r+b") as file:
        file.seek(50)
        file.write(b"X")
    os.utime(zip_file, ns=(status.st_atime_ns, status.st_mtime_ns))


def replaced(zip_file: Path) -> None:
    other = zip_file.with_name("other")
    shutil.copy2(zip_file, other)
    other.replace(zip_file)


def linked(zip_file: Path) -> None:
    zip_file.rename(zip_file.with_name("elsewhere"))
    zip_file.symlink_to("elsewhere")


def edited_through_another_name(zip_file: Path) -> None:
    other = zip_file.with_name("other")
    other.hardlink_to(zip_file)
    edited(other)
    other.unlink()


TOUCHES: list[Callable[[Path], object]] = [
    edited,
    replaced,
    linked,
    edited_through_another_name,
    lambda path: os.truncate(path, 20),
    lambda path: path.write_bytes(CONTENT),
    lambda path: path.chmod(0o600),
    lambda path: path.touch(),
    lambda path: path.unlink(),
]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no time of the last change that Python knows")
class TestRecords:
    def test_a_zip_is_written_once_for_the_same_key(self, tmp_path: Path) -> None:
        assert [is_written(tmp_path), is_written(tmp_path), is_written(tmp_path)] == [True, False, False]
        assert [is_written(tmp_path, key="other"), is_written(tmp_path), is_written(tmp_path)] == [True, True, False]
        assert is_written(tmp_path, target="python3.13-arm64")

    @pytest.mark.parametrize("touch", TOUCHES)
    def test_a_zip_that_was_touched_is_written_again(self, tmp_path: Path, touch: Callable[[Path], object]) -> None:
        is_written(tmp_path)

        touch(tmp_path / "dist" / "orders.zip")

        assert is_written(tmp_path)
        assert (tmp_path / "dist" / "orders.zip").read_bytes() == CONTENT
        assert not (tmp_path / "dist" / "orders.zip").is_symlink()

    def test_a_change_within_the_same_tick_of_the_clock_is_noticed(self, tmp_path: Path) -> None:
        for _ in range(200):
            is_written(tmp_path)
            with (tmp_path / "dist" / "orders.zip").open("r+b") as file:
                file.write(b"X")
            assert is_written(tmp_path)

    def test_a_zip_of_another_build_at_the_same_time_is_not_taken_for_its_own(self, tmp_path: Path) -> None:
        """Of another target, with an `archive-name` that does not tell them apart."""

        def other() -> None:
            assert is_written(tmp_path, target="python3.13-arm64", key="other", content=b"another")

        is_written(tmp_path, between=other)
        assert (tmp_path / "dist" / "orders.zip").read_bytes() == b"another"

        assert is_written(tmp_path)
        assert (tmp_path / "dist" / "orders.zip").read_bytes() == CONTENT

    def test_what_a_link_leads_to_is_left_alone(self, tmp_path: Path) -> None:
        theirs = tmp_path / "theirs.zip"
        theirs.write_bytes(b"theirs")
        before = theirs.stat()
        (tmp_path / "dist").mkdir()
        (tmp_path / "dist" / "orders.zip").symlink_to(theirs)

        assert is_written(tmp_path)

        assert theirs.stat().st_mtime_ns == before.st_mtime_ns
        assert theirs.read_bytes() == b"theirs"
        assert is_written(tmp_path)
        assert not is_written(tmp_path)

    @pytest.mark.parametrize("record", ["", "[]", "{}", "[" * 100_000, '{"key": "key"}', "\0"])
    def test_a_damaged_record_proves_nothing(self, tmp_path: Path, record: str) -> None:
        is_written(tmp_path)
        (path,) = (tmp_path / "built" / ".zips").iterdir()

        path.write_text(record)

        assert is_written(tmp_path)
        assert not is_written(tmp_path)

    def test_a_failure_leaves_no_record_that_the_former_zip_is_of_the_new_key(self, tmp_path: Path) -> None:
        is_written(tmp_path)

        with (
            pytest.raises(OSError, match="full"),
            made_zips.note(
                *(tmp_path / "built", tmp_path, [tmp_path / "dist" / "orders.zip"]),
                version="function",
                target="python3.13-x86_64",
                key="new",
            ),
        ):
            raise OSError("full")

        assert is_written(tmp_path, key="new")

    @pytest.mark.parametrize(
        ("content", "records"), [pytest.param(CONTENT, 1, id="yes"), pytest.param(b"", 0, id="no")]
    )
    def test_a_first_failure_leaves_a_record_of_a_zip_that_was_written(
        self, tmp_path: Path, content: bytes, records: int
    ) -> None:
        zip_file, report = tmp_path / "orders.zip", tmp_path / "orders.html"
        zip_file.write_bytes(b"not ours")
        record = made_zips.note(
            tmp_path / "built", tmp_path, [zip_file, report], version="function", target="python3.13-arm64", key="key"
        )

        with pytest.raises(OSError, match="full"), record:
            _fail_after(content, zip_file)

        assert len(list((tmp_path / "built" / ".zips").iterdir())) == records

    @pytest.mark.parametrize(
        ("step", "same"),
        [pytest.param(10**9, "", id="of seconds"), pytest.param(1, "mtime", id="whose ctime is the mtime")],
    )
    def test_a_file_system_that_cannot_tell_a_change_is_not_relied_on(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int, same: str
    ) -> None:
        real = looks_of  # no such file system is here

        def coarse(path: Path) -> list[int]:
            size, modified, changed, *rest = real(path) or [0, 0, 0]
            modified -= modified % step
            return [size, modified, modified if same == "mtime" else changed, *rest]

        monkeypatch.setattr("hatch_lambda.plugin.made_zips.looks_of", coarse)

        assert is_written(tmp_path)
        assert is_written(tmp_path)


def build(project: Project) -> set[str]:
    """Build, and return the names of the zips that were written."""
    before = {path: path.stat() for path in project.dist.glob("*.zip")}
    paths = map(Path, LambdaBuilder(str(project.root)).build())
    return {path.name.split("-")[2] for path in paths if path not in before or path.stat() != before[path]}


def with_setting(project: Project, table: str, line: str) -> None:
    path = project.root / "pyproject.toml"
    head = f"[tool.hatch.build.{table}]\n"
    assert head in path.read_text()
    path.write_text(path.read_text().replace(head, f"{head}{line}\n"))


FUNCTIONS = f"""{HOOK}
[tool.hatch.build.hooks.lambda.functions.api]
dependency-groups = ["api"]
include = ["/orders/__init__.py", "/orders/app.py", "/orders/api.py"]
[tool.hatch.build.hooks.lambda.functions.jobs]
include = ["/orders/__init__.py", "/orders/app.py", "/orders/jobs.py"]
[tool.hatch.build.targets.lambda]
"""
FILES = {**PACKAGE, "orders/api.py": "def handler(event, context): ...\n", "orders/jobs.py": "def handler(e, c): ...\n"}


@pytest.fixture
def project(new_project: NewProject, index: Path) -> Project:
    """Two functions that were built, of which one has a dependency."""
    make_wheel(index, "foo")
    project = new_project(f'{FUNCTIONS}\n[dependency-groups]\napi = ["foo"]\n', files=FILES)
    assert build(project) == {"api", "jobs"}
    return project


@pytest.mark.skipif(os.name == "nt", reason="there, all are written")
class TestBuilds:
    def test_only_the_function_whose_module_has_changed_is_written(
        self, project: Project, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert build(project) == set()
        with project.root.joinpath("orders/api.py").open("a") as module:
            module.write("# another line\n")
        capsys.readouterr()

        assert build(project) == {"api"}

        shown = capsys.readouterr().err.splitlines()
        assert "orders-1.0-api-python3.13-x86_64.zip: the project (3 files) and 1 distribution" in shown
        assert "orders-1.0-jobs-python3.13-x86_64.zip: the project (3 files) and 0 distributions, unchanged" in shown
        incremental = project.in_dist()
        shutil.rmtree(project.dist)
        assert build(project) == {"api", "jobs"}
        assert project.in_dist() == incremental

    @pytest.mark.parametrize(
        "line",
        [
            "compression-level = 9",
            "report = true",
            "handler = 'orders.app.handler'",
            "archive-name = '{name}-{version}-{variant}-.zip'",
        ],
    )
    def test_all_are_written_after_a_change_of_the_target(self, project: Project, line: str) -> None:
        with_setting(project, "targets.lambda", line)

        assert build(project) == {"api", "jobs"}
        assert build(project) == set()

    @pytest.mark.parametrize(
        "line", ["exclude = ['foo.py']", "handler = 'orders.api.handler'", "provided = ['foo']", "prune = ['stubs']"]
    )
    def test_a_function_is_written_after_a_change_of_its_table(self, project: Project, line: str) -> None:
        with_setting(project, "hooks.lambda.functions.api", line)

        assert build(project) == {"api"}
        assert build(project) == set()

    def test_all_are_written_for_another_time(self, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SOURCE_DATE_EPOCH", "1600000000")

        assert build(project) == {"api", "jobs"}

    def test_the_mode_of_a_file_counts(self, project: Project) -> None:
        project.root.joinpath("orders/jobs.py").chmod(0o755)

        assert build(project) == {"jobs"}

    @pytest.mark.parametrize("touch", [edited, Path.unlink])
    @pytest.mark.parametrize("suffix", [".html", ".cdx.json"])
    def test_what_is_next_to_a_zip_counts(self, project: Project, suffix: str, touch: Callable[[Path], object]) -> None:
        with_setting(project, "targets.lambda", "report = true\nsbom = true")
        assert build(project) == {"api", "jobs"}
        assert build(project) == set()
        former = project.in_dist()

        touch(project.dist / f"orders-1.0-jobs-python3.13-x86_64{suffix}")

        assert build(project) == {"jobs"}
        assert project.in_dist() == former

    def test_what_was_done_to_a_zip_does_not_stay(self, project: Project) -> None:
        zips = project.in_dist()
        edited(project.dist / "orders-1.0-api-python3.13-x86_64.zip")

        assert build(project) == {"api"}
        assert project.in_dist() == zips

    def test_a_dependency_of_another_content_counts(self, project: Project, index: Path) -> None:
        make_wheel(index, "foo", "2.0")
        shutil.rmtree(project.root / ".hatch/lambda/api")

        assert build(project) == {"api"}

    def test_records_are_of_one_project_wherever_it_is(self, project: Project) -> None:
        records = list(project.root.glob(".hatch/lambda/.zips/*.json"))

        assert len(records) == 2
        assert {json.loads(record.read_text())["files"][0] for record in records} == {
            "dist/orders-1.0-api-python3.13-x86_64.zip",
            "dist/orders-1.0-jobs-python3.13-x86_64.zip",
        }

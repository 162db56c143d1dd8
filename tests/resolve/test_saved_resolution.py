"""What a build takes over from earlier ones: the resolution, the wheels, the bundle's files, and compressed bytes."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import itertools
import json
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import time
import tracemalloc
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from packaging.pylock import PackageArchive, PackageDirectory, PackageSdist, PackageVcs, PackageWheel, Pylock
from packaging.utils import parse_wheel_filename

from hatch_lambda import pipeline
from hatch_lambda.bundle import unpack as unpack_stage
from hatch_lambda.bundle.assemble import assemble
from hatch_lambda.bundle.files import union
from hatch_lambda.common.errors import BrokenWheelError, ResolutionError
from hatch_lambda.common.interpreters import Interpreter
from hatch_lambda.common.process import Completed
from hatch_lambda.common.target import ARCHITECTURES, RUNTIMES, Target
from hatch_lambda.common.tempfiles import marked
from hatch_lambda.common.ui import Reporter
from hatch_lambda.config.request import Job, Request
from hatch_lambda.config.settings import load
from hatch_lambda.resolve import build as build_stage
from hatch_lambda.resolve import fingerprint
from hatch_lambda.resolve.build import build
from hatch_lambda.resolve.closure import Closure, Distribution, Origins, Sdist, Wheel
from hatch_lambda.resolve.pip import process
from hatch_lambda.resolve.toolchains import HostCompilers, NoCompilers
from hatch_lambda.wheels import store as store_module
from hatch_lambda.wheels.compatibility import Verdict
from hatch_lambda.wheels.layout import lay_out
from hatch_lambda.wheels.loadable import UnfitMachineCodeError
from hatch_lambda.wheels.members import BundleFile, Text
from hatch_lambda.wheels.store import PART, Store, WantedWheel
from hatch_lambda.zip import writer
from tests.support.elf import make_elf
from tests.support.packages import make_sdist, make_source_tree, make_wheel, record
from tests.support.simple_index import json_page

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from hatch_lambda.bundle.files import Bundle
    from hatch_lambda.config.settings import Settings
    from tests.support.recording_ui import RecordingUI
    from tests.support.simple_index import SimpleIndex

    BundleOf = Callable[..., Bundle]

# Sdists are built by the running interpreter, so that no other one has to be found.
HERE = "python{}.{}".format(*sys.version_info)
ANOTHER = "python3.13" if HERE != "python3.13" else "python3.12"
TARGET = Target(RUNTIMES["python3.13"], ARCHITECTURES["x86_64"])
REUSED = re.compile(r"^  resolution of \d{4}-\d\d-\d\d reused; `-c` resolves anew$", re.MULTILINE)
DAY = 24 * 60 * 60
COMPRESSIBLE = b"import this\n" * 500


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def age(path: Path, days: float) -> None:
    moment = time.time() - days * DAY
    os.utime(path, (moment, moment))


def raising(error: BaseException) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def request_for(root: Path, requirements: Sequence[str], table: Mapping[str, object]) -> Request:
    """As the build hook asks: with a state folder."""
    settings = load({"runtime": "python3.13", **table}, root, environ={})
    return Request(
        settings,
        settings.bundle_directory,
        subject="orders",
        requirements=tuple(requirements),
        state=settings.target_directory,
    )


@pytest.fixture
def bundle_with_state(index: Path, project_root: Path, ui: RecordingUI) -> BundleOf:
    """As conftest's `bundle_of`, with the real pip, and with what earlier builds have left."""
    del index

    def run(*requirements: str, root: Path = project_root, **table: object) -> Bundle:
        table = {key.replace("_", "-"): value for key, value in table.items()}
        return pipeline.run(request_for(root, requirements, table), Reporter(ui))

    return run


@pytest.fixture
def no_process(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From the call on, whatever starts a program or asks the network fails."""

    def refuse(*args: object, **_: object) -> None:
        pytest.fail(f"started or asked: {args}")

    def forbid() -> None:
        monkeypatch.setattr(subprocess.Popen, "__init__", refuse)
        monkeypatch.setattr(socket.socket, "connect", refuse)

    return forbid


def closure_of(wheels: Iterable[Path]) -> Closure:
    """As stage 7 leaves it, of wheels from an index."""
    return Closure(tuple(sorted(map(distribution_of, wheels), key=lambda found: found.name)))


def distribution_of(wheel: Path) -> Distribution:
    name, version, *_ = parse_wheel_filename(wheel.name)
    return Distribution(
        name=name,
        version=version,
        requires=(),
        extras=frozenset(),
        requested=True,
        direct=False,
        allowed_hashes=(),
        wheels=(Wheel(wheel, "downloaded", Verdict(compatible=True, reason="fits"), wheel.as_uri()),),
        source=None,
    )


@dataclass
class Situation:
    """A project whose resolution comes to `wheels`: pip's part is played, and what counts is whether it is asked."""

    root: Path
    tmp: Path
    ui: RecordingUI
    monkeypatch: pytest.MonkeyPatch
    wheels: list[Path]
    requirements: list[str] = field(default_factory=lambda: ["foo"])
    table: dict[str, object] = field(default_factory=dict)
    resolved: int = 0

    def __post_init__(self) -> None:
        self.monkeypatch.setattr(pipeline, "resolve", self._resolve)

    def _resolve(self, *_: object, **__: object) -> Closure:
        self.resolved += 1
        return closure_of(self.wheels)

    def build(self) -> Bundle:
        return pipeline.run(request_for(self.root, self.requirements, self.table), Reporter(self.ui))

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def setenv(self, name: str, value: str | Path) -> None:
        self.monkeypatch.setenv(name, str(value))

    @property
    def state(self) -> Path:
        return load({"runtime": "python3.13", **self.table}, self.root, environ={}).target_directory


@pytest.fixture
def situation(project_root: Path, tmp_path: Path, ui: RecordingUI, monkeypatch: pytest.MonkeyPatch) -> Situation:
    return Situation(project_root, tmp_path, ui, monkeypatch, [make_wheel(tmp_path / "wheels", "foo")])


# --- What a resolution depends on: each story prepares, pauses while it is built, and changes one thing ---


def requirement_text(now: Situation) -> Iterator[None]:
    yield
    now.requirements = ["foo>=1"]


def further_requirement(now: Situation) -> Iterator[None]:
    yield
    now.requirements = ["foo", "foo>=1"]


def requirements_file(now: Situation) -> Iterator[None]:
    now.write("requirements.txt", "foo\n")
    now.table["requirements"] = ["requirements.txt"]
    yield
    now.write("requirements.txt", "foo>=1\n")


def another_requirements_file(now: Situation) -> Iterator[None]:
    now.write("requirements.txt", "foo\n")
    yield
    now.table["requirements"] = ["requirements.txt"]


def included(line: str, name: str) -> Callable[[Situation], Iterator[None]]:
    """A file that the requirements file includes, at a path relative to that."""

    def story(now: Situation) -> Iterator[None]:
        now.write("requirements/lambda.txt", f"# the function's\n{line}\nfoo\n")
        now.write(f"requirements/{name}", "foo\n")
        now.table["requirements"] = ["requirements/lambda.txt"]
        yield
        now.write(f"requirements/{name}", "foo<2\n")

    return story


def included_by_what_is_included(now: Situation) -> Iterator[None]:
    now.write("requirements.txt", "-r deep/one.txt\n")
    now.write("deep/one.txt", "-c deeper/two.txt\nfoo\n")
    now.write("deep/deeper/two.txt", "foo<3\n")
    now.table["requirements"] = ["requirements.txt"]
    yield
    now.write("deep/deeper/two.txt", "foo<2\n")


def constraints_file(now: Situation) -> Iterator[None]:
    now.write("constraints.txt", "foo<3\n")
    now.table["constraints"] = ["constraints.txt"]
    yield
    now.write("constraints.txt", "foo<2\n")


def included_by_a_constraints_file(now: Situation) -> Iterator[None]:
    now.write("constraints.txt", "-c more.txt\n")
    now.write("more.txt", "foo<3\n")
    now.table["constraints"] = ["constraints.txt"]
    yield
    now.write("more.txt", "foo<2\n")


def variable_in_a_requirements_file(now: Situation) -> Iterator[None]:
    # pip puts `${NAME}` in
    now.write("requirements.txt", "foo<${FOO_BELOW}\n")
    now.table["requirements"] = ["requirements.txt"]
    now.setenv("FOO_BELOW", "3")
    yield
    now.setenv("FOO_BELOW", "2")


def setting(key: str, before: object, after: object) -> Callable[[Situation], Iterator[None]]:
    def story(now: Situation) -> Iterator[None]:
        if before is not None:
            now.table[key] = before
        yield
        now.table[key] = after

    return story


def variable(name: str, before: str | None, after: str) -> Callable[[Situation], Iterator[None]]:
    def story(now: Situation) -> Iterator[None]:
        if before is None:
            now.monkeypatch.delenv(name, raising=False)
        else:
            now.setenv(name, before)
        yield
        now.setenv(name, after)

    return story


def content_of_the_configuration(now: Situation) -> Iterator[None]:
    file = now.write("pip.conf", "[global]\nprefer-binary = true\n")
    now.setenv("PIP_CONFIG_FILE", file)
    yield
    now.write("pip.conf", "[global]\nprefer-binary = true\npre = true\n")


def configuration_of_the_user(now: Situation) -> Iterator[None]:
    now.monkeypatch.delenv("PIP_CONFIG_FILE")
    now.setenv("HOME", now.tmp / "home")
    yield
    now.write(str(now.tmp / "home/.pip/pip.conf"), "[global]\npre = true\n")


def configuration_of_the_environment(now: Situation) -> Iterator[None]:
    now.monkeypatch.delenv("PIP_CONFIG_FILE")
    now.monkeypatch.setattr(sys, "prefix", str(now.tmp / "environment"))
    yield
    now.write(str(now.tmp / "environment/pip.conf"), "[global]\npre = true\n")


def named_in_the_configuration(now: Situation) -> Iterator[None]:
    file = now.write("pip.conf", f"[global]\nfind-links =\n    {now.tmp / 'vendor'}\n")
    now.setenv("PIP_CONFIG_FILE", file)
    make_wheel(now.tmp / "vendor", "foo")
    yield
    make_wheel(now.tmp / "vendor", "foo", "2.0")


def constraint_of_the_configuration(now: Situation) -> Iterator[None]:
    constraints = now.write("of-the-company.txt", "foo<3\n")
    now.setenv("PIP_CONFIG_FILE", now.write("pip.conf", f"[install]\nconstraint = {constraints}\n"))
    yield
    now.write("of-the-company.txt", "foo<2.0\n")


def linked_folder(where: str, spelled: str, folder: str) -> Callable[[Situation], Iterator[None]]:
    """A new wheel in a `--find-links` folder below the project's root. `{}` in what is written is its whole path."""

    def story(now: Situation) -> Iterator[None]:
        now.setenv("HOME", now.root)
        make_wheel(now.root / folder, "foo")
        text = spelled.format(now.root / folder)
        if where == "pip-args":
            now.table["pip-args"] = [text] if text.startswith("--find-links=") else ["--find-links", text]
        elif where == "file":
            now.write("requirements/lambda.txt", f"--find-links {text}\nfoo\n")
            now.table["requirements"] = ["requirements/lambda.txt"]
        else:
            now.setenv(where, text)
        yield
        make_wheel(now.root / folder, "foo", "2.0")

    return story


def argument_file(*arguments: str) -> Callable[[Situation], Iterator[None]]:
    def story(now: Situation) -> Iterator[None]:
        now.write("pins.txt", "foo<3\n")
        now.table["pip-args"] = list(arguments)
        yield
        now.write("pins.txt", "foo<2.0\n")

    return story


def constraint_by_variable(now: Situation) -> Iterator[None]:
    now.write("pins.txt", "foo<3\n")
    now.setenv("PIP_CONSTRAINT", "pins.txt")
    yield
    now.write("pins.txt", "foo<2.0\n")


def included_by_the_constraint_of_a_variable(now: Situation) -> Iterator[None]:
    now.setenv("PIP_CONSTRAINT", now.write("pins/all.txt", "-c foo.txt\n"))
    now.write("pins/foo.txt", "foo<3\n")
    yield
    now.write("pins/foo.txt", "foo<2\n")


def source_folder(file: str, spelled: str = "foo @ file://{}") -> Callable[[Situation], Iterator[None]]:
    """A file of a local project that is depended on."""

    def story(now: Situation) -> Iterator[None]:
        tree = make_source_tree(now.tmp / "libs" / "foo", "foo")
        path = now.write(str(tree / file), "X = 1\n")
        if spelled.startswith(("-", ".")):
            now.write("requirements.txt", spelled.format(tree) + "\n")
            now.table["requirements"] = ["requirements.txt"]
        else:
            now.requirements = [spelled.format(tree)]
        yield
        path.write_text("X = 2\n", encoding="utf-8")

    return story


def source_file_made_executable(now: Situation) -> Iterator[None]:
    tree = make_source_tree(now.tmp / "foo", "foo")
    now.requirements = [f"foo @ {tree.as_uri()}"]
    yield
    (tree / "backend.py").chmod(0o755)


def source_file_removed(now: Situation) -> Iterator[None]:
    tree = make_source_tree(now.tmp / "foo", "foo")
    extra = now.write(str(tree / "src/foo/extra.py"), "X = 1\n")
    now.requirements = [f"foo @ {tree.as_uri()}"]
    yield
    extra.unlink()


def local_archive(now: Situation) -> Iterator[None]:
    wheel = make_wheel(now.tmp / "elsewhere", "foo")
    now.requirements = [f"foo @ {wheel.as_uri()}"]
    yield
    make_wheel(now.tmp / "elsewhere", "foo", files={"foo.py": "CHANGED = True\n"})


def version_of(distribution: str) -> Callable[[Situation], Iterator[None]]:
    def story(now: Situation) -> Iterator[None]:
        ask = fingerprint.installed_version
        yield
        now.monkeypatch.setattr(
            fingerprint, "installed_version", lambda name: "99.9" if name == distribution else ask(name)
        )

    return story


def version_of_the_interpreter(now: Situation) -> Iterator[None]:
    yield
    now.monkeypatch.setattr(sys, "version", f"{sys.version} (another build of it)")


def interpreter_to_build_with(now: Situation) -> Iterator[None]:
    yield
    now.table["python"] = sys.executable


MISSES: dict[str, Callable[[Situation], Iterator[None]]] = {
    "the text of a requirement": requirement_text,
    "a further requirement": further_requirement,
    "the requirements file": requirements_file,
    "that there is a requirements file": another_requirements_file,
    "-r": included("-r more.txt", "more.txt"),
    "-r without a space": included("-rmore.txt", "more.txt"),
    "--requirement=": included("--requirement=more.txt", "more.txt"),
    "-r with a comment": included("  -r more.txt  # and more", "more.txt"),
    "-r in quotes": included('-r "much more.txt"', "much more.txt"),
    "-r over two lines": included("-r \\\n    more.txt", "more.txt"),
    "-c": included("-c more.txt", "more.txt"),
    "--constraint": included("--constraint ../more.txt", "../more.txt"),
    "-r of -r": included_by_what_is_included,
    "a constraints file": constraints_file,
    "-c of a constraints file": included_by_a_constraints_file,
    "a variable in a requirements file": variable_in_a_requirements_file,
    "runtime": setting("runtime", "python3.13", "python3.12"),
    "architecture": setting("architecture", "x86_64", "arm64"),
    "compatible": setting("compatible", ["bar"], ["foo"]),
    "on-missing": setting("on-missing", "warn", "error"),
    "prefer-binary": setting("prefer-binary", after=False, before=True),
    "pip-args": setting("pip-args", ["--pre"], ["--pre", "--no-binary=foo"]),
    "python": interpreter_to_build_with,
    **{
        name: variable(name, before, after)
        for name, before, after in (
            ("PIP_INDEX_URL", None, "https://index.example.org/simple"),
            ("PIP_EXTRA_INDEX_URL", "https://a.example.org/simple", "https://b.example.org/simple"),
            ("PIP_FIND_LINKS", None, "https://example.org/wheels"),
            ("PIP_NO_INDEX", "1", "0"),
            ("PIP_PRE", None, "1"),
            ("PIP_NO_BINARY", None, "foo"),
            ("PIP_ONLY_BINARY", None, ":all:"),
            ("PIP_PREFER_BINARY", None, "1"),
            ("PIP_REQUIRE_HASHES", None, "1"),
            ("PIP_NO_BUILD_ISOLATION", None, "0"),
            ("PIP_CONFIG_SETTINGS", None, "a=b"),
            ("CC", None, "gcc-12"),
            ("CFLAGS", "-O2", "-O3"),
            ("CMAKE_ARGS", None, "-DX=1"),
            ("SETUPTOOLS_SCM_PRETEND_VERSION", "1.0", "1.1"),
            ("_PYTHON_HOST_PLATFORM", None, "linux-aarch64"),
            ("PKG_CONFIG_PATH", None, "/opt/lib/pkgconfig"),
        )
    },
    "what pip.conf says": content_of_the_configuration,
    "that there is a pip.conf of the user": configuration_of_the_user,
    "that there is a pip.conf of the environment": configuration_of_the_environment,
    "a file in a folder that pip.conf names": named_in_the_configuration,
    "a constraints file that pip.conf names": constraint_of_the_configuration,
    "--find-links of a whole path": linked_folder("pip-args", "{}", "wheels"),
    "--find-links of a relative path": linked_folder("pip-args", "./wheels", "wheels"),
    "--find-links of a bare name": linked_folder("pip-args", "wheels", "wheels"),
    "--find-links= of a bare name": linked_folder("pip-args", "--find-links=wheels", "wheels"),
    "--find-links of the root": linked_folder("pip-args", ".", "."),
    "--find-links with a space": linked_folder("pip-args", "{}", "my wheels"),
    "--find-links below home": linked_folder("pip-args", "~/wheels", "wheels"),
    "--find-links by URL": linked_folder("pip-args", "file://{}", "wheels"),
    "--find-links in a file": linked_folder("file", "{}", "wheels"),
    "--find-links in a file, relative to that": linked_folder("file", "wheels", "requirements/wheels"),
    "--find-links in a file, in quotes": linked_folder("file", '"{}"', "my wheels"),
    "a file in PIP_FIND_LINKS": linked_folder("PIP_FIND_LINKS", "{}", "wheels"),
    "a file in PIP_FIND_LINKS of a bare name": linked_folder("PIP_FIND_LINKS", "wheels", "wheels"),
    "a file in one of PIP_FIND_LINKS": linked_folder("PIP_FIND_LINKS", "https://example.org/x {}", "wheels"),
    "-c in pip-args": argument_file("-c", "pins.txt"),
    "--constraint= in pip-args": argument_file("--constraint=./pins.txt"),
    "PIP_CONSTRAINT": constraint_by_variable,
    "-c of PIP_CONSTRAINT": included_by_the_constraint_of_a_variable,
    "a source file": source_folder("src/foo/__init__.py"),
    "a new package's source file": source_folder("src/foo/build/__init__.py"),
    "a source file by URL without a space": source_folder("src/foo/__init__.py", "foo@file://{}"),
    "a source file with an extra": source_folder("src/foo/__init__.py", "foo[all] @ file://{}"),
    "a source file with a marker": source_folder("src/foo/__init__.py", 'foo @ file://{} ; python_version > "3"'),
    "a source file of an editable": source_folder("src/foo/__init__.py", "-e {}[all]"),
    "a source file at a relative path": source_folder("src/foo/__init__.py", "../libs/foo"),
    "a source file that became executable": source_file_made_executable,
    "a source file that went": source_file_removed,
    "a wheel by path": local_archive,
    "the version of pip": version_of("pip"),
    "our version": version_of("hatch-lambda"),
    "the version of the interpreter": version_of_the_interpreter,
}


def test_the_version_of_what_is_installed_is_the_one_that_python_tells() -> None:
    installed = {found.name: found.version for found in importlib.metadata.distributions()}

    assert {"hatch-lambda", "pip", "packaging"} <= installed.keys()
    assert {name: fingerprint.installed_version(name) for name in installed} == installed


# --- And what it does not ---


def of_no_effect(name: str, value: str = "1") -> Callable[[Situation], Iterator[None]]:
    return variable(name, None, value)


def current_folder(now: Situation) -> Iterator[None]:
    yield
    now.monkeypatch.chdir(now.tmp)


def umask(_: Situation) -> Iterator[None]:
    former = os.umask(0o022)
    try:
        yield
        os.umask(0o077)
        yield
    finally:
        os.umask(former)


def code_of_the_project(now: Situation) -> Iterator[None]:
    now.write("orders/app.py", "X = 1\n")
    yield
    now.write("orders/app.py", "X = 2\n")


def unused_requirements(now: Situation) -> Iterator[None]:
    now.write("dev.txt", "foo\n")
    yield
    now.write("dev.txt", "foo<2\n")


def touched_requirements(now: Situation) -> Iterator[None]:
    path = now.write("requirements.txt", "foo\n")
    now.table["requirements"] = ["requirements.txt"]
    yield
    age(path, 1)


def another_order_of_names(now: Situation) -> Iterator[None]:
    now.table["compatible"] = ["foo", "Bar_Baz"]
    yield
    now.table["compatible"] = ["bar-baz", "foo"]


HITS: dict[str, Callable[[Situation], Iterator[None]]] = {
    **{
        name: of_no_effect(name)
        for name in ("PIP_CACHE_DIR", "PIP_NO_CACHE_DIR", "PIP_TIMEOUT", "PIP_DEFAULT_TIMEOUT", "PIP_RETRIES")
    },
    **{
        name: of_no_effect(name)
        for name in ("PIP_DISABLE_PIP_VERSION_CHECK", "GITHUB_RUN_ID", "PIPX_HOME", "TZ", "LC_ALL", "PYTHONHASHSEED")
    },
    # Kept from pip, or of another pip that this build runs under
    **{name: of_no_effect(name) for name in ("PIP_QUIET", "PIP_VERBOSE", "PIP_REQUIRE_VIRTUALENV", "PIP_TARGET")},
    "PIP_BUILD_TRACKER": of_no_effect("PIP_BUILD_TRACKER", "/tmp/pip-build-tracker-x1y2"),
    "the current folder": current_folder,
    "the umask": umask,
    "the project's own code": code_of_the_project,
    "a requirements file that is not asked for": unused_requirements,
    "the time of a requirements file": touched_requirements,
    "the order of names": another_order_of_names,
    "bytecode beside sources": source_folder("src/foo/__pycache__/x.cpython-313.pyc"),
    "what an earlier build of sources left": source_folder("build/lib/foo.py"),
    "what a build of sources left in dist": source_folder("dist/foo.whl"),
    "metadata that a build of sources left": source_folder("src/foo.egg-info/PKG-INFO"),
    "git's own files beside sources": source_folder(".git/index"),
}


class TestResolveOnce:
    def test_the_second_build_starts_no_program_and_asks_no_index(
        self,
        index: Path,
        bundle_with_state: BundleOf,
        ui: RecordingUI,
        no_process: Callable[[], None],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        make_wheel(index, "foo", requires=["bar"])
        make_wheel(index, "bar")
        first = bundle_with_state("foo")
        before = files_in(first.directory)
        assert not REUSED.search(ui.text)

        no_process()
        monkeypatch.setattr(process, "pip_version", lambda: pytest.fail("pip is looked at"))
        second = bundle_with_state("foo")

        assert second == first
        assert files_in(second.directory) == before
        assert REUSED.search(ui.text)
        assert second.distributions == ("bar 1.0", "foo 1.0")

    @pytest.mark.parametrize("story", MISSES.values(), ids=MISSES)
    def test_it_is_resolved_anew_after_a_change_of(
        self, story: Callable[[Situation], Iterator[None]], situation: Situation
    ) -> None:
        steps = story(situation)
        next(steps)
        situation.build()
        situation.build()
        assert situation.resolved == 1, "nothing has changed yet"

        next(steps, None)
        situation.build()

        assert situation.resolved == 2
        assert len(REUSED.findall(situation.ui.text)) == 1

    @pytest.mark.parametrize("story", HITS.values(), ids=HITS)
    def test_it_is_reused_after_a_change_of(
        self, story: Callable[[Situation], Iterator[None]], situation: Situation
    ) -> None:
        steps = story(situation)
        next(steps)
        situation.build()

        next(steps, None)
        situation.build()
        next(steps, None)

        assert situation.resolved == 1
        assert REUSED.search(situation.ui.text)

    @pytest.mark.parametrize(
        "line",
        [
            "-r https://example.org/requirements.txt",
            "--constraint=https://example.org/constraints.txt",
            '-c "https://example.org/constraints.txt"',
        ],
    )
    @pytest.mark.parametrize("place", ["requirements", "constraints", "included"])
    def test_what_only_the_network_can_tell_is_asked_every_time(
        self, line: str, place: str, situation: Situation
    ) -> None:
        situation.write("with-url.txt", f"foo\n{line}\n")
        situation.write("including.txt", "-r with-url.txt\n")
        if place == "included":
            situation.table["requirements"] = ["including.txt"]
        else:
            situation.table[place] = ["with-url.txt"]

        situation.build()
        situation.build()

        assert situation.resolved == 2

    @pytest.mark.parametrize("place", ["pip-args", "PIP_CONSTRAINT", "pip.conf"])
    def test_constraints_by_url_are_asked_every_time_wherever_they_are_named(
        self, place: str, situation: Situation
    ) -> None:
        url = "https://example.org/upper-constraints.txt"
        if place == "pip-args":
            situation.table["pip-args"] = ["--constraint", url]
        elif place == "pip.conf":
            situation.setenv("PIP_CONFIG_FILE", situation.write("pip.conf", f"[global]\nconstraint = {url}\n"))
        else:
            situation.setenv(place, url)

        situation.build()
        situation.build()

        assert situation.resolved == 2

    def test_no_lock_file_of_another_bundle_stays_beside_one_that_is_not_reused(self, situation: Situation) -> None:
        situation.build()
        assert (situation.state / "pylock.toml").is_file()
        situation.write("requirements.txt", "-r https://example.org/requirements.txt\n")
        situation.table["requirements"] = ["requirements.txt"]
        situation.wheels = [make_wheel(situation.tmp / "wheels", "bar")]

        situation.build()

        lock = situation.state / "pylock.toml"
        assert not lock.exists() or [package.name for package in read_lock(lock).packages] == ["bar"]

    def test_each_target_has_a_resolution_of_its_own(self, situation: Situation) -> None:
        for runtime in ("python3.13", "python3.12", "python3.13", "python3.12"):
            situation.table["runtime"] = runtime
            situation.build()

        assert situation.resolved == 2

    def test_a_failed_resolution_is_not_kept(self, situation: Situation, monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as failing:
            failing.setattr(pipeline, "resolve", raising(ResolutionError("no such package", output="")))
            with pytest.raises(ResolutionError):
                situation.build()

        situation.build()

        assert situation.resolved == 1

    @pytest.mark.parametrize("seeds", [("0", "1", "2")])
    def test_the_hash_seed_makes_no_difference(self, seeds: tuple[str, ...], project_root: Path) -> None:
        script = (
            "import sys, pathlib\n"
            "from hatch_lambda.resolve.fingerprint import fingerprint\n"
            "from hatch_lambda.config.settings import load\n"
            "table = {'runtime': 'python3.13', 'compatible': ['a', 'b', 'c', 'd', 'e', 'f']}\n"
            "print(fingerprint(load(table, pathlib.Path(sys.argv[1])), ['foo']))\n"
        )
        keys = {
            subprocess.run(
                [sys.executable, "-c", script, str(project_root)],
                env={**os.environ, "PYTHONHASHSEED": seed},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            for seed in seeds
        }

        assert len(keys) == 1
        assert re.fullmatch(r"[0-9a-f]{64}\n", keys.pop())

    def test_a_changed_include_reaches_the_bundle(
        self, index: Path, project_root: Path, bundle_with_state: BundleOf
    ) -> None:
        make_wheel(index, "foo", "1.0")
        make_wheel(index, "foo", "2.0")
        (project_root / "requirements.txt").write_text("-c pins.txt\nfoo\n", encoding="utf-8")
        (project_root / "pins.txt").write_text("foo<2\n", encoding="utf-8")
        assert bundle_with_state(requirements=["requirements.txt"]).distributions == ("foo 1.0",)

        (project_root / "pins.txt").write_text("foo<3\n", encoding="utf-8")

        assert bundle_with_state(requirements=["requirements.txt"]).distributions == ("foo 2.0",)

    def test_a_local_project_that_another_one_requires_is_looked_at_too(
        self, tmp_path: Path, bundle_with_state: BundleOf
    ) -> None:
        """No text of this project names it."""
        core = make_source_tree(tmp_path / "core", "core")
        api = make_source_tree(tmp_path / "api", "api")
        for name in ("recipe.json", "PKG-INFO"):
            text = (api / name).read_text(encoding="utf-8")
            text = text.replace('"requires": []', f'"requires": ["core @ {core.as_uri()}"]')
            (api / name).write_text(text, encoding="utf-8")
        requirement = f"api @ {api.as_uri()}"
        assert bundle_with_state(requirement, runtime=HERE).distributions == ("api 1.0", "core 1.0")

        recipe = (core / "recipe.json").read_text(encoding="utf-8")
        (core / "recipe.json").write_text(recipe.replace('"1.0"', '"1.1"'), encoding="utf-8")

        assert bundle_with_state(requirement, runtime=HERE).distributions == ("api 1.0", "core 1.1")

    def test_what_is_excluded_no_more_is_checked_before_it_gets_in(
        self, index: Path, bundle_with_state: BundleOf
    ) -> None:
        make_wheel(index, "foo", files={"foo.py": "", "foo_fast.so": make_elf("aarch64")})
        bundle = bundle_with_state("foo", exclude=["*.so"])
        assert "foo_fast.so" not in {file.path for file in bundle.files}

        with pytest.raises(UnfitMachineCodeError, match=r"foo_fast\.so"):
            bundle_with_state("foo", exclude=["*.txt"])

        assert "foo_fast.so" not in files_in(bundle.directory)

    def test_what_is_excluded_now_is_gone(self, situation: Situation) -> None:
        situation.wheels = [make_wheel(situation.tmp / "wheels", "bar", files={"bar.py": "", "bar/data.txt": "x"})]
        situation.build()

        situation.table["exclude"] = ["*.txt"]
        bundle = situation.build()

        assert set(files_in(bundle.directory)) == {file.path for file in bundle.files}
        assert "bar/data.txt" not in files_in(bundle.directory)


def break_with(**changes: object) -> Callable[[Path], None]:
    """Change our own part of a lock file, that says how it was asked for."""

    def damage(lock: Path) -> None:
        import tomli_w

        content: dict[str, Any] = tomllib.loads(lock.read_text(encoding="utf-8"))
        (tool,) = content["tool"].values()
        for key, value in changes.items():
            if key in tool:
                tool[key] = value
            else:
                tool["wheels"] = [{**wheel, key: value} for wheel in tool["wheels"]]
        lock.write_text(tomli_w.dumps(content), encoding="utf-8")

    return damage


class TestABrokenLockFile:
    @pytest.mark.parametrize(
        "damage",
        [
            lambda lock: lock.write_bytes(b""),
            lambda lock: lock.write_bytes(b"\xff\xfe not a text"),
            lambda lock: lock.write_bytes(lock.read_bytes()[:-20]),
            lambda lock: lock.write_text("tool = 5\n", encoding="utf-8"),
            lambda lock: lock.unlink(),
            break_with(key="of another question"),
            break_with(wheels="none"),
            break_with(wheels=[5]),
            break_with(wheels=[{"distribution": "foo 1.0"}]),
            break_with(filename=5),
            break_with(filename="foo\0-1.0-py3-none-any.whl"),
            break_with(filename="../foo-1.0-py3-none-any.whl"),
            break_with(sha256=5),
            break_with(sha256="0" * 64),
            break_with(sha256=""),
            break_with(unheard_of=1),
        ],
        ids=[
            *("empty", "no text", "cut off", "another shape", "gone", "another key", "wheels as text"),
            *("wheels as numbers", "half a wheel", "filename as number", "a NUL in it", "a path", "hash as number"),
            *("another hash", "no hash"),
            "unknown key",
        ],
    )
    def test_it_is_as_if_there_were_none(self, damage: Callable[[Path], None], situation: Situation) -> None:
        first = situation.build()
        damage(situation.state / "pylock.toml")

        assert situation.build() == first

        assert situation.resolved == 2

    def test_it_cannot_have_files_outside_the_store_removed(self, situation: Situation) -> None:
        situation.build()
        victim = situation.tmp / "victim" / "foo-1.0-py3-none-any.whl"
        victim.parent.mkdir()
        victim.write_bytes(b"dear to its owner")
        break_with(sha256=f"{'../' * 12}{victim.parent.relative_to('/')}")(situation.state / "pylock.toml")

        situation.build()

        assert victim.is_file()


# --- The lock file itself ---


def read_lock(path: Path) -> Pylock:
    return Pylock.from_dict(tomllib.loads(path.read_text(encoding="utf-8")))


def selected(lock: Pylock, settings: Settings) -> dict[str, Any]:
    environment: Any = settings.target.marker_environment
    chosen = list(lock.select(environment=environment, tags=settings.target.tags))
    found = {str(package.name): source for package, source in chosen}
    assert len(found) == len(chosen)
    return found


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


class TestTheLockFile:
    def test_it_says_of_every_kind_of_source_what_was_chosen(
        self, index: Path, tmp_path: Path, project_root: Path, bundle_with_state: BundleOf
    ) -> None:
        away = tmp_path / "elsewhere"
        cp = HERE.replace("python3.", "cp3")
        fitting = make_wheel(index, "tagged", tag=f"{cp}-{cp}-manylinux_2_17_x86_64", files={"tagged.py": ""})
        make_wheel(index, "tagged", tag=f"{cp}-{cp}-manylinux_2_17_aarch64", files={"tagged.py": ""})
        pure = make_wheel(index, "pure", "1.5", requires=["tagged"])
        make_wheel(index, "pure", "2.0", requires_python=">=3.99")
        sdist = make_sdist(index, "from-sdist")
        wheel_by_url, sdist_by_url = make_wheel(away, "by-wheel"), make_sdist(away, "by-sdist")
        folder = make_source_tree(away / "by-folder", "by-folder")
        repository = make_source_tree(away / "repository" / "python", "by-git").parent
        git(repository, "init", "--quiet", "--initial-branch=main")
        git(repository, "add", "--all")
        git(repository, "commit", "--quiet", "--message", "x")

        bundle = bundle_with_state(
            "pure",
            "from-sdist",
            f"by-wheel @ {wheel_by_url.as_uri()}",
            f"by-sdist @ {sdist_by_url.as_uri()}",
            f"by-folder @ {folder.as_uri()}",
            f"by-git @ git+{repository.as_uri()}@main#subdirectory=python",
            runtime=HERE,
        )
        lock = read_lock(bundle.directory.parent / "pylock.toml")
        chosen = selected(lock, load({"runtime": HERE}, project_root, environ={}))

        assert [str(package.name) for package in lock.packages] == sorted(chosen)
        assert {f"{package.name} {package.version}" for package in lock.packages} == set(bundle.distributions)
        kinds = {name: type(source) for name, source in chosen.items()}
        assert kinds == {
            "tagged": PackageWheel,
            "pure": PackageWheel,
            "from-sdist": PackageSdist,
            "by-wheel": PackageArchive,
            "by-sdist": PackageArchive,
            "by-folder": PackageDirectory,
            "by-git": PackageVcs,
        }
        for name, path in {"tagged": fitting, "pure": pure, "from-sdist": sdist}.items():
            assert (chosen[name].name, chosen[name].url) == (path.name, path.as_uri())
            assert chosen[name].hashes == {"sha256": sha256(path)}
        for name, path in {"by-wheel": wheel_by_url, "by-sdist": sdist_by_url}.items():
            assert (chosen[name].url, chosen[name].hashes) == (path.as_uri(), {"sha256": sha256(path)})
        assert Path(chosen["by-folder"].path) == folder
        assert not chosen["by-folder"].editable
        by_git = chosen["by-git"]
        assert (by_git.type, by_git.url, by_git.subdirectory) == ("git", repository.as_uri(), "python")
        assert by_git.commit_id == git(repository, "rev-parse", "HEAD")
        assert bundle_with_state(*bundle_requirements(bundle), runtime=HERE).distributions == bundle.distributions

    def test_it_is_for_this_target_and_no_other(self, situation: Situation) -> None:
        situation.table = {"architecture": "arm64"}
        situation.build()
        (marker,) = read_lock(situation.state / "pylock.toml").environments or ()

        fits = {
            (runtime, architecture): marker.evaluate(dict(target.marker_environment))
            for runtime, architecture in itertools.product(RUNTIMES, ARCHITECTURES)
            for target in [Target(RUNTIMES[runtime], ARCHITECTURES[architecture])]
        }

        assert [target for target, fit in fits.items() if fit] == [("python3.13", "arm64")]

    def test_it_is_valid_where_nothing_is_required(self, situation: Situation) -> None:
        situation.wheels, situation.requirements = [], []
        situation.build()
        situation.build()

        assert list(read_lock(situation.state / "pylock.toml").packages) == []
        assert situation.resolved == 1

    def test_it_carries_no_credentials_and_its_urls_work_without(
        self,
        tmp_path: Path,
        bundle_with_state: BundleOf,
        serve: type[SimpleIndex],
        ui: RecordingUI,
    ) -> None:
        served = tmp_path / "served"
        make_wheel(served, "foo")
        make_sdist(served, "bar")
        make_wheel(served, "direct")
        with serve(served, credentials=("alice-the-user", "s3cr3t%40word")) as index:
            direct = f"direct @ {index.file_url('direct-1.0-py3-none-any.whl')}"
            table: dict[str, object] = {"pip-args": ["--index-url", index.url], "runtime": HERE}
            bundle = bundle_with_state("foo", "bar", direct, **table)
            origin = f"http://{index.url.partition('@')[2].removesuffix('/simple')}"
        reused = bundle_with_state("foo", "bar", direct, **table)

        assert reused == bundle
        assert REUSED.search(ui.text)
        state = bundle.directory.parent
        for path in (*state.rglob("*"), *Path(os.environ["HATCH_LAMBDA_CACHE_DIR"]).rglob("*")):
            if path.is_file():
                for secret in (b"alice-the-user", b"s3cr3t"):
                    assert secret not in path.read_bytes(), path
        by_name = {str(package.name): package for package in read_lock(state / "pylock.toml").packages}
        assert [wheel.url for wheel in by_name["foo"].wheels or ()] == [f"{origin}/files/foo-1.0-py3-none-any.whl"]
        assert by_name["bar"].sdist
        assert by_name["bar"].sdist.url == f"{origin}/files/bar-1.0.tar.gz"
        assert by_name["direct"].archive
        assert by_name["direct"].archive.url == f"{origin}/files/direct-1.0-py3-none-any.whl"

    def test_credentials_of_a_repository_stay_out_and_its_address_is_right(
        self, situation: Situation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from hatch_lambda.resolve.closure import SourceTree

        source = SourceTree("git+https://alice:s3cr3t@host/team/foo.git@c0ffee#subdirectory=a/b", None, "c0ffee", "a/b")
        built = dataclasses.replace(
            distribution_of(situation.wheels[0]),
            direct=True,
            source=source,
            wheels=(Wheel(situation.wheels[0], "built by stage 4", Verdict(compatible=True, reason="fits")),),
        )
        monkeypatch.setattr(pipeline, "resolve", lambda *_: Closure((built,)))
        situation.build()

        (package,) = read_lock(situation.state / "pylock.toml").packages

        assert package.vcs
        assert (package.vcs.url, package.vcs.commit_id) == ("https://host/team/foo.git", "c0ffee")
        assert package.vcs.subdirectory == "a/b"


def bundle_requirements(bundle: Bundle) -> list[str]:
    """What its wheels are, so that they are asked for as such."""
    return [f"{wheel.distribution.split()[0]} @ {wheel.path.as_uri()}" for wheel in bundle.wheels]


# --- The store ---


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "lambda-cache"


def stored_wheels(cache: Path) -> dict[str, Path]:
    paths = [path for path in cache.rglob("*.whl") if path.is_file()]
    assert len({path.name for path in paths}) == len(paths)
    return {path.name: path for path in paths}


def replace_by_another(wheel: Path) -> None:
    other = make_wheel(wheel.parent / "other", "foo", files={"foo.py": "EVIL = True\n"})
    other.replace(wheel)
    other.parent.rmdir()


def damage(wheel: Path) -> None:
    content = bytearray(wheel.read_bytes())
    content[40] ^= 0xFF
    status = wheel.stat()
    wheel.write_bytes(content)
    os.utime(wheel, ns=(status.st_atime_ns, status.st_mtime_ns))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "damaged": damage,
    "truncated": lambda wheel: wheel.write_bytes(wheel.read_bytes()[:-1]),
    "emptied": lambda wheel: wheel.write_bytes(b""),
    "replaced": replace_by_another,
    "removed": Path.unlink,
    "gone with its folder": lambda wheel: shutil.rmtree(wheel.parent),
}


class TestTheStore:
    def test_with_lock_and_store_at_hand_a_build_needs_no_network(
        self, tmp_path: Path, bundle_with_state: BundleOf, serve: type[SimpleIndex], no_process: Callable[[], None]
    ) -> None:
        make_wheel(tmp_path / "served", "foo")
        with serve(tmp_path / "served") as index:
            url = index.url
            first = bundle_with_state("foo", pip_args=["--index-url", url])
        shutil.rmtree(tmp_path / "served")
        shutil.rmtree(first.directory)

        no_process()
        second = bundle_with_state("foo", pip_args=["--index-url", url])

        assert second == first
        assert "foo.py" in files_in(second.directory)

    @pytest.mark.parametrize("how", DAMAGES.values(), ids=DAMAGES)
    def test_what_is_not_as_it_was_is_noticed_told_and_fetched_again(
        self, how: Callable[[Path], object], situation: Situation, cache: Path
    ) -> None:
        situation.wheels.append(make_wheel(situation.tmp / "wheels", "bar"))
        expected = writer.write(situation.tmp / "first.zip", situation.build().files).path.read_bytes()
        how(stored_wheels(cache)["foo-1.0-py3-none-any.whl"])

        bundle = situation.build()

        assert situation.resolved == 2
        (told,) = [line for line in situation.ui.lines if "foo-1.0-py3-none-any.whl" in line]
        assert told.startswith("Warning: ")
        assert "bar" not in told
        assert "EVIL" not in (bundle.directory / "foo.py").read_text(encoding="utf-8")
        assert writer.write(situation.tmp / "second.zip", bundle.files).path.read_bytes() == expected
        wheel = stored_wheels(cache)["foo-1.0-py3-none-any.whl"]
        assert sha256(wheel) == sha256(situation.wheels[0])
        situation.build()
        assert situation.resolved == 2

    def test_a_lost_wheel_is_fetched_by_the_real_pip(
        self, index: Path, bundle_with_state: BundleOf, cache: Path, ui: RecordingUI
    ) -> None:
        make_wheel(index, "foo")
        first = bundle_with_state("foo")
        shutil.rmtree(cache)

        assert bundle_with_state("foo") == first

        assert not REUSED.search(ui.text)

    def test_what_is_in_the_store_is_not_downloaded_for_another_project(
        self, tmp_path: Path, bundle_with_state: BundleOf, serve: type[SimpleIndex], ui: RecordingUI
    ) -> None:
        pages, other = tmp_path / "pages", tmp_path / "other"
        for folder in (pages, tmp_path / "served"):
            make_wheel(folder, "foo", requires=["bar"])
            make_wheel(folder, "bar")
        other.mkdir()
        with serve(tmp_path / "served", page=lambda _folder, name: json_page(pages, name)) as index:
            without_pips_own_cache = ["--index-url", index.url, "--no-cache-dir"]
            first = bundle_with_state("foo", pip_args=without_pips_own_cache)
            shutil.rmtree(tmp_path / "served")
            second = bundle_with_state("foo", pip_args=without_pips_own_cache, root=other)

        assert (first.origins, second.origins) == (Origins(downloaded=2), Origins(kept=2))
        assert not REUSED.search(ui.text)
        assert second.wheels == first.wheels
        assert files_in(second.directory) == files_in(first.directory)

    def test_a_wheel_that_is_changed_while_it_is_made_use_of_stops_the_build(
        self, tmp_path: Path, bundle_with_state: BundleOf, serve: type[SimpleIndex], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_wheel(tmp_path / "served", "foo")
        download = process.download

        def change_what_is_kept(*args: Any, **options: Any) -> process.PipAnswer:
            answer = download(*args, **options)
            (found,) = answer.findings["resolved"]
            if found["kept"]:
                replace_by_another(Path(found["kept"]))
            return answer

        monkeypatch.setattr(process, "download", change_what_is_kept)
        with serve(tmp_path / "served") as index:
            arguments = ["--index-url", index.url]
            bundle_with_state("foo", pip_args=arguments)
            with pytest.raises(BrokenWheelError, match=r"changed in the user's cache folder"):
                bundle_with_state("foo>0", pip_args=arguments)

    def test_two_projects_share_a_wheel(self, situation: Situation, cache: Path) -> None:
        situation.build()
        (wheel,) = stored_wheels(cache).values()
        before = wheel.stat()

        situation.root = situation.tmp / "other"
        situation.root.mkdir()
        situation.table = {"runtime": "python3.12", "architecture": "arm64"}
        bundle = situation.build()

        assert [stored.path for stored in bundle.wheels] == [wheel]
        assert (wheel.stat().st_ino, wheel.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
        assert list(stored_wheels(cache)) == [wheel.name]

    def test_two_contents_under_one_name_are_two_wheels(self, situation: Situation, cache: Path) -> None:
        situation.build()
        other = make_wheel(situation.tmp / "others", "foo", files={"foo.py": "OTHER = True\n"})
        situation.wheels, situation.requirements = [other], ["foo>=1"]

        bundle = situation.build()

        assert (bundle.directory / "foo.py").read_text(encoding="utf-8") == "OTHER = True\n"
        assert len([path for path in cache.rglob("*.whl") if path.is_file()]) == 2

    def test_a_variable_moves_it(
        self, situation: Situation, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HATCH_LAMBDA_CACHE_DIR", str(tmp_path / "a new" / "place"))

        situation.build()

        assert list(stored_wheels(tmp_path / "a new" / "place")) == ["foo-1.0-py3-none-any.whl"]
        assert not cache.exists()

    def test_it_is_below_the_users_cache_folder_by_default(
        self, situation: Situation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("HATCH_LAMBDA_CACHE_DIR")
        for variable_name in ("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"):
            monkeypatch.setenv(variable_name, str(tmp_path / "user"))

        situation.build()

        (wheel,) = stored_wheels(tmp_path / "user").values()
        assert "hatch-lambda" in wheel.relative_to(tmp_path / "user").parts

    @pytest.mark.parametrize("below", ["", "below/it"])
    def test_where_it_cannot_be_written_to_another_one_serves(
        self, below: str, situation: Situation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = situation.tmp / "a file"
        file.write_bytes(b"")
        monkeypatch.setenv("HATCH_LAMBDA_CACHE_DIR", str(file / below))

        bundle = situation.build()
        situation.build()

        assert situation.resolved == 1
        assert file.read_bytes() == b""
        build_directory = bundle.directory.parent.parent
        assert all(build_directory in wheel.path.parents for wheel in bundle.wheels)

    def test_it_is_not_believed_in_what_it_noted_of_a_build(self, tmp_path: Path) -> None:
        store = Store(tmp_path / "store")
        kept = store.keep(make_wheel(tmp_path, "foo"), "foo 1.0")
        store.remember_built("0" * 64, kept)
        assert store.built("0" * 64, "foo 1.0") == kept
        (note,) = [path for path in store.root.rglob("*.json") if kept.sha256 in path.read_text(encoding="utf-8")]

        for text in ("", "[]", "5", "{}", '{"filename": 5, "sha256": 5}', '{"filename": "x", "sha256": "../.."}'):
            note.write_text(text, encoding="utf-8")
            assert store.built("0" * 64, "foo 1.0") is None, text


@dataclass
class Workshop:
    """Stages 4 and 5 over one sdist, whose build is played; what counts is whether it is started."""

    tmp: Path
    ui: RecordingUI
    store: Store
    sdist: Path
    table: dict[str, object] = field(default_factory=dict)
    built: int = 0
    projects: int = 0
    tag: str = "py3-none-any"

    def build_wheel(self, _job: object, _requirements: object, destination: Path, **_: object) -> Completed:
        self.built += 1
        make_wheel(destination, "foo", tag=self.tag, files={"foo.py": f"NUMBER = {self.built}\n"})
        return Completed(0, "")

    def build(self, toolchain: HostCompilers | NoCompilers | None = None) -> Path:
        """For a project of its own each time."""
        self.projects += 1
        root, scratch = self.tmp / f"project-{self.projects}", self.tmp / f"scratch-{self.projects}"
        root.mkdir()
        scratch.mkdir()
        unmet = dataclasses.replace(
            distribution_of(self.tmp / "foo-1.0-py3-none-any.whl"),
            wheels=(),
            source=Sdist(self.sdist, sha256(self.sdist), self.sdist.as_uri()),
        )
        job = Job(request_for(root, ["foo"], {"runtime": HERE, **self.table}), scratch, Reporter(self.ui))
        (found,) = build(Closure((unmet,)), job, toolchain or HostCompilers(), self.store).distributions
        return found.wheels[-1].path


@pytest.fixture
def workshop(tmp_path: Path, ui: RecordingUI, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    workshop = Workshop(tmp_path, ui, Store(tmp_path / "store"), make_sdist(tmp_path / "sdists", "foo"))
    monkeypatch.setattr(process, "build_wheel", workshop.build_wheel)
    return workshop


class TestWheelsBuiltFromSdists:
    def test_for_another_project_it_is_not_built_again(
        self, index: Path, tmp_path: Path, bundle_with_state: BundleOf, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_sdist(index, "foo")
        first = bundle_with_state("foo", runtime=HERE)
        other = tmp_path / "other"
        other.mkdir()
        monkeypatch.setattr(process, "build_wheel", lambda *_, **__: pytest.fail("built again"))

        second = bundle_with_state("foo", root=other, runtime=HERE)

        assert second.directory != first.directory
        assert files_in(second.directory) == files_in(first.directory)

    def test_the_same_is_built_once(self, workshop: Workshop) -> None:
        content = {workshop.build().read_bytes() for _ in range(3)}

        assert workshop.built == 1
        assert len(content) == 1

    @pytest.mark.parametrize("name", ["CC", "CXX", "CFLAGS", "LDFLAGS", "RUSTFLAGS"])
    def test_after_a_change_of_what_compilers_listen_to_it_is(
        self, name: str, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        workshop.build()
        monkeypatch.setenv(name, "1700000000")

        workshop.build()

        assert workshop.built == 2

    @pytest.mark.parametrize("name", ["PIP_CACHE_DIR", "PIP_TIMEOUT", "GITHUB_RUN_ID", "TMPDIR"])
    def test_after_a_change_of_something_else_it_is_not(
        self, name: str, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        workshop.build()
        monkeypatch.setenv(name, str(workshop.tmp))

        workshop.build()

        assert workshop.built == 1

    def test_other_bytes_of_the_sdist_are_another_build(self, workshop: Workshop) -> None:
        workshop.build()
        make_sdist(workshop.sdist.parent, "foo", requires=["bar"])

        workshop.build()

        assert workshop.built == 2

    def test_another_interpreter_is_another_build(self, workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
        workshop.build()
        another = Interpreter(Path(sys.executable), (3, sys.version_info[1] + 1))
        monkeypatch.setattr(build_stage, "interpreter_to_build_with", lambda *_: another)

        workshop.build()

        assert workshop.built == 2

    def test_another_target_is_another_build(self, workshop: Workshop) -> None:
        workshop.build()
        workshop.table = {"architecture": "arm64"}

        workshop.build()

        assert workshop.built == 2

    def test_without_a_compiler_is_another_build(self, workshop: Workshop) -> None:
        with_compilers = workshop.build(HostCompilers())
        without = workshop.build(NoCompilers())

        assert workshop.built == 2
        assert with_compilers.read_bytes() != without.read_bytes()
        assert workshop.build(NoCompilers()).read_bytes() == without.read_bytes()
        assert workshop.built == 2

    @pytest.mark.parametrize("how", DAMAGES.values(), ids=DAMAGES)
    def test_one_that_is_not_as_it_was_is_built_again(self, how: Callable[[Path], object], workshop: Workshop) -> None:
        workshop.build()
        how(stored_wheels(workshop.store.root)["foo-1.0-py3-none-any.whl"])

        assert zipfile.ZipFile(workshop.build()).read("foo.py") == b"NUMBER = 2\n"


class TestTidying:
    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        return Store(tmp_path / "store")

    def keep(self, store: Store, tmp_path: Path, version: str, *, days: float, size: int = 10) -> Path:
        wheel = make_wheel(tmp_path, "foo", version, files={"data": os.urandom(size)})
        path = store.keep(wheel, f"foo {version}").path
        age(path, days)
        return path

    def test_what_no_build_has_used_for_long_goes(self, store: Store, tmp_path: Path) -> None:
        old = self.keep(store, tmp_path, "1.0", days=61)
        recent = self.keep(store, tmp_path, "2.0", days=59)

        store.tidy()

        assert not old.parent.exists()
        assert recent.is_file()

    def test_what_is_over_the_bound_goes_the_least_used_first(
        self, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        paths = {
            days: self.keep(store, tmp_path, f"{number}.0", days=days, size=10_000)
            for number, days in enumerate((7, 1, 30, 3))
        }
        monkeypatch.setattr(store_module, "BOUND", 25_000)

        store.tidy()

        assert {days for days, path in paths.items() if path.exists()} == {1, 3}

    def test_it_is_done_once_a_day(self, store: Store, tmp_path: Path) -> None:
        store.tidy()
        old = self.keep(store, tmp_path, "1.0", days=61)
        store.tidy()
        assert old.exists()

        for path in store.root.iterdir():
            if path.is_file():
                age(path, 1.1)
        store.tidy()

        assert not old.exists()

    def test_a_build_does_it(self, situation: Situation, cache: Path) -> None:
        old = self.keep(Store(cache), situation.tmp, "0.5", days=61)

        situation.build()

        assert not old.exists()
        assert list(stored_wheels(cache)) == ["foo-1.0-py3-none-any.whl"]

    @pytest.mark.parametrize("how", ["found", "kept again"])
    def test_what_is_used_stays(self, how: str, store: Store, tmp_path: Path) -> None:
        path = self.keep(store, tmp_path, "1.0", days=61)
        if how == "found":
            assert store.find(WantedWheel("foo 1.0", path.name, sha256(path)))
        else:
            store.keep(tmp_path / path.name, "foo 1.0")

        store.tidy()

        assert path.is_file()

    def test_what_is_known_of_a_wheel_in_use_stays(self, store: Store, tmp_path: Path) -> None:
        kept = store.keep(make_wheel(tmp_path, "foo"), "foo 1.0")
        store.remember_built("0" * 64, kept)
        store.keep_note(kept.sha256, "sound")
        for path in store.root.rglob("*"):
            age(path, 61)
        assert store.built("0" * 64, "foo 1.0")
        assert store.note(kept.sha256) == "sound"

        store.tidy()

        assert store.built("0" * 64, "foo 1.0")
        assert store.note(kept.sha256) == "sound"

    def test_what_is_known_of_a_wheel_that_nobody_uses_goes(self, store: Store, tmp_path: Path) -> None:
        kept = store.keep(make_wheel(tmp_path, "foo"), "foo 1.0")
        store.remember_built("0" * 64, kept)
        store.keep_note(kept.sha256, "sound")
        for path in store.root.rglob("*"):
            age(path, 61)

        store.tidy()

        assert [path.name for path in store.root.rglob("*") if path.is_file()] == ["tidied"]

    def test_what_killed_processes_have_begun_goes_and_what_others_are_writing_stays(
        self, store: Store, tmp_path: Path
    ) -> None:
        kept = store.keep(make_wheel(tmp_path, "foo"), "foo 1.0")
        with subprocess.Popen([sys.executable, "-c", ""]) as ended:
            pass
        own = marked(PART)
        begun = store.root / "begun"
        (begun / f"{own}1").write_bytes(b"half")
        (begun / f"{own.replace(str(os.getpid()), str(ended.pid))}1").write_bytes(b"half")

        store.tidy()

        assert [path.name for path in begun.iterdir()] == [f"{own}1"]
        assert kept.path.is_file()

    def test_what_a_killed_build_has_left_beside_the_bundle_goes(
        self, situation: Situation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        situation.build()
        expected = {path.name for path in situation.state.iterdir()}
        situation.wheels, situation.requirements = [make_wheel(situation.tmp / "wheels", "foo", "2.0")], ["foo>=2"]
        with monkeypatch.context() as killed:
            killed.setattr(shutil, "rmtree", lambda *_, **__: None)  # it has no time to clean up
            killed.setattr(Path, "rename", raising(KeyboardInterrupt()))
            with pytest.raises(KeyboardInterrupt):
                situation.build()
        assert {path.name for path in situation.state.iterdir()} - expected, "nothing is left, so nothing is tested"

        situation.build()

        assert {path.name for path in situation.state.iterdir()} == expected


# --- Unpacking ---


def looks(folder: Path) -> dict[str, tuple[int, int, int]]:
    """What changes about a file when it is written."""
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_ino, path.stat().st_mtime_ns, path.stat().st_mode)
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def laid_out(situation: Situation) -> Situation:
    """A bundle of two distributions, one of them with a program and an empty file."""
    situation.wheels = [
        make_wheel(
            situation.tmp / "wheels",
            "bar",
            files={"bar/__init__.py": "", "bar/data.txt": "1234\n", "bar/run": "#!/bin/sh\n"},
            executables=["bar/run"],
        ),
        make_wheel(situation.tmp / "wheels", "foo", files={"foo/__init__.py": "", "foo/a.py": "A = 1\n"}),
    ]
    situation.build()
    return situation


def written_with_its_former_size(bundle: Path) -> None:
    (bundle / "bar/data.txt").write_text("4321\n", encoding="utf-8")


def written_at_its_former_time(bundle: Path) -> None:
    file = bundle / "bar/data.txt"
    status = file.stat()
    file.write_text("12345\n", encoding="utf-8")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def replaced_by_a_link(bundle: Path) -> None:
    (bundle / "bar/data.txt").rename(bundle.parent / "data.txt")
    (bundle / "bar/data.txt").symlink_to(bundle.parent / "data.txt")


def folder_replaced_by_a_link(bundle: Path) -> None:
    (bundle / "bar").rename(bundle.parent / "bar")
    (bundle / "bar").symlink_to(bundle.parent / "bar")


def folder_replaced_by_a_file(bundle: Path) -> None:
    shutil.rmtree(bundle / "bar")
    (bundle / "bar").write_bytes(b"")


def file_replaced_by_a_folder(bundle: Path) -> None:
    (bundle / "bar/data.txt").unlink()
    (bundle / "bar/data.txt").mkdir()


def bundle_replaced_by_a_file(bundle: Path) -> None:
    shutil.rmtree(bundle)
    bundle.write_bytes(b"")


def added(name: str) -> Callable[[Path], None]:
    def add(bundle: Path) -> None:
        (bundle / name).parent.mkdir(parents=True, exist_ok=True)
        (bundle / name).write_text("by hand\n", encoding="utf-8")

    return add


INTERFERENCES: dict[str, Callable[[Path], object]] = {
    "a file written anew": added("bar/data.txt"),
    "a file written with its former size": written_with_its_former_size,
    "a file written at its former time": written_at_its_former_time,
    "a file emptied": lambda bundle: (bundle / "foo/a.py").write_bytes(b""),
    "an empty file filled": added("bar/__init__.py"),
    "a file added": added("foo/b.py"),
    "a file added at the root": added("c.py"),
    "a file added with a line in its name": added("foo/a.py\nc.py"),
    "a folder added": added("new/package/d.py"),
    "bytecode added": added("foo/__pycache__/a.cpython-313.pyc"),
    "an empty folder added": lambda bundle: (bundle / "empty").mkdir(),
    "a file removed": lambda bundle: (bundle / "bar/data.txt").unlink(),
    "a folder removed": lambda bundle: shutil.rmtree(bundle / "foo"),
    "a file made executable": lambda bundle: (bundle / "foo/a.py").chmod(0o755),
    "a program made none": lambda bundle: (bundle / "bar/run").chmod(0o644),
    "a file made private": lambda bundle: (bundle / "foo/a.py").chmod(0o600),
    "a folder made private": lambda bundle: (bundle / "foo").chmod(0o700),
    "a file replaced by a link": replaced_by_a_link,
    "a dangling link added": lambda bundle: (bundle / "dangling").symlink_to("nowhere"),
    "a folder replaced by a link": folder_replaced_by_a_link,
    "a folder replaced by a file": folder_replaced_by_a_file,
    "a file replaced by a folder": file_replaced_by_a_folder,
    "all of it removed": shutil.rmtree,
    "all of it replaced by a file": bundle_replaced_by_a_file,
}


def with_line(number: int, content: str) -> Callable[[Path], object]:
    """Put something else into one of the manifest's three lines."""

    def rewrite(path: Path) -> None:
        lines = path.read_text(encoding="utf-8").split("\n")
        lines[number] = content
        path.write_text("\n".join(lines), encoding="utf-8")

    return rewrite


MANIFESTS: dict[str, Callable[[Path], object]] = {
    "gone": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "no text": lambda path: path.write_bytes(b"\xff\xfe\x00"),
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-10]),
    "of an earlier version": lambda path: path.write_text('{"foo/a.py": ["", 1, 2, 3]}', encoding="utf-8"),
    "two lines": lambda path: path.write_text("key\n{}", encoding="utf-8"),
    "another key": with_line(0, "0"),
    "no key": with_line(0, ""),
    "no origins": with_line(1, "{}"),
    "a list of origins": with_line(1, "[]"),
    "origins that are numbers": with_line(1, '{"foo/a.py": 5}'),
    "origins of other files": with_line(1, '{"../x": ""}'),
    "origins cut off": with_line(1, '{"foo/a.py": "'),
    "no looks": with_line(2, ""),
    "looks of other files": with_line(2, "//493\0../x/1/2/3"),
    "looks without facts": with_line(2, "//493\0foo/a.py"),
    "looks of folders alone": with_line(2, "//493\0/foo//493\0/bar//493"),
}


class TestUnpackOnce:
    def test_nothing_is_written_when_nothing_has_changed(self, laid_out: Situation) -> None:
        bundle = laid_out.state / "bundle"
        before, folder = looks(bundle), bundle.stat()

        laid_out.build()

        assert looks(bundle) == before
        assert (bundle.stat().st_ino, bundle.stat().st_mtime_ns) == (folder.st_ino, folder.st_mtime_ns)

    def test_nor_when_it_is_resolved_anew_to_the_same(self, laid_out: Situation) -> None:
        before = looks(laid_out.state / "bundle")

        laid_out.requirements = ["foo", "bar"]
        laid_out.build()

        assert laid_out.resolved == 2
        assert looks(laid_out.state / "bundle") == before

    def test_a_changed_dependency_has_only_its_own_files_written(self, laid_out: Situation) -> None:
        before = looks(laid_out.state / "bundle")
        laid_out.requirements = ["foo>=2"]
        laid_out.wheels[1] = make_wheel(
            laid_out.tmp / "wheels", "foo", "2.0", files={"foo/__init__.py": "", "foo/b.py": "B = 2\n"}
        )

        laid_out.build()

        after = looks(laid_out.state / "bundle")
        of_bar = {path for path in before if path.startswith("bar")}
        assert len(of_bar) == 6
        assert {path: after[path] for path in of_bar} == {path: before[path] for path in of_bar}
        assert {path for path in after if path.startswith("foo")} == {
            *("foo/__init__.py", "foo/b.py"),
            *(f"foo-2.0.dist-info/{name}" for name in ("METADATA", "RECORD", "WHEEL")),
        }
        assert set(after) == of_bar | {path for path in after if path.startswith("foo")}

    @pytest.mark.parametrize("interfere", INTERFERENCES.values(), ids=INTERFERENCES)
    def test_what_was_changed_by_hand_is_put_right(
        self, interfere: Callable[[Path], object], laid_out: Situation
    ) -> None:
        bundle = laid_out.state / "bundle"
        content, modes = files_in(bundle), self.modes(bundle)
        interfere(bundle)
        assert bundle.is_symlink() or not bundle.is_dir() or (files_in(bundle), self.modes(bundle)) != (content, modes)

        laid_out.build()

        assert not bundle.is_symlink()
        assert files_in(bundle) == content
        assert self.modes(bundle) == modes
        assert laid_out.resolved == 1
        before = looks(bundle)
        laid_out.build()
        assert looks(bundle) == before, "it is still taken for changed"

    @staticmethod
    def modes(folder: Path) -> dict[str, int]:
        return {path.relative_to(folder).as_posix(): path.lstat().st_mode for path in folder.rglob("*")}

    @pytest.mark.parametrize("break_it", MANIFESTS.values(), ids=MANIFESTS)
    def test_a_broken_manifest_is_as_none(self, break_it: Callable[[Path], object], laid_out: Situation) -> None:
        bundle = laid_out.state / "bundle"
        content = files_in(bundle)
        manifest = laid_out.state / unpack_stage.MANIFEST_NAME
        break_it(manifest)
        added("foo/b.py")(bundle)

        laid_out.build()

        assert files_in(bundle) == content
        assert json.loads(manifest.read_text(encoding="utf-8").split("\n")[1]).keys() == content.keys()

    def test_a_former_bundle_without_a_manifest_is_not_believed(self, laid_out: Situation) -> None:
        for manifest in laid_out.state.glob("*.json"):
            manifest.unlink()
        (laid_out.state / "bundle/foo/a.py").write_bytes(b"A = 2\n")

        laid_out.build()

        assert (laid_out.state / "bundle/foo/a.py").read_bytes() == b"A = 1\n"

    def test_what_was_made_here_follows_the_settings(self, laid_out: Situation) -> None:
        """RECORD names what is laid out, so it changes with `exclude` though its wheel does not."""
        laid_out.table["exclude"] = ["data.txt"]

        bundle = laid_out.build()

        record_of_bar = (bundle.directory / "bar-1.0.dist-info/RECORD").read_text(encoding="utf-8")
        assert "bar/run" in record_of_bar
        assert "data.txt" not in record_of_bar
        assert files_in(bundle.directory) == {file.path: file.source.read() for file in bundle.files}

    def test_a_shared_file_follows_the_wheel_that_it_is_taken_from(self, situation: Situation) -> None:
        shared = "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"
        first = make_wheel(situation.tmp / "wheels", "a", files={"ns/__init__.py": f"# of a\n{shared}", "ns/a.py": ""})
        other = make_wheel(situation.tmp / "wheels", "b", files={"ns/__init__.py": f"# of b\n{shared}", "ns/b.py": ""})
        situation.wheels = [first, other]
        assert situation.build().distributions == ("a 1.0", "b 1.0")

        situation.wheels, situation.requirements = [other], ["b"]
        bundle = situation.build()

        assert files_in(bundle.directory) == {file.path: file.source.read() for file in bundle.files}
        assert (bundle.directory / "ns/__init__.py").read_text(encoding="utf-8") == f"# of b\n{shared}"

    def test_a_file_that_is_no_more_taken_over_has_no_name_but_that_in_the_store(self, laid_out: Situation) -> None:
        laid_out.requirements = ["foo>=2"]
        laid_out.wheels[1] = make_wheel(laid_out.tmp / "wheels", "foo", "2.0")
        laid_out.build()

        for path in (laid_out.state / "bundle").rglob("*"):
            assert path.is_dir() or path.stat().st_nlink == 2, path

    def test_where_the_file_system_has_no_hard_links_all_is_written(
        self, laid_out: Situation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(os, "link", refuse)
        laid_out.requirements = ["foo>=2"]
        laid_out.wheels[1] = make_wheel(laid_out.tmp / "wheels", "foo", "2.0")

        bundle = laid_out.build()

        assert files_in(bundle.directory) == {file.path: file.source.read() for file in bundle.files}

    def test_who_meddles_with_a_bundle_as_it_is_put_in_place_is_found_out_by_the_next_build(
        self, laid_out: Situation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put_in_place = unpack_stage._put_in_place

        def put_in_place_and_meddle(fresh: Path, directory: Path) -> None:
            put_in_place(fresh, directory)
            (directory / "foo/a.py").unlink()
            (directory / "bar/data.txt").unlink()
            (directory / "bar/data.txt").write_bytes(b"4321\n")
            added("foo/__pycache__/a.cpython-313.pyc")(directory)

        shutil.rmtree(laid_out.state / "bundle")
        with monkeypatch.context() as meddled_with:
            meddled_with.setattr(unpack_stage, "_put_in_place", put_in_place_and_meddle)
            laid_out.build()

        bundle = laid_out.build()

        assert files_in(bundle.directory) == {file.path: file.source.read() for file in bundle.files}

    def test_where_modes_are_not_kept_it_is_laid_out_once_all_the_same(
        self, situation: Situation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As on file systems of Windows under Linux."""
        situation.wheels = [make_wheel(situation.tmp / "wheels", "foo", files={"foo/a.py": "A = 1\n"})]
        monkeypatch.setattr(os, "chmod", lambda *_args, **_kwargs: None)
        bundle = situation.build().directory
        before = bundle.stat().st_ino

        situation.build()

        assert bundle.stat().st_ino == before

    def test_a_key_that_has_changed_for_the_same_files_is_noted(self, laid_out: Situation) -> None:
        manifest = laid_out.state / unpack_stage.MANIFEST_NAME
        before = manifest.read_bytes()
        with_line(0, "another")(manifest)
        looked = looks(laid_out.state / "bundle")

        laid_out.build()

        assert manifest.read_bytes() == before
        assert looks(laid_out.state / "bundle") == looked

    def test_a_failure_in_the_middle_leaves_the_former_bundle_and_the_next_build_works(
        self, laid_out: Situation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bundle = laid_out.state / "bundle"
        before = looks(bundle)
        laid_out.requirements = ["foo>=2"]
        laid_out.wheels[1] = make_wheel(laid_out.tmp / "wheels", "foo", "2.0")
        with monkeypatch.context() as broken:
            broken.setattr(unpack_stage, "_fill", raising(OSError(28, "No space left")))
            with pytest.raises(OSError, match="No space"):
                laid_out.build()
        assert looks(bundle) == before

        laid_out.build()

        assert (bundle / "foo.py").read_text(encoding="utf-8") == "VERSION = '2.0'\n"


# --- The archive ---


def raw_entries(path: Path) -> dict[str, bytes]:
    """The data of each entry as it lies there, by the entry's own header."""
    content = path.read_bytes()
    raw = {}
    with zipfile.ZipFile(path) as zip_file:
        for entry in zip_file.infolist():
            header = entry.header_offset
            name_length = int.from_bytes(content[header + 26 : header + 28], "little")
            extra_length = int.from_bytes(content[header + 28 : header + 30], "little")
            start = header + 30 + name_length + extra_length
            raw[entry.filename] = content[start : start + entry.compress_size]
    return raw


def assert_that_every_tool_is_content(path: Path, *, names: int | None = None) -> None:
    with zipfile.ZipFile(path) as zip_file:
        assert zip_file.testzip() is None
        number = len(zip_file.namelist())
    assert names is None or number == names
    if shutil.which("unzip"):
        tested = subprocess.run(["unzip", "-tqq", str(path)], capture_output=True, text=True, check=False)
        assert (tested.returncode, tested.stdout, tested.stderr) == (0, "", "")
    if shutil.which("zipinfo"):
        listed = subprocess.run(["zipinfo", "-1", str(path)], capture_output=True, text=True, check=False)
        assert (listed.returncode, listed.stderr, len(listed.stdout.splitlines())) == (0, "", number)
        told = subprocess.run(["zipinfo", "-z", str(path)], capture_output=True, text=True, check=False)
        assert (told.returncode, told.stderr) == (0, "")


class Streamed:
    """A file that cannot seek, so that sizes come behind the data."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("wb")

    def write(self, data: bytes) -> int:
        return self.file.write(data)

    def flush(self) -> None:
        self.file.flush()


CONTENTS = {
    "odd/__init__.py": b"",
    "odd/text.py": COMPRESSIBLE,
    "odd/noise.bin": b"".join(hashlib.sha256(bytes([number])).digest() for number in range(200)),
    "odd/Straße 注文.txt": b"x" * 100,
}
DIST_INFO = "odd-1.0.dist-info"


def odd_wheel(
    path: Path,
    method: int = zipfile.ZIP_DEFLATED,
    level: int | None = None,
    extra: bytes = b"",
    *,
    folders: Sequence[str] = (),
    zip64: bool = False,
    streamed: bool = False,
) -> Path:
    """A wheel of `CONTENTS`."""
    contents: dict[str, str | bytes] = {**CONTENTS, f"{DIST_INFO}/METADATA": "Metadata-Version: 2.1\nName: odd\n"}
    contents[f"{DIST_INFO}/RECORD"] = record(contents, f"{DIST_INFO}/RECORD")
    target = Streamed(path) if streamed else path
    with zipfile.ZipFile(target, "w") as zip_file:  # type: ignore[call-overload]
        for folder in folders:
            zip_file.writestr(zipfile.ZipInfo(f"{folder}/", (2021, 2, 3, 4, 5, 6)), b"")
        for name, content in contents.items():
            entry = zipfile.ZipInfo(name, (2021, 2, 3, 4, 5, 6))
            entry.compress_type, entry.extra = method, extra
            entry._compresslevel = level  # type: ignore[attr-defined]  # public from 3.13 on
            with zip_file.open(entry, "w", force_zip64=zip64) as stream:
                stream.write(content.encode() if isinstance(content, str) else content)
    if isinstance(target, Streamed):
        target.file.close()
    return path


ODDITIES: dict[str, dict[str, Any]] = {
    "plain": {},
    "compressed with another level": {"level": 1},
    "deflated without compression": {"level": 0},
    "stored": {"method": zipfile.ZIP_STORED},
    "with data descriptors": {"streamed": True},
    "stored, with data descriptors": {"streamed": True, "method": zipfile.ZIP_STORED},
    "with extra fields": {"extra": b"UT\x05\x00\x01\x00\x00\x00\x00"},
    "with zip64 headers": {"zip64": True},
    "with zip64 headers and data descriptors": {"zip64": True, "streamed": True},
    "with folders": {"folders": ("odd", DIST_INFO, "odd/empty")},
}


class TestNeverCompressTwice:
    @pytest.mark.parametrize("oddity", ODDITIES.values(), ids=ODDITIES)
    def test_what_a_wheel_has_deflated_is_in_the_zip_as_it_is(self, oddity: dict[str, Any], tmp_path: Path) -> None:
        wheel = odd_wheel(tmp_path / "odd-1.0-py3-none-any.whl", **oddity)

        path = writer.write(tmp_path / "odd.zip", union([lay_out(wheel, TARGET)])).path

        assert_that_every_tool_is_content(path)
        with zipfile.ZipFile(path) as zip_file, zipfile.ZipFile(wheel) as original:
            assert {name: zip_file.read(name) for name in CONTENTS} == CONTENTS
            assert all(not name.endswith("/") for name in zip_file.namelist())
            untouched = {entry.filename for entry in original.infolist() if entry.compress_type == zipfile.ZIP_DEFLATED}
            of_zip = {entry.filename: entry for entry in zip_file.infolist()}
            for entry in of_zip.values():
                assert entry.flag_bits & 0b1000 == 0, "no data descriptor"
                assert entry.extra == b""
                assert entry.compress_type in {zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED}
        if oddity.get("folders"):
            untouched -= {f"{DIST_INFO}/RECORD"}
        raw_of_wheel, raw_of_zip = raw_entries(wheel), raw_entries(path)
        assert {name: raw_of_zip[name] for name in untouched} == {name: raw_of_wheel[name] for name in untouched}
        assert of_zip["odd/text.py"].compress_size < len(COMPRESSIBLE) / 20 or oddity.get("level") == 0

    def test_stored_entries_are_deflated_where_that_is_smaller_and_only_there(self, tmp_path: Path) -> None:
        wheel = odd_wheel(tmp_path / "odd-1.0-py3-none-any.whl", zipfile.ZIP_STORED)

        path = writer.write(tmp_path / "odd.zip", lay_out(wheel, TARGET)).path

        with zipfile.ZipFile(path) as zip_file:
            methods = {entry.filename: entry.compress_type for entry in zip_file.infolist()}
        assert methods["odd/text.py"] == zipfile.ZIP_DEFLATED
        assert methods["odd/noise.bin"] == zipfile.ZIP_STORED
        assert methods["odd/__init__.py"] == zipfile.ZIP_STORED

    def test_a_wheel_of_many_stored_entries_is_not_opened_for_each_of_them(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Reading a wheel's directory anew for each entry takes time that grows with their square."""
        opened = 0
        read_directory = zipfile.ZipFile._RealGetContents  # type: ignore[attr-defined]

        def count(zip_file: zipfile.ZipFile) -> None:
            nonlocal opened
            opened += 1
            read_directory(zip_file)

        wheel = odd_wheel(tmp_path / "odd-1.0-py3-none-any.whl", zipfile.ZIP_STORED)
        files = lay_out(wheel, TARGET)
        monkeypatch.setattr(zipfile.ZipFile, "_RealGetContents", count)

        writer.write(tmp_path / "odd.zip", files)

        assert opened <= 1 < len(files)

    @pytest.mark.parametrize("number", [0xFFFE, 0xFFFF, 0x10000, 70_000])
    def test_as_many_files_as_there_are_can_be_read_by_everyone(self, number: int, tmp_path: Path) -> None:
        files = [BundleFile(f"p/{index:05}.py", 0o644, Text(b""), "many 1.0") for index in range(number)]

        path = writer.write(tmp_path / "many.zip", files).path

        if number == 70_000:
            assert_that_every_tool_is_content(path, names=number)
        elif shutil.which("zipinfo"):
            listed = subprocess.run(["zipinfo", "-t", str(path)], capture_output=True, text=True, check=False)
            assert (listed.returncode, listed.stderr) == (0, "")
            assert listed.stdout.startswith(f"{number} files")
        with zipfile.ZipFile(path) as zip_file:
            assert len(zip_file.namelist()) == number

    def test_the_same_bytes_come_out_whatever_an_earlier_build_has_left(self, laid_out: Situation) -> None:
        def zipped(bundle: Bundle) -> bytes:
            return writer.write(laid_out.tmp / "made.zip", bundle.files).path.read_bytes()

        reused = zipped(laid_out.build())
        laid_out.wheels.reverse()
        laid_out.requirements = ["foo", "bar"]
        in_another_order = zipped(laid_out.build())
        shutil.rmtree(laid_out.state)
        fresh = zipped(laid_out.build())
        shutil.rmtree(laid_out.tmp / "lambda-cache")
        with_another_store = zipped(laid_out.build())

        assert laid_out.resolved == 4
        assert reused == in_another_order == fresh == with_another_store

    def test_the_order_of_files_makes_no_difference(self, laid_out: Situation) -> None:
        files = laid_out.build().files

        made = {
            writer.write(laid_out.tmp / "made.zip", order).path.read_bytes()
            for order in (files, files[::-1], sorted(files, key=lambda file: hashlib.md5(file.path.encode()).digest()))
        }

        assert len(made) == 1


def large_wheel(folder: Path, megabytes: int, method: int, level: int, piece: bytes) -> Path:
    """A wheel with a file of that size, written piece by piece."""
    path = folder / "large-1.0-py3-none-any.whl"
    info = "large-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as zip_file:
        entry = zipfile.ZipInfo("large.bin")
        entry.compress_type = method
        entry._compresslevel = level  # type: ignore[attr-defined]  # public from 3.13 on
        with zip_file.open(entry, "w") as stream:
            for _ in range(megabytes):
                stream.write(piece)
        zip_file.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: large\nVersion: 1.0\n")
        zip_file.writestr(f"{info}/RECORD", f"large.bin,,\n{info}/METADATA,,\n{info}/RECORD,,\n")
    return path


class TestMemory:
    LIMIT = 16 * 1024 * 1024

    KINDS: Mapping[str, tuple[int, int, int, Callable[[int], bytes]]] = {
        "deflated": (100, zipfile.ZIP_DEFLATED, 0, os.urandom),
        "deflated to nearly nothing": (100, zipfile.ZIP_DEFLATED, 1, bytes),
        "stored": (40, zipfile.ZIP_STORED, 0, bytes),
        "stored, since it cannot be deflated": (40, zipfile.ZIP_STORED, 0, os.urandom),
    }

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("work", ["archive", "unpack"])
    def test_it_does_not_grow_with_a_file(self, work: str, kind: str, tmp_path: Path) -> None:
        megabytes, method, level, content = self.KINDS[kind]
        wheel = large_wheel(tmp_path, megabytes, method, level, content(1024 * 1024))
        kept = Store(tmp_path / "store").keep(wheel, "large 1.0")
        settings = load({"runtime": "python3.13"}, tmp_path, environ={})
        files = lay_out(wheel, TARGET)

        tracemalloc.start()
        try:
            if work == "archive":
                made = writer.write(tmp_path / "large.zip", files).unzipped
            else:
                unpack_stage.unpack(assemble((kept,), settings, tmp_path / "bundle"), None)
                made = (tmp_path / "bundle/large.bin").stat().st_size
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert made >= megabytes * 1024 * 1024
        assert peak < self.LIMIT, f"{peak / 1024 / 1024:.0f} MB"


# --- Whole builds ---

PYPROJECT = """\
[build-system]
requires = ["hatchling", "hatch-lambda"]
build-backend = "hatchling.build"

[project]
name = "orders"
version = "1.0"
dependencies = ["foo"]

[tool.hatch.build.hooks.lambda]
runtime = "python3.13"
"""

# What only a build that resolves has use for
DEAR = (
    *("hatch_lambda.resolve.pip.process", "hatch_lambda.resolve.pip.for_target", "hatch_lambda.resolve.download"),
    *("hatch_lambda.resolve.build", "hatch_lambda.resolve.report_unmet", "hatch_lambda.common.interpreters"),
    *("hatch_lambda.resolve.toolchains", "pip", "findpython", "elftools", "packaging.pylock", "tomli_w"),
)


class TestWholeBuilds:
    @pytest.fixture
    def project(self, project_root: Path, index: Path) -> Path:
        make_wheel(index, "foo")
        (project_root / "orders").mkdir()
        (project_root / "orders" / "__init__.py").write_text("", encoding="utf-8")
        (project_root / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
        return project_root

    @staticmethod
    def build(project: Path, *arguments: str, python: Path | str = sys.executable, **variables: str) -> str:
        ended = subprocess.run(
            [str(python), *arguments],
            cwd=project,
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stderr

    def test_a_resolution_is_reused_until_it_is_to_be_forgotten(self, project: Path, index: Path) -> None:
        command = ("-m", "hatchling", "build", "-t", "lambda")
        first = self.build(project, *command)
        zipped = next((project / "dist").glob("*.zip")).read_bytes()
        make_wheel(index.parent / "served later", "foo", "2.0")

        second = self.build(project, *command)
        zipped_again = next((project / "dist").glob("*.zip")).read_bytes()
        (index.parent / "served later" / "foo-2.0-py3-none-any.whl").rename(index / "foo-2.0-py3-none-any.whl")
        forgotten = self.build(project, *command, "-c")

        assert [bool(REUSED.search(shown)) for shown in (first, second, forgotten)] == [False, True, False]
        assert zipped == zipped_again
        with zipfile.ZipFile(next((project / "dist").glob("*.zip"))) as zip_file:
            assert zip_file.read("foo.py") == b"VERSION = '2.0'\n"

    def test_a_reused_one_imports_nothing_that_only_resolving_needs(self, project: Path) -> None:
        command = ("-m", "hatchling", "build", "-t", "lambda")
        imported = self.imported(self.build(project, "-X", "importtime", *command))
        assert {"hatch_lambda.resolve.pip.process", "hatch_lambda.resolve.download", "tomli_w._writer"} <= imported

        shown = self.build(project, "-X", "importtime", *command)

        assert REUSED.search(shown)
        assert "hatch_lambda.pipeline" in self.imported(shown)
        assert [name for name in DEAR if name in self.imported(shown)] == []

    @staticmethod
    def imported(shown: str) -> set[str]:
        return {line.rpartition("|")[2].strip() for line in shown.splitlines() if line.startswith("import time:")}

    def test_another_environment_of_the_same_interpreter_reuses_it_too(self, project: Path, tmp_path: Path) -> None:
        """`python -m build` and `uv build` make one for each build."""
        shown = []
        for name in ("one", "two"):
            environment = tmp_path / name
            subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
            python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
            site_packages = next(environment.glob("[Ll]ib/**/site-packages"))
            places = [str(Path(entry)) for entry in sys.path if entry.endswith("site-packages")]
            lines = [f"import site; site.addsitedir({place!r})" for place in places]
            (site_packages / "shared.pth").write_text("\n".join(lines) + "\n", encoding="utf-8")
            shown.append(self.build(project, "-m", "hatchling", "build", "-t", "lambda", python=python))

        assert [bool(REUSED.search(text)) for text in shown] == [False, True]
        assert stat.S_ISREG(next((project / "dist").glob("*.zip")).stat().st_mode)

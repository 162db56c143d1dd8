from __future__ import annotations

import hashlib
import importlib.metadata
import io
import json
import os
import platform
import queue
import re
import shutil
import subprocess
import sys
import tarfile
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement

from hatch_lambda.common.errors import ResolutionError, UnsupportedPipError
from hatch_lambda.common.target import ARCHITECTURES, RUNTIMES, Target
from hatch_lambda.resolve.pip import for_target, process
from hatch_lambda.resolve.pip.for_target import EXIT_UNSUPPORTED_PIP, WHEEL_IS_HERE, shortcuts
from hatch_lambda.wheels.store import Store
from tests.support.lambda_runtime import pythons_at_hand
from tests.support.packages import make_sdist, make_wheel, source_files
from tests.support.simple_index import SimpleIndex, json_page, project_page

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

RUNNING = "{}.{}".format(*sys.version_info)


@dataclass(frozen=True)
class Pip:
    """A pip and the interpreter that runs it. `folder`: where that pip is, if not beside the interpreter."""

    python: Path = Path(sys.executable)
    folder: Path | None = None


@dataclass(frozen=True)
class Answer:
    exit_code: int
    output: str
    findings: dict[str, Any] | None
    files: frozenset[str]
    """What was downloaded."""

    @property
    def resolved(self) -> dict[str, str]:
        assert self.findings is not None, self.output
        return {found["name"]: found["version"] for found in self.findings["resolved"]}


def environment_of(path: Sequence[Path | None]) -> dict[str, str]:
    """Nothing of the machine's own pip settings, and folders in front of everything else that is imported."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
    environment["PIP_CONFIG_FILE"] = os.devnull
    environment["PYTHONPATH"] = os.pathsep.join(str(folder) for folder in path if folder)
    return environment


def ask(
    folder: Path,
    target: Target,
    requirements: Sequence[str],
    *,
    pip: Pip | None = None,
    misdeclared: Sequence[str] = (),
    arguments: Sequence[str] = (),
    in_front: Path | None = None,
    index_url: str | None = None,
    kept: Path | None = None,
    program: Path = for_target.PROGRAM,
) -> Answer:
    """Start the program as stage 1 does, over the wheels and sdists in `folder`, or an index."""
    pip = pip or Pip()
    scratch = folder / f"request-{len(list(folder.glob('request-*')))}"
    scratch.mkdir()
    for folder_of_its_own in ("early", "temporary"):
        (scratch / folder_of_its_own).mkdir()
    (scratch / "requirements.txt").write_text("\n".join(requirements), encoding="utf-8")
    platforms = [argument for platform in target.platforms for argument in ("--platform", platform)]
    request = {
        "arguments": [
            *("download", "--disable-pip-version-check", "--no-cache-dir"),
            *(["--index-url", index_url] if index_url else ["--no-index", "--find-links", str(folder)]),
            *("--python-version", target.runtime.full_version, "--implementation", "cp", "--abi", target.interpreter),
            *(*platforms, "--dest", str(scratch / "files"), "--requirement", str(scratch / "requirements.txt")),
            *arguments,
        ],
        "early": str(scratch / "early"),
        "interpreter": process._interpreter(target),
        "kept": str(kept or scratch / "nothing"),
        "marker_environment": target.marker_environment,
        "misdeclared": list(misdeclared),
        "report": str(scratch / "report.json"),
        "temporary": str(scratch / "temporary"),
    }
    (scratch / "request.json").write_text(json.dumps(request), encoding="utf-8")
    completed = subprocess.run(
        [str(pip.python), str(program)],
        input=f"{json.dumps(str(scratch / 'request.json'))}\n",
        env=environment_of([in_front, pip.folder]),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )
    report = scratch / "report.json"
    return Answer(
        completed.returncode,
        completed.stdout,
        json.loads(report.read_text(encoding="utf-8")) if report.is_file() else None,
        frozenset(path.name for path in (scratch / "files").glob("*/*")),
    )


def target_of(runtime: str, architecture: str) -> Target:
    return Target(RUNTIMES[runtime], ARCHITECTURES[architecture])


def other_runtime(python: str) -> str:
    """A runtime whose Python is not the one that runs pip."""
    return "python3.10" if python != "3.10" else "python3.12"


def make_index(folder: Path, target: Target) -> None:
    """A closure that comes out right only by the target's markers, tags and version, with an sdist in its middle."""
    folder.mkdir(exist_ok=True)
    minor = target.runtime.python[1]
    only_there = [
        f"python_version == '3.{minor}'",
        f"python_full_version == '{target.runtime.full_version}'",
        f"platform_machine == '{target.architecture.machine}'",
        "sys_platform == 'linux' and platform_system == 'Linux' and os_name == 'posix'",
        "implementation_name == 'cpython' and platform_python_implementation == 'CPython'",
    ]
    never_there = [
        f"python_version != '3.{minor}'",
        f"python_full_version > '{target.runtime.full_version}'",
        f"platform_machine != '{target.architecture.machine}'",
        "sys_platform == 'win32' or platform_system == 'Darwin' or os_name == 'nt'",
        "implementation_name == 'pypy' or platform_python_implementation == 'PyPy'",
    ]
    for number in range(len(only_there)):
        make_wheel(folder, f"wanted-{number}")
    make_wheel(
        folder,
        "app",
        extras=["fast"],
        requires=[
            *(f"wanted-{number}; {marker}" for number, marker in enumerate(only_there)),
            *(f"not-in-the-index; {marker}" for marker in never_there),
            "deep",
            "dynamic",
            "native",
            "picky",
            "speed; extra == 'fast'",
            "not-in-the-index; extra == 'slow'",
        ],
    )
    # Built here: what it takes to build it follows the markers of this machine, what it needs at run time the target's.
    make_wheel(folder, "build-tool", requires=[f"not-in-the-index; {only_there[0]}"])
    make_sdist(
        folder,
        "deep",
        version="1.5",
        requires=[f"below; {only_there[0]}", f"not-in-the-index; {never_there[0]}"],
        build_requires=["build-tool", f"not-in-the-index; {only_there[0]}"],
    )
    make_dynamic_sdist(folder, never_there[0])
    make_wheel(folder, "below")
    make_wheel(folder, "speed")
    for machine in ("x86_64", "aarch64"):
        make_wheel(folder, "native", tag=f"cp3{minor}-cp3{minor}-manylinux_2_17_{machine}")
    make_wheel(folder, "native", "2.0", tag=f"cp3{minor}-cp3{minor}-manylinux_2_39_{target.architecture.machine}")
    make_wheel(folder, "native", "2.0", tag="cp39-cp39-win_amd64")
    make_wheel(folder, "picky", "1.0", requires_python=">=3.8")
    make_wheel(folder, "picky", "2.0", requires_python=f">=3.{minor + 1}")


def make_dynamic_sdist(folder: Path, true_here: str) -> None:
    """One whose backend asks for more to build with, by a marker, and cannot do without."""
    make_wheel(folder, "asked-for")
    files = source_files("dynamic")
    files["backend.py"] += f"""
def get_requires_for_build_wheel(config_settings=None):
    return ["asked-for; {true_here}"]

without = prepare_metadata_for_build_wheel

def prepare_metadata_for_build_wheel(directory, config_settings=None):
    import asked_for
    return without(directory, config_settings)
"""
    with tarfile.open(folder / "dynamic-1.0.tar.gz", "w:gz") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"dynamic-1.0/{name}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))


def assert_resolves_for(target: Target, folder: Path, pip: Pip) -> None:
    make_index(folder, target)

    answer = ask(folder, target, ["app[fast]", "not-in-the-index; sys_platform == 'win32'"], pip=pip)

    assert answer.exit_code == 0, answer.output
    assert answer.resolved == {
        "app": "1.0",
        "below": "1.0",
        "deep": "1.5",
        "dynamic": "1.0",
        "native": "1.0",
        "picky": "1.0",
        "speed": "1.0",
        **{f"wanted-{number}": "1.0" for number in range(5)},
    }
    tag = f"{target.interpreter}-{target.interpreter}-manylinux_2_17_{target.architecture.machine}"
    assert {f"native-1.0-{tag}.whl", "deep-1.5.tar.gz", "picky-1.0-py3-none-any.whl"} <= answer.files
    assert len(answer.files) == len(answer.resolved)
    assert_findings_are_whole(answer, folder)


def assert_findings_are_whole(answer: Answer, folder: Path) -> None:
    assert answer.findings is not None
    resolved = {found["name"]: found for found in answer.findings["resolved"]}
    app, deep = resolved["app"], resolved["deep"]
    assert (app["kind"], app["user_supplied"], app["extras"], app["direct"]) == ("wheel", True, ["fast"], False)
    assert "deep" in app["requires"]
    assert (deep["kind"], deep["filename"], deep["user_supplied"]) == ("sdist", "deep-1.5.tar.gz", False)
    assert any(requirement.startswith("below") for requirement in deep["requires"])
    assert answer.findings["index_options"] == ["--no-index", f"--find-links {folder}"]
    assert {filename for filename, *_ in answer.findings["offers"]["native"]} == {
        path.name for path in folder.glob("native-*")
    }
    assert {requires_python for _, requires_python, _ in answer.findings["offers"]["native"]} == {None}
    assert answer.findings["starved"] == []


class TestThePipAtHand:
    @pytest.mark.parametrize("architecture", ["x86_64", "arm64"])
    @pytest.mark.parametrize("runtime", sorted({other_runtime(RUNNING), "python3.14"}))
    def test_it_resolves_for_the_target_and_builds_for_this_machine(
        self, runtime: str, architecture: str, tmp_path: Path
    ) -> None:
        assert_resolves_for(target_of(runtime, architecture), tmp_path / "index", Pip())

    def test_what_is_not_there_for_the_target_is_told_with_what_is(self, tmp_path: Path) -> None:
        make_wheel(tmp_path, "native", tag="cp313-cp313-win_amd64")

        answer = ask(tmp_path, target_of("python3.13", "arm64"), ["native"])

        assert answer.exit_code == 1
        assert "No matching distribution found for native" in answer.output
        assert answer.findings is not None
        assert answer.findings["resolved"] is None
        assert answer.findings["starved"] == ["native"]
        assert answer.findings["offers"]["native"] == [["native-1.0-cp313-cp313-win_amd64.whl", None, False]]

    def test_a_direct_wheel_for_another_machine_is_told_by_its_name(self, tmp_path: Path) -> None:
        wheel = make_wheel(tmp_path, "native", tag="cp313-cp313-win_amd64")

        answer = ask(tmp_path, target_of("python3.13", "arm64"), [f"native @ {wheel.as_uri()}"])

        assert answer.exit_code == 1
        assert answer.findings is not None
        assert answer.findings["starved"] == ["native"]

    def test_misdeclared_wheels_are_taken_behind_all_that_fit(self, tmp_path: Path) -> None:
        make_wheel(tmp_path, "native", tag="cp313-cp313-win_amd64")
        make_wheel(tmp_path, "Both_Ways", tag="cp313-cp313-win_amd64")
        fitting = make_wheel(tmp_path, "Both_Ways", tag="cp313-cp313-manylinux_2_28_aarch64")

        answer = ask(
            tmp_path, target_of("python3.13", "arm64"), ["native", "both-ways"], misdeclared=["native", "both-ways"]
        )

        assert answer.exit_code == 0, answer.output
        assert answer.files == {"native-1.0-cp313-cp313-win_amd64.whl", fitting.name}

    def test_only_those_that_are_named_count_as_misdeclared(self, tmp_path: Path) -> None:
        make_wheel(tmp_path, "native", tag="cp313-cp313-win_amd64")
        make_wheel(tmp_path, "other", tag="cp313-cp313-win_amd64")

        answer = ask(tmp_path, target_of("python3.13", "arm64"), ["native", "other"], misdeclared=["native"])

        assert answer.exit_code == 1
        assert "No matching distribution found for other" in answer.output

    def test_files_that_the_user_rules_out_are_told_as_such(self, tmp_path: Path) -> None:
        make_wheel(tmp_path, "native")

        answer = ask(tmp_path, target_of("python3.13", "arm64"), ["native"], arguments=["--no-binary=native"])

        assert answer.exit_code == 1
        assert answer.findings is not None
        assert [refused for _, _, refused in answer.findings["offers"]["native"]] == [True]

    def test_a_module_of_ours_beside_the_program_does_not_stand_in_for_one_of_pips(self, tmp_path: Path) -> None:
        """Python puts a program's folder first on its path, and ours has a `resolution` and an `archive` in it."""
        make_wheel(tmp_path, "native")
        ours = Path(for_target.__file__).parent
        trap = tmp_path / "trap"
        trap.mkdir()
        (trap / "sitecustomize.py").write_text(
            "import atexit, os, sys\n"
            f"atexit.register(lambda: print('OURS' if {str(ours)!r} in map(os.path.abspath, sys.path) else 'CLEAN'))\n",
            encoding="utf-8",
        )

        answer = ask(tmp_path, target_of("python3.13", "arm64"), ["native"], in_front=trap)

        assert answer.output.splitlines()[-1] == "CLEAN"


def test_what_is_beside_our_package_does_not_stand_in_for_the_standard_librarys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old backports are where distributions are, and so is our package."""
    for name in os.environ.keys() & {"COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"}:
        monkeypatch.delenv(name)  # the copy would be measured as well
    shutil.copytree(for_target.PROGRAM.parents[3], tmp_path / "site" / "hatch_lambda")
    for name in ("dataclasses", "json", "typing", "weakref", "logging"):
        (tmp_path / "site" / f"{name}.py").write_text("raise RuntimeError('a backport')\n", encoding="utf-8")
    make_wheel(tmp_path, "foo")

    answer = ask(
        *(tmp_path, target_of("python3.13", "arm64"), ["foo"]),
        program=tmp_path / "site" / "hatch_lambda" / "resolve" / "pip" / "for_target" / "__main__.py",
    )

    assert answer.exit_code == 0, answer.output
    assert answer.resolved == {"foo": "1.0"}


class TestIndexPages:
    """What is taken off a page before pip looks at it changes nothing but the time that it takes."""

    FOREIGN = ("cp313-cp313-win_amd64", "cp313-cp313-macosx_11_0_arm64", "cp312-cp312-manylinux_2_28_aarch64")
    FITTING = ("cp313-cp313-manylinux_2_28_aarch64.manylinux_2_17_aarch64", "py3-none-any")

    @pytest.fixture
    def files(self, tmp_path: Path) -> Path:
        folder = tmp_path / "files"
        for version in ("1.0", "2.0"):
            for tag in (*self.FOREIGN, *self.FITTING):
                make_wheel(folder, "Native.Code", version, tag=tag, requires_python=">=3.9", requires=["pure"])
        for tag in self.FOREIGN:
            make_wheel(folder, "Native.Code", "3.0", tag=tag)
            make_wheel(folder, "foreign", tag=tag)
            make_wheel(folder, "yanked", tag=tag)
        make_sdist(folder, "native.code", "2.5")
        pure = make_wheel(folder, "pure")
        for no_name_for_a_wheel in ("native.code-9-win_amd64.whl", "native.code-9-b-c-d-cp313-cp313-win_amd64.whl"):
            (folder / no_name_for_a_wheel).write_bytes(pure.read_bytes())
        return folder

    @pytest.mark.parametrize(
        ("requirements", "options"),
        [
            (["native-code"], {}),
            (["native-code"], {"arguments": ["--prefer-binary"]}),
            (["native-code==3.0"], {}),
            (["foreign"], {}),
            (["foreign", "native-code"], {"misdeclared": ["foreign"]}),
            (["native-code"], {"misdeclared": ["native-code"]}),
            (["native-code"], {"arguments": ["--no-binary=native-code"]}),
            (["native-code<3"], {"arguments": ["--only-binary=:all:"]}),
            (["yanked==1.0"], {}),
            (["yanked==1.0"], {"misdeclared": ["yanked"]}),
        ],
    )
    def test_pip_finds_what_it_finds_with_all_of_the_page(
        self, requirements: list[str], options: dict[str, Any], files: Path, tmp_path: Path
    ) -> None:
        yanked = frozenset({f"Native.Code-2.0-{tag}.whl" for tag in (self.FOREIGN[0], self.FITTING[0])})
        yanked |= {f"yanked-1.0-{tag}.whl" for tag in self.FOREIGN}
        target = target_of("python3.13", "arm64")
        with SimpleIndex(files, as_json=True, yanked=yanked) as index:
            sifted = ask(tmp_path, target, requirements, index_url=index.url, **options)
            unsifted = ask(
                tmp_path, target, requirements, index_url=index.url, program=without_shortcuts(tmp_path), **options
            )

        assert sifted.exit_code == unsifted.exit_code
        assert sifted.files == unsifted.files
        assert findings_of(sifted) == findings_of(unsifted)
        assert said_by_pip(sifted) == said_by_pip(unsifted)

    def test_what_is_taken_off_is_most_of_it(self, files: Path, tmp_path: Path) -> None:
        with SimpleIndex(files, as_json=True) as index:
            answer = ask(
                tmp_path, target_of("python3.13", "arm64"), ["native-code"], index_url=index.url, arguments=["-vvv"]
            )

        assert answer.exit_code == 0, answer.output
        assert "Native.Code-2.0-cp313-cp313-manylinux_2_28_aarch64" in answer.output
        assert "win_amd64" not in answer.output.replace("native.code-9-win_amd64", "").replace(
            "native.code-9-b-c-d-cp313-cp313-win_amd64", ""
        )

    @pytest.mark.parametrize("page", ["[]", '{"files": [{"url": "x"}]}', '{"files": null}', "{", '{"files": [7]}'])
    def test_a_page_that_makes_no_sense_is_left_to_pip(self, page: str, tmp_path: Path) -> None:
        with SimpleIndex(tmp_path, page=lambda _folder, _name: page) as index:
            sifted = ask(tmp_path, target_of("python3.13", "arm64"), ["native"], index_url=index.url)
            unsifted = ask(
                tmp_path,
                target_of("python3.13", "arm64"),
                ["native"],
                index_url=index.url,
                program=without_shortcuts(tmp_path),
            )

        assert sifted.exit_code == unsifted.exit_code != 0
        assert said_by_pip(sifted)[-1:] == said_by_pip(unsifted)[-1:]

    @pytest.mark.parametrize("as_json", [True, False])
    def test_wheels_can_be_looked_at_as_they_come(self, *, as_json: bool, tmp_path: Path) -> None:
        files = tmp_path / "files"
        make_wheel(files, "First_One", requires=["second"])
        make_wheel(files, "second")
        make_sdist(files, "third")
        with SimpleIndex(files, as_json=as_json) as index:
            answer = ask(tmp_path, target_of("python3.13", "arm64"), ["first-one", "third"], index_url=index.url)

        assert answer.exit_code == 0, answer.output
        told = [line for line in answer.output.splitlines() if line.startswith(WHEEL_IS_HERE)]
        places = [Path(line.removeprefix(WHEEL_IS_HERE)) for line in told]
        assert sorted(place.name for place in places) == [
            "First_One-1.0-py3-none-any.whl",
            "second-1.0-py3-none-any.whl",
        ]
        assert all(place.read_bytes() == (files / place.name).read_bytes() for place in places)
        assert all(place.parent.parent.name == "early" for place in places)
        assert answer.output.splitlines()[-1].startswith("Successfully downloaded")
        assert answer.files == {place.name for place in places} | {"third-1.0.tar.gz"}

    @pytest.mark.parametrize("requirements", [["foo", "b"], ["b", "foo"]])
    def test_of_two_files_of_one_name_the_one_that_pip_takes_is_saved(
        self, requirements: list[str], tmp_path: Path
    ) -> None:
        make_wheel(tmp_path / "files", "foo", files={"foo.py": "OF = 'the index'\n"})
        fork = make_wheel(tmp_path / "fork", "foo", files={"foo.py": "OF = 'the fork'\n"})
        with SimpleIndex(tmp_path / "fork") as other:
            make_wheel(tmp_path / "files", "b", requires=[f"foo @ {other.file_url(fork.name)}"])
            with SimpleIndex(tmp_path / "files") as index:
                answer = ask(tmp_path, target_of("python3.13", "arm64"), requirements, index_url=index.url)

        assert answer.exit_code == 0, answer.output
        (saved,) = tmp_path.glob("request-*/files/foo/*.whl")
        assert saved.read_bytes() == fork.read_bytes()


class TestWheelsThatAreKept:
    """By their hash, as the store has them; the index has pages alone, so that whatever is downloaded fails."""

    @pytest.fixture
    def wheel(self, tmp_path: Path) -> Path:
        return make_wheel(tmp_path / "files", "Foo_Bar", requires=["baz"])

    @pytest.fixture
    def kept(self, wheel: Path, tmp_path: Path) -> Path:
        return keep(tmp_path / "kept", wheel)

    @pytest.fixture
    def pages(self, wheel: Path, tmp_path: Path) -> Callable[[Path, str], str]:
        make_wheel(tmp_path / "files", "baz")
        return lambda _folder, name: json_page(wheel.parent, name)

    def ask(self, index: SimpleIndex, tmp_path: Path, *requirements: str, **options: Any) -> Answer:
        return ask(
            *(tmp_path, target_of("python3.13", "arm64"), requirements or ["foo-bar"]),
            kept=tmp_path / "kept",
            index_url=index.url,
            **options,
        )

    @pytest.mark.parametrize("as_json", [True, False])
    def test_they_are_not_downloaded(self, *, as_json: bool, wheel: Path, kept: Path, tmp_path: Path) -> None:
        keep(tmp_path / "kept", make_wheel(tmp_path / "files", "baz"))
        make_page = json_page if as_json else project_page
        pages = {name: make_page(wheel.parent, name) for name in ("foo-bar", "baz")}
        with SimpleIndex(tmp_path / "nothing", page=lambda _folder, name: pages[name]) as index:
            answer = self.ask(index, tmp_path)

        assert answer.exit_code == 0, answer.output
        assert answer.files == frozenset()
        assert answer.findings is not None
        taken = {found["name"]: found["kept"] for found in answer.findings["resolved"]}
        assert taken["Foo_Bar"] == str(kept)
        assert taken["baz"].startswith(str(tmp_path / "kept"))
        assert "Using Foo_Bar-1.0-py3-none-any.whl, kept from an earlier build" in answer.output
        assert f"{WHEEL_IS_HERE}{kept}" in answer.output.splitlines()
        assert kept.read_bytes() == wheel.read_bytes()

    @pytest.mark.parametrize("content", [b"", b"EVIL", None])
    def test_what_is_not_what_it_was_is_downloaded(self, content: bytes | None, kept: Path, tmp_path: Path) -> None:
        if content is None:
            kept.unlink()
        else:
            kept.write_bytes(content)
        make_wheel(tmp_path / "files", "baz")
        with SimpleIndex(tmp_path / "files", as_json=True) as index:
            answer = self.ask(index, tmp_path)

        assert answer.exit_code == 0, answer.output
        assert answer.files == {"Foo_Bar-1.0-py3-none-any.whl", "baz-1.0-py3-none-any.whl"}
        assert answer.findings is not None
        assert {found["kept"] for found in answer.findings["resolved"]} == {None}

    def test_what_the_user_has_another_hash_of_is_refused(
        self, kept: Path, pages: Callable[[Path, str], str], tmp_path: Path
    ) -> None:
        del kept
        with SimpleIndex(tmp_path / "nothing", page=pages) as index:
            answer = self.ask(index, tmp_path, f"foo-bar==1.0 --hash=sha256:{'0' * 64}", arguments=["--no-deps"])

        assert answer.exit_code != 0
        assert "THESE PACKAGES DO NOT MATCH THE HASHES" in answer.output

    @pytest.mark.parametrize("algorithm", ["md5", "sha512"])
    def test_by_other_hashes_nothing_is_found(self, algorithm: str, wheel: Path, kept: Path, tmp_path: Path) -> None:
        make_wheel(tmp_path / "files", "baz")
        of_wheel = hashlib.new(algorithm, wheel.read_bytes()).hexdigest()
        page = f'<a href="../../files/{wheel.name}#{algorithm}={of_wheel}">{wheel.name}</a>'
        with SimpleIndex(tmp_path / "files", page=lambda _folder, _name: page) as index:
            answer = self.ask(index, tmp_path, arguments=["--no-deps"])

        assert kept.is_file()
        assert answer.exit_code == 0, answer.output
        assert answer.files == {wheel.name}

    def test_other_hashes_beside_it_do_not_matter(self, wheel: Path, kept: Path, tmp_path: Path) -> None:
        content = wheel.read_bytes()
        hashes = {"md5": hashlib.md5(content).hexdigest(), "sha256": hashlib.sha256(content).hexdigest()}
        file = {"filename": wheel.name, "url": f"../../files/{wheel.name}", "hashes": hashes}
        page = json.dumps({"meta": {"api-version": "1.0"}, "name": "foo-bar", "files": [file]})
        with SimpleIndex(tmp_path / "nothing", page=lambda _folder, _name: page) as index:
            answer = self.ask(index, tmp_path, arguments=["--no-deps"])

        assert answer.exit_code == 0, answer.output
        assert f"{WHEEL_IS_HERE}{kept}" in answer.output.splitlines()

    def test_what_is_on_this_machine_is_taken_from_where_it_is(self, wheel: Path, kept: Path, tmp_path: Path) -> None:
        sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
        answer = ask(
            *(tmp_path, target_of("python3.13", "arm64"), [f"foo-bar @ {wheel.as_uri()}#sha256={sha256}"]),
            kept=tmp_path / "kept",
            arguments=["--no-deps"],
        )

        assert kept.is_file()
        assert answer.exit_code == 0, answer.output
        assert answer.files == {wheel.name}

    def test_that_they_are_taken_tells_others_that_they_are_in_use(
        self, kept: Path, pages: Callable[[Path, str], str], tmp_path: Path
    ) -> None:
        os.utime(kept, (0, 0))
        with SimpleIndex(tmp_path / "nothing", page=pages) as index:
            answer = self.ask(index, tmp_path, arguments=["--no-deps"])

        assert answer.exit_code == 0, answer.output
        assert kept.stat().st_mtime > 1e9

    def test_a_pip_that_looks_for_them_in_another_way_downloads_them(
        self, kept: Path, wheel: Path, changed_pip: Callable[[str], Path], tmp_path: Path
    ) -> None:
        make_wheel(tmp_path / "files", "baz")
        change = changed_pip(
            "from pip._internal.operations import prepare as p\n"
            "p.in_another_way = p.__dict__.pop('_check_download_dir')\n"
            "for f in (p.get_http_url, p.get_file_url, p.RequirementPreparer.prepare_linked_requirement,\n"
            "          p.RequirementPreparer.prepare_linked_requirements_more):\n"
            "    names = tuple({'_check_download_dir': 'in_another_way'}.get(n, n) for n in f.__code__.co_names)\n"
            "    f.__code__ = f.__code__.replace(co_names=names)\n"
        )
        with SimpleIndex(wheel.parent, as_json=True) as index:
            answer = self.ask(index, tmp_path, in_front=change)

        assert kept.is_file()
        assert answer.exit_code == 0, answer.output
        assert answer.files == {wheel.name, "baz-1.0-py3-none-any.whl"}


def keep(folder: Path, wheel: Path) -> Path:
    """Have a wheel where a store has it."""
    store = Store(folder.parent / "store")
    kept = store.keep(wheel, "foo 1.0").path
    place = folder / kept.relative_to(store.wheels)
    place.parent.mkdir(parents=True)
    shutil.copy(kept, place)
    return place


class TestWhatGoesOnWhilePipIsImported:
    def run(self, script: str) -> list[str]:
        completed = subprocess.run(
            [sys.executable, "-c", script],
            env=environment_of([for_target.PROGRAM.parents[4]]),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=300,
        )
        return completed.stdout.splitlines()

    def test_each_file_of_certificates_is_read_once_for_each_context(self) -> None:
        pytest.importorskip("pip._vendor.truststore", reason="this pip has none")

        read = self.run(
            "import ssl, sys\n"
            "from pip._vendor import certifi\n"
            "from pip._vendor.truststore import SSLContext, _api\n"
            "load, configure = SSLContext.load_verify_locations, _api._configure_context\n"
            "def tell_load(self, *what):\n"
            "    print('load', what[0] == certifi.where(), *what[1:])\n"
            "    load(self, *what)\n"
            "def tell_configure(context):\n"
            "    print('configure')\n"
            "    return configure(context)\n"
            "tell_configure.__module__ = 'pip._vendor.truststore._openssl'\n"
            "SSLContext.load_verify_locations, _api._configure_context = tell_load, tell_configure\n"
            "from hatch_lambda.resolve.pip.for_target import shortcuts\n"
            "shortcuts.read_certificates_once()\n"
            "for number in range(2):\n"
            "    context = SSLContext(ssl.PROTOCOL_TLS_CLIENT)\n"
            "    context.load_verify_locations(certifi.where())\n"
            "    context.load_verify_locations(certifi.where(), None, None)\n"
            "    for connection in range(3):\n"
            "        with _api._configure_context(context._ctx):\n"
            "            pass\n"
            "    print('has', context._ctx.cert_store_stats()['x509_ca'] > 100)\n"
        )

        assert read == ["load True None None", "configure", "has True"] * 2

    def test_where_a_connection_changes_the_context_for_a_while_it_does_so_each_time(self) -> None:
        pytest.importorskip("pip._vendor.truststore", reason="this pip has none")

        told = self.run(
            "import contextlib\n"
            "from pip._vendor.truststore import _api\n"
            "@contextlib.contextmanager\n"
            "def as_on_macos(context):\n"
            "    print('changed')\n"
            "    yield\n"
            "    print('changed back')\n"
            "as_on_macos.__module__ = 'pip._vendor.truststore._macos'\n"
            "_api._configure_context = as_on_macos\n"
            "from hatch_lambda.resolve.pip.for_target import shortcuts\n"
            "shortcuts.read_certificates_once()\n"
            "for connection in range(2):\n"
            "    with _api._configure_context('context'):\n"
            "        print('connected')\n"
        )

        assert told == ["changed", "connected", "changed back"] * 2

    def test_what_is_asked_for_early_is_answered_before_anybody_asks_and_once(self) -> None:
        asked, made_use_of = queue.SimpleQueue[int](), queue.SimpleQueue[str]()
        answers = iter(["first", "second"])

        def ask() -> str:
            asked.put(threading.get_ident())
            return next(answers)

        owner = SimpleNamespace(ask=ask)
        shortcuts.answer_early(owner, "ask", and_then=made_use_of.put)

        assert asked.get(timeout=60) != threading.get_ident()
        assert made_use_of.get(timeout=60) == "first"
        assert owner.ask() == "first"
        assert asked.empty()
        assert owner.ask() == "second"
        assert asked.get(timeout=60) == threading.get_ident()

    @pytest.mark.parametrize(
        ("module", "name"),
        [
            ("pip._internal.network.session", "user_agent"),
            ("pip._internal.cli.index_command", "_create_truststore_ssl_context"),
        ],
    )
    def test_pip_gets_early_answers(self, module: str, name: str) -> None:
        told = self.run(
            f"import threading\nimport {module} as asked\n"
            f"answer = asked.{name}\n"
            "def tell():\n"
            "    print(threading.current_thread() is threading.main_thread())\n"
            "    return answer()\n"
            f"asked.{name} = tell\n"
            "from hatch_lambda.resolve.pip.for_target import program\n"
            "program.import_pip()\n"
            f"print(type(asked.{name}()) is type(answer()))\n"
        )

        assert told == ["False", "True"]

    def test_the_context_that_is_made_early_is_ready_for_its_first_connection(self) -> None:
        pytest.importorskip("pip._vendor.truststore._openssl", reason="this pip has none")

        told = self.run(
            "from pip._vendor.truststore import _api\n"
            "configure = _api._configure_context\n"
            "def tell(context):\n"
            "    print('configured')\n"
            "    return configure(context)\n"
            "tell.__module__ = 'pip._vendor.truststore._openssl'\n"
            "_api._configure_context = tell\n"
            "from hatch_lambda.resolve.pip.for_target import program\n"
            "program.import_pip()\n"
            "from pip._internal.cli import index_command\n"
            "context = index_command._create_truststore_ssl_context()\n"
            "print('made')\n"
            "with _api._configure_context(context._ctx):\n"
            "    print('connected')\n"
        )

        assert told == ["configured", "made", "connected"]

    def test_what_fails_early_fails_when_it_is_asked_for(self) -> None:
        owner = SimpleNamespace(ask=lambda: 1 / 0)

        shortcuts.answer_early(owner, "ask")

        with pytest.raises(ZeroDivisionError):
            owner.ask()

    def test_what_is_done_with_an_answer_may_fail(self) -> None:
        owner = SimpleNamespace(ask=lambda: "answer")

        shortcuts.answer_early(owner, "ask", and_then=lambda answer: answer / 0)

        assert owner.ask() == "answer"

    def test_what_is_not_there_is_not_asked_for(self) -> None:
        owner = SimpleNamespace()

        shortcuts.answer_early(owner, "ask")

        assert owner == SimpleNamespace()

    def test_what_is_asked_for_that_reads_its_input_reads_nothing_of_the_request(
        self, changed_pip: Callable[[str], Path], tmp_path: Path
    ) -> None:
        make_wheel(tmp_path, "foo")
        ask_a_program = "import subprocess; print('TOLD', subprocess.check_output(['cat']))"
        change = changed_pip(
            f"from pip._internal.network import session as s\ndef tell():\n    {ask_a_program}\n"
            "    return 'pip/0'\n"
            "s.user_agent = tell"
        )

        answer = ask(tmp_path, target_of("python3.13", "arm64"), ["foo"], in_front=change)

        assert answer.exit_code == 0, answer.output
        assert "TOLD b''" in answer.output
        assert answer.resolved == {"foo": "1.0"}

    def test_the_index_is_told_what_pip_tells_it(self, tmp_path: Path) -> None:
        told: list[str | None] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                told.append(self.headers["User-Agent"])
                self.send_error(404)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as it is called there
                """Keep the tests' output clean."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.02,))
            thread.start()
            for program in (for_target.PROGRAM, without_shortcuts(tmp_path)):
                ask(
                    *(tmp_path, target_of("python3.13", "arm64"), ["foo"]),
                    index_url=f"http://127.0.0.1:{server.server_port}/simple",
                    program=program,
                )
            server.shutdown()
            thread.join()

        assert told[0] == told[1]
        assert (told[0] or "").startswith("pip/")


@pytest.mark.parametrize("runtime", ["python3.10", "python3.14"])
def test_a_lock_among_the_requirements_is_read_for_the_target(runtime: str, tmp_path: Path) -> None:
    pytest.importorskip("pip._vendor.packaging.pylock", reason="this pip reads no lock files")
    target = target_of(runtime, "arm64")
    here = "cp{}{}".format(*sys.version_info)
    tags = (f"{here}-{here}-{platform.system().lower()}_{platform.machine()}", "py3-none-any", "py2-none-any")
    fitting = f"{target.interpreter}-{target.interpreter}-manylinux_2_17_aarch64"
    wheels = [make_wheel(tmp_path, "foo", tag=tag) for tag in (*tags, fitting)]
    sdist = make_sdist(tmp_path, "foo")
    (tmp_path / "pylock.toml").write_text(
        "lock-version = '1.0'\ncreated-by = 'hand'\n"
        f"requires-python = '=={target.runtime.full_version}'\n[[packages]]\nname = 'foo'\nversion = '1.0'\n"
        + "".join(f"[[packages.wheels]]\n{_locked(wheel)}" for wheel in wheels)
        + f"[packages.sdist]\n{_locked(sdist)}",
        encoding="utf-8",
    )

    answer = ask(tmp_path, target, [], arguments=["--requirement", str(tmp_path / "pylock.toml")])

    assert answer.exit_code == 0, answer.output
    assert answer.files == {wheels[-1].name}


def _locked(file: Path) -> str:
    return f"path = '{file.name}'\nhashes.sha256 = '{hashlib.sha256(file.read_bytes()).hexdigest()}'\n"


def test_a_temporary_folder_that_was_asked_for_before_is_not_used(
    changed_pip: Callable[[str], Path], tmp_path: Path
) -> None:
    make_wheel(tmp_path, "foo")
    folder = changed_pip(
        "import atexit, tempfile; tempfile.gettempdir()\n"
        "atexit.register(lambda: print('TEMPORARY', tempfile.gettempdir()))"
    )

    answer = ask(tmp_path, target_of("python3.13", "arm64"), ["foo"], in_front=folder)

    assert f"TEMPORARY {tmp_path / 'request-0' / 'temporary'}" in answer.output


def without_shortcuts(folder: Path) -> Path:
    """The program as it is for a pip that has no place for them."""
    copy = folder / "without_shortcuts.py"
    copy.write_text(
        f"import sys; sys.path.insert(0, {str(for_target.PROGRAM.parents[4])!r})\n"
        "from hatch_lambda.resolve.pip.for_target import program\n"
        "del sys.path[0]\n"
        "assert program.take_shortcuts and program.take_shortcuts_at_once\n"
        "program.take_shortcuts = program.take_shortcuts_at_once = lambda *_: None\n"
        "sys.exit(program.main())\n",
        encoding="utf-8",
    )
    return copy


def findings_of(answer: Answer) -> dict[str, Any]:
    assert answer.findings is not None, answer.output
    offers = {name: sorted(files) for name, files in answer.findings["offers"].items()}
    return {**answer.findings, "offers": offers}


def said_by_pip(answer: Answer) -> list[str]:
    """Less how long something took, and what differs by the folder."""
    lines = [re.sub(r"\d+(?:\.\d+)? [kM]?B/s.*|request-\d+", "", line) for line in answer.output.splitlines()]
    return [line for line in lines if not line.startswith((WHEEL_IS_HERE, "Saved ", "  Saved ", "File was already"))]


# Each takes something away that an override stands on, or makes an override idle, as a future pip may.
MISSING_SEAMS = {
    "from pip._vendor.packaging import markers; del markers.default_environment": "default_environment",
    "from pip._internal.build_env import BuildEnvironment as B; del B.check_requirements": "check_requirements",
    "from pip._internal.cli import cmdoptions; del cmdoptions.check_dist_restriction": "check_dist_restriction",
    "from pip._internal.commands import download; del download.cmdoptions": "cmdoptions",
    "from pip._internal.models.wheel import Wheel; del Wheel.supported": "Wheel.supported",
    "from pip._internal.models.wheel import Wheel; del Wheel.find_most_preferred_tag": "find_most_preferred_tag",
    "from pip._internal.index.package_finder import LinkEvaluator as L; del L.evaluate_link": "evaluate_link",
    "from pip._internal.index.package_finder import PackageFinder as P; del P.find_best_candidate": (
        "find_best_candidate"
    ),
    "from pip._internal.index import package_finder; del package_finder.LinkEvaluator": "LinkEvaluator",
    "from pip._internal.resolution.resolvelib.factory import Factory; del Factory._fail_if_link_is_unsupported_wheel": (
        "_fail_if_link_is_unsupported_wheel"
    ),
    "from pip._internal.cli.req_command import RequirementCommand as R; del R.make_resolver": "make_resolver",
    "import sys; sys.modules['pip._internal.cli.main'] = None": "pip._internal.cli.main",
}
IDLE_OVERRIDES = {
    # markers that remember their environment from elsewhere
    "from pip._vendor.packaging import markers as m\n"
    "fixed, evaluate = m.default_environment(), m.Marker.evaluate\n"
    "m.Marker.evaluate = lambda self, environment=None, *rest: evaluate(self, {**fixed, **(environment or {})})": (
        "does not follow"
    ),
    # a check that is imported by name
    "from pip._internal.commands import download\n"
    "import types\n"
    "download.cmdoptions = types.SimpleNamespace(**vars(download.cmdoptions))": "check_dist_restriction",
    # a command that resolves by other means
    "from pip._internal.commands.download import DownloadCommand\n"
    "DownloadCommand.run = lambda *args: 0": "make_resolver",
}


@pytest.fixture
def changed_pip(tmp_path: Path) -> Callable[[str], Path]:
    """A folder that, in front of all others, has the pip at hand changed before anything else is done with it."""

    def change(statements: str) -> Path:
        folder = tmp_path / "changed"
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(f"{statements}\n", encoding="utf-8")
        return folder

    return change


class TestAnUnfitPip:
    @pytest.mark.parametrize(("change", "missing"), MISSING_SEAMS.items(), ids=MISSING_SEAMS.values())
    def test_a_seam_that_is_not_there_ends_it_with_a_word_on_which(
        self, change: str, missing: str, changed_pip: Callable[[str], Path], tmp_path: Path
    ) -> None:
        make_wheel(tmp_path, "orders")

        answer = ask(tmp_path, target_of("python3.13", "arm64"), ["orders"], in_front=changed_pip(change))

        assert answer.exit_code == EXIT_UNSUPPORTED_PIP
        assert missing in answer.output
        assert "Traceback" not in answer.output
        assert answer.files == frozenset()

    @pytest.mark.parametrize(("change", "idle"), IDLE_OVERRIDES.items(), ids=IDLE_OVERRIDES.values())
    def test_an_override_without_effect_is_noticed(
        self, change: str, idle: str, changed_pip: Callable[[str], Path], tmp_path: Path
    ) -> None:
        make_wheel(tmp_path, "orders")
        target = target_of(other_runtime(RUNNING), "arm64")

        answer = ask(tmp_path, target, ["orders"], in_front=changed_pip(change))

        assert answer.exit_code == EXIT_UNSUPPORTED_PIP
        assert idle in answer.output
        assert "Traceback" not in answer.output

    def test_another_program_called_pip_is_none(self, tmp_path: Path) -> None:
        (tmp_path / "elsewhere" / "pip").mkdir(parents=True)
        (tmp_path / "elsewhere" / "pip" / "__init__.py").write_text("__version__ = '99'\n", encoding="utf-8")

        answer = ask(tmp_path, target_of("python3.13", "arm64"), ["orders"], in_front=tmp_path / "elsewhere")

        assert answer.exit_code == EXIT_UNSUPPORTED_PIP
        assert "pip._internal" in answer.output
        assert "Traceback" not in answer.output

    def test_one_that_ends_well_and_says_nothing_stops_the_build(
        self,
        changed_pip: Callable[[str], Path],
        bundle_of: Callable[..., object],
        index: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        make_wheel(index, "orders")
        program = str(for_target.PROGRAM)
        folder = changed_pip(f"import os, sys\nif {program!r} in sys.orig_argv:\n    os._exit(0)")
        monkeypatch.setenv("PYTHONPATH", str(folder))

        with pytest.raises(ResolutionError, match=r"cannot be resolved"):
            bundle_of("orders")

    def test_the_build_stops_with_its_version_what_is_missing_and_what_to_do(
        self,
        changed_pip: Callable[[str], Path],
        bundle_of: Callable[..., object],
        index: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        make_wheel(index, "orders")
        folder = changed_pip("from pip._vendor.packaging import markers; del markers.default_environment")
        monkeypatch.setenv("PYTHONPATH", str(folder))

        with pytest.raises(UnsupportedPipError) as raised:
            bundle_of("orders", runtime="python3.12", architecture="arm64")

        message = str(raised.value)
        assert message.startswith(
            f"pip {importlib.metadata.version('pip')} cannot be made to resolve for python3.12 on arm64"
        )
        assert "`pip._vendor.packaging.markers.default_environment` is not there" in message
        assert f"tested with pip {oldest_pip()} and newer" in message
        assert "install another version of pip" in message


def oldest_pip() -> str:
    """The lower bound that the project itself states."""
    requirements = map(Requirement, importlib.metadata.requires("hatch-lambda") or [])
    (pip,) = [requirement for requirement in requirements if requirement.name == "pip"]
    (bound,) = [specifier.version for specifier in pip.specifier if specifier.operator == ">="]
    return bound


@pytest.fixture(scope="session")
def pips(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """The oldest and the newest pip that the project allows, each in a folder."""
    folder = tmp_path_factory.mktemp("pips")
    allowed = {"oldest": f"pip=={oldest_pip()}", "newest": f"pip>={oldest_pip()}"}
    for name, requirement in allowed.items():
        subprocess.run(
            [
                sys.executable,
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-deps",
                "--target",
                str(folder / name),
                requirement,
            ],
            check=True,
            timeout=300,
        )
    return {name: folder / name for name in allowed}


@pytest.mark.index
class TestEveryPipThatIsAllowed:
    @pytest.mark.parametrize("version", ["3.10", "3.11", "3.12", "3.13", "3.14"])
    @pytest.mark.parametrize("which", ["oldest", "newest"])
    def test_it_resolves_for_the_target_whatever_python_runs_it(
        self, which: str, version: str, pips: Mapping[str, Path], tmp_path: Path
    ) -> None:
        if version not in pythons_at_hand():
            pytest.skip(f"no Python {version} at hand")
        pip = Pip(pythons_at_hand()[version], pips[which])

        assert_resolves_for(target_of(other_runtime(version), "arm64"), tmp_path / "index", pip)

    @pytest.mark.parametrize("which", ["oldest", "newest"])
    def test_the_tests_above_run_the_pip_that_they_say(self, which: str, pips: Mapping[str, Path]) -> None:
        script = "import pip; print(pip.__version__, pip.__file__)"
        for python in pythons_at_hand().values():
            told = subprocess.run(
                [str(python), "-c", script],
                env=environment_of([pips[which]]),
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            version, _, file = told.strip().partition(" ")

            assert Path(file).is_relative_to(pips[which])
            assert (version == oldest_pip()) is (which == "oldest")

    @pytest.mark.parametrize("which", ["oldest", "newest"])
    def test_misdeclared_wheels_and_what_is_missing_are_told_by_each(
        self, which: str, pips: Mapping[str, Path], tmp_path: Path
    ) -> None:
        make_wheel(tmp_path, "native", tag="cp313-cp313-win_amd64")
        target, pip = target_of("python3.13", "arm64"), Pip(folder=pips[which])

        first = ask(tmp_path, target, ["native"], pip=pip)
        second = ask(tmp_path, target, ["native"], pip=pip, misdeclared=["native"])

        assert first.exit_code == 1
        assert first.findings is not None
        assert first.findings["starved"] == ["native"]
        assert second.exit_code == 0, second.output
        assert second.files == {"native-1.0-cp313-cp313-win_amd64.whl"}

    @pytest.mark.parametrize("which", ["oldest", "newest"])
    def test_each_takes_what_is_kept(self, which: str, pips: Mapping[str, Path], tmp_path: Path) -> None:
        files = tmp_path / "files"
        wheels = make_wheel(files, "foo", requires=["bar"]), make_wheel(files, "bar")
        kept = {str(keep(tmp_path / "kept", wheel)) for wheel in wheels}
        with SimpleIndex(tmp_path, page=lambda _folder, name: json_page(files, name)) as index:
            answer = ask(
                *(tmp_path, target_of("python3.13", "arm64"), ["foo"]),
                pip=Pip(folder=pips[which]),
                index_url=index.url,
                kept=tmp_path / "kept",
            )

        assert answer.exit_code == 0, answer.output
        assert answer.findings is not None
        assert {found["kept"] for found in answer.findings["resolved"]} == kept

    @pytest.mark.parametrize("which", ["oldest", "newest"])
    def test_each_has_a_place_for_the_shortcuts(self, which: str, pips: Mapping[str, Path], tmp_path: Path) -> None:
        files = tmp_path / "files"
        make_wheel(files, "native", tag="cp313-cp313-win_amd64")
        make_wheel(files, "native", tag="cp313-cp313-manylinux_2_28_aarch64")
        with SimpleIndex(files, as_json=True) as index:
            answer = ask(
                tmp_path,
                target_of("python3.13", "arm64"),
                ["native"],
                pip=Pip(folder=pips[which]),
                index_url=index.url,
                arguments=["-vvv"],
            )

        assert answer.exit_code == 0, answer.output
        assert answer.output.count(WHEEL_IS_HERE) == 1
        assert "win_amd64" not in answer.output

    @pytest.mark.parametrize("which", ["oldest", "newest"])
    def test_a_missing_seam_ends_each_in_the_same_way(
        self, which: str, pips: Mapping[str, Path], changed_pip: Callable[[str], Path], tmp_path: Path
    ) -> None:
        folder = changed_pip("from pip._internal.cli import cmdoptions; del cmdoptions.check_dist_restriction")

        answer = ask(tmp_path, target_of("python3.13", "arm64"), ["x"], pip=Pip(folder=pips[which]), in_front=folder)

        assert answer.exit_code == EXIT_UNSUPPORTED_PIP
        assert "`pip._internal.cli.cmdoptions.check_dist_restriction` is not there" in answer.output

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common.errors import ConfigurationError
from hatch_lambda.common.interpreters import Interpreter, interpreter_to_build_with
from hatch_lambda.config.tables import load
from tests.support.lambda_runtime import pythons_at_hand

if TYPE_CHECKING:
    from collections.abc import Callable

RUNNING = "{}.{}".format(*sys.version_info)


@pytest.fixture(scope="module")
def at_hand() -> dict[str, Path]:
    """Asked for before any test hides them; the answer is kept for all tests."""
    return pythons_at_hand()


@pytest.fixture
def machine(at_hand: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any interpreter but the running one: PATH, pyenv, uv and the others have empty folders."""
    del at_hand
    folder = tmp_path / "machine"
    for variable, name in (
        ("PATH", "bin"),
        ("PYENV_ROOT", "pyenv"),
        ("UV_PYTHON_INSTALL_DIR", "uv"),
        ("RYE_PY_ROOT", "rye"),
        ("ASDF_DATA_DIR", "asdf"),
        ("HATCH_DATA_DIR", "hatch"),
        ("HOME", "home"),
        ("XDG_DATA_HOME", "home/share"),
    ):
        (folder / name).mkdir(parents=True)
        monkeypatch.setenv(variable, str(folder / name))
    return folder


@pytest.fixture
def other(at_hand: dict[str, Path]) -> tuple[str, Path]:
    """An interpreter of a runtime's version that is not the running one, as `3.12` and its path."""
    others = {version: path for version, path in at_hand.items() if version != RUNNING}
    if not others:  # to be chosen, one has to be there
        pytest.skip("no interpreter at hand but the running one")
    return next(reversed(others.items()))


@pytest.fixture
def chosen(machine: Path) -> Callable[..., Interpreter]:
    """`chosen("3.12")`: the interpreter to build with for a runtime, on the machine of the test."""

    def choose(version: str, **table: object) -> Interpreter:
        settings = load({"runtime": f"python{version}", **table}, machine, environ={})
        return interpreter_to_build_with(settings.python, settings.target.runtime.python)

    return choose


def link(path: Path, interpreter: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(interpreter)
    return path


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def version_of(interpreter: Interpreter) -> str:
    command = [str(interpreter.path), "-I", "-c", "import sys; print('{}.{}'.format(*sys.version_info))"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


class TestWithoutTheUsersWord:
    def test_the_running_interpreter_serves_its_own_version(
        self, at_hand: dict[str, Path], chosen: Callable[..., Interpreter]
    ) -> None:
        if RUNNING not in at_hand:  # a Python that Lambda does not have, so there is nothing that it serves
            pytest.skip("no runtime has the running version")

        assert chosen(RUNNING) == Interpreter(Path(sys.executable), sys.version_info[:2])

    def test_the_running_interpreter_serves_where_there_is_no_other(self, chosen: Callable[..., Interpreter]) -> None:
        for version in {"3.10", "3.14"} - {RUNNING}:
            assert chosen(version) == Interpreter(Path(sys.executable), sys.version_info[:2])

    @pytest.mark.parametrize(
        "place",
        [
            "bin/python{version}",
            "bin/python3",
            "bin/python",
            "pyenv/versions/{version}.1/bin/python{version}",
            "pyenv/versions/mine/bin/python3",
            "uv/cpython-{version}.1-linux-x86_64-gnu/bin/python3",
            "rye/cpython@{version}.1/bin/python3",
            "hatch/pythons/{version}/python/bin/python3",
            "hatch/pythons/{version}/python/bin/python{version}",
        ],
    )
    def test_one_of_the_runtimes_version_is_found(
        self, place: str, machine: Path, other: tuple[str, Path], chosen: Callable[..., Interpreter]
    ) -> None:
        version, interpreter = other
        installed = link(machine / place.format(version=version), interpreter)

        found = chosen(version)

        assert found.path == installed
        assert found.python == tuple(map(int, version.split(".")))
        assert str(found) == f"Python {version}"

    def test_one_of_another_version_is_left_alone(
        self, machine: Path, other: tuple[str, Path], chosen: Callable[..., Interpreter]
    ) -> None:
        version, interpreter = other
        wanted = next(name for name in ("3.10", "3.12", "3.14") if name not in {version, RUNNING})
        link(machine / "bin" / "python3", interpreter)
        link(machine / "bin" / f"python{wanted}", interpreter)

        assert chosen(wanted).path == Path(sys.executable)

    @pytest.mark.parametrize(
        "shim",
        [
            'echo "pyenv: python: command not found" >&2; exit 127',
            "exit 0",
            "echo nonsense",
            "kill -9 $$",
            'case "$*" in *python_version*) echo {version}.1;; *) exit 1;; esac',
        ],
    )
    def test_a_shim_that_starts_none_is_skipped(
        self, shim: str, machine: Path, other: tuple[str, Path], chosen: Callable[..., Interpreter]
    ) -> None:
        version, interpreter = other
        script(machine / "bin" / f"python{version}", shim.format(version=version))
        link(machine / "bin" / "python3", Path("/nonexistent/python3"))
        installed = link(machine / "pyenv" / "versions" / version / "bin" / "python3", interpreter)

        assert chosen(version).path == installed

    def test_another_implementation_of_the_same_version_is_skipped(
        self, machine: Path, other: tuple[str, Path], chosen: Callable[..., Interpreter]
    ) -> None:
        version, interpreter = other
        real = shlex.quote(str(interpreter))
        pypy = f'case "$*" in *implementation*) echo PyPy;; *) exec {real} "$@";; esac'
        script(machine / "bin" / f"python{version}", pypy)

        assert chosen(version).path == Path(sys.executable)

    def test_a_build_without_the_gil_is_skipped(
        self, machine: Path, other: tuple[str, Path], chosen: Callable[..., Interpreter]
    ) -> None:
        version, interpreter = other
        real = shlex.quote(str(interpreter))
        script(
            machine / "bin" / f"python{version}",
            f'case "$*" in *GIL_DISABLED*) echo 1;; *) exec {real} "$@";; esac',
        )

        assert chosen(version).path == Path(sys.executable)

    @pytest.mark.parametrize("name", ["python{version}-config", "python{version}-dbg", "ipython3", "pythonw"])
    def test_a_program_that_is_only_called_like_one_is_not_started(
        self, name: str, machine: Path, other: tuple[str, Path], chosen: Callable[..., Interpreter]
    ) -> None:
        version, _ = other
        traces = machine / "traces"
        script(machine / "bin" / name.format(version=version), f"touch {shlex.quote(str(traces))}; echo {version}.1")

        assert chosen(version).path == Path(sys.executable)
        assert not traces.exists()


class TestTheUsersPython:
    def test_it_goes_before_one_of_the_runtimes_version(
        self, machine: Path, other: tuple[str, Path], chosen: Callable[..., Interpreter]
    ) -> None:
        version, interpreter = other
        link(machine / "bin" / f"python{version}", interpreter)

        found = chosen(version, python=sys.executable)

        assert found.path == Path(sys.executable)
        assert str(found) == f"Python {RUNNING}"

    def test_it_goes_before_the_running_one_whatever_its_version(
        self, machine: Path, other: tuple[str, Path], chosen: Callable[..., Interpreter]
    ) -> None:
        version, interpreter = other
        own = link(machine / "env" / "bin" / "python", interpreter)

        found = chosen("3.13", python="env/bin/python")

        assert found.path == own
        assert str(found) == f"Python {version}" == f"Python {version_of(found)}"

    @pytest.mark.parametrize(
        "text", ["exit 1", "echo nonsense", "exit 0", 'echo "dyld: not loaded" >&2; exit 134', "kill -9 $$"]
    )
    def test_one_that_does_not_start_is_an_error_of_the_settings(
        self, text: str, machine: Path, chosen: Callable[..., Interpreter]
    ) -> None:
        broken = script(machine / "env" / "bin" / "python", text)

        with pytest.raises(ConfigurationError) as raised:
            chosen("3.13", python="env/bin/python")

        assert f"The interpreter {broken} does not start" in str(raised.value)
        assert "sys.version_info" not in str(raised.value)

    def test_one_that_is_no_program_is_an_error_of_the_settings(
        self, machine: Path, chosen: Callable[..., Interpreter]
    ) -> None:
        notes = machine / "notes.txt"
        notes.write_text("no program", encoding="utf-8")

        with pytest.raises(ConfigurationError) as raised:
            chosen("3.13", python="notes.txt")

        assert str(notes) in str(raised.value)
        assert "Permission denied" in str(raised.value)

    def test_what_a_broken_one_says_of_itself_is_told(self, machine: Path, chosen: Callable[..., Interpreter]) -> None:
        script(machine / "python-of-mine", 'echo "error while loading shared libraries: libpython3.so" >&2; exit 127')

        with pytest.raises(ConfigurationError) as raised:
            chosen("3.13", python="python-of-mine")

        assert "libpython3.so" in str(raised.value)

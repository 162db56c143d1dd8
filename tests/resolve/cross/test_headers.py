"""The C headers that the package ships, compared with those of interpreters."""

from __future__ import annotations

import re
import sys
import tarfile
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.common.target import RUNTIMES, Runtime
from hatch_lambda.resolve.cross.headers import PACK, unpack_headers
from scripts.pack_headers import LICENCE, Installed, archive, unpacked
from tests.support.debian_python import SUITES
from tests.support.lambda_runtime import EVERY_RUNTIME, python_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


# What public headers read of `pyconfig.h`, and builds differ in: `unicodeobject.h` defines HAVE_WCHAR_H by it, which is
# defined anyway; `pymacconfig.h` is for macOS; `exports.h` and `pyport.h` mean Windows by it; `pydtrace.h` is the
# interpreter's own; `py_curses.h` has a fallback.
WITHOUT_EFFECT = {"HAVE_USABLE_WCHAR_T", "HAVE_GCC_ASM_FOR_X64", "HAVE_GCC_ASM_FOR_X87"} | {
    *("Py_ENABLE_SHARED", "WITH_DTRACE", "WINDOW_HAS_FLAGS"),
}


def version_of(headers: Mapping[str, bytes]) -> str:
    (version,) = re.findall(rb'^#define PY_VERSION +"(.+)"', headers["patchlevel.h"], re.MULTILINE)
    return bytes(version).decode()


def shipped(runtime: Runtime, folder: Path) -> dict[str, bytes]:
    include = unpack_headers(runtime, folder)
    assert include == folder / runtime.name
    return {path.relative_to(include).as_posix(): path.read_bytes() for path in include.rglob("*.h")}


def macros_of(pyconfig: bytes) -> dict[str, str]:
    return dict(re.findall(r"^# *define (\w+) ?(.*)$", pyconfig.decode(), re.MULTILINE))


@pytest.mark.parametrize("runtime", RUNTIMES.values(), ids=lambda runtime: runtime.name)
def test_every_runtime_has_its_headers(runtime: Runtime, tmp_path: Path) -> None:
    headers = shipped(runtime, tmp_path)

    assert version_of(headers).rpartition(".")[0] == runtime.name.removeprefix("python")
    assert {"Python.h", "pyconfig.h", "cpython/object.h", "internal/pycore_object.h"} <= headers.keys()
    assert macros_of(headers["pyconfig.h"])["SIZEOF_VOID_P"] == "8"
    assert not {path.name for path in tmp_path.iterdir()} - {runtime.name, "tmp"}


@pytest.mark.skipif(sys.platform != "linux", reason="the headers are Linux's")
@pytest.mark.parametrize("version", EVERY_RUNTIME)
def test_they_are_those_of_an_interpreter(version: str, tmp_path: Path) -> None:
    _compare(version, python_of(version), tmp_path)


@pytest.mark.index
@pytest.mark.parametrize("version", SUITES)
def test_they_serve_arm64(version: str, tmp_path: Path) -> None:
    _compare(version, python_of(version, "arm64"), tmp_path)


def _compare(version: str, python: Path, tmp_path: Path) -> None:
    installed = Installed.of(str(python)).headers
    if "Python.h" not in installed:
        pytest.skip(f"no headers of CPython {version} at hand")
    headers = shipped(RUNTIMES[f"python{version}"], tmp_path)

    if version_of(headers) == version_of(installed):
        assert headers.keys() == installed.keys()
        assert {name for name in headers if headers[name] != installed[name]} <= {"pyconfig.h"}
    ours, theirs = (macros_of(each.pop("pyconfig.h")) for each in (headers, installed))
    differing = {name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)}
    public = b"\n".join(content for name, content in headers.items() if not name.startswith("internal/")).decode()
    assert differing & set(re.findall(r"\w+", public)) <= WITHOUT_EFFECT


@pytest.mark.slow
def test_the_same_headers_give_the_same_bytes() -> None:
    of_one = {name: content for name, content in unpacked().items() if name.startswith("python3.8/")}
    assert archive(dict(reversed(of_one.items()))) == archive(of_one)
    assert unpacked().keys() - {"LICENSE.txt"} == {name for name in unpacked() if name.startswith("python3.")}


def test_the_licence_names_the_origin_of_each() -> None:
    text = LICENCE.read_text(encoding="utf-8")

    with tarfile.open(PACK, "r:xz") as opened:
        minors = {member.name.partition("/")[0].removeprefix("python") for member in opened} - {"LICENSE.txt"}
    assert {f"{url.rpartition('.')[0]}" for url in re.findall(r"[-_](3\.\d+\.\d+)\.(?:orig\.)?tar", text)} == minors
    assert "PYTHON SOFTWARE FOUNDATION LICENSE VERSION 2" in text


def test_a_python_without_lzma_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lzma", None)  # as if it could not be imported

    with pytest.raises(LambdaBuildError, match="was built without the module `lzma`"):
        unpack_headers(RUNTIMES["python3.13"], tmp_path)

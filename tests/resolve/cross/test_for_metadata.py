"""Sdists whose backends compile when stage 1 asks for metadata, on a machine without a compiler."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.common.target import RUNTIMES
from hatch_lambda.resolve.cross import remedies
from hatch_lambda.resolve.cross.zig import installed_zig
from tests.support.native_sdists import make_native_sdist
from tests.support.packages import make_wheel
from tests.support.situation import HERE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hatch_lambda.bundle.files import Bundle
    from tests.support.recording_ui import RecordingUI

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, the system brings a compiler or none"),
    pytest.mark.skipif(RUNTIMES.get(HERE) is None, reason="no runtime has the running version"),
    pytest.mark.usefixtures("no_compiler"),
]
needs_zig = pytest.mark.skipif(installed_zig() is None, reason="no cross compiler (ziglang) at hand")

# It runs what it has compiled, as Meson does, and asks Python which compiler that is, as hooks do. The program sees
# this Python's own headers, and the wheel needs no compiler.
BACKEND = """\
import base64, hashlib, pathlib, shlex, subprocess, sysconfig, zipfile

METADATA = "Metadata-Version: 2.1\\nName: wrapt\\nVersion: 1.0\\n"
PROGRAM = '#include <Python.h>\\n#include <stdio.h>\\nint main(void) { puts(PY_VERSION); return 0; }'


def prepare_metadata_for_build_wheel(directory, config_settings=None):
    pathlib.Path("ask.c").write_text(PROGRAM)
    include = "-I" + sysconfig.get_path("include")
    for compiler in ["cc"], shlex.split(sysconfig.get_config_var("CC")):
        subprocess.run([*compiler, include, "ask.c", "-o", "ask"], check=True)
        version = subprocess.run(["./ask"], check=True, capture_output=True, text=True).stdout.strip()
        assert version.startswith(sysconfig.get_python_version()), version
    folder = pathlib.Path(directory, "wrapt-1.0.dist-info")
    folder.mkdir()
    folder.joinpath("METADATA").write_text(METADATA + "Requires-Dist: helper\\n")
    return folder.name


def build_wheel(directory, config_settings=None, metadata_directory=None):
    files = {
        "wrapt.py": "",
        "wrapt-1.0.dist-info/METADATA": METADATA + "Requires-Dist: helper\\n",
        "wrapt-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    record = ""
    with zipfile.ZipFile(pathlib.Path(directory, "wrapt-1.0-py3-none-any.whl"), "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            record += f"{name},sha256={digest},{len(text)}\\n"
        wheel.writestr("wrapt-1.0.dist-info/RECORD", record + "wrapt-1.0.dist-info/RECORD,,\\n")
    return "wrapt-1.0-py3-none-any.whl"
"""
FILES = {
    "PKG-INFO": "Metadata-Version: 2.1\nName: wrapt\nVersion: 1.0\n",
    "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
    "backend.py": BACKEND,
}


@pytest.fixture(autouse=True)
def _packages(index: Path) -> None:
    make_native_sdist(index, "wrapt", FILES)
    make_wheel(index, "helper")


@needs_zig
@pytest.mark.usefixtures("zig")
def test_zig_is_the_compiler(bundle_of: Callable[..., Bundle], ui: RecordingUI) -> None:
    zig = installed_zig()
    assert zig

    bundle = bundle_of("wrapt", runtime=HERE)

    assert {path.name for path in bundle.directory.iterdir()} >= {"wrapt.py", "helper.py"}
    assert f"An sdist cannot be prepared without a compiler; retrying with zig {zig.version}" in ui.text


@needs_zig
@pytest.mark.usefixtures("zig")
def test_it_is_no_compiler_where_the_settings_forbid_it(bundle_of: Callable[..., Bundle], ui: RecordingUI) -> None:
    with pytest.raises(LambdaBuildError, match="- if it needs a compiler, let Zig be one: remove `cross = false`"):
        bundle_of("wrapt", runtime=HERE, cross=False)

    assert "retrying" not in ui.text


def test_the_extra_is_named_where_it_is_not_installed(
    bundle_of: Callable[..., Bundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hatch_lambda.resolve.cross.for_metadata.installed_zig", lambda: None)
    monkeypatch.setattr(remedies, "installed_zig", lambda: None)

    with pytest.raises(LambdaBuildError) as caught:
        bundle_of("wrapt", runtime=HERE)

    assert "- if it needs a compiler, install one, or `hatch-lambda[cross]` (in `build-system.requires`)" in str(
        caught.value
    )


@needs_zig
@pytest.mark.usefixtures("zig")
def test_a_backend_that_fails_with_it_too_is_told_by_what_it_says_then(
    bundle_of: Callable[..., Bundle], index: Path
) -> None:
    broken = BACKEND.replace("#include <stdio.h>", "#include <no_such_library.h>")
    make_native_sdist(index, "wrapt", {**FILES, "backend.py": broken})

    with pytest.raises(LambdaBuildError, match=r"(?s)no_such_library\.h.*pip could not make the metadata of wrapt"):
        bundle_of("wrapt", runtime=HERE)

"""Which interpreter and which runtime client run a function, and whether this machine can run it."""

from __future__ import annotations

import json
import os
import platform
import re
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from hatch_lambda.common import interpreters
from hatch_lambda.invoke import runtime_python
from hatch_lambda.invoke.runtime_python import runtime_of
from tests.support.elf import make_elf
from tests.support.functions import APP, answer, run, zipped
from tests.support.packages import make_wheel

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="`hatch-lambda invoke` requires Linux")

RUNNING = "python{}.{}".format(*sys.version_info)
OTHER = "python3.10" if RUNNING != "python3.10" else "python3.11"
FOREIGN = "arm64" if platform.machine() == "x86_64" else "x86_64"
FOREIGN_MACHINE = {"arm64": "aarch64", "x86_64": "x86_64"}[FOREIGN]


class TestMachine:
    def test_native_code_for_another_architecture(self, tmp_path: Path) -> None:
        module = f"core.cpython-{sys.version_info.minor + 300}-{FOREIGN_MACHINE}-linux-gnu.so"
        code = zipped(tmp_path / "code.zip", {"app.py": APP, module: make_elf(FOREIGN_MACHINE)})

        result = run(code, "app.echo")

        assert (result.exit_code, result.stdout) == (1, "")
        assert f"but code.zip has native code for {FOREIGN}:\n  {module}\n" in result.stderr
        assert re.search(r"HATCH_LAMBDA_ARCHITECTURE=\w+ hatch build -t lambda", result.stderr)

    def test_native_code_for_another_system(self, app: Path, tmp_path: Path) -> None:
        layer = zipped(tmp_path / "layer.zip", {"python/core.so": b"\xcf\xfa\xed\xfe" + bytes(28)})

        result = run(app, "app.echo", "--layer", layer)

        assert result.exit_code == 1
        assert "layer.zip has native code for macOS on " in result.stderr

    def test_helpers_for_other_machines_are_ignored(self, tmp_path: Path) -> None:
        windows = b"MZ" + bytes(58) + (64).to_bytes(4, "little") + b"PE\0\0" + bytes(100)
        files: dict[str, str | bytes] = {
            "app.py": APP,
            "bin/tool": make_elf(FOREIGN_MACHINE),
            "launcher.exe": windows,
            "one.so": make_elf(platform.machine()),
            "two.so": make_elf(platform.machine()),
        }

        assert answer(zipped(tmp_path / "code.zip", files), "app.echo", 1) == 1

    def test_linux_is_required(self, app: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "platform", "darwin")

        result = run(app, "app.echo")

        assert (result.exit_code, result.stdout) == (1, "")
        assert "Error: `hatch-lambda invoke` requires Linux: " in result.stderr
        assert "What you can do: run it in a Linux container or virtual machine." in result.stderr
        assert not list(temporary.iterdir())


PYTHON_3_12 = (3531).to_bytes(2, "little") + b"\r\n\1\0\0\0"


class TestInterpreter:
    @pytest.mark.parametrize(
        ("name", "files", "runtime"),
        [
            ("orders-1.0-python3.13-arm64.zip", {"a.cpython-312-x86_64-linux-gnu.so": ""}, "python3.13"),
            ("orders.zip", {"a/b.cpython-312-x86_64-linux-gnu.so": ""}, "python3.12"),
            ("orders.zip", {"a.cpython-39-darwin.so": "", "a.cpython-310-darwin.so": ""}, "python3.10"),
            ("orders.zip", {"a/__pycache__/b.cpython-314.pyc": ""}, "python3.14"),
            ("orders.zip", {"a.dist-info/WHEEL": "", "a/b.pyc": PYTHON_3_12}, "python3.12"),
            ("orders.zip", {"a/b.pyc": "unknown", "a/__pycache__/b.pyc": ""}, None),
            ("orders.zip", {"a.dist-info/WHEEL": "Wheel-Version: 1.0\nTag: cp313-cp313-linux_x86_64\n"}, "python3.13"),
            ("orders.zip", {"a.dist-info/WHEEL": "Tag: cp39-abi3-linux_x86_64\n", "a.abi3.so": ""}, None),
            ("orders.zip", {"a.py": ""}, None),
        ],
    )
    def test_the_runtime_is_detected_from_name_and_files(
        self,
        name: str,
        files: dict[str, str | bytes],
        runtime: str | None,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.chdir(tmp_path)
        source = zipped(tmp_path / name, files)
        folder = tmp_path / "unzipped" / Path(name).stem
        with ZipFile(source) as archive:
            archive.extractall(folder)

        assert runtime_of([source]) == runtime
        assert runtime_of([folder]) == runtime
        assert runtime_of([zipped(tmp_path / "code.zip", {"a.py": ""}), source]) == runtime

    def test_no_interpreter_of_the_version_is_found(self, app: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(interpreters, "_candidates", lambda: iter(()))
        other = app.rename(app.with_name(f"app-1.0-{OTHER}-x86_64.zip"))

        result = run(other, "app.echo")

        number = OTHER.removeprefix("python")
        assert (result.exit_code, result.stdout) == (1, "")
        assert f"Running {OTHER} requires CPython {number}, which was not found on PATH or among" in result.stderr
        assert f"`hatch python install {number}`" in result.stderr
        assert "--python" in result.stderr

    def test_an_interpreter_of_another_version_is_rejected(self, app: Path) -> None:
        result = run(app, "app.echo", "--runtime", OTHER, "--python", sys.executable)

        assert result.exit_code == 1
        assert f"is Python {RUNNING.removeprefix('python')}, but app.zip is for {OTHER}" in result.stderr

    def test_a_given_interpreter_is_used(self, app: Path) -> None:
        assert answer(app, "app.echo", 7, "--python", sys.executable) == 7

    @pytest.mark.parametrize(
        ("python", "exit_code", "said"),
        [
            ("/bin/false", 1, "Cannot use the interpreter /bin/false: it exits with code 1"),
            ("no-such-python", 2, "no-such-python is not a program or not on PATH"),
        ],
    )
    def test_a_program_that_is_not_an_interpreter(self, python: str, exit_code: int, said: str, app: Path) -> None:
        result = run(app, "app.echo", "--python", python)

        assert result.exit_code == exit_code
        assert said in " ".join(result.stderr.split())

    def test_an_unsupported_runtime(self, app: Path) -> None:
        result = run(app.rename(app.with_name("app-python3.7.zip")), "app.echo")

        assert result.exit_code == 1
        assert (
            "app-python3.7.zip is for python3.7, judging by its name or its files; hatch-lambda supports"
            in result.stderr
        )


# Answers to the event as AWS's client would, and with nothing but the standard library.
CLIENT = """
import http.client, importlib, json, os

def main(arguments):
    module, _, name = arguments[1].rpartition(".")
    handler = getattr(importlib.import_module(module), name)
    api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    given = api.getresponse()
    event, request = json.loads(given.read()), given.headers["Lambda-Runtime-Aws-Request-Id"]
    answer = json.dumps([given.headers["Lambda-Runtime-Invoked-Function-Arn"], handler(event, None)])
    api.request("POST", f"/2018-06-01/runtime/invocation/{request}/response", answer)
    api.getresponse().read()
"""


class TestClient:
    @pytest.fixture(autouse=True)
    def _not_installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(runtime_python, "_installed_files", lambda: ())

    @pytest.mark.slow
    def test_it_is_downloaded_once_and_cached(self, app: Path, index: Path) -> None:
        wheel = make_wheel(
            index, "awslambdaric", "3.9", files={"awslambdaric/__init__.py": "", "awslambdaric/__main__.py": CLIENT}
        )

        first = run(app, "app.echo", "--event", "7")
        wheel.unlink()
        second = run(app, "app.echo", "--event", "8")

        arn = "arn:aws:lambda:us-east-1:123456789012:function:app"
        assert (first.exit_code, second.exit_code) == (0, 0), first.output + second.output
        assert [json.loads(result.stdout) for result in (first, second)] == [[arn, 7], [arn, 8]]
        kept_in = Path(os.environ["HATCH_LAMBDA_CACHE_DIR"], "runtime-clients")
        (kept,) = kept_in.iterdir()
        version = RUNNING.removeprefix("python")
        assert (
            f"Downloading awslambdaric, AWS's runtime client, for Python {version} (cached in {kept})" in first.stderr
        )
        assert "Downloading" not in second.stderr

    @pytest.mark.slow
    def test_a_failed_download_shows_pips_message(self, app: Path, index: Path, temporary: Path) -> None:
        make_wheel(index, "awslambdaric", "1.0")

        result = run(app, "app.echo")

        assert (result.exit_code, result.stdout) == (1, "")
        assert "could not be downloaded for Python" in result.stderr
        assert "No matching distribution found for awslambdaric>=2.0" in result.stderr
        assert "hatch-lambda[invoke]" in result.stderr
        assert not [path for path in temporary.iterdir() if path.name.startswith("hatch-lambda-invoke-")]
        assert not list(Path(os.environ["HATCH_LAMBDA_CACHE_DIR"], "runtime-clients").iterdir())

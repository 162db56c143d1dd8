"""The command: what it serves, how it starts and ends, and what it says when it cannot."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import psutil
import pytest
from click.testing import CliRunner

from hatch_lambda.cli import main
from tests.invoke.serve.conftest import APP
from tests.support.functions import gone, zipped
from tests.support.projects import write_project
from tests.support.serving import PATIENCE, serving

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="`hatch-lambda serve` requires Linux")


@pytest.fixture
def code(tmp_path: Path) -> Path:
    return zipped(tmp_path / "orders-1.0.zip", {"app.py": APP})


def failed(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["serve", *map(str, arguments), "--port", "0"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_when_it_stops(number: int, code: Path, tmp_path: Path) -> None:
    with serving(code, "--handler", "app.handler", directory=tmp_path, scratch=tmp_path) as served:
        client = served.client()
        pid = json.loads(client.invoke(FunctionName="orders")["Payload"].read())["pid"]
        busy = threading.Thread(
            target=lambda: served.request("POST", "/2015-03-31/functions/orders/invocations", '{"sleep": 2}')
        )
        before = len(served.lines)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(threading, "excepthook", lambda _args: None)  # it gets no answer
            busy.start()
            served.said("START", since=before)
            children = psutil.Process(served.process.pid).children(recursive=True)

            assert served.stop(number) == 0
            busy.join()

    assert "Stopped.\n" in served.lines
    assert "Traceback" not in served.log
    assert pid in {child.pid for child in children}
    assert all(gone(child.pid) for child in children)
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.slow
def test_the_first_build_is_interrupted(tmp_path: Path) -> None:
    hook = "import time\nprint('building', flush=True)\ntime.sleep(60)\n"
    table = '[tool.hatch.build.hooks.lambda]\nruntime = "python3.11"\n[tool.hatch.build.targets.wheel.hooks.custom]\n'
    write_project(tmp_path, table, "", {"orders/__init__.py": "", "hatch_build.py": hook})
    command = [sys.executable, "-m", "hatch_lambda", "serve", "--handler", "orders.handler", "--port", "0"]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,  # noqa: PLW1509
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "building\n"
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        _shown, log = process.communicate(timeout=PATIENCE)

    assert process.returncode == 130
    assert log.endswith("Interrupted.\n")
    assert "Traceback" not in log
    assert children
    assert all(gone(child.pid) for child in children)


def test_a_port_in_use(code: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = CliRunner().invoke(main, ["serve", str(code), "--handler", "app.handler", "--port", str(port)])

    assert result.exit_code == 1
    assert result.stderr == (
        f"Error: Cannot listen on 127.0.0.1 port {port}: another program does.\n"
        "What you can do: end that one, or pass another port by --port (0 for any that is free).\n"
    )


def test_an_address_of_another_machine(code: Path) -> None:
    result = failed(code, "--handler", "app.handler", "--host", "192.0.2.1")

    assert result.exit_code == 1
    assert "Cannot listen on 192.0.2.1 port 0: Cannot assign requested address.\nWhat you can do: pass" in result.stderr


def test_a_handler_that_cannot_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = failed(zipped(tmp_path / "a.zip", {"app.py": "import nowhere"}), "--handler", "app.handler")

    assert result.exit_code == 1
    assert (
        "Error: `app.handler` cannot be served, as its init fails: Runtime.ImportModuleError: Unable to import module "
        "'app': No module named 'nowhere'\n"
    ) in result.stderr
    assert "hatch_lambda" not in result.stderr


def test_usage_errors(code: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    for arguments, said in (
        ([code], "Which function of orders-1.0.zip? Pass --handler MODULE.NAME."),
        ([], "There is no pyproject.toml here. Pass a project's directory, or a zip."),
        ([code, "--handler", "app.handler", "--env", "=1"], "'=1' is not NAME=VALUE"),
    ):
        result = failed(*arguments)
        assert result.exit_code == 2
        assert said in result.stderr


def test_without_watchfiles(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    monkeypatch.delitem(sys.modules, "hatch_lambda.invoke.serve.watching", raising=False)

    result = failed(code, "--handler", "app.handler")

    assert result.exit_code == 1
    assert "Watching for edits requires `watchfiles`, which is not installed" in result.stderr
    assert "`pip install 'hatch-lambda[serve]'`, or pass --no-watch." in result.stderr


def test_no_other_command_imports_what_it_needs() -> None:
    code = "import sys, hatch_lambda.cli.inspect; print({'watchfiles', 'http.server'} & {*sys.modules})"

    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert shown.stdout == "set()\n"


@pytest.mark.slow
def test_timeout_memory_and_environment_are_as_by_invoke(code: Path, tmp_path: Path) -> None:
    options = ("--handler", "app.handler", "--timeout", "0.5", "--memory", "512", "--env", "A=1", "-f", "named")
    with serving(code, *options, "--no-watch", directory=tmp_path, scratch=tmp_path) as served:
        reply = served.client().invoke(FunctionName="named", Payload=b'{"sleep": 9}')

        assert b"Task timed out after 0.50 seconds" in reply["Payload"].read()
        assert json.loads(served.client().invoke(FunctionName="named")["Payload"].read())["count"] == 1
        served.said(r"\tMemory Size: 512 MB\t")


def test_a_zip_that_is_replaced(code: Path, tmp_path: Path) -> None:
    with serving(code, "--handler", "app.handler", directory=tmp_path, scratch=tmp_path / "scratch") as served:
        assert served.request().status == 200
        zipped(tmp_path / "new.zip", {"app.py": 'def handler(event, context): return "new"'}).replace(code)
        served.said(r"Changed: .*orders-1\.0\.zip.*; reloaded orders in \d\.\d\d s")

        assert served.request().body == b'"new"'


def test_what_a_project_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_project(tmp_path, '[tool.hatch.build.hooks.lambda]\nruntime = "python3.11"\n', "", {"orders/__init__.py": ""})

    unknown = failed("--function", "other")
    build = capfd.readouterr().err
    without_handler = failed()

    assert build == "This project has no function `other`; it has orders.\n"
    assert (unknown.exit_code, without_handler.exit_code) == (1, 1)
    assert unknown.stderr == "Error: The project cannot be built, so it is not served.\n"
    assert without_handler.stderr == (
        "Error: The function `orders` has no handler. Pass --handler, or add to pyproject.toml:\n\n"
        '[tool.hatch.build.targets.lambda]\nhandler = "package.module.function"\n'
    )

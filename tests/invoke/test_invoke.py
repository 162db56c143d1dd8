"""`hatch-lambda invoke`, and what stands behind it: functions run as Lambda runs them, and told as Lambda tells."""

from __future__ import annotations

import json
import os
import platform
import re
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import pytest
from click.testing import CliRunner

from hatch_lambda.cli import main
from hatch_lambda.common import interpreters
from hatch_lambda.invoke import Invocation, InvocationError, invoke, prepared, runtime_python
from hatch_lambda.invoke.runtime_python import runtime_of
from tests.end_to_end.test_example_project import CREATED, ORDER_ID, build_example
from tests.support.elf import make_elf
from tests.support.packages import make_wheel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from click.testing import Result

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Lambda's functions are Linux's")

RUNNING = "python{}.{}".format(*sys.version_info)
OTHER = "python3.10" if RUNNING != "python3.10" else "python3.11"
FOREIGN = "arm64" if platform.machine() == "x86_64" else "x86_64"
FOREIGN_MACHINE = {"arm64": "aarch64", "x86_64": "x86_64"}[FOREIGN]
ARGUMENT = "--event"

APP = """
import json, logging, os, subprocess, sys, time

print("at init")

def echo(event, context):
    return event

def logs(event, context):
    print("to stdout")
    print("to stderr", file=sys.stderr)
    logging.getLogger().warning("by logging")
    return "ok"

def fails(event, context):
    raise ValueError("no order in " + json.dumps(event))

def quits(event, context):
    sys.exit(event)

def dies(event, context):
    os.kill(os.getpid(), event)

def hangs(event, context):
    child = subprocess.Popen(["sleep", "600"])
    print("pids", os.getpid(), child.pid)
    time.sleep(600)

def floods(event, context):
    while True:
        print("again and again")

def holds(megabytes, context):
    return len(bytearray(megabytes * 1024 * 1024))

def environment(event, context):
    return dict(os.environ)

def about(event, context):
    return {
        "path": sys.path,
        "cwd": os.getcwd(),
        "home": os.path.expanduser("~"),
        "argv": sys.argv,
        "stdin": sys.stdin.read(),
        "arn": context.invoked_function_arn,
        "left": context.get_remaining_time_in_millis(),
        "memory": context.memory_limit_in_mb,
        "exit": repr(exit),
    }

def writes(path, context):
    try:
        with open(os.path.expandvars(path), "x"):
            return True
    except PermissionError:
        return False

def lists(path, context):
    return sorted(os.listdir(os.path.expandvars(path)))

def sees(names, context):
    from importlib.util import find_spec
    return [name for name in names if find_spec(name)]

def size(event, context):
    return "x" * event

def raw(event, context):
    return b"\\x00\\xff"

def no_json(event, context):
    return object()

def sdk(event, context):
    import boto3.session
"""


def zipped(path: Path, files: Mapping[str, str | bytes], mode: int = 0o644) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = ZipInfo(name)
            entry.external_attr = mode << 16
            archive.writestr(entry, content)
    return path


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return zipped(tmp_path / "app.zip", {"app.py": APP, "package/__init__.py": ""})


@pytest.fixture
def temporary() -> Path:
    """Where temporary folders are made."""
    return Path(os.environ["TMPDIR"])


def run(code: Path, handler: str, *arguments: str | Path, stdin: str | bytes | None = None) -> Result:
    """The command, as its user sees it."""
    command = ["invoke", str(code), "--handler", handler, "--timeout", "60", *map(str, arguments)]
    return CliRunner().invoke(main, command, input=stdin)


def answer(code: Path, handler: str, event: object = None, *arguments: str | Path) -> Any:
    """What a function gives back to an event."""
    result = run(code, handler, "--event", json.dumps(event), *arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def failure(result: Result) -> dict[str, Any]:
    """The error that a function fails with."""
    assert result.exit_code == 1, result.output
    error = json.loads(result.stdout)
    assert isinstance(error, dict)
    return error


class TestOutput:
    def test_the_response_is_on_stdout_and_the_log_on_stderr_in_its_order(self, app: Path) -> None:
        result = run(app, "app.logs")

        assert result.exit_code == 0
        assert result.stdout == '"ok"\n'
        request_id = result.stderr.partition("START RequestId: ")[2].partition(" ")[0]
        assert re.fullmatch(
            rf"""at init
START RequestId: {request_id} Version: \$LATEST
to stdout
to stderr
\[WARNING\]\t[\dTZ:.-]+\t{request_id}\tby logging
END RequestId: {request_id}
REPORT RequestId: {request_id}\tDuration: (?P<duration>[\d.]+) ms\tBilled Duration: (?P<billed>\d+) ms\t"""
            r"""Memory Size: 128 MB\tMax Memory Used: \d+ MB\tInit Duration: (?P<init>[\d.]+) ms
""",
            result.stderr,
        ), result.stderr

    def test_the_response_stands_as_it_was_returned(self, app: Path) -> None:
        result = run(app, "app.raw")

        assert result.stdout_bytes == b"\x00\xff\n"

    def test_an_error_is_shown_with_its_trace_and_given_back_as_json(self, app: Path) -> None:
        result = run(app, "app.fails", "--event", '{"id": 7}')

        error = failure(result)
        assert (error["errorType"], error["errorMessage"]) == ("ValueError", 'no order in {"id": 7}')
        assert "in fails" in "".join(error["stackTrace"])
        assert (
            '[ERROR] ValueError: no order in {"id": 7}\nTraceback (most recent call last):\n  File "' in result.stderr
        )
        assert '\n    raise ValueError("no order in " + json.dumps(event))\n' in result.stderr
        assert "\nREPORT RequestId: " in result.stderr
        assert "hatch_lambda" not in result.stderr

    def test_what_is_no_json_is_the_functions_error(self, app: Path) -> None:
        assert failure(run(app, "app.no_json"))["errorType"] == "Runtime.MarshalError"

    @pytest.mark.parametrize("event", [{"größe": "€ 🛒 \x00"}, "x" * 5_000_000, [1.5, None, [], {}]])
    def test_events_pass_unchanged(self, event: object, app: Path, tmp_path: Path) -> None:
        file = tmp_path / "event.json"
        file.write_text(json.dumps(event, ensure_ascii=False), encoding="utf-8")

        assert json.loads(run(app, "app.echo", "--event", file).stdout) == event


class TestEvent:
    def test_without_one_it_is_an_empty_object(self, app: Path) -> None:
        assert run(app, "app.echo").stdout == "{}\n"

    def test_it_is_json_or_a_file_or_stdin(self, app: Path, tmp_path: Path) -> None:
        file = tmp_path / "event.json"
        file.write_bytes(b'\xef\xbb\xbf{"from": "a file"}')

        assert run(app, "app.echo", "--event", '{"from": "here"}').stdout == '{"from": "here"}\n'
        assert run(app, "app.echo", "--event", file).stdout == '{"from": "a file"}\n'
        assert run(app, "app.echo", "--event", "-", stdin='{"from": "stdin"}').stdout == '{"from": "stdin"}\n'

    @pytest.mark.parametrize(
        ("event", "said"),
        [
            ('{"a":', "what is given is not JSON: Expecting value: line 1 column 6\n"),
            ("events.json", "line 1 column 1; nor is there a file of that name"),
            ('{"a": NaN}', "NaN is none of its values"),
            ("[" * 100_000, "not JSON that Lambda takes"),
        ],
    )
    def test_what_is_none_is_refused_with_the_place(self, event: str, said: str, app: Path) -> None:
        result = run(app, "app.echo", "--event", event)

        assert result.exit_code == 2
        assert said in result.stderr

    def test_a_file_that_is_no_utf_8_is_named(self, app: Path, tmp_path: Path) -> None:
        file = tmp_path / "event.json"
        file.write_bytes(b'"\xe4"')

        result = run(app, "app.echo", "--event", file)

        assert result.exit_code == 2
        assert "event.json is not UTF-8: invalid continuation byte at byte 1" in " ".join(result.stderr.split())

    def test_one_that_lambda_would_not_take_is_refused_in_its_words(self, app: Path, tmp_path: Path) -> None:
        file = tmp_path / "event.json"
        file.write_text(json.dumps("x" * 6_291_455))

        result = run(app, "app.echo", "--event", file)

        assert (result.exit_code, result.stdout) == (1, "")
        assert "6291457 byte payload is too large for the RequestResponse invocation type (limit" in result.stderr


class TestFailures:
    def test_a_module_that_cannot_be_imported(self, tmp_path: Path) -> None:
        result = run(zipped(tmp_path / "app.zip", {"app.py": "import nowhere"}), "app.handler")

        error = failure(result)
        assert error["errorType"] == "Runtime.ImportModuleError"
        assert error["errorMessage"] == "Unable to import module 'app': No module named 'nowhere'"
        assert "START RequestId" not in result.stderr
        assert re.search(
            r"^INIT_REPORT Init Duration: [\d.]+ ms\tPhase: init\tStatus: error\tError Type: Runtime.Import\w+$",
            result.stderr,
            re.MULTILINE,
        )

    def test_a_handler_that_is_missing(self, app: Path) -> None:
        error = failure(run(app, "app.missing"))

        assert error["errorType"] == "Runtime.HandlerNotFound"
        assert error["errorMessage"] == "Handler 'missing' missing on module 'app'"

    @pytest.mark.parametrize(
        ("handler", "event", "said"),
        [
            ("app.quits", "3", "Runtime exited with error: exit status 3"),
            ("app.quits", "0", "Runtime exited without providing a reason"),
            ("app.dies", str(int(signal.SIGSEGV)), "Runtime exited with error: signal: segmentation fault"),
        ],
    )
    def test_a_runtime_that_ends(self, handler: str, event: str, said: str, app: Path) -> None:
        result = run(app, handler, "--event", event)

        error = failure(result)
        assert error["errorType"] == "Runtime.ExitError"
        assert re.fullmatch(rf"RequestId: [\w-]+ Error: {said}", error["errorMessage"])
        assert f"{error['errorMessage']}\nRuntime.ExitError\nEND RequestId: " in result.stderr
        assert result.stderr.endswith("Status: error\tError Type: Runtime.ExitError\n")

    def test_a_runtime_that_ends_in_its_init(self, tmp_path: Path) -> None:
        result = run(zipped(tmp_path / "app.zip", {"app.py": "import os; os._exit(9)"}), "app.handler")

        assert failure(result)["errorMessage"].endswith("Runtime exited with error: exit status 9")
        assert "INIT_REPORT" in result.stderr

    @pytest.mark.parametrize("handler", ["app.hangs", "app.floods"])
    def test_a_function_that_takes_too_long(self, handler: str, app: Path) -> None:
        begun = time.monotonic()

        result = run(app, handler, "--timeout", "1")

        assert failure(result)["errorType"] == "Sandbox.Timedout"
        assert re.search(r"^[\dTZ:-]+ [\w-]+ Task timed out after 1\.00 seconds$", result.stderr, re.MULTILINE)
        duration = re.search(r"\tDuration: (1\d\d\d\.\d\d) ms\t", "\t" + result.stderr.rpartition("REPORT")[2])
        assert duration
        assert result.stderr.endswith("Status: timeout\n")
        assert time.monotonic() - begun < 30

    def test_what_it_has_started_is_ended_with_it(self, app: Path) -> None:
        result = run(app, "app.hangs", "--timeout", "1")

        pids = [int(pid) for pid in result.stderr.partition("pids ")[2].split()[:2]]
        assert len(pids) == 2
        assert all(_gone(pid) for pid in pids)

    def test_an_init_that_takes_too_long(self, tmp_path: Path) -> None:
        code = zipped(tmp_path / "app.zip", {"app.py": "import time; time.sleep(600)"})
        log: list[str] = []

        result = invoke(Invocation(code, "app.handler", init_timeout=1), on_log=log.append)

        assert result.error
        assert result.error.message.endswith("Error: Init timed out after 1.00 seconds")
        assert result.seconds is None
        assert log[-1].startswith("INIT_REPORT Init Duration: 1")
        assert log[-1].endswith("Phase: init\tStatus: timeout")

    def test_a_response_that_lambda_would_not_take(self, app: Path) -> None:
        error = failure(run(app, "app.size", "--event", "7000000"))

        assert error["errorType"] == "Function.ResponseSizeTooLarge"
        assert "7000002 bytes) exceeded maximum allowed payload size (6291556 bytes)" in error["errorMessage"]

    def test_boto3_is_told_to_be_the_runtimes(self, app: Path) -> None:
        result = run(app, "app.sdk")

        assert failure(result)["errorType"] == "ModuleNotFoundError"
        assert "boto3 is a part of Lambda's runtimes" in result.stderr
        assert "--layer sdk" in result.stderr


class TestMemory:
    def test_what_is_used_is_told(self, app: Path) -> None:
        result = run(app, "app.holds", "--event", "200", "--memory", "512")

        assert result.exit_code == 0
        used = re.search(r"Memory Size: 512 MB\tMax Memory Used: (\d+) MB", result.stderr)
        assert used
        assert 200 < int(used[1]) < 260

    def test_a_function_that_is_given_too_little_fails(self, app: Path) -> None:
        result = run(app, "app.holds", "--event", "200", "--memory", "128")

        assert failure(result)["errorType"] == "Runtime.OutOfMemory"
        assert re.search(r"signal: killed: out of memory, as \d+ MB of 128 MB were used", result.stderr)

    def test_lambdas_default_is_only_warned_of(self, app: Path) -> None:
        result = run(app, "app.holds", "--event", "200")

        assert result.exit_code == 0
        assert re.search(r"Warning: the function used 2\d\d MB here, and has 128 MB by Lambda's default", result.stderr)


class TestIsolation:
    def test_no_variable_gets_in_but_lambdas_and_those_that_are_given(
        self, app: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not for functions")
        monkeypatch.setenv("AWS_PROFILE", "production")
        monkeypatch.setenv("PYTHONWARNINGS", "ignore")
        monkeypatch.setenv("SECRET", "secret")
        monkeypatch.setenv("TABLE", "from here")

        seen = answer(app, "app.environment", None, "--env", "A=1=2", "--env", "TABLE", "--env", "EMPTY=")

        base = Path(seen["LAMBDA_TASK_ROOT"]).parent
        assert seen.pop("LC_CTYPE", "C.UTF-8") == "C.UTF-8"  # by the interpreter, where there is no en_US (PEP 538)
        assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0", seen["_X_AMZN_TRACE_ID"])
        assert re.fullmatch(r"127\.0\.0\.1:\d+", seen["AWS_LAMBDA_RUNTIME_API"])
        assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", seen["AWS_LAMBDA_LOG_STREAM_NAME"])
        assert seen["LD_LIBRARY_PATH"].endswith(
            f"{base}/runtime:{base}/runtime/lib:{base}/task:{base}/task/lib:{base}/opt/lib"
        )
        assert seen["PATH"].endswith(f":/usr/local/bin:/usr/bin:/bin:{base}/opt/bin")
        for checked in ("_X_AMZN_TRACE_ID", "AWS_LAMBDA_RUNTIME_API", "AWS_LAMBDA_LOG_STREAM_NAME"):
            del seen[checked]
        del seen["LD_LIBRARY_PATH"], seen["PATH"]
        assert seen == {
            "A": "1=2",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{RUNNING}",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "AWS_LAMBDA_FUNCTION_NAME": "app",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/app",
            "AWS_REGION": "us-east-1",
            "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
            "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
            "EMPTY": "",
            "HOME": f"{base}/home",
            "LAMBDA_RUNTIME_DIR": f"{base}/runtime",
            "LAMBDA_TASK_ROOT": f"{base}/task",
            "LANG": "en_US.UTF-8",
            "PYTHONPATH": f"{base}/runtime",
            "TABLE": "from here",
            "TMPDIR": f"{base}/tmp",
            "TZ": ":UTC",
            "_HANDLER": "app.environment",
        }

    @pytest.mark.parametrize(
        ("variable", "said"),
        [
            ("UNSET", "UNSET is not set here, and no value is given: UNSET=VALUE"),
            ("=1", "'=1' is no NAME=VALUE"),
            ("_HANDLER=app.other", "_HANDLER is reserved"),
        ],
    )
    def test_variables_that_cannot_be_meant(self, variable: str, said: str, app: Path) -> None:
        result = run(app, "app.echo", "--env", variable)

        assert result.exit_code == 2
        assert said in result.stderr

    def test_reserved_variables_are_refused_to_callers_too(self, app: Path) -> None:
        with pytest.raises(InvocationError, match="AWS_LAMBDA_RUNTIME_API"):
            invoke(Invocation(app, "app.echo", environment={"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1"}))

    def test_nothing_that_is_installed_here_is_seen(self, app: Path) -> None:
        # Both are in the environment of the tests, and the last one is not: it shows that looking works.
        assert answer(app, "app.sees", ["pytest", "click", "hatch_lambda", "pip", "json"]) == ["json"]

    def test_it_starts_as_in_lambda(self, app: Path) -> None:
        seen = answer(app, "app.about", None, "--memory", "1024", "--env", "AWS_REGION=eu-central-1")

        task_root = Path(seen["cwd"])
        assert (task_root.name, Path(seen["home"]).name) == ("task", "home")
        assert seen["argv"] == [f"{task_root.parent}/runtime/bootstrap.py"]
        assert seen["stdin"] == ""
        assert seen["arn"] == "arn:aws:lambda:eu-central-1:123456789012:function:app"
        assert 0 < seen["left"] <= 60_000
        assert seen["memory"] == "1024"
        assert "exit()" in seen["exit"]

    @pytest.mark.parametrize("folder", ["$LAMBDA_TASK_ROOT", "$LAMBDA_TASK_ROOT/package", "$LAMBDA_TASK_ROOT/../opt"])
    def test_nothing_can_be_written_beside_the_code(self, folder: str, app: Path) -> None:
        assert answer(app, "app.writes", f"{folder}/probe") is False

    def test_its_temporary_folder_is_its_own_and_gone_afterwards(self, app: Path, temporary: Path) -> None:
        before = sorted(temporary.iterdir())

        assert answer(app, "app.lists", "$TMPDIR") == []
        assert answer(app, "app.writes", "$TMPDIR/probe") is True
        assert sorted(temporary.iterdir()) == before

    def test_a_file_that_only_its_owner_may_read_is_as_unreadable_as_in_lambda(self, tmp_path: Path) -> None:
        result = run(zipped(tmp_path / "app.zip", {"app.py": APP}, mode=0o600), "app.echo")

        assert "Permission denied" in failure(result)["errorMessage"]


class TestSearchPath:
    def test_the_function_comes_first_then_its_layers_then_the_runtime(self, app: Path, tmp_path: Path) -> None:
        layer = zipped(tmp_path / "layer.zip", {"python/a.py": "", f"python/lib/{RUNNING}/site-packages/b.py": ""})

        path = answer(app, "app.about", None, "--layer", layer)["path"]

        base = Path(path[0]).parent
        # AWS's own order (bootstrap.py in its base images): site-packages of a layer before its `python`.
        assert path[:4] == [
            f"{base}/task",
            f"{base}/opt/python/lib/{RUNNING}/site-packages",
            f"{base}/opt/python",
            f"{base}/runtime",
        ]
        assert not [entry for entry in path if entry.endswith(("dist-packages", "site-packages"))][1:]

    def test_what_two_of_them_have_is_the_first_ones(self, tmp_path: Path) -> None:
        source = "def handler(*_):\n    import a, b, c, d\n    return [a.X, b.X, c.X, d.X]"
        code = zipped(tmp_path / "code.zip", {"app.py": source, "a.py": "X = 'code'"})
        first = zipped(tmp_path / "1.zip", {f"python/{name}.py": "X = 'first'" for name in "abc"})
        second = zipped(tmp_path / "2.zip", {f"python/{name}.py": "X = 'second'" for name in "bd"})

        found = answer(code, "app.handler", None, "--layer", first, "--layer", second)

        assert found == ["code", "second", "first", "second"]

    def test_a_pth_file_of_the_code_is_read(self, tmp_path: Path) -> None:
        files = {
            "app.py": "import inner\ndef handler(*_): return inner.X",
            "x.pth": "vendored\n",
            "vendored/inner.py": "X = 1",
        }

        assert answer(zipped(tmp_path / "code.zip", files), "app.handler") == 1

    def test_a_pythonpath_of_ones_own_stands_for_the_layers(self, app: Path) -> None:
        path = answer(app, "app.about", None, "--env", "PYTHONPATH=/own/path")["path"]

        assert [Path(path[0]).name, Path(path[1]).name, path[2]] == ["task", "runtime", "/own/path"]
        assert not [entry for entry in path if "/opt/" in entry]


class TestUnpacking:
    def test_a_folder_will_do_for_a_zip_and_is_left_alone(self, tmp_path: Path) -> None:
        folder = tmp_path / "function"
        folder.joinpath("package").mkdir(parents=True)
        folder.joinpath("app.py").write_text(APP)
        layer = tmp_path / "layer"
        layer.joinpath("python").mkdir(parents=True)
        layer.joinpath("python", "extra.py").touch()
        modes = {path: path.stat().st_mode for path in (folder, *folder.rglob("*"))}

        assert answer(folder, "app.sees", ["package", "extra"], "--layer", layer) == ["package", "extra"]
        assert {path: path.stat().st_mode for path in (folder, *folder.rglob("*"))} == modes

    def test_links_and_executables_stay_what_they_are(self, tmp_path: Path) -> None:
        source = (
            "import os\ndef handler(*_): return os.readlink('link'), os.access('tool', os.X_OK), open('link').read()"
        )
        code = tmp_path / "code.zip"
        with ZipFile(code, "w") as archive:
            for name, mode, content in (
                ("link", stat.S_IFLNK | 0o777, "tool"),
                ("tool", 0o755, "#!"),
                ("app.py", 0o644, source),
            ):
                entry = ZipInfo(name)
                entry.external_attr = mode << 16
                archive.writestr(entry, content)

        assert answer(code, "app.handler") == ["tool", True, "#!"]

    @pytest.mark.parametrize("name", ["../outside.py", "/outside.py", "a/../../outside.py"])
    def test_an_entry_that_leads_out_is_refused(self, name: str, tmp_path: Path, temporary: Path) -> None:
        result = run(zipped(tmp_path / "code.zip", {name: "x"}), "app.handler")

        assert result.exit_code == 1
        assert f"its entry '{name}' leads out of the folder" in result.stderr
        assert not list(temporary.iterdir())

    def test_what_is_no_zip_is_told(self, tmp_path: Path, temporary: Path) -> None:
        file = tmp_path / "code.zip"
        file.write_text("no zip")

        result = run(file, "app.handler")

        assert (result.exit_code, result.stdout) == (1, "")
        assert f"{file} cannot be unpacked: File is not a zip file" in result.stderr
        assert not list(temporary.iterdir())


class TestMachine:
    def test_machine_code_of_another_architecture(self, tmp_path: Path) -> None:
        module = f"core.cpython-{sys.version_info.minor + 300}-{FOREIGN_MACHINE}-linux-gnu.so"
        code = zipped(tmp_path / "code.zip", {"app.py": APP, module: make_elf(FOREIGN_MACHINE)})

        result = run(code, "app.echo")

        assert (result.exit_code, result.stdout) == (1, "")
        assert f"and code.zip has machine code for {FOREIGN}:\n  {module}\n" in result.stderr
        assert re.search(r"HATCH_LAMBDA_ARCHITECTURE=\w+ hatch build -t lambda", result.stderr)

    def test_machine_code_of_another_system(self, app: Path, tmp_path: Path) -> None:
        layer = zipped(tmp_path / "layer.zip", {"python/core.so": b"\xcf\xfa\xed\xfe" + bytes(28)})

        result = run(app, "app.echo", "--layer", layer)

        assert result.exit_code == 1
        assert "layer.zip has machine code for macOS on " in result.stderr

    def test_helpers_for_other_machines_do_not_count(self, tmp_path: Path) -> None:
        windows = b"MZ" + bytes(58) + (64).to_bytes(4, "little") + b"PE\0\0" + bytes(100)
        files: dict[str, str | bytes] = {
            "app.py": APP,
            "bin/tool": make_elf(FOREIGN_MACHINE),
            "launcher.exe": windows,
            "one.so": make_elf(platform.machine()),
            "two.so": make_elf(platform.machine()),
        }

        assert answer(zipped(tmp_path / "code.zip", files), "app.echo", 1) == 1

    def test_another_system_is_refused_before_anything_else(
        self, app: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "platform", "darwin")

        result = run(app, "app.echo")

        assert (result.exit_code, result.stdout) == (1, "")
        assert "Error: `hatch-lambda invoke` requires Linux: " in result.stderr
        assert "What you can do: run it in a Linux container or virtual machine." in result.stderr
        assert not list(temporary.iterdir())


class TestInterpreter:
    @pytest.mark.parametrize(
        ("name", "files", "runtime"),
        [
            ("orders-1.0-python3.13-arm64.zip", {"a.cpython-312-x86_64-linux-gnu.so": ""}, "python3.13"),
            ("orders.zip", {"a/b.cpython-312-x86_64-linux-gnu.so": ""}, "python3.12"),
            ("orders.zip", {"a.cpython-39-darwin.so": "", "a.cpython-310-darwin.so": ""}, "python3.10"),
            ("orders.zip", {"a/__pycache__/b.cpython-314.pyc": ""}, "python3.14"),
            ("orders.zip", {"a.dist-info/WHEEL": "Wheel-Version: 1.0\nTag: cp313-cp313-linux_x86_64\n"}, "python3.13"),
            ("orders.zip", {"a.dist-info/WHEEL": "Tag: cp39-abi3-linux_x86_64\n", "a.abi3.so": ""}, None),
            ("orders.zip", {"a.py": ""}, None),
        ],
    )
    def test_what_a_zip_is_for(
        self, name: str, files: dict[str, str], runtime: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        source = zipped(tmp_path / name, files)
        folder = tmp_path / "unzipped" / Path(name).stem
        with ZipFile(source) as archive:
            archive.extractall(folder)

        assert runtime_of([source]) == runtime
        assert runtime_of([folder]) == runtime
        assert runtime_of([zipped(tmp_path / "code.zip", {"a.py": ""}), source]) == runtime

    def test_none_of_the_version_is_here(self, app: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(interpreters, "_candidates", lambda: iter(()))
        other = app.rename(app.with_name(f"app-1.0-{OTHER}-x86_64.zip"))

        result = run(other, "app.echo")

        number = OTHER.removeprefix("python")
        assert (result.exit_code, result.stdout) == (1, "")
        assert f"It takes CPython {number} to run {OTHER}, and there is none here: neither on PATH nor" in result.stderr
        assert f"`hatch python install {number}`" in result.stderr
        assert "--python" in result.stderr

    def test_one_of_another_version_is_refused(self, app: Path) -> None:
        result = run(app, "app.echo", "--runtime", OTHER, "--python", sys.executable)

        assert result.exit_code == 1
        assert f"is Python {RUNNING.removeprefix('python')}, and app.zip is for {OTHER}" in result.stderr

    def test_the_one_that_is_named_is_taken(self, app: Path) -> None:
        assert answer(app, "app.echo", 7, "--python", sys.executable) == 7

    @pytest.mark.parametrize(
        ("python", "exit_code", "said"),
        [
            ("/bin/false", 1, "/bin/false cannot be used: asked what it is, it ends with exit code 1"),
            ("no-such-python", 2, "no-such-python is no program, neither as a path nor on PATH"),
        ],
    )
    def test_what_is_no_interpreter_is_told(self, python: str, exit_code: int, said: str, app: Path) -> None:
        result = run(app, "app.echo", "--python", python)

        assert result.exit_code == exit_code
        assert said in " ".join(result.stderr.split())

    def test_a_runtime_that_is_no_longer_one(self, app: Path) -> None:
        result = run(app.rename(app.with_name("app-python3.8.zip")), "app.echo")

        assert result.exit_code == 1
        assert "app-python3.8.zip is for python3.8, by its name or its files, and hatch-lambda knows" in result.stderr


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
    def _none_is_installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(runtime_python, "_installed_files", lambda: ())

    def test_it_is_fetched_once_and_kept(self, app: Path, index: Path) -> None:
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
            f"Fetching awslambdaric, AWS's runtime client, for Python {version}; it is kept in {kept}" in first.stderr
        )
        assert "Fetching" not in second.stderr

    def test_pips_words_are_told_where_it_cannot_be_had(self, app: Path, index: Path, temporary: Path) -> None:
        make_wheel(index, "awslambdaric", "2.0")

        result = run(app, "app.echo")

        assert (result.exit_code, result.stdout) == (1, "")
        assert "cannot be fetched for Python" in result.stderr
        assert "No matching distribution found for awslambdaric>=3.0" in result.stderr
        assert "hatch-lambda[invoke]" in result.stderr
        assert not [path for path in temporary.iterdir() if path.name.startswith("hatch-lambda-invoke-")]
        assert not list(Path(os.environ["HATCH_LAMBDA_CACHE_DIR"], "runtime-clients").iterdir())


class TestInterruption:
    @pytest.mark.parametrize(
        ("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
    )
    def test_nothing_is_left_behind(self, number: signal.Signals, exit_code: int, app: Path, temporary: Path) -> None:
        with _hanging(app) as process:
            pids = _pids(process)
            process.send_signal(number)
            process.communicate(timeout=30)

        assert process.returncode == exit_code
        assert all(_gone(pid) for pid in pids)
        assert not list(temporary.iterdir())

    def test_the_function_ends_with_a_command_that_is_killed_and_the_next_one_tidies_up(
        self, app: Path, temporary: Path
    ) -> None:
        with _hanging(app) as process:
            function, its_child = _pids(process)
            process.kill()
            process.wait(timeout=30)
            os.kill(its_child, signal.SIGKILL)

        assert _gone(function)
        assert len(list(temporary.iterdir())) == 1
        assert answer(app, "app.echo", 1) == 1
        assert not list(temporary.iterdir())


def _hanging(app: Path) -> subprocess.Popen[str]:
    # A shell in the background has its children ignore Ctrl-C, and they would pass that on.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "hatch_lambda", "invoke", str(app), "--handler", "app.hangs", "--timeout", "600"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        signal.signal(signal.SIGINT, before)


def _pids(process: subprocess.Popen[str]) -> list[int]:
    """Of the function and of its child, once both are there."""
    assert process.stderr
    for line in process.stderr:
        if line.startswith("pids "):
            return [int(pid) for pid in line.split()[1:]]
    raise AssertionError(process.wait())


def _gone(pid: int) -> bool:
    """A killed process is gone when whoever inherits it has looked, which can take a moment."""
    for _ in range(100):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.05)
    return False


class TestFromPython:
    def test_cold_starts_are_independent_of_each_other(self, app: Path) -> None:
        invocation = Invocation(app, "app.writes", event=b'"$TMPDIR/probe"')

        begun = time.monotonic()
        with prepared(invocation) as environment:
            results = [environment.invoke() for _ in range(3)]
        took = time.monotonic() - begun

        # A file that an earlier one had left would be an error: it is opened as a new one.
        assert [result.payload for result in results] == [b"true"] * 3
        assert all(result.error is None for result in results)
        assert len({result.request_id for result in results}) == 3
        assert all(result.seconds is not None and result.init_seconds > result.seconds > 0 for result in results)
        assert sum(result.init_seconds + (result.seconds or 0) for result in results) < took

    def test_an_init_takes_as_long_as_the_module_does(self, tmp_path: Path) -> None:
        slow = zipped(
            tmp_path / "app.zip", {"app.py": "import time\ntime.sleep(0.5)\ndef handler(*_): time.sleep(0.25)"}
        )

        result = invoke(Invocation(slow, "app.handler"))

        assert result.seconds
        assert 0.5 < result.init_seconds < 5
        assert 0.25 < result.seconds < 0.5 + 2

    def test_an_error_is_data(self, app: Path) -> None:
        result = invoke(Invocation(app, "app.fails", event=b"[]"))

        assert result.error
        assert (result.error.type, result.error.message) == ("ValueError", "no order in []")
        assert "in fails" in result.error.stack_trace[0]
        assert json.loads(result.payload)["errorType"] == "ValueError"


@pytest.mark.index
def test_the_example_project_answers_as_its_readme_says(tmp_path: Path) -> None:
    architecture = {"x86_64": "x86_64", "aarch64": "arm64"}[platform.machine()]
    made = build_example(tmp_path, HATCH_LAMBDA_RUNTIME=RUNNING, HATCH_LAMBDA_ARCHITECTURE=architecture)

    response = answer_to_file(made, tmp_path / "example" / "event.json")

    assert response["statusCode"] == 201
    assert response["headers"]["location"] == f"/orders/{ORDER_ID}"
    assert json.loads(response["body"]) == CREATED


def answer_to_file(code: Path, event: Path) -> Any:
    result = run(code, "orders.app.handler", "--event", event)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)

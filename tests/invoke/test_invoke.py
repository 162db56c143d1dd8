"""`hatch-lambda invoke`: events, output, failures and limits."""

from __future__ import annotations

import json
import math
import os
import platform
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.invoke import Invocation, InvocationError, invoke, prepare
from tests.end_to_end.test_example_project import CREATED, ORDER_ID
from tests.support.example_project import EXAMPLE
from tests.support.functions import answer, failure, gone, run, zipped
from tests.support.marks import first_quick

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.example_project import BuiltExample

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="`hatch-lambda invoke` requires Linux")


class TestOutput:
    def test_the_response_goes_to_stdout_and_the_log_to_stderr_in_order(self, app: Path) -> None:
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

    def test_the_response_is_not_changed(self, app: Path) -> None:
        result = run(app, "app.raw")

        assert result.stdout_bytes == b"\x00\xff\n"

    def test_an_error_is_logged_with_its_trace_and_returned_as_json(self, app: Path) -> None:
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

    def test_returning_something_other_than_json_is_an_error(self, app: Path) -> None:
        assert failure(run(app, "app.no_json"))["errorType"] == "Runtime.MarshalError"

    @pytest.mark.parametrize("event", [{"größe": "€ 🛒 \x00"}, "x" * 5_000_000, [1.5, None, [], {}]])
    def test_events_are_not_changed(self, event: object, app: Path, tmp_path: Path) -> None:
        file = tmp_path / "event.json"
        file.write_text(json.dumps(event, ensure_ascii=False), encoding="utf-8")

        assert json.loads(run(app, "app.echo", "--event", file).stdout) == event


class TestEvent:
    def test_the_default_is_an_empty_object(self, app: Path) -> None:
        assert run(app, "app.echo").stdout == "{}\n"

    def test_it_is_json_a_file_or_stdin(self, app: Path, tmp_path: Path) -> None:
        file = tmp_path / "event.json"
        file.write_bytes(b'\xef\xbb\xbf{"from": "a file"}')

        assert run(app, "app.echo", "--event", '{"from": "here"}').stdout == '{"from": "here"}\n'
        assert run(app, "app.echo", "--event", file).stdout == '{"from": "a file"}\n'
        assert run(app, "app.echo", "--event", "-", stdin='{"from": "stdin"}').stdout == '{"from": "stdin"}\n'

    def test_a_pipe_is_read(self, app: Path, tmp_path: Path) -> None:
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)  # as of `--event <(command)`
        with subprocess.Popen(["/bin/sh", "-c", f"echo '{{}}' > {pipe}"]) as writer:
            result = run(app, "app.echo", "--event", pipe)
            writer.kill()

        assert result.stdout == "{}\n"

    @pytest.mark.parametrize(
        ("event", "said"),
        [
            ('{"a":', "the value is not JSON: Expecting value: line 1 column 6\n"),
            ("events.json", "line 1 column 1, and there is no file of that name"),
            ('{"a": NaN}', "NaN is not a JSON value"),
            ("[" * 100_000, "not JSON that Lambda accepts"),
            ("/", "line 1 column 1, and / is no file or pipe"),
            (os.devnull, f"and {os.devnull} is no file or pipe"),
        ],
    )
    def test_invalid_json_is_rejected_with_its_position(self, event: str, said: str, app: Path) -> None:
        result = run(app, "app.echo", "--event", event)

        assert result.exit_code == 2
        assert said in result.stderr

    def test_a_file_must_be_utf_8(self, app: Path, tmp_path: Path) -> None:
        file = tmp_path / "event.json"
        file.write_bytes(b'"\xe4"')

        result = run(app, "app.echo", "--event", file)

        assert result.exit_code == 2
        assert "event.json is not UTF-8: invalid continuation byte at byte 1" in " ".join(result.stderr.split())

    def test_an_event_above_lambdas_limit_is_rejected_in_lambdas_words(self, app: Path, tmp_path: Path) -> None:
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

    def test_a_missing_handler(self, app: Path) -> None:
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
    def test_a_runtime_that_exits(self, handler: str, event: str, said: str, app: Path) -> None:
        result = run(app, handler, "--event", event)

        error = failure(result)
        assert error["errorType"] == "Runtime.ExitError"
        assert re.fullmatch(rf"RequestId: [\w-]+ Error: {said}", error["errorMessage"])
        assert f"{error['errorMessage']}\nRuntime.ExitError\nEND RequestId: " in result.stderr
        assert result.stderr.endswith("Status: error\tError Type: Runtime.ExitError\n")

    def test_a_runtime_that_exits_during_its_init(self, tmp_path: Path) -> None:
        result = run(zipped(tmp_path / "app.zip", {"app.py": "import os; os._exit(9)"}), "app.handler")

        assert failure(result)["errorMessage"].endswith("Runtime exited with error: exit status 9")
        assert "INIT_REPORT" in result.stderr

    @pytest.mark.parametrize("handler", first_quick(["app.hangs", "app.floods"]))
    def test_a_function_that_times_out(self, handler: str, app: Path) -> None:
        begun = time.monotonic()

        result = run(app, handler, "--timeout", "1")

        assert failure(result)["errorType"] == "Sandbox.Timedout"
        assert re.search(r"^[\dTZ:-]+ [\w-]+ Task timed out after 1\.00 seconds$", result.stderr, re.MULTILINE)
        duration = re.search(r"\tDuration: (1\d\d\d\.\d\d) ms\t", "\t" + result.stderr.rpartition("REPORT")[2])
        assert duration
        assert result.stderr.endswith("Status: timeout\n")
        assert time.monotonic() - begun < 30

    @pytest.mark.slow
    def test_an_init_that_times_out_twice(self, tmp_path: Path) -> None:
        code = zipped(tmp_path / "app.zip", {"app.py": "import time; print('begins'); time.sleep(600)"})

        result = run(code, "app.handler", "--init-timeout", "1", "--timeout", "2")

        assert failure(result)["errorType"] == "Sandbox.Timedout"
        assert failure(result)["errorMessage"].endswith("Error: Task timed out after 2.00 seconds")
        assert re.fullmatch(
            r"""begins
INIT_REPORT Init Duration: 1\d\d\d\.\d\d ms\tPhase: init\tStatus: timeout
START RequestId: ([\w-]+) Version: \$LATEST
begins
INIT_REPORT Init Duration: [12]\d\d\d\.\d\d ms\tPhase: invoke\tStatus: timeout
[\dTZ:-]+ \1 Task timed out after 2\.00 seconds
END RequestId: \1
REPORT RequestId: \1\tDuration: 2\d\d\d\.\d\d ms\tBilled Duration: 2\d\d\d ms\tMemory Size: 128 MB\t"""
            r"""Max Memory Used: \d+ MB\tStatus: timeout
Warning: the init took more than 1 seconds, so it was retried [^\n]* pass --init-timeout SECONDS
""",
            result.stderr,
        ), result.stderr

    @pytest.mark.slow
    @pytest.mark.parametrize(("then", "error"), [("", ""), ("os._exit(9)", "Runtime.ExitError")])
    def test_an_init_that_times_out_once(self, then: str, error: str, tmp_path: Path) -> None:
        first = f"import os, time\nif not os.path.exists({str(tmp_path / 'begun')!r}):\n"
        first += f"    open({str(tmp_path / 'begun')!r}, 'x')\n    time.sleep(600)\n{then}\n"
        handler = "def handler(event, context): return context.get_remaining_time_in_millis()\n"
        code = zipped(tmp_path / "app.zip", {"app.py": first + "time.sleep(1)\n" + handler})

        result = run(code, "app.handler", "--init-timeout", "2")

        assert "Phase: init\tStatus: timeout\nSTART RequestId: " in result.stderr
        if error:
            assert failure(result)["errorType"] == error
            assert f"\tPhase: invoke\tStatus: error\tError Type: {error}\n" in result.stderr
        else:
            assert 0 < json.loads(result.stdout) < 59_000  # of 60, one went by in the second init
            assert "Phase: invoke" not in result.stderr
        assert "Init Duration: " not in result.stderr.rpartition("\nREPORT ")[2]

    @pytest.mark.slow
    def test_there_is_more_time_for_an_init_on_a_slow_machine(self, tmp_path: Path) -> None:
        code = zipped(tmp_path / "app.zip", {"app.py": "import time; time.sleep(1.5)\ndef handler(*_): return 1\n"})

        result = run(code, "app.handler", "--init-timeout", "60", "--timeout", "1")

        assert result.stdout == "1\n"
        assert "Init Duration: 1" in result.stderr
        assert "INIT_REPORT" not in result.stderr

    def test_a_response_above_lambdas_limit(self, app: Path) -> None:
        error = failure(run(app, "app.size", "--event", "7000000"))

        assert error["errorType"] == "Function.ResponseSizeTooLarge"
        assert "7000002 bytes) exceeded maximum allowed payload size (6291556 bytes)" in error["errorMessage"]

    def test_a_hint_for_missing_boto3(self, app: Path) -> None:
        result = run(app, "app.sdk")

        assert failure(result)["errorType"] == "ModuleNotFoundError"
        assert "boto3 is included in Lambda's runtimes, but not here" in result.stderr
        assert "--layer sdk" in result.stderr


class TestTimeout:
    @pytest.mark.parametrize("option", ["--timeout", "--init-timeout"])
    @pytest.mark.parametrize("timeout", ["nan", "inf", "-inf", "1e400", "0", "-1", "901", "x"])
    def test_it_must_be_a_number_of_seconds_as_lambda_takes_it(self, timeout: str, option: str, app: Path) -> None:
        result = run(app, "app.echo", f"{option}={timeout}")

        assert result.exit_code == 2
        assert f"Invalid value for '{option}'" in result.stderr

    @pytest.mark.parametrize("timeout", [math.nan, math.inf, 0, -1.0, 901])
    def test_the_same_from_python(self, timeout: float, app: Path) -> None:
        invocation = Invocation(app, "app.echo")
        for other in (replace(invocation, timeout=timeout), replace(invocation, init_timeout=timeout)):
            with pytest.raises(InvocationError, match="a timeout must be between 0 and 900 seconds"):
                invoke(other)


class TestMemory:
    def test_the_report_shows_the_peak(self, app: Path) -> None:
        result = run(app, "app.holds", "--event", "200", "--memory", "512")

        assert result.exit_code == 0
        used = re.search(r"Memory Size: 512 MB\tMax Memory Used: (\d+) MB", result.stderr)
        assert used
        assert 200 < int(used[1]) < 260

    def test_exceeding_the_given_limit_fails(self, app: Path) -> None:
        result = run(app, "app.holds", "--event", "200", "--memory", "128")

        assert failure(result)["errorType"] == "Runtime.OutOfMemory"
        assert re.search(r"signal: killed: out of memory: used \d+ MB of 128 MB", result.stderr)

    @pytest.mark.slow
    def test_exceeding_lambdas_default_is_a_warning(self, app: Path) -> None:
        result = run(app, "app.holds", "--event", "200")

        assert result.exit_code == 0
        assert re.search(r"Warning: the function used 2\d\d MB; Lambda's default is 128 MB\.", result.stderr)


# Starts two processes in sessions of their own: a child, and a daemon, whose parent has ended.
LEAVES = """
import os, subprocess, sys, time
SLEEP = "import os, time; os.setsid(); print('pid', os.getpid(), flush=True); time.sleep(600)"
DAEMON = "import os; os.fork() and os._exit(0); " + SLEEP

def leave():
    env = {}  # nothing tells whose they are
    subprocess.Popen([sys.executable, "-S", "-c", SLEEP], start_new_session=False, env=env)
    subprocess.run([sys.executable, "-S", "-c", DAEMON], start_new_session=True, env=env)
    time.sleep(1)

def returns(event, context):
    leave()

def fails(event, context):
    leave()
    raise ValueError

def quits(event, context):
    leave()
    os._exit(3)

def dies(event, context):
    leave()
    os.kill(os.getpid(), 11)

def hangs(event, context):
    leave()
    time.sleep(600)
"""


class TestChildren:
    @pytest.mark.parametrize(
        "how", ["returns", *(pytest.param(how, marks=pytest.mark.slow) for how in ("fails", "quits", "dies", "hangs"))]
    )
    def test_all_that_a_function_leaves_is_killed(self, how: str, tmp_path: Path) -> None:
        code = zipped(tmp_path / "app.zip", {"app.py": LEAVES})

        result = run(code, f"app.{how}", "--timeout", "5")

        pids = [int(pid) for pid in re.findall(r"^pid (\d+)$", result.stderr, re.MULTILINE)]
        assert len(pids) == 2, result.stderr
        assert all(gone(pid) for pid in pids)
        assert result.exit_code == (0 if how == "returns" else 1)
        if how == "dies":
            assert "signal: segmentation fault" in failure(result)["errorMessage"]


class TestInterruption:
    @pytest.mark.parametrize(
        ("number", "exit_code"), first_quick([(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
    )
    def test_nothing_is_left_behind(self, number: signal.Signals, exit_code: int, app: Path, temporary: Path) -> None:
        with _hanging(app) as process:
            pids = _pids(process)
            process.send_signal(number)
            process.communicate(timeout=30)

        assert process.returncode == exit_code
        assert all(gone(pid) for pid in pids)
        assert not list(temporary.iterdir())

    @pytest.mark.slow
    def test_killing_the_command_ends_the_function_and_the_next_run_cleans_up(self, app: Path, temporary: Path) -> None:
        with _hanging(app) as process:
            function, its_child = _pids(process)
            process.kill()
            process.wait(timeout=30)

        assert gone(function)
        assert gone(its_child)
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


class TestFromPython:
    def test_cold_starts_are_independent(self, app: Path) -> None:
        invocation = Invocation(app, "app.writes", event=b'"$TMPDIR/probe"')

        begun = time.monotonic()
        with prepare(invocation) as environment:
            results = [environment.invoke() for _ in range(3)]
        took = time.monotonic() - begun

        # A file that an earlier one had left would be an error: it is opened as a new one.
        assert [result.payload for result in results] == [b"true"] * 3
        assert all(result.error is None for result in results)
        assert len({result.request_id for result in results}) == 3
        assert all(result.seconds is not None and result.init_seconds > result.seconds > 0 for result in results)
        assert sum(result.init_seconds + (result.seconds or 0) for result in results) < took

    @pytest.mark.slow
    def test_the_init_includes_importing_the_module(self, tmp_path: Path) -> None:
        slow = zipped(
            tmp_path / "app.zip", {"app.py": "import time\ntime.sleep(0.5)\ndef handler(*_): time.sleep(0.25)"}
        )

        result = invoke(Invocation(slow, "app.handler"))

        assert result.seconds
        assert 0.5 < result.init_seconds < 5
        assert 0.25 < result.seconds < 0.5 + 2

    def test_an_error_is_returned_as_data(self, app: Path) -> None:
        result = invoke(Invocation(app, "app.fails", event=b"[]"))

        assert result.error
        assert (result.error.type, result.error.message) == ("ValueError", "no order in []")
        assert "in fails" in result.error.stack_trace[0]
        assert json.loads(result.payload)["errorType"] == "ValueError"


@pytest.mark.index
def test_the_example_project_responds_as_its_readme_says(built_example: BuiltExample) -> None:
    runtime = "python{}.{}".format(*sys.version_info)
    architecture = {"x86_64": "x86_64", "aarch64": "arm64"}[platform.machine()]
    zip_path = built_example(runtime, architecture)

    result = run(zip_path, "orders.app.handler", "--event", EXAMPLE / "event.json")

    assert result.exit_code == 0, result.output
    response = json.loads(result.stdout)
    assert response["statusCode"] == 201
    assert response["headers"]["location"] == f"/orders/{ORDER_ID}"
    assert json.loads(response["body"]) == CREATED

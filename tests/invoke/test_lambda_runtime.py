"""The helper that runs Lambda zips is itself what other tests stand on, so what it claims is shown here."""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Protocol
from zipfile import ZipFile, ZipInfo

import pytest

from tests.support.functions import gone
from tests.support.lambda_runtime import RUNTIMES, Invocation, invoke, pythons_at_hand, runtime_client

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

pytestmark = [
    pytest.mark.index,
    pytest.mark.skipif(sys.platform != "linux", reason="AWS's runtime client has wheels for Linux only"),
]

APP = """
import os
import sys

def writable(folder):
    try:
        with open(os.path.join(folder, "probe"), "w"):
            return True
    except OSError:
        return False

def handler(event, context):
    task_root = os.environ["LAMBDA_TASK_ROOT"]
    return {
        "python": "{}.{}".format(*sys.version_info),
        "path0": sys.path[0],
        "task_root": task_root,
        "got": event,
        "writable": writable(task_root) or writable(os.path.join(task_root, "package")),
        "temporary": writable(os.environ["TMPDIR"]),
        "request": context.aws_request_id,
        "left": context.get_remaining_time_in_millis(),
    }

def fails(event, context):
    print("about to fail")
    raise ValueError("no order in " + str(event))
"""


class Run(Protocol):
    """`invoke`, but for what every test here has in common."""

    def __call__(
        self, zip_path: Path, handler: str, *, layers: Sequence[Path] = (), timeout: float = 60
    ) -> Invocation: ...


@pytest.fixture(scope="session")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.getbasetemp() / "runtime-clients"


# All of Lambda's versions and not those at hand: collecting starts no interpreter, and a skip says what was not tested.
@pytest.fixture(params=RUNTIMES)
def version(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    if name not in pythons_at_hand():  # what is for one minor version loads in no other
        pytest.skip(f"no CPython {name} at hand")
    return name


@pytest.fixture
def run(version: str, clients: Path, tmp_path: Path) -> Run:
    python = pythons_at_hand()[version]
    return partial(_run, python, runtime_client(python, clients), tmp_path)


@pytest.fixture
def run_once(clients: Path, tmp_path: Path) -> Run:
    """Where the interpreter's version makes no difference."""
    if not pythons_at_hand():
        pytest.skip("no CPython of Lambda's versions at hand")
    python = next(reversed(pythons_at_hand().values()))
    return partial(_run, python, runtime_client(python, clients), tmp_path)


def _run(
    python: Path,
    client: Path,
    tmp_path: Path,
    zip_path: Path,
    handler: str,
    *,
    layers: Sequence[Path] = (),
    timeout: float = 60,
) -> Invocation:
    return invoke(
        zip_path,
        python=python,
        handler=handler,
        event={"order": 7},
        client=client,
        tmp_path=tmp_path,
        layers=layers,
        timeout=timeout,
    )


def make_zip(path: Path, files: Mapping[str, str], mode: int = 0o644) -> Path:
    with ZipFile(path, "w") as archive:
        for name, content in files.items():
            entry = ZipInfo(name)
            entry.external_attr = mode << 16
            archive.writestr(entry, content)
    return path


def facts(outcome: object) -> dict[str, object]:
    assert isinstance(outcome, dict)
    return outcome


def test_the_interpreter_that_runs_the_tests_is_at_hand() -> None:
    running = "{}.{}".format(*sys.version_info)
    assert running not in RUNTIMES or str(pythons_at_hand()[running]) == sys.executable


def test_a_function_runs_and_answers(run: Run, version: str, tmp_path: Path) -> None:
    function = make_zip(tmp_path / "function.zip", {"app.py": APP, "package/__init__.py": ""})
    outcome = run(function, "app.handler")
    assert outcome.error is None, outcome
    answer = facts(outcome.response)
    assert answer["python"] == version
    assert answer["got"] == {"order": 7}
    assert answer["path0"] == answer["task_root"]
    assert answer["writable"] is False
    assert answer["temporary"] is True
    assert answer["request"]
    assert 0 < int(str(answer["left"])) <= 60_000


def test_a_handler_that_raises(run: Run, tmp_path: Path) -> None:
    outcome = run(make_zip(tmp_path / "function.zip", {"app.py": APP}), "app.fails")
    error = facts(outcome.error)
    assert outcome.response is None
    assert (error["errorType"], error["errorMessage"]) == ("ValueError", "no order in {'order': 7}")
    assert "in fails" in str(error["stackTrace"])
    assert "about to fail" in outcome.logs


def test_a_module_that_is_missing(run: Run, tmp_path: Path) -> None:
    function = make_zip(tmp_path / "function.zip", {"app.py": "import nowhere"})
    error = facts(run(function, "app.handler").error)
    assert error["errorType"] == "Runtime.ImportModuleError"
    assert error["errorMessage"] == "Unable to import module 'app': No module named 'nowhere'"


def test_nothing_installed_beside_the_interpreter_is_seen(run: Run, tmp_path: Path) -> None:
    seek = "import importlib.util as u\ndef handler(*_): return [n for n in ('pip', 'pytest') if u.find_spec(n)]"
    assert run(make_zip(tmp_path / "function.zip", {"app.py": seek}), "app.handler").response == []


def test_the_function_comes_before_the_layers_and_these_before_the_runtime(run_once: Run, tmp_path: Path) -> None:
    app = "import a, b, simplejson\ndef handler(*_): return [a.SOURCE, b.SOURCE, simplejson.SOURCE]"
    function = make_zip(tmp_path / "function.zip", {"app.py": app, "a.py": "SOURCE = 'function'"})
    first = make_zip(tmp_path / "1.zip", {f"python/{name}.py": "SOURCE = 'layer 1'" for name in ("a", "b")})
    second = make_zip(tmp_path / "2.zip", {f"python/{name}.py": "SOURCE = 'layer 2'" for name in ("b", "c")})
    outcome = run_once(function, "app.handler", layers=[first, second])
    # The runtime client has imported its own simplejson by then, as in Lambda.
    assert "has no attribute 'SOURCE'" in str(outcome.error)
    function = make_zip(tmp_path / "function.zip", {"app.py": app.replace("simplejson", "c"), "a.py": "SOURCE = 0"})
    assert run_once(function, "app.handler", layers=[first, second]).response == [0, "layer 2", "layer 2"]


def test_path_files_of_the_function_are_honoured(run_once: Run, tmp_path: Path) -> None:
    files = {
        "app.py": "import inner\ndef handler(*_): return inner.X",
        "more.pth": "vendored\n",
        "vendored/inner.py": "X = 1",
    }
    assert run_once(make_zip(tmp_path / "function.zip", files), "app.handler").response == 1


def test_a_large_answer_passes(run_once: Run, tmp_path: Path) -> None:
    app = "def handler(event, _): return [event, 5_000_000 * 'x']"  # Lambda's limit is 6 MB
    response = run_once(make_zip(tmp_path / "function.zip", {"app.py": app}), "app.handler").response
    assert response == [{"order": 7}, 5_000_000 * "x"]


def test_a_file_that_only_its_owner_may_read_is_of_no_use(run_once: Run, tmp_path: Path) -> None:
    function = make_zip(tmp_path / "function.zip", {"app.py": APP}, mode=0o600)
    assert "Permission denied" in str(run_once(function, "app.handler").error)


def test_a_runtime_that_ends_without_a_word(run_once: Run, tmp_path: Path) -> None:
    function = make_zip(tmp_path / "function.zip", {"app.py": "import os\ndef handler(*_): os._exit(3)"})
    error = facts(run_once(function, "app.handler").error)
    assert error["errorType"] == "Runtime.ExitError"
    assert "exit status 3" in str(error["errorMessage"])


def test_a_function_that_hangs_is_ended_with_its_children(run_once: Run, tmp_path: Path) -> None:
    hang = (
        "import os, subprocess, time\n"
        "def handler(*_):\n"
        "    child = subprocess.Popen(['sleep', '600'])\n"
        "    print('started', os.getpid(), child.pid)\n"
        "    time.sleep(600)\n"
    )
    outcome = run_once(make_zip(tmp_path / "function.zip", {"app.py": hang}), "app.handler", timeout=2)
    assert facts(outcome.error)["errorType"] == "Sandbox.Timedout"
    started = [int(pid) for pid in outcome.logs.partition("started")[2].split()[:2]]
    assert len(started) == 2
    assert all(gone(pid) for pid in started)


def test_nothing_is_left_behind(run_once: Run, tmp_path: Path) -> None:
    function = make_zip(tmp_path / "function.zip", {"app.py": APP, "package/__init__.py": ""})
    run_once(function, "app.handler")
    assert os.listdir(tmp_path) == ["function.zip"]  # noqa: PTH208 - names are what counts

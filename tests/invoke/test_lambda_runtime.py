"""Functions run under each of Lambda's Pythons that is at hand."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Protocol

import pytest

from hatch_lambda.common.target import LOADED_MODULES
from tests.support.functions import zipped
from tests.support.lambda_runtime import RUNTIMES, Invocation, invoke, python_of, pythons_at_hand

if TYPE_CHECKING:
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
        "machine": os.uname().machine,
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

    def __call__(self, zip_path: Path, handler: str) -> Invocation: ...


# All of Lambda's versions and not those at hand: collecting starts no interpreter, and a skip says what was not tested.
@pytest.fixture(params=RUNTIMES)
def version(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    python_of(name)  # or a skip: what is for one minor version loads in no other
    return name


@pytest.fixture
def run(version: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    clients = tmp_path_factory.getbasetemp() / "runtime-clients"
    return partial(invoke, version=version, event={"order": 7}, clients=clients)


def facts(outcome: object) -> dict[str, object]:
    assert isinstance(outcome, dict)
    return outcome


def test_the_interpreter_that_runs_the_tests_is_at_hand() -> None:
    running = "{}.{}".format(*sys.version_info)
    assert running not in RUNTIMES or str(pythons_at_hand()[running]) == sys.executable


def test_a_function_runs_and_answers(run: Run, version: str, tmp_path: Path) -> None:
    function = zipped(tmp_path / "function.zip", {"app.py": APP, "package/__init__.py": ""})
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


@pytest.mark.parametrize("version", ["3.11", "3.14"])  # one for each Amazon Linux
def test_a_function_runs_on_arm64(version: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    function = zipped(tmp_path / "function.zip", {"app.py": APP})
    clients = tmp_path_factory.getbasetemp() / "runtime-clients"

    outcome = invoke(function, "app.handler", version=version, architecture="arm64", event={}, clients=clients)

    assert outcome.error is None, outcome
    assert (facts(outcome.response)["python"], facts(outcome.response)["machine"]) == (version, "aarch64")


def test_modules_that_handlers_cannot_be_in_are_loaded_before_them(run: Run, tmp_path: Path) -> None:
    loaded = "import sys\nLOADED = sorted(sys.modules)\ndef handler(*_): return LOADED"

    outcome = run(zipped(tmp_path / "function.zip", {"app.py": loaded}), "app.handler")

    assert isinstance(outcome.response, list), outcome
    assert set(outcome.response) >= LOADED_MODULES


def test_a_handler_that_raises(run: Run, tmp_path: Path) -> None:
    outcome = run(zipped(tmp_path / "function.zip", {"app.py": APP}), "app.fails")
    error = facts(outcome.error)
    assert outcome.response is None
    assert (error["errorType"], error["errorMessage"]) == ("ValueError", "no order in {'order': 7}")
    assert "in fails" in str(error["stackTrace"])
    assert "about to fail" in outcome.logs


def test_a_module_that_is_missing(run: Run, tmp_path: Path) -> None:
    function = zipped(tmp_path / "function.zip", {"app.py": "import nowhere"})
    error = facts(run(function, "app.handler").error)
    assert error["errorType"] == "Runtime.ImportModuleError"
    assert error["errorMessage"] == "Unable to import module 'app': No module named 'nowhere'"


def test_nothing_installed_beside_the_interpreter_is_seen(run: Run, tmp_path: Path) -> None:
    seek = "import importlib.util as u\ndef handler(*_): return [n for n in ('pip', 'pytest') if u.find_spec(n)]"
    assert run(zipped(tmp_path / "function.zip", {"app.py": seek}), "app.handler").response == []

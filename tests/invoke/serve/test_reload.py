"""A project that is served while it is edited."""

from __future__ import annotations

import json
import re
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.packages import make_wheel
from tests.support.projects import write_project
from tests.support.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.serving import Serving

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="`hatch-lambda serve` requires Linux"),
    pytest.mark.slow,
]

RUNNING = "python{}.{}".format(*sys.version_info)
HOOK = f"""\
[tool.hatch.build.hooks.lambda]
runtime = "{RUNNING}"

[tool.hatch.build.targets.wheel.hooks.custom]

[tool.hatch.build.hooks.lambda.functions.api]
handler = "orders.api.handler"

[tool.hatch.build.hooks.lambda.functions.Worker]
handler = "orders.worker.handler"
"""


class Edited:
    """The project, and the server of it. Each test leaves it as it was."""

    def __init__(self, root: Path, served: Serving) -> None:
        self.root = root
        self.served = served

    def write(self, path: str, text: str) -> int:
        """Returns how many lines the log had before."""
        before = len(self.served.lines)
        self.root.joinpath(path).write_text(text, encoding="utf-8")
        return before

    def api(self) -> object:
        return json.loads(self.served.request(target="/lambda-url/api/").body)


def api(value: object) -> str:
    return f"import shared\ndef handler(event, context):\n    return [{value!r}, shared.VALUE]\n"


WORKER = "def handler(event, context):\n    print('at work')\n    return 'worked'\n"


# As hooks do that write the version. It also counts the builds.
WRITES_A_FILE = """
from pathlib import Path
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

class Hook(BuildHookInterface):
    def initialize(self, version, build_data):
        Path(self.root, "orders/_version.py").write_text("VERSION = 1\\n")
        with open({!r}, "a") as builds:
            builds.write("build\\n")
"""


@pytest.fixture(scope="module")
def module_edited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edited]:
    folder = tmp_path_factory.mktemp("edited")
    make_wheel(folder / "index", "shared", files={"shared.py": "VALUE = 'one'\n"})
    make_wheel(folder / "index", "shared", "2.0", files={"shared.py": "VALUE = 'two'\n"})
    files = {
        "orders/__init__.py": "",
        "orders/api.py": api(1),
        "orders/worker.py": WORKER,
        "hatch_build.py": WRITES_A_FILE.format(str(folder / "builds")),
    }
    project = write_project(folder / "project", HOOK, 'dependencies = ["shared==1.0"]', files)
    pip = {"PIP_FIND_LINKS": str(folder / "index"), "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": "/dev/null"}
    with serving("--timeout", "60", directory=project.root, scratch=folder, variables=pip) as served:
        yield Edited(project.root, served)


@pytest.fixture
def edited(module_edited: Edited) -> Edited:
    """With `orders/api.py` as it was at first."""
    if module_edited.api() != [1, "one"]:
        before = module_edited.write("orders/api.py", api(1))
        module_edited.served.said("reloaded api", since=before)
    assert module_edited.api() == [1, "one"]
    return module_edited


def test_all_functions_by_name(edited: Edited) -> None:
    served = edited.served

    assert json.loads(served.request(target="/lambda-url/Worker/").body) == "worked"
    assert json.loads(served.client().invoke(FunctionName="Worker")["Payload"].read()) == "worked"
    assert json.loads(served.request(host="worker.localhost").body) == "worked"
    served.said(r"\n\[Worker\] at work\n")
    welcome = served.said(r"Serving 2 functions; press Ctrl-C to stop\.\n(  .*\n)+")[0]
    assert f"  api  http://127.0.0.1:{served.port}/lambda-url/api/  (orders.api.handler)\n" in welcome


def test_the_root_is_of_no_function_if_there_are_several(edited: Edited) -> None:
    reply = edited.served.request()

    assert reply.status == 404
    assert reply.body.decode().splitlines()[1:] == [
        f"  http://127.0.0.1:{edited.served.port}/lambda-url/{name}/" for name in ("api", "Worker")
    ]


def test_an_edit_is_live(edited: Edited) -> None:
    before = edited.write("orders/api.py", api("edited"))

    said = edited.served.said(r"Changed: api\.py; reloaded (.*) in (\d+\.\d\d) s", since=before)

    assert said[1] == "api, Worker"  # each has all of the project's files
    assert edited.api() == ["edited", "one"]


def test_edits_of_the_same_size_within_a_second_are_all_live(edited: Edited) -> None:
    for value in (6, 7, 8):  # bytecode knows its source by size and by the second
        before = edited.write("orders/api.py", api(value))
        edited.served.said("reloaded api", since=before)

        assert edited.api() == [value, "one"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("def handler(:\n", r"orders/api\.py, line 1 has a syntax error"),
        (
            "import nowhere\ndef handler(*_): pass",
            r"Error: `orders\.api\.handler` cannot be .*No module named 'nowhere'",
        ),
        ("def handle(*_): pass", r"`orders\.api\.handler`"),
        ("__import__('os')._exit(3)\ndef handler(*_): pass", r"its init fails: Runtime\.ExitError"),
    ],
)
def test_a_broken_edit_says_why_and_the_former_code_keeps_answering(text: str, reason: str, edited: Edited) -> None:
    before = edited.write("orders/api.py", text)

    edited.served.said("the former code keeps answering", since=before)
    edited.served.said(reason, since=before)

    assert edited.api() == [1, "one"]
    before = edited.write("orders/api.py", api(3))
    edited.served.said("reloaded api", since=before)
    assert edited.api() == [3, "one"]


def test_changed_dependencies_are_resolved_again(edited: Edited) -> None:
    pyproject = edited.root.joinpath("pyproject.toml").read_text(encoding="utf-8")

    before = edited.write("pyproject.toml", pyproject.replace("shared==1.0", "shared==2.0"))
    edited.served.said("reloaded api", since=before)
    assert edited.api() == [1, "two"]

    before = edited.write("pyproject.toml", pyproject.replace("shared==1.0", "shared==3.0"))
    edited.served.said("the former code keeps answering", since=before)
    assert "shared==3.0" in "".join(edited.served.lines[before:])
    assert edited.api() == [1, "two"]

    before = edited.write("pyproject.toml", pyproject)
    edited.served.said("reloaded api", since=before)


def test_a_function_whose_table_goes_and_comes_back(edited: Edited) -> None:
    pyproject = edited.root.joinpath("pyproject.toml").read_text(encoding="utf-8")
    table = '[tool.hatch.build.hooks.lambda.functions.Worker]\nhandler = "orders.worker.handler"\n'
    assert table in pyproject

    before = edited.write("pyproject.toml", pyproject.replace(table, ""))
    edited.served.said(r"Changed: pyproject\.toml; no longer served: Worker\n", since=before)
    assert edited.served.request(target="/lambda-url/Worker/").status == 404
    assert edited.api() == [1, "one"]

    before = edited.write("pyproject.toml", pyproject)
    edited.served.said(r"Changed: pyproject\.toml; reloaded .*Worker", since=before)
    assert edited.served.request(target="/lambda-url/Worker/").status == 200


def test_what_runs_finishes_with_the_former_code(edited: Edited) -> None:
    flag = edited.root.parent / "flag"
    before = edited.write(
        "orders/api.py",
        "import os, time\n"
        "def handler(event, context):\n"
        "    print('begun')\n"
        f"    while not os.path.exists({str(flag)!r}):\n"
        "        time.sleep(0.01)\n"
        "    print('former code')\n",
    )
    edited.served.said("reloaded api", since=before)
    client = edited.served.client()
    before = len(edited.served.lines)
    client.invoke(FunctionName="api", InvocationType="Event")
    edited.served.said("begun", since=before)

    edited.write("orders/api.py", api(4))
    edited.served.said("reloaded api", since=before)

    assert edited.api() == [4, "one"]
    assert "former code" not in "".join(edited.served.lines[before:])
    flag.touch()
    edited.served.said(r"\[api\] former code\n\[api\] END", since=before)


def test_a_file_that_each_build_writes_starts_no_other_build(edited: Edited) -> None:
    builds = edited.root.parent / "builds"
    before = edited.write("orders/api.py", api(9))
    edited.served.said("reloaded api", since=before)
    count = len(builds.read_text(encoding="utf-8").splitlines())

    time.sleep(1)  # a build takes half of that

    assert len(builds.read_text(encoding="utf-8").splitlines()) - count <= 1


def test_what_is_not_deployed_changes_nothing(edited: Edited) -> None:
    before = edited.write("notes.txt", "not in any zip")
    edited.write("orders/api.py", api(5))
    edited.served.said("reloaded", since=before)

    lines = "".join(edited.served.lines[before:])
    assert not re.search(r"Changed: notes\.txt; ", lines)

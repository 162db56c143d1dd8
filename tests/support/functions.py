"""Lambda functions for tests of `hatch-lambda invoke`, and calls of that command."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from click.testing import CliRunner

from hatch_lambda.cli import main

if TYPE_CHECKING:
    from collections.abc import Mapping

    from click.testing import Result

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


def run(code: Path, handler: str, *arguments: str | Path, stdin: str | bytes | None = None) -> Result:
    """Run the command."""
    command = ["invoke", str(code), "--handler", handler, "--timeout", "60", *map(str, arguments)]
    return CliRunner().invoke(main, command, input=stdin)


def answer(code: Path, handler: str, event: object = None, *arguments: str | Path) -> Any:
    """What a function returns for an event."""
    result = run(code, handler, "--event", json.dumps(event), *arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def failure(result: Result) -> dict[str, Any]:
    """The error that a function fails with."""
    assert result.exit_code == 1, result.output
    error = json.loads(result.stdout)
    assert isinstance(error, dict)
    return error


def gone(pid: int) -> bool:
    """Whether a killed process has ended: its new parent may take a moment to collect it."""
    for _ in range(100):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.05)
    return False

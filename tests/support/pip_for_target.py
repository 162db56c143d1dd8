"""Runs the program of `for_target` as stage 1 does, with any pip."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatch_lambda.common.target import ARCHITECTURES, RUNTIMES, Target
from hatch_lambda.resolve.pip import for_target, process
from hatch_lambda.wheels.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence

RUNNING = "{}.{}".format(*sys.version_info)


@dataclass(frozen=True)
class Pip:
    """A pip and the interpreter that runs it. `folder`: where that pip is, if not beside the interpreter."""

    python: Path = Path(sys.executable)
    folder: Path | None = None


@dataclass(frozen=True)
class Answer:
    exit_code: int
    output: str
    findings: dict[str, Any] | None
    files: frozenset[str]
    """What was downloaded."""

    @property
    def resolved(self) -> dict[str, str]:
        assert self.findings is not None, self.output
        return {found["name"]: found["version"] for found in self.findings["resolved"]}


def environment_of(path: Sequence[Path | None]) -> dict[str, str]:
    """Nothing of the machine's own pip settings, and folders in front of everything else that is imported."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
    environment["PIP_CONFIG_FILE"] = os.devnull
    environment["PYTHONPATH"] = os.pathsep.join(str(folder) for folder in path if folder)
    return environment


def ask(
    folder: Path,
    target: Target,
    requirements: Sequence[str],
    *,
    pip: Pip | None = None,
    ignore_tags: Sequence[str] = (),
    arguments: Sequence[str] = (),
    in_front: Path | None = None,
    index_url: str | None = None,
    cached_wheels: Path | None = None,
    program: Path = for_target.PROGRAM,
) -> Answer:
    """Start the program as stage 1 does, over the wheels and sdists in `folder`, or an index."""
    pip = pip or Pip()
    scratch = folder / f"request-{len(list(folder.glob('request-*')))}"
    scratch.mkdir()
    (scratch / "requirements.txt").write_text("\n".join(requirements), encoding="utf-8")
    platforms = [argument for platform in target.platforms for argument in ("--platform", platform)]
    request = {
        "arguments": [
            *("download", "--disable-pip-version-check", "--no-cache-dir"),
            *(["--index-url", index_url] if index_url else ["--no-index", "--find-links", str(folder)]),
            *("--python-version", target.runtime.full_version, "--implementation", "cp", "--abi", target.interpreter),
            *(*platforms, "--dest", str(scratch / "files"), "--requirement", str(scratch / "requirements.txt")),
            *arguments,
        ],
        "interpreter": process._interpreter(target),
        "cached_wheels": f"{cached_wheels or scratch / 'nothing'}/{{sha256:.2}}/{{sha256}}/{{filename}}",
        "marker_environment": target.marker_environment,
        "ignore_tags": list(ignore_tags),
        "report": str(scratch / "report.json"),
    }
    (scratch / "request.json").write_text(json.dumps(request), encoding="utf-8")
    completed = subprocess.run(
        [str(pip.python), str(program), str(scratch / "request.json")],
        stdin=subprocess.DEVNULL,
        env=environment_of([in_front, pip.folder]),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )
    report = scratch / "report.json"
    return Answer(
        completed.returncode,
        completed.stdout,
        json.loads(report.read_text(encoding="utf-8")) if report.is_file() else None,
        frozenset(path.name for path in (scratch / "files").glob("*/*")),
    )


def target_of(runtime: str, architecture: str) -> Target:
    return Target(RUNTIMES[runtime], ARCHITECTURES[architecture])


def other_runtime(python: str) -> str:
    """A runtime whose Python is not the one that runs pip."""
    return "python3.10" if python != "3.10" else "python3.12"


def cache(folder: Path, wheel: Path) -> Path:
    """Put a wheel where a store has it."""
    store = Store(folder.parent / "store")
    kept = store.keep(wheel, "foo", "1.0").path
    place = folder / kept.relative_to(store.root / "wheels")
    place.parent.mkdir(parents=True)
    shutil.copy(kept, place)
    return place


def without_shortcuts(folder: Path) -> Path:
    """The program as it runs with a pip to which they cannot be applied."""
    copy = folder / "without_shortcuts.py"
    copy.write_text(
        f"import sys; sys.path.insert(0, {str(for_target.PROGRAM.parents[4])!r})\n"
        "from hatch_lambda.resolve.pip.for_target import program\n"
        "del sys.path[0]\n"
        "assert program.apply_shortcuts\n"
        "program.apply_shortcuts = lambda *_: None\n"
        "sys.exit(program.main(sys.argv[1]))\n",
        encoding="utf-8",
    )
    return copy


def findings_of(answer: Answer) -> dict[str, Any]:
    assert answer.findings is not None, answer.output
    offers = {name: sorted(files) for name, files in answer.findings["offers"].items()}
    return {**answer.findings, "offers": offers}


def said_by_pip(answer: Answer) -> list[str]:
    """Less how long something took, and what differs by the folder."""
    lines = [re.sub(r"\d+(?:\.\d+)? [kM]?B/s.*|request-\d+", "", line) for line in answer.output.splitlines()]
    return [line for line in lines if not line.startswith(("Saved ", "  Saved ", "File was already"))]

"""Builds that are killed, interrupted, out of disk or not alone: `dist` holds a whole zip, and the next build works."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.support.fork_server import ForkingPopen, ForkServer
from tests.support.packages import make_sdist, make_wheel
from tests.support.projects import PACKAGE, Project, write_project
from tests.support.small_disk import build_on_a_small_disk

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc")

HERE = "python{}.{}".format(*sys.version_info)
ZIP = f"orders-1.0-{HERE}-x86_64.zip"
BUILD = ("-m", "hatchling", "build", "-t", "lambda")
KILLS = 8
# Run by `python -c`: a build that sends itself a signal, before the n-th file operation or start of a program of those
# that are named, or once a thread runs after that; without a signal it shows the operations.
SIGNALLED = """# may be forked
import json, os, runpy, signal, sys, threading, time
events, left, thread, number = json.loads(sys.argv[1])

def fire():
    while thread not in str(threading.enumerate()):
        time.sleep(0.005)
    time.sleep(0.05)
    os.kill(os.getpid(), number)

def hook(event, arguments):
    global left
    # Who measures coverage renames files of its own, in the end.
    if not event.startswith(tuple(events)) or ".coverage" in f"{arguments[:2]}":
        return
    left -= 1
    if not number:
        print("operation", event, *arguments[:2], file=sys.__stderr__)
    elif not left and thread:
        threading.Thread(target=fire, daemon=True).start()
    elif not left:
        os.kill(os.getpid(), number)

sys.addaudithook(hook)
sys.dont_write_bytecode = True
sys.argv[:] = ["hatchling", "build", "-t", "lambda"]
runpy.run_module("hatchling", run_name="__main__")
"""


@dataclass(frozen=True)
class Moment:
    """Before the `count`-th of all operations that Python audits as one of `events`.

    `thread`: one that has to run for a moment by then.
    """

    events: tuple[str, ...]
    count: int
    thread: str = ""

    def signalled(self, number: int) -> tuple[str, str]:
        return SIGNALLED, json.dumps([self.events, self.count, self.thread, number])


RENAMES = ("os.rename",)
STARTS = ("subprocess.Popen",)
FILE_OPERATIONS = ("open", "os.", "shutil.")
# The first pip resolves, the second one builds; a thread watches over each once it has started.
WATCHER = "_kill_what_stays"
PIP_AT_WORK = [moment for pip in (1, 2) for moment in (Moment(STARTS, pip), Moment(STARTS, pip, WATCHER))]


@dataclass(frozen=True)
class Scene:
    """A project that needs a pure wheel and an sdist, with all that a build may write to."""

    project: Project
    tmp: Path
    cache: Path

    @property
    def zip(self) -> Path:
        return self.project.dist / ZIP

    def forget(self) -> None:
        """Have the next build resolve, and find nothing in the cache."""
        shutil.rmtree(self.project.root / ".hatch", ignore_errors=True)
        shutil.rmtree(self.cache, ignore_errors=True)

    def forget_bundle(self) -> None:
        """Have the next build write what it can without a pip."""
        shutil.rmtree(self.project.root / ".hatch" / "lambda" / f"{HERE}-x86_64" / "bundle", ignore_errors=True)

    def start(self, *command: str) -> subprocess.Popen[str]:
        """A build in a process group of its own, as from a shell."""
        return subprocess.Popen(
            [sys.executable, *(command or BUILD)],
            cwd=self.project.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def operations(self, events: tuple[str, ...]) -> list[str]:
        """Of a build that works, in order."""
        ended = self.project.python("-c", *Moment(events, 0).signalled(0))
        assert ended.returncode == 0, ended.stderr
        return re.findall("^operation (.+)", ended.stderr, re.MULTILINE)

    def kill(self, moment: Moment) -> bytes:
        """Kill a build; gives the zip that was there before."""
        former = put_former_zip(self)
        ended = self.project.python("-c", *moment.signalled(signal.SIGKILL))
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        self.wait_for_orphans()
        return former

    def build(self) -> None:
        """One that has to work."""
        ended = self.project.run("-t", "lambda")
        assert ended.returncode == 0, ended.stderr

    def everything(self) -> set[Path]:
        """All that is there but for pip's own cache, the sources and what is in the bundle."""
        bundle = self.project.root / ".hatch" / "lambda" / f"{HERE}-x86_64" / "bundle"
        places = [place for place in (self.tmp, self.cache, self.project.root) if place.exists()]
        return {path for place in places for path in place.rglob("*") if not path.is_relative_to(bundle)}

    def litter(self, clean: set[Path]) -> set[str]:
        """What is there beyond that, told by its topmost folders."""
        more = self.everything() - clean
        return {str(path.relative_to(self.tmp.parent)) for path in more if path.parent not in more}

    def wait_for_orphans(self) -> None:
        """What a killed build has started itself may still run; all of it has this TMPDIR, or one in there."""
        mark, deadline = f"TMPDIR={self.tmp}".encode(), time.monotonic() + 60
        while forked_processes() or any(mark in environment for environment in environments()):
            assert time.monotonic() < deadline, "what the build has started does not end"
            time.sleep(0.02)


def environments() -> Iterator[bytes]:
    """Of all processes but this one."""
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if int(path.parent.name) != os.getpid():
                yield path.read_bytes()


def forked_processes() -> bool:
    """Whether the fork server still has one. Their environment in /proc is the server's."""
    server = ForkingPopen.server
    assert server is None or isinstance(server, ForkServer)
    process = server.process if server else None
    return bool(process and psutil.Process(process.pid).children())


@pytest.fixture
def scene(index: Path, project_root: Path, tmp_path: Path) -> Scene:
    make_wheel(index, "foo", files={"foo/__init__.py": "", "foo/data.bin": os.urandom(300_000)})
    make_sdist(index, "bar")
    hook = f'[tool.hatch.build.hooks.lambda]\nruntime = "{HERE}"\n'
    project = write_project(project_root, hook, 'dependencies = ["foo", "bar"]', PACKAGE)
    return Scene(project, tmp_path / "tmp", tmp_path / "lambda-cache")


def put_former_zip(scene: Scene) -> bytes:
    """A zip of this project as it was before, which is another one."""
    scene.project.dist.mkdir(exist_ok=True)
    with zipfile.ZipFile(scene.zip, "w") as archive:
        archive.writestr("former.py", "FORMER = True\n")
    return scene.zip.read_bytes()


def test_builds_that_are_killed_while_pip_is_at_work(scene: Scene) -> None:
    scene.build()
    whole, clean = scene.zip.read_bytes(), scene.everything()

    for moment in PIP_AT_WORK:
        scene.forget()
        former = scene.kill(moment)
        assert scene.zip.read_bytes() == former

    put_former_zip(scene)
    scene.build()
    assert scene.zip.read_bytes() == whole
    scene.build()
    assert scene.litter(clean) == set(), "what killed builds left was not tidied up"


def test_builds_from_kept_wheels_that_are_killed_at_any_moment(scene: Scene) -> None:
    scene.build()
    whole, clean = scene.zip.read_bytes(), scene.everything()
    scene.forget_bundle()
    operations = scene.operations(FILE_OPERATIONS)

    for number in range(KILLS):
        scene.forget_bundle()
        former = scene.kill(Moment(FILE_OPERATIONS, round(len(operations) * (number + 0.5) / KILLS)))
        assert scene.zip.read_bytes() in {former, whole}, f"killed at moment {number}"

    put_former_zip(scene)
    scene.build()
    assert scene.zip.read_bytes() == whole
    scene.build()
    assert scene.litter(clean) == set(), "what killed builds left was not tidied up"


def test_a_build_that_is_killed_before_a_file_or_folder_of_each_kind_gets_its_name(scene: Scene) -> None:
    scene.build()
    whole, clean = scene.zip.read_bytes(), scene.everything()
    kinds, left, replaced = set[tuple[str, bool]](), set[str](), list[bool]()

    for forget in (scene.forget_bundle, scene.forget):  # the second takes far longer, and has the cache's files to name
        forget()
        renames = scene.operations(RENAMES)
        for count, rename in enumerate(renames, start=1):
            name = re.sub(r"[0-9a-f]{8,}.*|/wheels/.*|bundle-\w+", "", rename.split()[-1])
            kind = name, ZIP in str(renames[: count - 1])
            if kind in kinds:
                continue
            kinds.add(kind)
            forget()
            former = scene.kill(Moment(RENAMES, count))
            replaced.append(scene.zip.read_bytes() == whole)
            assert replaced[-1] or scene.zip.read_bytes() == former
            scene.build()
            assert scene.zip.read_bytes() == whole
            left |= scene.litter(clean)

    assert len(kinds) >= 14  # wheels and notes of the store, the lock, the bundle, its list, the zip
    assert sum(replaced) <= 1  # only before the record of the zip that has its name
    assert left == set(), "what a killed build left was not tidied up by the next"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_build_that_is_interrupted_at_any_moment(number: signal.Signals, scene: Scene) -> None:
    renames = scene.operations(RENAMES)
    whole, clean = scene.zip.read_bytes(), scene.everything()
    of_zip = next(count for count, rename in enumerate(renames, start=1) if rename.endswith(ZIP))

    for moment in (
        *PIP_AT_WORK,
        *(Moment(RENAMES, count) for count in (1, of_zip // 2, of_zip - 2, of_zip, of_zip + 1)),
    ):
        scene.forget()
        former = put_former_zip(scene)
        process = scene.start("-c", *moment.signalled(number))
        output = process.communicate(timeout=60)[0]
        assert "Traceback" not in output
        scene.wait_for_orphans()
        assert list(scene.tmp.iterdir()) == []
        assert {path.name for path in scene.project.dist.iterdir()} == {ZIP}
        assert process.returncode == 130, output
        assert output.splitlines()[-1].startswith("Interrupted")
        assert scene.zip.read_bytes() == (whole if moment == Moment(RENAMES, of_zip + 1) else former)
        assert not [path for path in scene.litter(clean) if path.endswith(".part") or ".bundle-" in path]

    scene.build()
    assert scene.zip.read_bytes() == whole
    assert scene.litter(clean) == set()


# --- Out of disk ---


@pytest.mark.parametrize(
    ("place", "kilobytes"),
    [
        pytest.param("{cache}", 200, id="the store"),
        pytest.param("{root}/.hatch", 200, id="the bundle"),
        pytest.param("{root}/dist", 200, id="the archive"),
        pytest.param("{tmp}", 200, id="the scratch folder"),
    ],
)
def test_a_build_that_runs_out_of_disk(place: str, kilobytes: int, scene: Scene, tmp_path: Path) -> None:
    scene.build()
    whole = scene.zip.read_bytes()
    shutil.rmtree(scene.cache)
    shutil.rmtree(scene.project.root / ".hatch")
    former = put_former_zip(scene)
    folder = Path(place.format(cache=scene.cache, root=scene.project.root, tmp=scene.tmp))
    before, after = tmp_path / "before", tmp_path / "after"
    if folder.exists():
        shutil.copytree(folder, before)

    ended = build_on_a_small_disk(scene.project.root, kilobytes, folder, before=before, after=after)

    assert ended.returncode == 1, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "No space left on device" in ended.stderr
    # Where it is pip that has no room, pip says where.
    assert "Make room there and build again." in ended.stderr or folder == scene.tmp
    dist = after if folder == scene.project.dist else scene.project.dist
    assert {path.name: path.read_bytes() for path in dist.iterdir()} == {ZIP: former}
    assert not [path for path in after.rglob("*") if path.name.endswith(".part") or ".bundle-" in path.name]
    assert list(scene.tmp.iterdir()) == []
    scene.build()
    assert scene.zip.read_bytes() == whole


# --- Two builds at once ---


def all_at_once(*builds: tuple[Project, Mapping[str, str]]) -> None:
    running = [
        subprocess.Popen(
            [sys.executable, *BUILD],
            cwd=project.root,
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for project, variables in builds
    ]
    shown = [build.communicate(timeout=120)[0] for build in running]
    assert [build.returncode for build in running] == [0] * len(running), "\n".join(shown)


def alone(scene: Scene, *variables: Mapping[str, str]) -> dict[str, bytes]:
    """What each build makes that is not disturbed, and nothing else of it."""
    for more in variables:
        scene.project.build(**more)
    made = scene.project.in_dist()
    for folder in (scene.cache, scene.project.root / ".hatch", scene.project.dist):
        shutil.rmtree(folder)
    return made


def test_three_builds_of_one_project_at_once(scene: Scene) -> None:
    expected = alone(scene, {})

    all_at_once(*[(scene.project, {})] * 3)

    assert scene.project.in_dist() == expected
    assert list(scene.tmp.iterdir()) == []


def test_two_architectures_of_one_project_at_once(scene: Scene) -> None:
    architectures = [{"HATCH_LAMBDA_ARCHITECTURE": name} for name in ("x86_64", "arm64")]
    expected = alone(scene, *architectures)

    all_at_once(*[(scene.project, variables) for variables in architectures])

    assert len(expected) == 2
    assert scene.project.in_dist() == expected


def test_two_projects_on_one_store_at_once(scene: Scene, tmp_path: Path) -> None:
    expected = alone(scene, {})
    other = tmp_path / "other"
    shutil.copytree(scene.project.root, other)

    all_at_once((scene.project, {}), (Project(other), {}), (scene.project, {}), (Project(other), {}))

    assert scene.project.in_dist() == Project(other).in_dist() == expected
    assert not list(scene.cache.rglob("*.part"))


def test_a_build_beside_one_that_is_killed(scene: Scene) -> None:
    expected = alone(scene, {})
    first = scene.start("-c", *Moment(STARTS, 2, WATCHER).signalled(signal.SIGKILL))
    assert first.stdout
    first.stdout.readline()

    second = scene.start()
    output = second.communicate(timeout=60)[0]

    first.stdout.close()
    assert first.wait() == -signal.SIGKILL
    assert second.returncode == 0, output
    assert scene.project.in_dist() == expected

"""Builds that are killed, interrupted, out of disk or not alone: `dist` holds a whole zip, and the next build works."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.packages import make_sdist, make_wheel
from tests.support.projects import PACKAGE, Project, write_project

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

pytestmark = [
    pytest.mark.real_processes,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc"),
    # Builds are killed at moments that a busy machine may shift; nothing else in the suite is run once more.
    pytest.mark.flaky(reruns=1),
]

HERE = "python{}.{}".format(*sys.version_info)
ZIP = f"orders-1.0-{HERE}-x86_64.zip"
BUILD = (sys.executable, "-m", "hatchling", "build", "-t", "lambda")
KILLS = 20
INTERRUPTIONS = 6


@dataclass(frozen=True)
class Scene:
    """A project that needs a pure wheel and an sdist, with all that a build may write to."""

    project: Project
    tmp: Path
    cache: Path

    @property
    def zip(self) -> Path:
        return self.project.dist / ZIP

    def start(self, *, resolved: bool = False) -> subprocess.Popen[str]:
        """A build in a process group of its own, as from a shell; what is kept makes it a short one if `resolved`."""
        if not resolved:
            shutil.rmtree(self.project.root / ".hatch", ignore_errors=True)
            shutil.rmtree(self.cache, ignore_errors=True)
        return subprocess.Popen(
            BUILD,
            cwd=self.project.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

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
        mark, deadline = f"TMPDIR={self.tmp}".encode(), time.monotonic() + 20
        while any(mark in environment for environment in environments()):
            assert time.monotonic() < deadline, "what the build has started does not end"
            time.sleep(0.02)


def environments() -> Iterator[bytes]:
    """Of all processes but this one."""
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if int(path.parent.name) != os.getpid():
                yield path.read_bytes()


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


def timed(scene: Scene, *, resolved: bool) -> float:
    started = time.monotonic()
    process = scene.start(resolved=resolved)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    return time.monotonic() - started


@pytest.mark.parametrize(
    ("resolved", "whole_group", "kills"),
    [
        pytest.param(False, True, KILLS // 2, id="process group"),
        pytest.param(False, False, KILLS // 4, id="main process"),
        pytest.param(True, True, KILLS // 4, id="from kept wheels"),
    ],
)
def test_a_build_that_is_killed_at_any_moment(
    resolved: bool,  # noqa: FBT001
    whole_group: bool,  # noqa: FBT001
    kills: int,
    scene: Scene,
) -> None:
    seconds = timed(scene, resolved=False)
    whole, clean = scene.zip.read_bytes(), scene.everything()
    if resolved:
        seconds = timed(scene, resolved=True)
    caught = 0

    for moment in range(kills):
        if resolved:
            shutil.rmtree(scene.project.root / ".hatch" / "lambda" / f"{HERE}-x86_64" / "bundle", ignore_errors=True)
        former = put_former_zip(scene)
        process = scene.start(resolved=resolved)
        assert process.stdout
        time.sleep(seconds * (moment + 0.5) / kills)
        caught += process.poll() is None
        if whole_group:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()
        process.stdout.close()
        assert scene.zip.read_bytes() in {former, whole}, f"killed at moment {moment}"
        scene.wait_for_orphans()

    assert caught >= kills // 2  # else this shows nothing
    put_former_zip(scene)
    scene.build()
    assert scene.zip.read_bytes() == whole
    scene.build()
    assert scene.litter(clean) == set(), "what killed builds left was not tidied up"


_KILLED_AT_A_RENAME = """# may be forked
import os, runpy, signal, sys
left = int(sys.argv[1])

def hook(event, arguments):
    global left
    # Who measures coverage renames files of its own, in the end.
    if event == "os.rename" and ".coverage" not in f"{arguments[0]} {arguments[1]}":
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(hook)
sys.dont_write_bytecode = True
sys.argv[:] = ["hatchling", "build", "-t", "lambda"]
runpy.run_module("hatchling", run_name="__main__")
"""


@pytest.mark.real_processes(needed=False)  # some thirty builds, each killed by itself
def test_a_build_that_is_killed_before_each_file_and_folder_gets_its_name(scene: Scene) -> None:
    scene.build()
    whole, clean = scene.zip.read_bytes(), scene.everything()
    kills, left, replaced = 0, set[str](), list[bool]()

    while True:
        shutil.rmtree(scene.project.root / ".hatch")
        shutil.rmtree(scene.cache)
        former = put_former_zip(scene)
        ended = scene.project.python("-c", _KILLED_AT_A_RENAME, str(kills + 1))
        if ended.returncode == 0:
            break
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        kills += 1
        replaced.append(scene.zip.read_bytes() == whole)
        assert replaced[-1] or scene.zip.read_bytes() == former
        scene.build()
        assert scene.zip.read_bytes() == whole
        left |= scene.litter(clean)

    assert kills >= 8  # wheels and notes of the store, the lock, the bundle, its list, the zip
    assert sum(replaced) <= 1  # only before the record of the zip that has its name
    assert left == set(), "what a killed build left was not tidied up by the next"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_build_that_is_interrupted_at_any_moment(number: signal.Signals, scene: Scene) -> None:
    seconds = timed(scene, resolved=False)
    whole, clean = scene.zip.read_bytes(), scene.everything()
    codes = []

    for moment in range(INTERRUPTIONS):
        former = put_former_zip(scene)
        process = scene.start()
        assert process.stdout
        first = process.stdout.readline()  # from here on it is ours, before that Python's and Hatch's
        assert first.startswith("Bundle for ")
        time.sleep(seconds * 0.85 * moment / INTERRUPTIONS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        output = process.communicate(timeout=30)[0]
        codes.append(process.returncode)
        assert "Traceback" not in output
        scene.wait_for_orphans()
        assert list(scene.tmp.iterdir()) == []
        assert {path.name for path in scene.project.dist.iterdir()} == {ZIP}
        # The zip has been told: the build was over, and the signal, if it still counted, met Python on its way out.
        if output.rstrip().endswith(f"dist/{ZIP}"):
            assert process.returncode in {0, -number, 130}, output
            assert scene.zip.read_bytes() == whole
            continue
        assert process.returncode == 130, output
        assert output.splitlines()[-1].startswith("Interrupted")
        assert scene.zip.read_bytes() == former
        assert not [path for path in scene.litter(clean) if path.endswith(".part") or ".bundle-" in path]

    assert codes.count(130) >= INTERRUPTIONS // 2, codes
    scene.build()
    assert scene.zip.read_bytes() == whole
    assert scene.litter(clean) == set()


# --- Out of disk ---

# In a namespace of its own, where anyone may mount: a file system of so many kilobytes at a folder. What is in it is
# there only for as long as the build runs, so that it is copied.
_ON_A_SMALL_DISK = """
mount -t tmpfs -o size="$1"k none "$2" || exit 77
[ -e "$3" ] && cp -r "$3/." "$2"
"$5" -m hatchling build -t lambda
code=$?
cp -r "$2/." "$4"
exit $code
"""


def build_on_a_small_disk(
    scene: Scene, kilobytes: int, place: Path, *, before: Path, after: Path
) -> subprocess.CompletedProcess[str]:
    if not shutil.which("unshare"):  # a small disk takes Linux and the right to mount one
        pytest.skip("no unshare at hand")
    place.mkdir(parents=True, exist_ok=True)
    after.mkdir()
    arguments = [str(kilobytes), str(place), str(before), str(after), sys.executable]
    ended = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", _ON_A_SMALL_DISK, "sh", *arguments],
        cwd=scene.project.root,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    # Containers often forbid it, whoever asks.
    if ended.returncode == 77 or "unshare" in ended.stderr:
        pytest.skip("nothing may be mounted here")
    return ended


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

    ended = build_on_a_small_disk(scene, kilobytes, folder, before=before, after=after)

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
            BUILD,
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
    first = scene.start()
    assert first.stdout
    first.stdout.readline()
    second = scene.start(resolved=True)
    time.sleep(0.4)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    first.stdout.close()

    output = second.communicate(timeout=60)[0]

    assert second.returncode == 0, output
    assert scene.project.in_dist() == expected

"""What is seen while a build is at work: on terminals, in pipes and in the logs of CIs."""

from __future__ import annotations

import io
import os
import re
import select
import signal
import struct
import subprocess
import sys
import tarfile
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pyte
import pytest
from hatchling.bridge.app import Application

from hatch_lambda.common.process import run
from hatch_lambda.common.ui import Reporter
from hatch_lambda.plugin.display import HatchUI
from hatch_lambda.resolve.pip.listener import Listener
from tests.support.packages import make_wheel, source_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from tests.support.recording_ui import RecordingUI
    from tests.support.simple_index import SimpleIndex

if sys.platform == "win32":
    pytest.skip("pseudo-terminals are Unix's", allow_module_level=True)

import fcntl
import pty
import termios
import threading

TARGET = "Bundle for python3.13 on x86_64 (Amazon Linux 2023, glibc 2.34)"
CI_VARIABLES = ("CI", "GITHUB_ACTIONS", "GITLAB_CI", "TF_BUILD", "BUILDKITE", "TEAMCITY_VERSION")
ROWS = 60
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"

# Takes the terminal as its own, as the programs do that a shell starts, and goes on as `python -m` or `python -c`.
TAKE_TERMINAL = """# may be forked
import fcntl, os, runpy, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
option, what, *arguments = sys.argv[1:]
sys.argv[:] = [option, *arguments]
if option == "-m":
    sys.path[0] = os.getcwd()
    runpy.run_module(what, run_name="__main__", alter_sys=True)
elif option == "-c":
    exec(what)
else:
    os.execv(sys.executable, [sys.executable, option, what, *arguments])
"""


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*CI_VARIABLES, "NO_COLOR", "FORCE_COLOR", "COLUMNS", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8")  # unlike PYTHONUTF8, a fork can follow it
    monkeypatch.setenv("HATCH_LAMBDA_PYTHON", sys.executable)


@pytest.fixture
def project(project_root: Path) -> Callable[..., Path]:
    def write(*dependencies: str, hook: str = "") -> Path:
        project_root.joinpath("orders").mkdir()
        project_root.joinpath("orders", "__init__.py").write_text("", encoding="utf-8")
        project_root.joinpath("pyproject.toml").write_text(
            '[build-system]\nrequires = ["hatchling", "hatch-lambda"]\nbuild-backend = "hatchling.build"\n'
            f'[project]\nname = "orders"\nversion = "1.0"\ndependencies = {list(dependencies)}\n'
            f'[tool.hatch.build.hooks.lambda]\nruntime = "python3.13"\n{hook}\n',
            encoding="utf-8",
        )
        return project_root

    return write


def make_slow_sdist(folder: Path, name: str, seconds: float, *, fails: bool = False) -> None:
    """Its backend takes its time to build, whatever comes of it."""
    files = source_files(name)
    end = "raise RuntimeError('error: no flux capacitor')" if fails else "return build_at_once(directory)"
    files["backend.py"] = files["backend.py"].replace("def build_wheel(", "def build_at_once(") + (
        f"\n\ndef build_wheel(directory, *args):\n    import time\n    time.sleep({seconds})\n    {end}\n"
    )
    with tarfile.open(folder / f"{name}-1.0.tar.gz", "w:gz") as archive:
        for filename, text in files.items():
            entry = tarfile.TarInfo(f"{name}-1.0/{filename}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))


@dataclass
class Terminal:
    """A program in a terminal, and what is on its screen."""

    columns: int
    command: list[str]
    directory: Path
    variables: dict[str, str] = field(default_factory=dict)
    raw: bytes = b""
    seen: list[list[str]] = field(default_factory=list)
    """The screen after each thing that was written to it."""

    def __post_init__(self) -> None:
        self.screen = pyte.Screen(self.columns, ROWS)
        self._stream = pyte.ByteStream(self.screen)
        self._ours, theirs = pty.openpty()
        self.resize(self.columns)
        self.process = subprocess.Popen(
            [sys.executable, "-c", TAKE_TERMINAL, *self.command],
            cwd=self.directory,
            env={**os.environ, **self.variables},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)

    def resize(self, columns: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
        self.screen.resize(ROWS, columns)

    def type(self, keys: bytes) -> None:
        os.write(self._ours, keys)

    def until(self, text: str) -> Terminal:
        while not any(text in line for line in self.lines):
            assert self._read(), f"it ended without {text!r}:\n" + "\n".join(self.lines)
        return self

    def to_its_end(self) -> Terminal:
        while self._read():
            pass
        self.process.wait(60)
        os.close(self._ours)
        return self

    @property
    def lines(self) -> list[str]:
        lines = [line.rstrip() for line in self.screen.display]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def _read(self) -> bool:
        assert select.select([self._ours], [], [], 60)[0], "it hangs:\n" + "\n".join(self.lines)
        try:
            piece = os.read(self._ours, 65536)
        except OSError:  # Linux's end of a terminal
            return False
        self.raw += piece
        self._stream.feed(piece)
        self.seen.append(self.lines)
        return bool(piece)


def start(directory: Path, columns: int = 80, *options: str, **variables: str) -> Terminal:
    command = [*options, "-m", "hatchling", "build", "-t", "lambda"]
    return Terminal(columns, command, directory, variables)


def shown_in_a_pipe(directory: Path, *options: str, ends_with: int = 0, **variables: str) -> str:
    """Byte for byte what a build writes, which ends with that exit code."""
    ended = subprocess.run(
        [sys.executable, *options, "-m", "hatchling", "build", "-t", "lambda"],
        cwd=directory,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
        check=False,
    )
    shown = ended.stdout.decode()
    assert ended.returncode == ends_with, shown
    return shown


# One stage, without the build around it.
STAGE = """
import sys, time
from hatchling.bridge.app import Application
from hatch_lambda.plugin.display import HatchUI
from hatch_lambda.common.ui import Reporter

def work():
    reporter.now("building slow 1.0")
    time.sleep(float(sys.argv[1]))

reporter = Reporter(HatchUI(Application()))
reporter.stage(4, "build", work, lambda _: "met slow 1.0")
"""


def start_stage(directory: Path, columns: int = 80, seconds: float = 0.8, **variables: str) -> Terminal:
    return Terminal(columns, ["-c", STAGE, str(seconds)], directory, variables)


def spinners(text: str) -> bool:
    return re.search(f"[{SPINNER}]", text) is not None


def stages(lines: Iterable[str]) -> list[str]:
    """The lines of stages that are done, whatever their seconds and however wide."""
    return [" ".join(line.split()[:-2]) for line in lines if re.match(r"  \d .* s$", line)]


# --- On a terminal ---


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_a_live_line_shows_what_is_built_and_only_the_plain_lines_are_left(
    project: Callable[..., Path], index: Path, columns: int
) -> None:
    make_slow_sdist(index, "slow", 1)

    terminal = start(project("slow"), columns).to_its_end()

    assert terminal.process.returncode == 0, terminal.lines
    live = [line for lines in terminal.seen for line in lines if "building slow 1.0" in line]
    assert live, terminal.seen
    assert all(re.fullmatch(rf"  4 build +[{SPINNER}] building slow 1\.0 .* +\d\.\d s", line) for line in live), live
    assert max(map(len, live)) < columns
    assert len({line.split()[-2] for line in live}) > 1, "its seconds do not count"
    # nothing of it is left, and the cursor is there
    assert not spinners("".join(terminal.lines))
    assert [line[2] for line in terminal.lines if re.match(r"  \d .* s$", line)] == [*"123456789"]
    assert re.search(r"\n  4 build +built slow 1\.0 +\d\.\d s\n", "\n".join(terminal.lines))
    assert not terminal.screen.cursor.hidden
    assert terminal.lines[-1] == "dist/orders-1.0-python3.13-x86_64.zip"


@pytest.mark.slow
@pytest.mark.parametrize("columns", [20, 30, 40])
def test_a_line_is_cut_where_the_terminal_is_narrow(tmp_path: Path, columns: int) -> None:
    terminal = start_stage(tmp_path, columns).to_its_end()

    assert any(spinners(line) for lines in terminal.seen for line in lines) or columns < 40
    assert [lines for lines in terminal.seen if lines and "met" not in "".join(lines)], "nothing was shown at work"
    assert all(len(lines) <= 1 for lines in terminal.seen if "met" not in "".join(lines)), terminal.seen
    assert not re.search(f"[{SPINNER}…]", "".join(terminal.lines))


@pytest.mark.slow
def test_a_terminal_that_is_made_narrower_gets_narrower_lines(tmp_path: Path) -> None:
    terminal = start_stage(tmp_path, 120, seconds=2).until("building slow 1.0")

    terminal.resize(50)
    before = len(terminal.seen)
    terminal.to_its_end()

    later = [lines for lines in terminal.seen[before + 2 :] if spinners("".join(lines))]
    assert later
    assert all(len(lines) == 1 and lines[0].endswith(" s") and len(lines[0]) == 49 for lines in later), later
    assert len(terminal.lines) == 1


def test_figures_that_are_too_long_for_the_terminal_go_on_below_themselves(tmp_path: Path) -> None:
    code = STAGE.replace("met slow 1.0", "met " + ", ".join(f"slow-{number} 1.0" for number in range(5)))

    terminal = Terminal(60, ["-c", code, "0"], tmp_path).to_its_end()

    assert terminal.lines == [
        "  4 build           met slow-0 1.0, slow-1 1.0,       0.0 s",
        "                    slow-2 1.0, slow-3 1.0, slow-4",
        "                    1.0",
    ]


def test_a_failure_leaves_the_error_and_no_live_line(project: Callable[..., Path], index: Path) -> None:
    make_slow_sdist(index, "slow", 0.8, fails=True)

    terminal = start(project("slow")).to_its_end()

    assert terminal.process.returncode == 1
    assert any("building slow 1.0" in line for lines in terminal.seen for line in lines)
    shown = "\n".join(terminal.lines)
    assert "no flux capacitor" in shown
    assert not spinners(shown)
    assert not terminal.screen.cursor.hidden


@pytest.mark.parametrize("how", ["Ctrl-C", "SIGTERM"])
def test_an_interrupted_build_leaves_no_live_line(project: Callable[..., Path], index: Path, how: str) -> None:
    make_slow_sdist(index, "slow", 60)
    terminal = start(project("slow")).until("building slow 1.0")

    if how == "Ctrl-C":
        terminal.type(b"\x03")
    else:
        terminal.process.send_signal(signal.SIGTERM)
    terminal.to_its_end()

    assert terminal.process.returncode == 130
    assert terminal.lines[-1] == "Interrupted; no incomplete zip was written."
    assert stages(terminal.lines)[-1].startswith("3 download wheels")
    assert not re.search(f"[{SPINNER}^]", "".join(terminal.lines))
    assert not terminal.screen.cursor.hidden
    assert terminal.screen.cursor.x == 0


def test_even_who_is_killed_leaves_a_cursor(tmp_path: Path) -> None:
    terminal = start_stage(tmp_path, seconds=60).until("building slow 1.0")

    terminal.process.kill()
    terminal.to_its_end()

    assert terminal.process.returncode == -signal.SIGKILL
    assert b"\x1b[?25l" not in terminal.raw
    assert terminal.screen.cursor.x == 0


def test_it_has_colours_unless_the_user_wants_none(tmp_path: Path) -> None:
    coloured = start_stage(tmp_path).to_its_end()
    plain = start_stage(tmp_path, NO_COLOR="1").to_its_end()

    assert re.search(rb"\x1b\[3\dm", coloured.raw)
    assert "building slow 1.0" in plain.raw.decode()
    assert not re.search(rb"\x1b\[[\d;]*3\dm", plain.raw)


@pytest.mark.slow
@pytest.mark.parametrize(
    "variables", [{"TERM": "dumb"}, {"CI": "true"}, {"GITLAB_CI": "true"}, {"BUILDKITE": "true"}], ids=str
)
def test_a_terminal_that_cannot_or_a_log_that_keeps_all_gets_plain_lines(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    terminal = start_stage(tmp_path, 120, 0.8, **variables).to_its_end()

    assert re.fullmatch(rb"  4 build {18}met slow 1\.0 {38}    \d\.\d s\r\n", terminal.raw)


@pytest.mark.slow
def test_a_terminal_without_unicode_gets_ascii(tmp_path: Path) -> None:
    terminal = start_stage(tmp_path, PYTHONIOENCODING="ascii:strict").to_its_end()

    assert terminal.raw.isascii()
    live = [line for lines in terminal.seen for line in lines if "building" in line]
    assert live
    assert {line.split()[2] for line in live} <= {*"-\\|/"}


def test_quiet_means_that_nothing_is_shown(project: Callable[..., Path], index: Path) -> None:
    make_slow_sdist(index, "slow", 0.8)

    assert start(project("slow"), HATCH_QUIET="1").to_its_end().raw == b""


def test_verbose_words_of_pip_scroll_by_above_the_live_line(project: Callable[..., Path], index: Path) -> None:
    make_slow_sdist(index, "slow", 1)

    terminal = start(project("slow"), 120, HATCH_VERBOSE="1").to_its_end()

    assert any("building slow 1.0" in line for lines in terminal.seen for line in lines)
    assert not spinners("".join(terminal.lines))
    assert "      Building wheel for slow (pyproject.toml): started" in terminal.lines


@pytest.mark.slow
def test_what_is_in_the_background_leaves_the_terminal_alone(tmp_path: Path) -> None:
    code = f"import os; os.setpgid(0, 0) if os.fork() == 0 else sys.exit(os.wait()[1])\n{STAGE}"

    terminal = Terminal(80, ["-c", f"import sys; {code}", "0.8"], tmp_path).to_its_end()

    assert "met slow 1.0" in terminal.raw.decode()
    assert not spinners(terminal.raw.decode())


# --- What it costs ---


def imported(report: str) -> set[str]:
    return {match[1].partition(".")[0] for match in re.finditer(r"import time:.*\| +([\w.]+)", report)}


def test_rich_is_imported_for_a_terminal_alone_and_once_something_lasts(
    project: Callable[..., Path], index: Path
) -> None:
    make_slow_sdist(index, "slow", 0.8)
    root = project("slow")

    piped = shown_in_a_pipe(root, "-X", "importtime")
    reused = start(root, 80, "-X", "importtime").to_its_end()
    root.joinpath("pyproject.toml").write_text(
        root.joinpath("pyproject.toml").read_text(encoding="utf-8").replace("python3.13", "python3.12"),
        encoding="utf-8",
    )
    built = start(root, 80, "-X", "importtime").to_its_end()

    assert "hatch_lambda" in imported(piped)
    assert "rich" not in imported(piped)
    assert "click" not in imported(piped)
    assert "Reusing the resolution from " in reused.raw.decode()
    assert imported(reused.raw.decode()) >= {"hatch_lambda"}
    assert not imported(reused.raw.decode()) & {"rich", "click"}
    assert "rich" in imported(built.raw.decode())


def test_nothing_is_written_over_in_a_pipe(project: Callable[..., Path], index: Path) -> None:
    make_slow_sdist(index, "slow", 0.8)

    shown = shown_in_a_pipe(project("slow"))

    assert "\r" not in shown
    assert "\x1b" not in shown
    assert "⠋" not in shown
    assert stages(shown.splitlines())[3] == "4 build built slow 1.0"
    assert re.search(r"\n  4 build {18}built slow 1\.0 {37} +\d\.\d s\n", shown)


# --- What pip says ---


class SlowIndex:
    """Serves one wheel, bit by bit."""

    def __init__(self, wheel: Path, seconds: float) -> None:
        self._wheel = wheel
        self._seconds = seconds
        self._server = make_server("127.0.0.1", 0, self._answer, handler_class=_Silent)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def __enter__(self) -> SlowIndex:  # noqa: PYI034 - `Self` is newer than Python 3.10
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, environ: dict[str, str], start_response: Callable[..., object]) -> Iterator[bytes]:
        content = f'<a href="/{self._wheel.name}">{self._wheel.name}</a>'.encode()
        if environ["PATH_INFO"].endswith(".whl"):
            content = self._wheel.read_bytes()
        kind = "application/octet-stream" if environ["PATH_INFO"].endswith(".whl") else "text/html"
        start_response("200 OK", [("Content-Type", kind), ("Content-Length", str(len(content)))])
        piece = max(len(content) // 20, 1)
        for position in range(0, len(content), piece):
            yield content[position : position + piece]
            if kind != "text/html":
                time.sleep(self._seconds / 20)


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as it is called there
        """Keep the tests' output clean."""


@pytest.fixture
def large_wheel(tmp_path: Path) -> Path:
    return make_wheel(tmp_path / "served", "large", "2.5", files={"large.bin": os.urandom(3 * 1024 * 1024)})


@pytest.mark.parametrize("verbose", ["0", "1"])
def test_a_download_is_shown_with_its_size_and_rate_and_pips_own_progress_is_not(
    project: Callable[..., Path], serve: type[SimpleIndex], large_wheel: Path, verbose: str
) -> None:
    del serve  # has let pip use indexes
    with SlowIndex(large_wheel, 2) as index:
        terminal = start(project("large"), PIP_INDEX_URL=index.url, HATCH_VERBOSE=verbose).to_its_end()

    assert terminal.process.returncode == 0, terminal.lines
    live = [line for lines in terminal.seen for line in lines if spinners(line)]
    sizes = {
        match[1]
        for line in live
        if (match := re.search(r"large 2\.5 (\d\.\d) of 3\.0 MB \d+\.\d [kM]B/s +\d\.\d s", line))
    }
    assert len(sizes) > 1, live
    assert "Progress" not in terminal.raw.decode()


@pytest.mark.parametrize("verbose", ["0", "1"])
def test_pips_progress_gets_into_no_error_and_no_pipe(
    project: Callable[..., Path], serve: type[SimpleIndex], large_wheel: Path, verbose: str
) -> None:
    del serve
    root = project("large", hook='requirements = ["requirements.txt"]')
    root.joinpath("requirements.txt").write_text(f"large==2.5 --hash=sha256:{'0' * 64}\n", encoding="utf-8")
    with SlowIndex(large_wheel, 1) as index:
        shown = shown_in_a_pipe(root, ends_with=1, PIP_INDEX_URL=index.url, HATCH_VERBOSE=verbose)

    assert "Expected sha256 0000" in shown
    assert "Progress" not in shown


def test_lines_in_passing_are_handed_on_and_not_kept(tmp_path: Path) -> None:
    heard: list[str] = []

    completed = run(
        [sys.executable, "-c", "print('one'); print('Progress 1 of 2'); print('two')"],
        directory=tmp_path,
        environment=os.environ,
        on_line=heard.append,
        is_passing=lambda line: line.startswith("Progress"),
    )

    assert completed.output == "one\ntwo"
    assert heard == ["one", "Progress 1 of 2", "two"]


class WatchedReporter(Reporter):
    """Keeps what the stage is said to be at."""

    def __init__(self, ui: RecordingUI) -> None:
        super().__init__(ui)
        object.__setattr__(self, "moments", [])

    moments: list[str]

    def now(self, text: str) -> None:
        self.moments.append(text)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Collecting numpy>=2 (from -r x.txt (line 1))", "collecting numpy (1 so far)"),
        ("Collecting foo@ https://example.org/foo.zip", "collecting foo (1 so far)"),
        ("Processing /tmp/x/slow_one-1.0.tar.gz (from -r x)", "collecting slow_one 1.0 (1 so far)"),
        ("Processing ./lib", "collecting lib (1 so far)"),
        ("Downloading numpy-2.3.0-cp313-cp313-manylinux_2_27_x86_64.whl (16.2 MB)", "downloading numpy 2.3.0"),
        ("  Downloading https://example.org/p/PyYAML-6.0.2.tar.gz (130 kB)", "downloading PyYAML 6.0.2"),
        ("  Downloading main.zip", "downloading main.zip"),
    ],
)
def test_pips_words_are_told_in_short(ui: RecordingUI, line: str, expected: str) -> None:
    reporter = WatchedReporter(ui)

    Listener(reporter).hear(line)

    assert reporter.moments == ["starting pip", expected]


def test_pips_steps_are_told_of_what_is_at_work(ui: RecordingUI) -> None:
    resolving, building = WatchedReporter(ui), WatchedReporter(ui)
    steps = [
        "Collecting foo",
        "  Installing build dependencies: started",
        "  Preparing metadata (pyproject.toml): started",
        "  Building wheel for foo (pyproject.toml): started",
    ]

    for listener in (Listener(resolving), Listener(building, "foo 1.0 (1 of 2)")):
        for step in steps:
            listener.hear(step)

    assert resolving.moments[1:3] == ["collecting foo (1 so far)", "foo: installing build dependencies"]
    assert building.moments == [
        "foo 1.0 (1 of 2): installing build dependencies",
        "foo 1.0 (1 of 2): metadata",
        "building foo 1.0 (1 of 2)",
    ]


# --- In the logs of CIs ---


@pytest.mark.parametrize("fails", [False, True])
def test_the_stages_are_a_group_and_the_result_or_the_error_is_outside(
    project: Callable[..., Path], index: Path, *, fails: bool
) -> None:
    make_wheel(index, "there")

    shown = shown_in_a_pipe(project("missing" if fails else "there"), ends_with=int(fails), GITHUB_ACTIONS="true")

    lines = shown.splitlines()
    assert lines[0] == f"::group::{TARGET}"
    assert lines.count("::endgroup::") == 1
    end = lines.index("::endgroup::")
    if fails:
        assert "cannot be resolved" in lines[end + 1]
    else:
        assert stages(lines[:end])[0] == "1 download 1 distribution: 1 wheel"
        assert not stages(lines[end:])
        assert lines[end + 1].startswith("orders-1.0-python3.13-x86_64.zip: the project")


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        ("GITHUB_ACTIONS", "::group::all of it\na line\n::warning::so so\n::endgroup::\n"),
        (
            "GITLAB_CI",
            (
                "\x1b[0Ksection_start:N:hatch_lambda_N[collapsed=true]\r\x1b[0Kall of it\na line\nWarning: so so\n"
                "\x1b[0Ksection_end:N:hatch_lambda_N\r\x1b[0K\n"
            ),
        ),
        ("TF_BUILD", "##[group]all of it\na line\n##vso[task.logissue type=warning]so so\n##[endgroup]\n"),
        ("BUILDKITE", "--- all of it\na line\nWarning: so so\n+++ Result\n"),
        ("CI", "all of it\na line\nWarning: so so\n"),
    ],
)
def test_groups_are_as_the_log_at_hand_has_them(
    variable: str, expected: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(variable, "True")
    reporter = Reporter(HatchUI(Application()))

    with reporter.group("all of it"):
        reporter.line("a line")
        reporter.warn("so so")

    shown = capsys.readouterr().err
    assert re.sub(r"\d{9,}", "N", shown) == expected
    assert len(set(re.findall(r"hatch_lambda_\d+", shown))) == (variable == "GITLAB_CI"), "a section has one name"


def test_warnings_are_told_again_at_the_end(project: Callable[..., Path], index: Path) -> None:
    make_slow_sdist(index, "slow", 0, fails=True)
    root = project("slow", hook='on-missing = "warn"')

    plain = shown_in_a_pipe(root)
    on_github = shown_in_a_pipe(root, GITHUB_ACTIONS="true")

    before, _, after = plain.partition("orders-1.0-python3.13-x86_64.zip: ")
    (warning,) = re.findall(r"^Warning: .*", before, flags=re.MULTILINE)
    assert "slow 1.0" in before
    assert warning in after
    marked, _, after_group = on_github.partition("::endgroup::")
    assert warning.replace("Warning: ", "::warning::") in marked
    assert warning in after_group


def test_warnings_of_a_failure_are_told_outside_of_the_group_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    reporter = Reporter(HatchUI(Application()))

    def fail() -> None:
        with reporter.group("all of it"):
            reporter.warn("100 % of\nit")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()

    assert capsys.readouterr().err.splitlines() == [
        "::group::all of it",
        "::warning::100 %25 of%0Ait",
        "::endgroup::",
        "Warning: 100 % of",
        "it",
    ]


def test_a_warning_that_is_given_twice_is_kept_once(ui: RecordingUI) -> None:
    reporter = Reporter(ui)

    for message in ("a", "b", "a"):
        reporter.warn(message)

    assert reporter.warnings == ["a", "b"]
    assert ui.lines == ["Warning: a", "Warning: b", "Warning: a"]
    assert Reporter(ui).warnings == []


def test_a_ui_of_lines_gets_titles_and_stages_as_lines(ui: RecordingUI) -> None:
    reporter = Reporter(ui)

    with reporter.group("title"), reporter.at_work("something"):
        reporter.now("something")
        assert reporter.stage(1, "download", lambda: 42, str) == 42

    assert ui.lines[0] == "title"
    assert re.fullmatch(r"  1 download {15}42 {48}    \d\.\d s", ui.lines[1])

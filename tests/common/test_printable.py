"""Foreign names and texts in what a build prints."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hatchling.bridge.app import Application

from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.common.hashing import sha256_of
from hatch_lambda.common.printable import printable, printable_lines
from hatch_lambda.common.ui import Reporter
from hatch_lambda.plugin.display import HatchUI, aborting
from tests.support.attacks import HERE, INFO, good_files, pack_sdist, write_wheel
from tests.support.ci_logs import commands_in, unprintable_in
from tests.support.packages import source_files

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.projects import NewProject
    from tests.support.recording_ui import RecordingUI

COMMANDS = [
    "::add-mask::secret",
    "  ::set-env name=PATH::/evil",
    "##[add-mask]secret",
    "said ##[error]by GitHub, anywhere in a line",
    "##vso[task.setvariable variable=PATH]/evil",
    "said ##VSO[task.complete result=Succeeded]",
    "##teamcity[buildStatus status='SUCCESS']",
    "\t::error::after a tab",
    "\x1b[0m::error::after a colour",
    "\u2028::error::after a line break",
]
NASTY = [
    *COMMANDS,
    "\x1b]0;title\x07",
    "\x9b31mC1",
    "evil\rgood",
    "\x08\x08\x7f",
    "\u202egnp.exe\u2066",
    "\ufeff\u200b",
]


@pytest.mark.parametrize("text", NASTY)
def test_a_text_is_neither_unprintable_nor_a_command(text: str) -> None:
    for shown in (printable(text), printable_lines(text), printable_lines(f"first\n{text}\nlast")):
        assert unprintable_in(shown) == set()
        assert commands_in(shown) == []
        assert printable_lines(shown) == shown, "not the same when printed by two of us"


@pytest.mark.parametrize("text", ["plain", "naïve 注文 🐍", "a::b", "    a.py::test_b", "## [heading]", "C:\\x", ""])
def test_any_other_text_stays_as_it_is(text: str) -> None:
    assert printable(text) == text


def test_tabs_of_a_message_are_spaces_and_its_line_breaks_stay() -> None:
    assert printable_lines("1\n\t2\r\n\n3") == "1\n        2\\r\n\n3"


# A backend that prints the texts and fails, whatever pip and we make of it.
_SHOUTING = """


def build_wheel(directory, config_settings=None, metadata_directory=None):
    for text in {texts!r}:
        print(text)
        print("error:", text)
    raise RuntimeError("error: " + " ".join({texts!r}))
"""


def test_the_words_of_a_backend(index: Path, bundle_of: Callable[..., object], ui: RecordingUI) -> None:
    files = source_files("foo")
    files["backend.py"] += _SHOUTING.format(texts=NASTY)
    pack_sdist(index, "foo", files)

    with pytest.raises(LambdaBuildError) as caught:
        bundle_of("foo", runtime=HERE, verbose=True)

    for shown in (ui.text, str(caught.value)):
        assert "add-mask" in shown
        assert unprintable_in(shown) == set()
        assert commands_in(shown) == []


def test_the_names_in_a_wheel(index: Path, new_project: NewProject) -> None:
    names = ["\n::error::x", "\n##vso[task.complete]", "\x1b[31m.py", "\u202egnp.py", "\x9b2J"]
    entry_points = "[console_scripts]\n" + "".join(f"{name}/ = foo:main\n" for name in NASTY)
    write_wheel(index, {**good_files(dict.fromkeys(names, b"")), f"{INFO}/entry_points.txt": entry_points.encode()})
    project = new_project(project='dependencies = ["foo"]')

    shown = project.fail()

    assert "foo" in shown
    assert unprintable_in(shown) == set()
    assert commands_in(shown) == []


@pytest.mark.parametrize("text", NASTY)
def test_an_error_that_ends_a_build(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = f"{text}\n{text}"
    with pytest.raises(SystemExit), aborting(Application()):
        raise LambdaBuildError(text)
    with pytest.raises(SystemExit), aborting(Application()):
        sha256_of(Path(text))

    shown = capsys.readouterr().err
    assert "The build stopped: No such file or directory: " in shown
    assert unprintable_in(shown) == set()
    assert commands_in(shown) == []


@pytest.mark.parametrize(("ci", "commands"), [("", 0), ("GITHUB_ACTIONS", 2 + 1), ("TF_BUILD", 2 + 1)])
def test_of_commands_only_our_own_are_printed(
    ci: str, commands: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(ci or "NO_CI", "true")
    reporter = Reporter(HatchUI(Application()), verbose=True)
    text = "\n".join(COMMANDS)

    with reporter.group("a title"):
        reporter.stage(1, "download", lambda: text, str)
        reporter.line(text)
        reporter.detail(text)
        reporter.warn(text)

    assert len(commands_in(capsys.readouterr().err)) == commands

"""Wait for a request, have pip changed for it, run pip, report."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
import tempfile
from typing import Any, TextIO

from hatch_lambda.resolve.pip.for_target import EXIT_UNSUPPORTED_PIP, TEMPORARY_FOLDER, overrides, pages, shortcuts
from hatch_lambda.resolve.pip.for_target.seams import Findings, SeamError


def main() -> int:
    """Gives the exit code: pip's own, or `EXIT_UNSUPPORTED_PIP`."""
    findings = Findings()
    orders = take_standard_input()
    try:
        import_pip()
        line = orders.readline()
        if not line:
            return 0  # there is nothing to do
        with open(json.loads(line), encoding="utf-8") as file:  # noqa: PTH123
            request = json.load(file)
        os.environ.update(dict.fromkeys(TEMPORARY_FOLDER, request["temporary"]))
        tempfile.tempdir = None  # it may have been asked for already
        change_pip(request, findings)
        exit_code = run_pip(request["arguments"], findings)
    except (SeamError, ImportError) as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_UNSUPPORTED_PIP
    with open(request["report"], "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(json.dumps(findings.as_json()))  # `json.dump` would do without the encoder in C
    return exit_code


def take_standard_input() -> TextIO:
    """What is there is for us alone, not for the programs that pip asks (`rustc`, say)."""
    ours = os.fdopen(os.dup(0), encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return ours


def import_pip() -> None:
    """What `change_pip` and `run_pip` need, so that they find it there. What fails here, they will tell."""
    take_shortcuts_at_once()
    for name in ("pip._internal.build_env", "pip._internal.cli.main", "pip._internal.commands.download"):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def take_shortcuts_at_once() -> None:
    """Those that go on while the rest of pip is imported."""
    shortcuts.read_certificates_once()
    shortcuts.read_certificates_early()
    shortcuts.ask_for_versions_early()


def change_pip(request: dict[str, Any], findings: Findings) -> None:
    misdeclared = frozenset(request["misdeclared"])
    overrides.evaluate_markers_for_target(request["marker_environment"])
    overrides.select_from_locks_for_target(request["interpreter"])
    overrides.allow_sdists_for_other_platforms()
    overrides.let_in_misdeclared_wheels(misdeclared)
    overrides.note_what_the_index_offers(findings)
    overrides.save_each_in_a_folder_of_its_own(findings)
    overrides.note_what_is_resolved(findings)
    overrides.UnreachableIndexes(findings)
    take_shortcuts(request, findings, misdeclared)


def take_shortcuts(request: dict[str, Any], findings: Findings, misdeclared: frozenset[str]) -> None:
    pages.pass_over_wheels_for_others(findings, misdeclared)
    shortcuts.show_wheels_at_once(request["early"])
    shortcuts.take_what_the_store_has(request["kept"], findings)


def run_pip(arguments: list[str], findings: Findings) -> int:
    from pip._internal.cli.main import main as pip_main

    exit_code = int(pip_main(arguments))
    if SeamError.heard:
        raise SeamError(SeamError.heard[0])
    if exit_code == 0 and findings.resolved is None:
        raise SeamError("`pip download` resolved without `RequirementCommand.make_resolver`")
    return exit_code

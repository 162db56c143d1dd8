"""Patch pip for a request, run it, report."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pip._internal.cli.main import main as pip_main

from hatch_lambda.resolve.pip.for_target import EXIT_UNSUPPORTED_PIP, cached, overrides, pages, unreachable
from hatch_lambda.resolve.pip.for_target.patches import Findings, PatchError


def main(path: str) -> int:
    """Return the exit code: pip's own, or `EXIT_UNSUPPORTED_PIP`. `path`: of the request."""
    findings = Findings()
    request = json.loads(Path(path).read_text(encoding="utf-8"))
    try:
        exit_code = run_pip(request, findings)
    except (PatchError, ImportError) as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_UNSUPPORTED_PIP
    Path(request["report"]).write_text(json.dumps(findings.as_json()), encoding="utf-8")
    return exit_code


def run_pip(request: dict[str, Any], findings: Findings) -> int:
    apply_overrides(request, findings)
    apply_shortcuts(request, findings)
    exit_code = int(pip_main(request["arguments"]))
    if findings.errors:
        raise findings.errors[0]
    if exit_code == 0 and findings.resolved is None:
        raise PatchError("`pip download` resolved without `RequirementCommand.make_resolver`")
    return exit_code


def apply_overrides(request: dict[str, Any], findings: Findings) -> None:
    overrides.evaluate_markers_for_target(request["marker_environment"], findings)
    overrides.evaluate_markers_of_editables()
    overrides.select_from_locks_for_target(request["interpreter"])
    overrides.allow_sdists_for_other_platforms()
    overrides.ignore_tags_of(frozenset(request["ignore_tags"]))
    overrides.record_offers(findings)
    overrides.save_in_separate_folders(findings)
    overrides.record_resolution(findings)
    overrides.leave_out_project(Path.cwd(), findings)
    overrides.leave_source_trees_unlittered()
    unreachable.record_unreachable_pages(findings)
    unreachable.record_broken_pages(findings)


def apply_shortcuts(request: dict[str, Any], findings: Findings) -> None:
    """What saves time and changes nothing else."""
    pages.skip_incompatible_wheels(findings, frozenset(request["ignore_tags"]))
    cached.use_cached_wheels(request["cached_wheels"], findings)

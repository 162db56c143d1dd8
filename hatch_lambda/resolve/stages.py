"""Stages 1 to 7 and their lines of progress: imported as a whole by builds that have to resolve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_lambda.common.ui import counted
from hatch_lambda.resolve.agree import agreed_versions
from hatch_lambda.resolve.allow import allow
from hatch_lambda.resolve.audit import check_closure
from hatch_lambda.resolve.build import OtherMetadataError, build
from hatch_lambda.resolve.closure import SourceTree
from hatch_lambda.resolve.compile import compile_sources
from hatch_lambda.resolve.download import download
from hatch_lambda.resolve.download_wheels import download_wheels
from hatch_lambda.resolve.provided import leave_out
from hatch_lambda.resolve.report_unmet import report_unmet
from hatch_lambda.resolve.sort import sort
from hatch_lambda.resolve.toolchains import NoCompilers

if TYPE_CHECKING:
    from hatch_lambda.resolve.closure import Closure

__all__ = [
    "NoCompilers",
    "OtherMetadataError",
    "after_check",
    "after_download",
    "after_sort",
    "agreed_versions",
    "allow",
    "build",
    "check_closure",
    "compile_sources",
    "download",
    "download_wheels",
    "gain",
    "leave_out",
    "report_unmet",
    "sort",
]


def after_download(closure: Closure) -> str:
    """`7 distributions: 5 wheels, 2 sdists`."""
    wheels = sum(bool(found.wheels) for found in closure.distributions)
    trees = sum(isinstance(found.source, SourceTree) for found in closure.distributions)
    sdists = len(closure.distributions) - wheels - trees
    kinds = ((wheels, "wheel"), (sdists, "sdist"), (trees, "source tree"))
    shares = ", ".join(counted(number, kind) for number, kind in kinds if number)
    return f"{counted(len(closure.distributions), 'distribution')}{': ' if shares else ''}{shares}"


def after_sort(closure: Closure) -> str:
    """`5 compatible wheels, none missing`."""
    return f"{counted(len(closure.wheels), 'compatible wheel')}, {len(closure.unmet) or 'none'} missing"


def gain(verb: str, before: Closure, after: Closure) -> str:
    """What a stage that may fail has added: `built docopt 0.6.2`."""
    wanted, left = before.unmet, {found.name for found in after.unmet}
    if not wanted:
        return "nothing to do"
    if gained := [str(found) for found in wanted if found.name not in left]:
        return f"{verb} {', '.join(gained)}"
    return f"{counted(len(left), 'distribution')} still without a wheel"


def after_check(closure: Closure) -> str:
    return f"{', '.join(closure.left_out)} left out" if closure.left_out else "nothing missing"

"""Hashes in requirements files: what cannot have any, and the project itself, which is left out then.

https://pip.pypa.io/en/stable/topics/secure-installs/#hash-checking-mode
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from hatch_lambda.common.errors import ResolutionError
from hatch_lambda.config.dependencies import declared_in
from hatch_lambda.resolve.graph import parsed, required_names
from hatch_lambda.resolve.provided import provided_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hatch_lambda.resolve.closure import Distribution
    from hatch_lambda.resolve.job import Job

_NO_HASH = re.compile(r"(no single file to hash|Can't verify hashes)|versions pinned with ==|Hashes are required")


def ways_out(words: str, job: Job) -> Iterator[str]:
    """What to do if pip's words say that a requirement has no hash."""
    if match := _NO_HASH.search(words):
        yield _remedies(job, is_local=bool(match[1]))


def check_without_project(extras: Iterable[str], found: Iterable[Distribution], job: Job) -> None:
    """Check that requirements files that name the project itself have what it requires. Raises `ResolutionError`."""
    required = required_names(parsed(declared_in(job.settings.root, extras, job.settings)), (), job.target)
    have = {each.name for each in found} | provided_names(job.settings) | {canonicalize_name(job.request.subject)}
    if missing := sorted(required - have):
        raise ResolutionError(
            f"The requirements files name {job.request.subject} itself, which cannot have a hash and is left out; but "
            f"they lack what it requires: {', '.join(missing)}.\n\n{_remedies(job, is_local=False)}",
            output="",
        )


def _remedies(job: Job, *, is_local: bool) -> str:
    if is_local:
        remedy = (
            "leave out local projects that the function does not need: `uv export --no-emit-workspace`, or "
            "`--no-emit-project` for the project alone"
        )
    elif job.request.requirements:
        remedy = (
            "export extras and dependency groups, too (`--extra`, `--group`), and remove them from the hook's table"
        )
    else:
        remedy = "export again, with versions and hashes of everything"
    return (
        "If one requirement has a hash, each must have one; directories and repositories cannot. What you can do:\n"
        f"- {remedy}\n"
        '- use a lock file, which may have both: `lock-file = "uv.lock"` or `"poetry.lock"`, say\n'
        "- do without hashes: `uv export --no-hashes`, `poetry export --without-hashes`"
    )

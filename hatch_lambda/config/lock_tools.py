"""The tools whose lock files `lock-file` may name, besides those of PEP 751."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class LockTool(NamedTuple):
    """A tool with a lock file in a format of its own.

    `name`: of the command, and of the table below `[tool]`. `declares`: the file next to the lock file that it is made
    from. `packages`: what to install; `oldest`: the first version that can export what is needed. `lock`, `upgrade`:
    the commands that update the lock file, and a single package in it.
    """

    name: str
    declares: str
    packages: tuple[str, ...]
    oldest: str
    lock: str
    upgrade: str


LOCK_TOOLS: Mapping[str, LockTool] = {
    "uv.lock": LockTool("uv", "pyproject.toml", ("uv",), "0.7", "uv lock", "uv lock --upgrade-package"),
    "poetry.lock": LockTool(
        *("poetry", "pyproject.toml", ("poetry", "poetry-plugin-export"), "2.0", "poetry lock", "poetry update --lock")
    ),
    "pdm.lock": LockTool("pdm", "pyproject.toml", ("pdm",), "2.20", "pdm lock", "pdm update --no-sync"),
    "Pipfile.lock": LockTool("pipenv", "Pipfile", ("pipenv",), "2024.1", "pipenv lock", "pipenv upgrade"),
}
"""By the names of their lock files."""

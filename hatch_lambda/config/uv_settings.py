"""What uv's table says of versions and indexes: constraints hold, all else gets a warning.

https://docs.astral.sh/uv/reference/settings/
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement

from hatch_lambda.common.errors import ConfigurationError
from hatch_lambda.common.redact import redact, without_credentials
from hatch_lambda.config import validators
from hatch_lambda.config.pip_configuration import pip_configuration_files
from hatch_lambda.config.requirements_files import RequirementsFile, walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hatch_lambda.config.settings import Settings
    from hatch_lambda.config.workspace import Workspace

LOCK_FILE = 'A lock file holds it: set `lock-file` in the hook\'s table to `"uv.lock"`.'
_IGNORED = {
    "override-dependencies": f"pip has no overrides. {LOCK_FILE}",
    "exclude-dependencies": "pip resolves them, too. `provided` in the hook's table leaves distributions out.",
}
_PYPI = "pypi.org/simple"  # pip's default


def constraints(workspace: Workspace) -> tuple[str, ...]:
    """Raises `ConfigurationError`."""
    found = []
    try:
        texts = validators.strings(workspace.uv_setting("constraint-dependencies") or [], workspace.root)
    except ValueError as error:
        raise ConfigurationError([f"`tool.uv.constraint-dependencies` {error}"]) from None
    for text in texts:
        try:
            constraint = Requirement(text)
        except InvalidRequirement as error:
            fault = f"`tool.uv.constraint-dependencies` has {text!r}, which is not a requirement: {error}"
            raise ConfigurationError([fault.partition("\n")[0]]) from None
        constraint.extras = set()  # pip takes none in constraints
        found.append(str(constraint))
    return tuple(found)


def ignored(workspace: Workspace, settings: Settings) -> Iterator[str]:
    """A warning for each setting that pip has no equivalent for."""
    for key, reason in _IGNORED.items():
        if values := workspace.uv_setting(key):
            shown = ", ".join(map(str, values)) if isinstance(values, list) else str(values)
            yield f"`tool.uv.{key}` is ignored ({redact(shown)}): {reason}"
    urls = list(_indexes(workspace))
    configured = "\n".join(_pip_settings(settings)) if urls else ""
    if unknown := [url for url in urls if _place(url) != _PYPI and _place(url) not in configured]:
        yield (
            f"`tool.uv.index` is ignored ({', '.join(map(without_credentials, unknown))}): pip has its own settings. "
            f"Set PIP_INDEX_URL, or PIP_EXTRA_INDEX_URL for further indexes. {LOCK_FILE}"
        )


def _indexes(workspace: Workspace) -> Iterator[str]:
    """The URLs that uv searches for all names: those of explicit indexes are for `sources`."""
    tables = workspace.uv_setting("index")
    for table in tables if isinstance(tables, list) else []:
        if isinstance(table, dict) and not table.get("explicit") and isinstance(table.get("url"), str):
            yield table["url"]
    for key in ("index-url", "extra-index-url"):
        urls = workspace.uv_setting(key)
        yield from (url for url in (urls if isinstance(urls, list) else [urls]) if isinstance(url, str))


def _pip_settings(settings: Settings) -> Iterator[str]:
    """Everything in which pip may find an index, as text."""
    yield from (value for name, value in os.environ.items() if name.startswith("PIP_"))
    yield from settings.pip_args
    for path in pip_configuration_files(os.environ):
        with suppress(OSError):  # pip skips what it may not read, too
            yield path.read_text("utf-8", errors="replace")
    for path in settings.requirements:
        yield from (
            file.content.decode("utf-8", errors="replace")
            for file in walk(str(path), settings.root)
            if isinstance(file, RequirementsFile)
        )


def _place(url: str) -> str:
    """Without scheme and credentials."""
    return without_credentials(url).rpartition("://")[2].rstrip("/")

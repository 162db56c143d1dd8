"""What may have been meant by a handler that is not there."""

from __future__ import annotations

import difflib
import zipfile
from contextlib import ExitStack
from typing import TYPE_CHECKING

from hatch_lambda.wheels.members import Member
from hatch_lambda.zip.handler.execution import Execution
from hatch_lambda.zip.handler.values import SOMETHING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hatch_lambda.wheels.members import BundleFile
    from hatch_lambda.zip.handler.names import Names

_MOST_SUGGESTIONS = 3
_NEAR = 0.75
_ABOUT_AS_NEAR = 0.1


def suggested(handler: str, own: str, names: Names) -> Iterator[str]:
    """Handlers that Lambda could call: of the project, else of modules with a name near the one that is wanted."""
    wanted = handler.replace("/", ".").replace("\\", ".").replace(":", ".").replace(".py.", ".").strip(". ")
    ours = dict(names.modules.source_modules(lambda file: file.owner == own))
    candidates = _candidates(wanted, ours, names)
    if not candidates:
        others = dict(names.modules.source_modules(lambda file: file.owner != own))
        near = difflib.get_close_matches(wanted.rpartition(".")[0], others, cutoff=_NEAR)
        candidates = _candidates(wanted, {module: others[module] for module in near}, names)
    best = sorted(((_likeness(wanted, candidate), candidate) for candidate in candidates), reverse=True)
    for likeness, candidate in best[:_MOST_SUGGESTIONS]:
        if likeness >= best[0][0] - _ABOUT_AS_NEAR:
            yield candidate


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one.lower(), other.lower()).ratio()


def _candidates(wanted: str, modules: dict[str, BundleFile], names: Names) -> set[str]:
    name = wanted.rpartition(".")[2]
    found: set[str] = set()
    for module, content in _contents(modules):
        if any(word in content.lower() for word in (b"handler", b"event", name.lower().encode())):
            execution = names.execution(module)
            likely = _likely_names(execution, name) if isinstance(execution, Execution) else ()
            found.update(f"{module}.{known}" for known in likely if names.of(module, known) == SOMETHING)
    return found


def _likely_names(execution: Execution, wanted: str) -> Iterator[str]:
    for name in execution.names.bound if execution.names else ():
        if name in execution.takes_event or "handler" in name.lower() or _likeness(name, wanted) >= _NEAR:
            yield name


def _contents(modules: dict[str, BundleFile]) -> Iterator[tuple[str, bytes]]:
    """The files of modules, with each wheel opened but once."""
    with ExitStack() as stack:
        wheels: dict[Path, zipfile.ZipFile] = {}
        for module, file in modules.items():
            source = file.source
            if not isinstance(source, Member):
                yield module, source.read()
                continue
            if source.wheel not in wheels:
                wheels[source.wheel] = stack.enter_context(zipfile.ZipFile(source.wheel))
            yield module, wheels[source.wheel].read(source.name)

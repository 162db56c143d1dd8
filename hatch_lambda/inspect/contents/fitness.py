"""Where a zip runs: by its machine code, its bytecode, its modes, and what its distributions say of Python."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from hatch_lambda.common.target import all_targets
from hatch_lambda.inspect.contents.survey import python_of_bytecode
from hatch_lambda.wheels import loadable
from hatch_lambda.wheels.loadable import Fault
from hatch_lambda.wheels.scan import Scan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hatch_lambda.common.target import Target
    from hatch_lambda.inspect.contents import Contents, Entry

OWN = "own code"
"""What stands for a distribution where there is none."""


def faults_by_target(contents: Contents, layers: Sequence[Contents] = ()) -> dict[Target, tuple[Fault, ...]]:
    """What keeps each runtime and architecture from running a zip together with its layers."""
    return {target: faults(contents, target, layers) for target in all_targets()}


def faults(contents: Contents, target: Target, layers: Sequence[Contents] = ()) -> tuple[Fault, ...]:
    """What keeps a target from running a zip together with its layers, file by file."""
    parts = [part for whole in (contents, *layers) for part in _parts(whole, target)]
    machine_code = loadable.judge((part.scan for part in parts), target)
    paths = {(part.scan.distribution, part.contents.import_path(path)): path for part in parts for path in part.paths}
    found = [
        dataclasses.replace(
            fault,
            path=paths.get((fault.distribution, fault.path), fault.path),
            advice=_SETTING.sub("", fault.advice),
        )
        for fault in machine_code
    ]
    for whole in (contents, *layers):
        found += _other_faults(whole, target)
    return tuple(found)


# How to exclude one file: a setting of the build, which may not have been ours; and said of each file, it hides that
# all have the same fault.
_SETTING = re.compile(r": `exclude = .*`$")


@dataclasses.dataclass(frozen=True)
class _Part:
    contents: Contents
    scan: Scan
    paths: tuple[str, ...]


def _owners(contents: Contents) -> Iterator[tuple[str, tuple[Entry, ...]]]:
    for installed in contents.installed:
        yield str(installed), installed.entries
    if contents.unclaimed:
        yield OWN, contents.unclaimed


def _parts(contents: Contents, target: Target) -> Iterator[_Part]:
    """What the audit judges: as it reads wheels, so with paths that begin where imports do."""
    code = {found.path: found for found in contents.machine_code}
    for owner, entries in _owners(contents):
        paths = tuple(entry.path for entry in entries if not _is_for_another(entry.path, contents, target))
        names = {path: contents.import_path(path) for path in paths}
        found = tuple(dataclasses.replace(code[path], path=names[path]) for path in paths if path in code)
        if found:
            yield _Part(contents, Scan(owner, found, frozenset(names.values())), paths)


_OF_ONE_RUNTIME = re.compile(r"python/lib/(python3\.\d+)/site-packages/")


def _is_for_another(path: str, contents: Contents, target: Target) -> bool:
    """Whether a file lies where only another runtime looks for modules in a layer."""
    match = _OF_ONE_RUNTIME.match(path) if contents.kind == "layer" else None
    return bool(match and match[1] != target.runtime.name)


def _other_faults(contents: Contents, target: Target) -> Iterator[Fault]:
    yield from _unfound(contents, target)
    for broken in contents.broken_machine_code:
        yield Fault(
            _owner(contents, broken.path),
            broken.path,
            needs=f"to be whole: it starts as machine code, but {broken.cause}",
            runtime_has="no loader can read it",
            advice="get the distribution anew, or leave the file out if nothing needs it",
        )
    for owner, entries in _owners(contents):
        for entry in entries:
            yield from _misplaced(owner, entry)
            if contents.zipped is not None:  # whoever zips a folder may still change its modes
                yield from _unreadable(owner, entry)
            yield from _bytecode_fault(owner, entry, contents, target)
    yield from _declared(contents, target)


def _owner(contents: Contents, path: str) -> str:
    return next((owner for owner, entries in _owners(contents) if any(entry.path == path for entry in entries)), OWN)


def _unfound(contents: Contents, target: Target) -> Iterator[Fault]:
    """A layer can have folders for several runtimes; one that has none for this is of no use to it."""
    folders = {root for root in contents.import_roots if _OF_ONE_RUNTIME.match(root)}
    if not folders or f"python/lib/{target.runtime.name}/site-packages/" in folders:
        return
    for folder in sorted(folders):
        yield Fault(
            contents.path.name,
            folder,
            needs=f"the runtime {_runtime_of(folder)}, which alone looks for modules there",
            runtime_has=f"{target.runtime.name} looks in `python/` and in the folder of its own name",
            advice=f"make a layer for {target.runtime.name}, or put what fits every runtime into `python/`",
        )


def _runtime_of(folder: str) -> str:
    match = _OF_ONE_RUNTIME.match(folder)
    return match[1] if match else ""


def _misplaced(owner: str, entry: Entry) -> Iterator[Fault]:
    """Names that some tools write and Linux understands otherwise."""
    parts = entry.path.split("/")
    if ".." in parts or not parts[0]:
        needs, advice = "a place outside of the function's folder", "make the zip anew from within its folder"
    elif "\\" in entry.path:
        needs = "a system where `\\` is between the names of folders"
        advice = "make the zip anew with a tool that writes `/`, as the format has it"
    else:
        return
    yield Fault(owner, entry.path, needs=needs, runtime_has="Lambda unpacks on Linux, below one folder", advice=advice)


def _unreadable(owner: str, entry: Entry) -> Iterator[Fault]:
    permissions = entry.mode & 0o777
    # 0 is what a zip has that was made without permissions.
    if not permissions or permissions & 0o004:
        return
    yield Fault(
        owner,
        entry.path,
        needs=f"a reader who owns it: its mode is {permissions:04o}",
        runtime_has="a function runs as a user of its own, who may read what everyone may",
        advice="make the zip anew with files that everyone may read (`chmod -R a+rX` before zipping)",
    )


def _bytecode_fault(owner: str, entry: Entry, contents: Contents, target: Target) -> Iterator[Fault]:
    """Bytecode in the place of a source is all there is of the module (PEP 3147)."""
    if not entry.path.endswith(".pyc") or "__pycache__/" in entry.path or contents.has(entry.path[:-1]):
        return
    if _is_for_another(entry.path, contents, target):
        return
    python = python_of_bytecode(contents, entry.path)
    wanted = "{}.{}".format(*target.runtime.python)
    if python == wanted:
        return
    yield Fault(
        owner,
        entry.path,
        needs=f"Python {python}: it is bytecode without its source" if python else "a Python that knows its bytecode",
        runtime_has=f"the runtime has Python {wanted}",
        advice=f"ship the source, or compile it with Python {wanted}",
    )


def _declared(contents: Contents, target: Target) -> Iterator[Fault]:
    for installed in contents.installed:
        if _is_for_another(installed.dist_info, contents, target):
            continue
        text = str(installed.metadata.get("Requires-Python", "")).strip()
        try:
            fits = SpecifierSet(text).contains(target.python_full_version, prereleases=True)
        except InvalidSpecifier:
            continue  # what cannot be understood forbids nothing
        if not fits:
            yield Fault(
                str(installed),
                installed.dist_info,
                needs=f"Python {text} (`Requires-Python` of its metadata)",
                runtime_has=f"the runtime has Python {target.runtime.full_version}",
                advice=f"package a version of {installed.name} that supports {target.runtime.name}",
            )

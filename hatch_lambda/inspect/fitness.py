"""Where a zip runs: by its machine code, bytecode and file modes, and by `Requires-Python` of its distributions."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

from hatch_lambda.common.target import all_targets
from hatch_lambda.inspect.contents import LAYER_ROOT, OWN
from hatch_lambda.inspect.survey import python_and_validation
from hatch_lambda.wheels import loadable
from hatch_lambda.wheels.loadable import Fault
from hatch_lambda.wheels.scan import Scan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hatch_lambda.common.target import Target
    from hatch_lambda.inspect.contents import Contents
    from hatch_lambda.inspect.sources import Entry

# Settings of a build change nothing in a finished zip, which may be another tool's. And as `exclude` names one file, it
# would keep files with the same fault apart.
_EXCLUDE = re.compile(r": `exclude = .*`$")
_FORCE_INCLUDE = re.compile(r" \(`force-include` in .*?\)")
_COMPATIBLE = re.compile(r"set `compatible = .*`$")
_INSTEAD = "inspect them together (`hatch-lambda inspect --layer`)"


def faults_by_target(contents: Contents, layers: Sequence[Contents] = ()) -> dict[Target, tuple[Fault, ...]]:
    """What keeps each runtime and architecture from running a zip together with its layers."""
    return {target: faults(contents, target, layers) for target in all_targets()}


def faults(contents: Contents, target: Target, layers: Sequence[Contents] = ()) -> tuple[Fault, ...]:
    """What keeps a target from running a zip together with its layers, file by file."""
    scans: list[Scan] = []
    project = None
    paths: dict[tuple[str, str], str] = {}
    for whole in (contents, *layers):
        code = {found.path: found for found in whole.machine_code}
        parts = [(one.name, one.version, one.entries) for one in whole.installed]
        for name, version, entries in [*parts, (OWN, "", whole.unclaimed)]:
            # As in wheels, paths start where imports do.
            names = {e.path: whole.import_path(e.path) for e in entries if not _is_ignored(e.path, whole, target)}
            found = tuple(dataclasses.replace(code[path], path=names[path]) for path in names if path in code)
            if found:
                scan = Scan(name, version, found, frozenset(names.values()))
                scans.append(scan)
                if whole.project and (name, version) == (whole.project.name, whole.project.version):
                    project = scan
                paths.update({(scan.distribution, import_path): path for path, import_path in names.items()})
    found_faults = [
        dataclasses.replace(
            fault,
            path=paths.get((fault.distribution, fault.path), fault.path),
            advice=_COMPATIBLE.sub(_INSTEAD, _FORCE_INCLUDE.sub("", _EXCLUDE.sub("", fault.advice))),
        )
        for fault in loadable.find_faults(scans, target, project=project)
    ]
    for whole in (contents, *layers):
        found_faults += _other_faults(whole, target)
    return tuple(found_faults)


def _is_ignored(path: str, contents: Contents, target: Target) -> bool:
    """Whether a file of a layer is in a directory that only another runtime has on `sys.path`."""
    match = LAYER_ROOT.match(path) if contents.kind == "layer" else None
    return bool(match and match["runtime"] and match["runtime"] != target.runtime.name)


def _other_faults(contents: Contents, target: Target) -> Iterator[Fault]:
    yield from _missing_layer_directory(contents, target)
    for broken in contents.broken_machine_code:
        yield Fault(
            str(contents.owners.get(broken.path, OWN)),
            broken.path,
            needs=f"to be intact: it has the signature of machine code, but {broken.cause}",
            runtime_has="no loader can read it",
            advice="download the distribution again, or exclude the file if nothing needs it",
        )
    for owner, entries in contents.parts:
        for entry in entries:
            yield from (Fault(owner, entry.path, *reason) for reason in _reasons(entry, contents, target))
    for installed in contents.installed:
        if not _is_ignored(installed.dist_info, contents, target):
            text = installed.metadata.get("Requires-Python")
            if not target.serves(text):
                yield Fault(
                    str(installed),
                    installed.dist_info,
                    needs=f"Python {text} (`Requires-Python` of its metadata)",
                    runtime_has=f"the runtime has Python {target.runtime.full_version}",
                    advice=f"package a version of {installed.name} that supports {target.runtime.name}",
                )


def _missing_layer_directory(contents: Contents, target: Target) -> Iterator[Fault]:
    """A layer may have directories for some runtimes; without one for this runtime it has nothing to offer to it."""
    runtimes = {match["runtime"] for root in contents.import_roots if (match := LAYER_ROOT.match(root))} - {None}
    if target.runtime.name in runtimes:
        return
    for runtime in sorted(runtimes):
        yield Fault(
            contents.path.name,
            f"python/lib/{runtime}/site-packages/",
            needs=f"the runtime {runtime}: no other has this directory on `sys.path`",
            runtime_has=f"{target.runtime.name} has `python/` and the directory of its own name",
            advice=f"build a layer for {target.runtime.name}, or put what fits every runtime into `python/`",
        )


def _reasons(entry: Entry, contents: Contents, target: Target) -> Iterator[tuple[str, str, str]]:
    """What is wrong with a file, whatever it contains: the last three fields of a `Fault`."""
    path, unpacked = entry.path, "Lambda unpacks on Linux, into one directory"
    # Paths that some tools write and Linux understands differently.
    if ".." in path.split("/") or not path.partition("/")[0]:
        yield "a directory outside the function's", unpacked, "create the zip again from within its directory"
    elif "\\" in path:
        advice = "create the zip again with a tool that writes `/`, as the zip format requires"
        yield "a system where `\\` separates directories", unpacked, advice
    permissions = entry.mode & 0o777  # 0: the zip has none; those of a directory may still change when it is zipped
    if contents.zipped is not None and permissions and not permissions & 0o004:
        yield (
            f"to be read by its owner: its mode is {permissions:04o}",
            "Lambda runs functions as another user, who can only read files that everyone can",
            "create the zip again with files that everyone can read (`chmod -R a+rX` before zipping)",
        )
    if contents.is_sourceless(path) and not _is_ignored(path, contents, target):
        python, _ = python_and_validation(contents, path)
        wanted = "{}.{}".format(*target.runtime.python)
        if python != wanted:
            yield (
                f"{f'Python {python}' if python else 'an unknown Python'}: it is bytecode without its source",
                f"the runtime has Python {wanted}",
                f"ship the source, or compile it with Python {wanted}",
            )

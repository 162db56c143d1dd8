"""List the files of a bundle: those of its wheels, except what the settings exclude or prune.

Reading and checking the directory of every wheel is the slowest part of a build that reuses its resolution, so the list
is cached next to the bundle, with a hash of everything that it depends on.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
from typing import TYPE_CHECKING, NamedTuple

from hatch_lambda.bundle.files import Bundle, LeftOut, union
from hatch_lambda.common import source_trees
from hatch_lambda.common.files import read_regular, write_cache
from hatch_lambda.config.patterns import unmatched
from hatch_lambda.config.settings import PRUNABLE
from hatch_lambda.resolve.fingerprint import installed_version
from hatch_lambda.wheels.layout import lay_out
from hatch_lambda.wheels.members import BundleFile, Generated, Member

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from hatch_lambda.config.settings import Settings
    from hatch_lambda.wheels.store import Store, StoredWheel

FILES_NAME = "files.json"

# Sets of `prune` that do not depend on the project's own sources.
_INDEPENDENT_SETS = frozenset({"bytecode", "extensions"})

# Sources without these words cannot refer to anything that would be pruned.
_TELLING_WORDS = re.compile(rb"test|pyi|stub|include|header|\.(?:h|hh|hpp|pxd|pxi|a)\b", re.IGNORECASE)

# In a list of paths, one per line: an absolute path, or one with `..`.
_OUTSIDE = re.compile(r"^/|(?:^|/)\.\.(?:/|$)", re.MULTILINE)


class _FileList(NamedTuple):
    """What assembling finds out: see `Bundle`."""

    files: tuple[BundleFile, ...]
    left_out: dict[str, LeftOut] = {}  # noqa: RUF012 - nobody changes it
    kept: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()


def assemble(wheels: tuple[StoredWheel, ...], settings: Settings, directory: Path, state: Path | None = None) -> Bundle:
    """List the files of a bundle. `directory`: where it will be unpacked. `state`: where the list is cached.

    Raises `BrokenWheelError` or `ConflictingFilesError`.
    """
    sources = _own_sources(settings) if state and settings.prune - _INDEPENDENT_SETS else ()
    key = key_of(wheels, settings, sources) if state else ""
    listed = _read_list(state / FILES_NAME, key, wheels) if state else None
    if listed is None:
        listed = _list_files(wheels, settings, sources)
        if state:
            _write_list(state / FILES_NAME, key, listed, wheels)
    files, left_out, kept, unused = listed
    return Bundle(directory, files, wheels, key, left_out=left_out, kept=kept, unused=unused)


def with_bytecode(bundle: Bundle, settings: Settings, store: Store, place: str) -> Bundle:
    """Add the bytecode of a bundle's modules. `place`: the runtime's directory for them. Raises `LambdaBuildError`."""
    from hatch_lambda.bundle.bytecode import compile_bundle

    made = compile_bundle(bundle.files, bundle.wheels, settings, store, root=place)
    return dataclasses.replace(bundle, files=made.added_to(bundle.files), key="", compiled=str(made))


def _list_files(wheels: tuple[StoredWheel, ...], settings: Settings, sources: tuple[bytes, ...]) -> _FileList:
    doubtful = settings.compatible  # the RECORD of these may be wrong
    layouts = [lay_out(wheel.path, settings.target, check_record=wheel.name in doubtful) for wheel in wheels]
    if not settings.exclude and not settings.prune:
        return _FileList(union(layouts))
    from hatch_lambda.bundle.prune import decide

    excluded = [file for layout in layouts for file in layout if settings.is_excluded(file.path)]
    gone = {file.path for file in excluded}
    rest = [[file for file in layout if file.path not in gone] for layout in layouts]
    pruned = decide(rest, settings.prune, settings.target, sources)
    gone |= pruned.paths
    left = [
        lay_out(wheel.path, settings.target, gone.__contains__, check_record=wheel.name in doubtful)
        if any(file.path in gone for file in layout)
        else layout
        for wheel, layout in zip(wheels, layouts, strict=True)
    ]
    left_out = {"exclude": LeftOut(len(excluded), sum(file.source.size for file in excluded)), **pruned.left_out}
    unused = unmatched(settings.exclude, (file.path for layout in layouts for file in layout))
    return _FileList(union(left), left_out, pruned.kept, unused)


def prunable(files: Iterable[BundleFile], settings: Settings) -> Mapping[str, LeftOut]:
    """What each set that `prune` does not name would leave out of a bundle's files."""
    from hatch_lambda.bundle.prune import decide

    sets = {*PRUNABLE} - settings.prune - ({"bytecode"} if settings.compile_bytecode else set())
    return decide([tuple(files)], frozenset(sets), settings.target, _own_sources(settings)).left_out


def _own_sources(settings: Settings) -> tuple[bytes, ...]:
    """The project's Python files, and some more: what they name of a dependency is not pruned.

    Skips the build directory, and what is no readable file: the links that Emacs locks files with, FIFOs, devices.
    """
    entries = source_trees.entries(
        settings.root, lambda folder: folder.name.startswith(".") or folder == settings.build_directory
    )
    modules = (path for path in entries if path.name.endswith(".py") and path.is_file() and os.access(path, os.R_OK))
    found = (path.read_bytes() for path in modules)
    return tuple(source for source in found if _TELLING_WORDS.search(source))


def key_of(wheels: tuple[StoredWheel, ...], settings: Settings, sources: tuple[bytes, ...]) -> str:
    """A hash of everything that the files of a bundle depend on."""
    facts = [
        [(wheel.filename, wheel.sha256) for wheel in wheels],
        settings.facts("bundle"),
        [hashlib.sha256(source).hexdigest() for source in sources],
        installed_version("hatch-lambda"),
    ]
    return hashlib.sha256(json.dumps(facts).encode("utf-8")).hexdigest()


def _read_list(path: Path, key: str, wheels: tuple[StoredWheel, ...]) -> _FileList | None:
    """A cached list; None if it is damaged or has another key."""
    try:
        head, _, body = read_regular(path).partition(b"\n")
        if head.decode("ascii") != _head(key, body):
            return None
        left_out, kept, unused, owners, texts, columns = json.loads(body)
        paths, modes, numbers, places, renamed, *facts = columns
        if any(len(column) != len(paths) for column in columns):
            return None
        names = [name or path for path, name in zip(paths, renamed, strict=True)]
        # Others may have write access to the project. The pattern is slow, and few paths contain two dots.
        text = "\n".join([*paths, *names, *(path for path, *_ in texts)])
        if (".." in text or "\n/" in text or text.startswith("/")) and _OUTSIDE.search(text):
            return None
        members = map(Member, [wheels[place].path for place in places], names, *facts)
        files = [
            *map(BundleFile, paths, modes, members, [owners[number] for number in numbers]),
            *(
                BundleFile(path, mode, Generated(text.encode("utf-8", "surrogateescape")), owner)
                for path, mode, text, owner in texts
            ),
        ]
        sizes = {name: LeftOut(*facts) for name, facts in left_out.items()}
        return _FileList(tuple(sorted(files)), sizes, tuple(map(str, kept)), tuple(map(str, unused)))
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        return None


def _write_list(path: Path, key: str, listed: _FileList, wheels: tuple[StoredWheel, ...]) -> None:
    """Cache a list. Columns of members, without names that equal the path, are read twice as fast as rows."""
    owners = sorted({file.owner for file in listed.files})
    numbers = {owner: number for number, owner in enumerate(owners)}
    places = {wheel.path: number for number, wheel in enumerate(wheels)}
    members = [(file, file.source) for file in listed.files if isinstance(file.source, Member)]
    columns = [
        [file.path for file, _ in members],
        [file.mode for file, _ in members],
        [numbers[file.owner] for file, _ in members],
        [places[member.wheel] for _, member in members],
        [member.name if member.name != file.path else "" for file, member in members],
        *([member[field] for _, member in members] for field in range(2, len(Member._fields))),
    ]
    texts = [
        (file.path, file.mode, file.source.content.decode("utf-8", "surrogateescape"), file.owner)
        for file in listed.files
        if isinstance(file.source, Generated)
    ]
    facts = [listed.left_out, listed.kept, listed.unused, owners, texts, columns]
    body = json.dumps(facts, separators=(",", ":")).encode("ascii")
    write_cache(path, _head(key, body).encode("ascii") + b"\n" + body)


def _head(key: str, body: bytes) -> str:
    return f"{key} {hashlib.sha256(body).hexdigest()}"

"""List the files of a bundle: those of its wheels, except what the settings exclude or prune.

Reading and checking the directory of every wheel is the slowest part of a build that reuses its resolution, so the list
is cached next to the bundle, with a hash of everything that it depends on.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import re
from typing import TYPE_CHECKING, NamedTuple

from hatch_lambda.bundle.files import Bundle, LeftOut, union
from hatch_lambda.common import source_trees
from hatch_lambda.common.errors import BrokenWheelError
from hatch_lambda.common.files import read_regular, regular, write_cache
from hatch_lambda.config.patterns import unmatched
from hatch_lambda.resolve.fingerprint import installed_version
from hatch_lambda.wheels.layout import Layout
from hatch_lambda.wheels.members import BundleFile, Generated, Member, OpenWheels

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, MutableMapping
    from pathlib import Path

    from hatch_lambda.config.settings import Settings
    from hatch_lambda.wheels.store import Store, StoredWheel

FILES_NAME = "files.json"
_HEAD = 2 * 64 + 2
"""Bytes of its first line: two hashes, and what ends them."""

# Sets of `prune` that do not depend on the project's own sources.
_INDEPENDENT_SETS = frozenset({"bytecode", "debug", "other-pythons"})

# Sources without these words cannot refer to anything that would be pruned.
_TELLING_WORDS = re.compile(rb"test|pyi|stub|include|header|\.(?:h|hh|hpp|pxd|pxi|a)\b", re.IGNORECASE)

# In a list of paths, one per line: an absolute path, or one with `..`.
_OUTSIDE = re.compile(r"^/|(?:^|/)\.\.(?:/|$)", re.MULTILINE)


class FileList(NamedTuple):
    """What assembling finds out: see `Bundle`. `key`: none if the list is not cached."""

    files: tuple[BundleFile, ...]
    left_out: dict[str, LeftOut] = {}  # noqa: RUF012 - nobody changes it
    kept: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    key: str = ""


def assemble(  # noqa: PLR0913 - the wheels, and who decides what stays of them
    wheels: tuple[StoredWheel, ...],
    settings: Settings,
    directory: Path,
    state: Path | None = None,
    known: MutableMapping[str, FileList] | None = None,
    *,
    users: tuple[StoredWheel, ...] = (),
) -> Bundle:
    """List the files of a bundle. `directory`: where it will be unpacked. `state`: where the list is cached.

    `known`: the lists of this build's other bundles. `users`: wheels in functions that use this layer: what they name
    is not pruned, either. Raises `BrokenWheelError` or `ConflictingFilesError`.
    """
    sources = own_sources(settings) if state and settings.prune - _INDEPENDENT_SETS else ()
    if not state:
        return Bundle(directory, wheels=wheels, **_list_files(wheels, settings, sources)._asdict())
    users = users if settings.prune - _INDEPENDENT_SETS else ()
    key, path, known = key_of(wheels, settings, sources, users), state / FILES_NAME, {} if known is None else known
    listed = known.get(key) or _read_list(path, key, wheels)
    if listed is None or _first_line(path) != listed.key:
        listed = listed or _list_files(wheels, settings, (*sources, *_sources_in(users, settings)))
        listed = _write_list(path, key, listed, wheels)
    known[key] = listed
    return Bundle(directory, wheels=wheels, **listed._asdict())


def with_bytecode(
    bundle: Bundle, settings: Settings, store: Store, place: str, known: MutableMapping[object, Bundle]
) -> Bundle:
    """Add the bytecode of a bundle's modules. `place`: the runtime's directory for them. Raises `LambdaBuildError`.

    `known`: this build's other bundles with theirs.
    """
    from hatch_lambda.bundle.bytecode import compile_bundle

    inputs = bundle.key, settings.python, place
    if not bundle.key or inputs not in known:
        made = compile_bundle(bundle.files, bundle.wheels, settings, store, root=place)
        # A zip of bytecode in the store has its hash in its name.
        found = [
            (path, (source.wheel.name, *source[1:]) if isinstance(source, Member) else source.content)
            for path, _mode, source, _owner in made.files
        ]
        digest = hashlib.sha256(repr(found).encode("utf-8")).hexdigest()
        key = f"{bundle.key} {digest}" if bundle.key else ""
        files, sources, kept = made.added_to(bundle.files, settings)
        left_out = {**bundle.left_out, "sources": LeftOut(len(sources), sum(file.source.size for file in sources))}
        done = dataclasses.replace(bundle, files=files, sources=sources, left_out=left_out, kept=(*bundle.kept, *kept))
        known[inputs] = dataclasses.replace(done, key=key, compiled=str(made))
    return dataclasses.replace(known[inputs], directory=bundle.directory)


def _list_files(wheels: tuple[StoredWheel, ...], settings: Settings, sources: tuple[bytes, ...]) -> FileList:
    doubtful = settings.compatible  # the RECORD of these may be wrong
    layouts = [Layout(wheel.path, settings.target, check_record=wheel.name in doubtful) for wheel in wheels]
    everything = [layout.files() for layout in layouts]
    if not settings.exclude and not settings.prune:
        return FileList(union(everything))
    from hatch_lambda.bundle.prune import decide

    excluded = [file for files in everything for file in files if settings.is_excluded(file.path)]
    gone = {file.path for file in excluded}
    rest = [[file for file in files if file.path not in gone] for files in everything]
    pruned = decide(rest, settings.prune, settings.target, sources)
    gone |= pruned.paths
    left = [
        layout.files(gone.__contains__) if any(file.path in gone for file in files) else files
        for layout, files in zip(layouts, everything, strict=True)
    ]
    left_out = {"exclude": LeftOut(len(excluded), sum(file.source.size for file in excluded)), **pruned.left_out}
    unused = unmatched(settings.exclude, (file.path for files in everything for file in files))
    return FileList(union(left), left_out, pruned.kept, unused)


def own_sources(settings: Settings) -> tuple[bytes, ...]:
    """The project's Python files, and some more: what they name of a dependency is not pruned.

    Skips the build directory, unpacked zips, and what is no readable file: the links that Emacs locks files with,
    FIFOs, devices.
    """
    entries = source_trees.entries(
        settings.root,
        lambda folder: (
            folder.name.startswith(".") or folder == settings.build_directory or source_trees.is_unpacked_zip(folder)
        ),
    )
    modules = (path for path in entries if path.name.endswith(".py") and path.is_file() and os.access(path, os.R_OK))
    found = (path.read_bytes() for path in modules)
    return tuple(source for source in found if _TELLING_WORDS.search(source))


def _sources_in(wheels: Iterable[StoredWheel], settings: Settings) -> Iterator[bytes]:
    """As `own_sources`, of wheels. Those that cannot be read are reported with their function."""
    with OpenWheels() as opened:
        for wheel in wheels:
            with contextlib.suppress(BrokenWheelError):
                for file in Layout(wheel.path, settings.target).files():
                    if file.path.endswith(".py") and _TELLING_WORDS.search(source := opened.read(file.source)):
                        yield source


def key_of(
    wheels: tuple[StoredWheel, ...],
    settings: Settings,
    sources: tuple[bytes, ...],
    users: tuple[StoredWheel, ...] = (),
) -> str:
    """A hash of everything that the files of a bundle depend on."""
    facts = [
        [[(wheel.filename, wheel.sha256) for wheel in each] for each in (wheels, users)],
        settings.facts("bundle"),
        [hashlib.sha256(source).hexdigest() for source in sources],
        installed_version("hatch-lambda"),
    ]
    return hashlib.sha256(json.dumps(facts).encode("utf-8")).hexdigest()


def _read_list(path: Path, key: str, wheels: tuple[StoredWheel, ...]) -> FileList | None:
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
        more = tuple(map(str, kept)), tuple(map(str, unused))
        return FileList(tuple(sorted(files)), sizes, *more, head.decode("ascii"))
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        return None


def _write_list(path: Path, key: str, listed: FileList, wheels: tuple[StoredWheel, ...]) -> FileList:
    """Cache a list, and return it with its key.

    Columns of members, without names that equal the path, are read twice as fast as rows.
    """
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
    head = _head(key, body)
    write_cache(path, head.encode("ascii") + b"\n" + body)
    return listed._replace(key=head)


def _first_line(path: Path) -> str:
    """Empty if the file is missing."""
    try:
        with regular(path).open("rb") as file:
            return file.readline(_HEAD).decode("ascii", "replace").rstrip("\n")
    except OSError:
        return ""


def _head(key: str, body: bytes) -> str:
    return f"{key} {hashlib.sha256(body).hexdigest()}"

"""The files of a bundle: what its wheels bring, less what the settings leave out.

To find them, every wheel's directory is read and every path looked at, which takes longer than all else in a build that
has nothing new to resolve. So the list is kept beside the bundle, under a hash of what it depends on.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hatch_lambda.bundle.files import Bundle, LeftOut, union
from hatch_lambda.resolve.fingerprint import installed_version, is_no_source
from hatch_lambda.wheels.layout import lay_out
from hatch_lambda.wheels.members import BundleFile, Generated, Member
from hatch_lambda.wheels.store import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hatch_lambda.config.settings import Settings
    from hatch_lambda.wheels.store import Store, StoredWheel

FILES_NAME = "files.json"


def assemble(wheels: tuple[StoredWheel, ...], settings: Settings, directory: Path, state: Path | None = None) -> Bundle:
    """The bundle that is to be laid out in a directory. `state`: where the list of its files is kept.

    Raises `BrokenWheelError` or `ConflictingFilesError`.
    """
    sources = _own_sources(settings.root) if state and settings.prune - _WITHOUT_A_LOOK_AT_SOURCES else ()
    key = key_of(wheels, settings, sources) if state else ""
    kept = _Kept(state / FILES_NAME, key) if state else None
    found = kept.files(wheels) if kept else None
    if found is None:
        found = _chosen(wheels, settings, sources)
        if kept:
            kept.keep(found, wheels)
    return Bundle(directory, found.files, wheels, key, left_out=found.left_out)


def with_bytecode(bundle: Bundle, settings: Settings, store: Store, place: str) -> Bundle:
    """The same with its modules compiled. `place`: where the runtime has them. Raises `LambdaBuildError`."""
    from hatch_lambda.bundle.bytecode import compile_bundle

    made = compile_bundle(bundle.files, bundle.wheels, settings, store, root=place)
    return dataclasses.replace(bundle, files=made.added_to(bundle.files), key="", compiled=str(made))


# What else is pruned, the project's own code may have a use for.
_WITHOUT_A_LOOK_AT_SOURCES = frozenset({"bytecode"})


class _Chosen(NamedTuple):
    """The files of a bundle, and what was kept out of it."""

    files: tuple[BundleFile, ...]
    left_out: dict[str, LeftOut]


def _chosen(wheels: tuple[StoredWheel, ...], settings: Settings, sources: tuple[bytes, ...]) -> _Chosen:
    whole = [lay_out(wheel.path, settings.target) for wheel in wheels]
    if not settings.exclude and not settings.prune:
        return _Chosen(union(whole), {})
    from hatch_lambda.bundle.prune import decide

    excluded = [file for layout in whole for file in layout if settings.is_excluded(file.path)]
    gone = {file.path for file in excluded}
    pruned = decide(
        [[file for file in layout if file.path not in gone] for layout in whole], settings.prune, also=sources
    )
    gone |= pruned.paths
    layouts = [
        lay_out(wheel.path, settings.target, gone.__contains__) if any(file.path in gone for file in layout) else layout
        for wheel, layout in zip(wheels, whole, strict=True)
    ]
    taken = {name: LeftOut(*found) for name, found in pruned.taken.items()}
    return _Chosen(union(layouts), {"exclude": LeftOut(len(excluded), sum(f.source.size for f in excluded)), **taken})


# Without one of these words a source names nothing that the sets would take.
_TELLING_WORDS = re.compile(rb"test|pyi|stub|include|header|\.(?:h|hh|hpp|pxd|pxi|a)\b", re.IGNORECASE)


def _own_sources(root: Path) -> tuple[bytes, ...]:
    """Python files of the project, rather too many: what they name of a dependency is not pruned."""
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and not is_no_source(name, at_the_top=Path(folder) == root)
        )
        found += [Path(folder, name).read_bytes() for name in sorted(names) if name.endswith(".py")]
    return tuple(source for source in found if _TELLING_WORDS.search(source))


def key_of(wheels: tuple[StoredWheel, ...], settings: Settings, sources: tuple[bytes, ...]) -> str:
    """A hash of all that the files of a bundle depend on."""
    facts = [
        [(wheel.filename, wheel.sha256) for wheel in wheels],
        settings.facts("bundle"),
        [hashlib.sha256(source).hexdigest() for source in sources],
        installed_version("hatch-lambda"),
    ]
    return hashlib.sha256(json.dumps(facts).encode("utf-8")).hexdigest()


# A path that leads out of the folder that it is below.
_LEADS_OUT = re.compile(r"^/|(?:^|/)\.\.(?:/|$)", re.MULTILINE)


def _lead_out(paths: Iterable[str]) -> bool:
    """Whether any of them does so."""
    text = "\n".join(paths)
    # The pattern takes its time, and hardly any path has so much as two dots in it.
    return (".." in text or "\n/" in text or text.startswith("/")) and bool(_LEADS_OUT.search(text))


class _Kept:
    """A list of files on disk. One that is damaged, or was made for something else, is none."""

    def __init__(self, path: Path, key: str) -> None:
        self.path = path
        self.key = key

    def files(self, wheels: tuple[StoredWheel, ...]) -> _Chosen | None:
        try:
            head, _, body = self.path.read_bytes().partition(b"\n")
            return self._read(body, wheels) if head.decode("ascii") == self._head(body) else None
        except (OSError, ValueError, TypeError, LookupError, AttributeError):
            return None

    def _read(self, body: bytes, wheels: tuple[StoredWheel, ...]) -> _Chosen | None:
        left_out, owners, texts, columns = json.loads(body)
        paths, modes, numbers, places, renamed, *facts = columns
        if any(len(column) != len(paths) for column in columns):
            return None
        names = [name or path for path, name in zip(paths, renamed, strict=True)]
        if _lead_out([*paths, *names, *(path for path, *_ in texts)]):
            return None  # the folder is the project's, and who wrote there may mean harm
        members = map(Member, [wheels[place].path for place in places], names, *facts)
        files = [
            *map(BundleFile, paths, modes, members, [owners[number] for number in numbers]),
            *(
                BundleFile(path, mode, Generated(text.encode("utf-8", "surrogateescape")), owner)
                for path, mode, text, owner in texts
            ),
        ]
        return _Chosen(tuple(sorted(files)), {name: LeftOut(*facts) for name, facts in left_out.items()})

    def keep(self, chosen: _Chosen, wheels: tuple[StoredWheel, ...]) -> None:
        """Members by columns and most names once, which is read in half the time that a row for each file takes."""
        owners = sorted({file.owner for file in chosen.files})
        numbers = {owner: number for number, owner in enumerate(owners)}
        places = {wheel.path: number for number, wheel in enumerate(wheels)}
        members = [(file, file.source) for file in chosen.files if isinstance(file.source, Member)]
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
            for file in chosen.files
            if isinstance(file.source, Generated)
        ]
        body = json.dumps([chosen.left_out, owners, texts, columns], separators=(",", ":")).encode("ascii")
        write_whole(self.path, self._head(body).encode("ascii") + b"\n" + body)

    def _head(self, body: bytes) -> str:
        return f"{self.key} {hashlib.sha256(body).hexdigest()}"

"""The cache of the user: wheels by their SHA-256, and what builds found out about them, for all projects and targets.

Only this module knows the layout below the root, which ARCHITECTURE.md describes.

No wheel is trusted: each is hashed before it is used, and removed if its hash is not the one in its path.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hatch_lambda.common import tempfiles
from hatch_lambda.common.files import read_regular, replacing, write_atomically
from hatch_lambda.common.hashing import cores, is_hashed, sha256_of
from hatch_lambda.common.tempfiles import PART

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


CACHE_VARIABLE = "HATCH_LAMBDA_CACHE_DIR"

_SHA256 = re.compile(r"[0-9a-f]{64}")
_FILENAME = re.compile(r"[^/\\\0]+\.whl")
_WHEEL = "{sha256:.2}/{sha256}/{filename}"
_KINDS = {
    "wheels": ("wheels/*/*/*.whl", rf"wheels/[0-9a-f]{{2}}/{_SHA256.pattern}/[^/]+\.whl"),
    "built": ("built/*.json", rf"built/{_SHA256.pattern}\.json"),
    "notes": ("notes/*.json", rf"notes/{_SHA256.pattern}\.json"),
    "pages": ("pages/*.json", rf"pages/{_SHA256.pattern}\.json"),
    "metadata": ("metadata/*", rf"metadata/{_SHA256.pattern}"),
    "unpacked": ("unpacked/**/*", rf"unpacked/[0-9a-f]{{2}}/{_SHA256.pattern}/.+"),  # of earlier releases
    "bytecode": ("bytecode/**/*", r"bytecode/.+\.(?:zip|json)"),
    "stripped": ("stripped/*.zip", r"stripped/.+\.zip"),
    "clients": ("runtime-clients/**/*", r"runtime-clients/.+"),
    "pips": ("pips/**/*", r"pips/.+"),
    "compilers": ("compilers/**/*", r"compilers/.+"),
    "begun": ("begun/*", rf"begun/{re.escape(PART)}[^/]+"),
}
"""A glob and a pattern for the paths of each kind of files."""
_DAY = 24 * 60 * 60
UNUSED_FOR = 60 * _DAY
"""Seconds after which unused files are removed."""
BOUND = 8 * 1024**3
"""Bytes of wheels, beyond which the least recently used are removed."""


class WantedWheel(NamedTuple):
    """A wheel by its content. `sha256`: in hexadecimal."""

    name: str
    version: str
    filename: str
    sha256: str

    @property
    def is_plain(self) -> bool:
        """Whether it is safe in a path: it may be from a file that others can write to."""
        is_text = all(isinstance(value, str) for value in self)
        return is_text and bool(_FILENAME.fullmatch(self.filename) and _SHA256.fullmatch(self.sha256))


class StoredWheel(NamedTuple):
    """A wheel in the store."""

    name: str
    version: str
    filename: str
    sha256: str
    path: Path

    @property
    def distribution(self) -> str:
        """`name version`"""
        return f"{self.name} {self.version}"


class Store:
    """The cache, at `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def keep(self, wheel: Path, name: str, version: str, *, scratch: Path | None = None) -> StoredWheel:
        """Cache a wheel. `scratch`: a temporary folder; wheels in it are linked instead of copied, where possible."""
        sha256 = sha256_of(wheel)
        kept = StoredWheel(name, version, wheel.name, sha256, self._place(sha256, wheel.name))
        if not _is_intact(kept.path, sha256):
            with replacing(self._make_room(kept.path), aside=self.begun) as temporary:
                if not (scratch and wheel.is_relative_to(scratch) and _linked(wheel, temporary)):
                    shutil.copyfile(wheel, temporary)
        return kept

    def find(self, wanted: WantedWheel) -> StoredWheel | None:
        """A cached wheel; None if it is missing or modified."""
        if not wanted.is_plain:
            return None
        kept = StoredWheel(*wanted, self._place(wanted.sha256, wanted.filename))
        return kept if _is_intact(kept.path, kept.sha256) else None

    def find_all(self, wanted: Sequence[WantedWheel]) -> list[StoredWheel | None]:
        """`find` for many, on all cores if any must be hashed, which is slow."""
        if all(is_hashed(self._place(each.sha256, each.filename)) for each in wanted):
            return [self.find(each) for each in wanted]
        with ThreadPoolExecutor(cores()) as pool:
            return list(pool.map(self.find, wanted))

    def remember_built(self, recipe: str, wheel: StoredWheel, without_extensions: str | None = None) -> None:
        """Cache which wheel a build made. `recipe`: a hash of everything that the build depends on.

        `without_extensions`: why it is pure Python, if that is known.
        """
        entry = {"filename": wheel.filename, "sha256": wheel.sha256, "without_extensions": without_extensions}
        self.write(self._json("built", recipe), json.dumps(entry).encode("utf-8"))

    def built(self, recipe: str, name: str, version: str) -> StoredWheel | None:
        """The wheel that an earlier build with this recipe made, if it is cached."""
        try:
            entry = json.loads(_read(self._json("built", recipe)))
            return self.find(WantedWheel(name, version, entry["filename"], entry["sha256"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def built_without_extensions(self, recipe: str) -> str | None:
        """Why the wheel of `built` is pure Python, if that is known."""
        try:
            reason = json.loads(_read(self._json("built", recipe))).get("without_extensions")
        except (OSError, ValueError, AttributeError):
            return None
        return reason and str(reason)

    def keep_note(self, sha256: str, text: str) -> None:
        """Cache the results of scanning a wheel."""
        self.write(self._json("notes", sha256), text.encode("utf-8"))

    def note(self, sha256: str) -> str | None:
        try:
            return _read(self._json("notes", sha256))
        except (OSError, ValueError):
            return None

    def keep_page(self, key: str, text: str) -> None:
        """Cache an index page. `key`: a hash of its URL and of what was left out of it."""
        self.write(self._json("pages", key), text.encode("utf-8"))

    def page(self, key: str) -> str | None:
        try:
            return _read(self._json("pages", key))
        except (OSError, ValueError):
            return None

    def keep_metadata(self, sha256: str, content: bytes) -> None:
        """Cache the METADATA of a wheel with this hash."""
        digest = hashlib.sha256(content).hexdigest().encode()
        self.write(self.root / "metadata" / sha256, digest + b"\n" + content)

    def metadata(self, sha256: str) -> bytes | None:
        try:
            path = self.root / "metadata" / sha256
            digest, _, content = read_regular(path).partition(b"\n")
        except OSError:
            return None
        if digest != hashlib.sha256(content).hexdigest().encode():  # damaged
            return None
        _mark_as_used(path)
        return content

    def keep_archive(self, kind: str, key: str, archive: bytes) -> Path:
        """Cache a zip of what was made from a wheel. `kind`: its folder. `key`: a hash of all that it depends on."""
        path = self.root / kind / f"{key}-{hashlib.sha256(archive).hexdigest()}.zip"
        self.write(path, archive)
        return path

    def archives(self, kind: str, keys: Iterable[str]) -> dict[str, Path]:
        """The cached zips of a kind with these keys."""
        paths = {path.name.partition("-")[0]: path for path in self.root.joinpath(kind).glob("*.zip")}
        cached = [key for key in keys if key in paths]
        with ThreadPoolExecutor(cores()) as pool:
            intact = pool.map(lambda key: _is_intact(paths[key], paths[key].stem.partition("-")[2]), cached)
            return {key: paths[key] for key, is_intact in zip(cached, intact, strict=True) if is_intact}

    def lock_file(self, name: str) -> Path:
        """The path of a lock (see `locks`), whose folder exists."""
        path = self._make_room(self.root / "locks" / name)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def lock_files(self) -> list[Path]:
        return sorted(path for path in self.root.glob("locks/*.lock") if path.is_file())

    def tidy(self) -> None:
        """Remove incomplete files of killed builds; once a day also unused files, and wheels beyond the bound."""
        tempfiles.sweep(self.begun, PART)
        stamp = self.root / "tidied"  # its time is that of the last clean-up
        if 0 <= _age(stamp) < _DAY:
            return
        self.write(stamp, b"")
        tempfiles.remove(self.root / "unpacked")  # of earlier releases
        found, total = self.files(), 0
        for path in sorted(found["wheels"], key=_age):
            total += _size(path)
            if total > BOUND or _age(path) > UNUSED_FOR:
                _drop(path)
                with contextlib.suppress(OSError):
                    path.parent.rmdir()
        for folder in self.root.glob("compilers/*"):
            if _age(folder) > UNUSED_FOR:
                tempfiles.remove(folder)
        for path in (
            path for kind in ("built", "notes", "pages", "metadata", "bytecode", "stripped") for path in found[kind]
        ):
            if _age(path) > UNUSED_FOR:
                _drop(path)

    def files(self) -> dict[str, tuple[Path, ...]]:
        """The files that builds have cached, judging by their paths, by kind."""
        found = {}
        for kind, (glob, pattern) in _KINDS.items():
            paths = sorted(path for path in self.root.glob(glob) if path.is_file() and not path.is_symlink())
            found[kind] = tuple(p for p in paths if re.fullmatch(pattern, p.relative_to(self.root).as_posix()))
        return found

    def clear(self) -> int:
        """Remove these files and the folders that they leave empty. Returns how many files could not be removed."""
        for path in (path for paths in self.files().values() for path in paths):
            _drop(path)
            with contextlib.suppress(OSError):  # not empty
                for folder in path.parents:
                    if folder.parent == self.root:
                        break
                    folder.rmdir()
        return sum(map(len, self.files().values()))

    def write(self, path: Path, content: bytes) -> None:
        """Write a file below the root, in place of whatever is there."""
        write_atomically(self._make_room(path), content, aside=self.begun)

    def _make_room(self, path: Path) -> Path:
        """Remove whatever keeps a file from being written: a directory at its path, a file in place of a directory.

        Returns the path. The directory for incomplete files may be affected, too.
        """
        for file in (path, self.begun / PART):
            for parent in file.relative_to(self.root).parents:
                place = self.root / parent
                if place != self.root and place.exists() and not place.is_dir():
                    tempfiles.remove(place)
        if path.is_dir():
            tempfiles.remove(path)
        return path

    @property
    def wheel_template(self) -> str:
        """The path of a wheel, to be formatted with its `sha256` and `filename`."""
        return "{}/wheels/{}".format(str(self.root).replace("{", "{{").replace("}", "}}"), _WHEEL)

    @property
    def bytecode(self) -> Path:
        return self.root / "bytecode"

    @property
    def runtime_clients(self) -> Path:
        return self.root / "runtime-clients"

    @property
    def pips(self) -> Path:
        """Where pip is for Pythons that the installed one does not support."""
        return self.root / "pips"

    def compiler(self, version: str) -> Path:
        """The directory in which a version of the cross compiler keeps its libraries. Marks it as used."""
        folder = self._make_room(self.root / "compilers" / f"zig-{version}" / "used").parent
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)
        return folder

    @property
    def begun(self) -> Path:
        """Where files are written that replace others when they are complete."""
        return self.root / "begun"

    def _place(self, sha256: str, filename: str) -> Path:
        # With its name, as that has its version and tags, and in a folder of its own, so that names cannot clash.
        return self.root / "wheels" / _WHEEL.format(sha256=sha256, filename=Path(filename).name)

    def _json(self, kind: str, key: str) -> Path:
        return self.root / kind / f"{key}.json"


def user_store(fallback: Path) -> Store:
    """The user's store, or one at `fallback` if its folder is not writable."""
    if given := os.environ.get(CACHE_VARIABLE):
        root = Path(given)
    else:
        from platformdirs import user_cache_path

        root = user_cache_path("hatch-lambda", appauthor=False)
    store = Store(root.absolute())
    try:
        store.root.mkdir(parents=True, exist_ok=True)
        if os.access(store.root, os.W_OK):
            return store
    except OSError:
        pass
    return Store(fallback)


def _linked(source: Path, path: Path) -> bool:
    """Replace an empty file by a hard link."""
    beside = path.with_name(f"{path.name}-link")
    try:
        beside.hardlink_to(source)
    except OSError:
        return False
    beside.replace(path)
    return True


def _read(path: Path) -> str:
    """Raises `OSError` or `ValueError`."""
    text = read_regular(path).decode("utf-8")
    _mark_as_used(path)
    return text


def _is_intact(path: Path, sha256: str) -> bool:
    """Whether a file has this hash. Marks it as used, or else removes it."""
    with contextlib.suppress(OSError):
        if sha256_of(path) == sha256:
            _mark_as_used(path)
            return True
    with contextlib.suppress(OSError):  # removed already, or a file where its directory should be
        tempfiles.remove(path)
    return False


def _mark_as_used(path: Path) -> None:
    if not 0 <= _age(path) <= _DAY:
        with contextlib.suppress(OSError):
            os.utime(path)


def _drop(path: Path) -> None:
    with contextlib.suppress(OSError):  # removed already, or on Windows open
        path.unlink()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # another build has just removed it


def _age(path: Path) -> float:
    """Seconds since it was used; infinite if it is missing."""
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return float("inf")

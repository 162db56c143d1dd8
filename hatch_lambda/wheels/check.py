"""Check a wheel before anything in it is used: its archive, its names and versions, and its content against RECORD.

Its file name, its folders, METADATA and RECORD must agree, as tools differ in which they believe
(https://packaging.python.org/specifications/binary-distribution-format).
"""

from __future__ import annotations

import dataclasses
import hashlib
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from hatch_lambda.common.errors import BrokenWheelError
from hatch_lambda.common.hashing import cores
from hatch_lambda.wheels.archive import ZIP_ERRORS, Content, FaultError, check_archive
from hatch_lambda.wheels.members import Reader
from hatch_lambda.wheels.metadata import Metadata
from hatch_lambda.wheels.record import hash_of, normalized_hash, read_record

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from packaging.utils import NormalizedName

_LARGE = 256 * 1024  # worth a thread of its own

Watch = Callable[[str, Iterator[bytes]], Iterable[bytes]]
"""Receives the path and the content of a file in pieces, and yields the same pieces."""


def check_wheel(path: Path, watch: Watch = lambda _name, content: content) -> None:
    """Refuse a wheel that is damaged, contradicts itself, or would do harm when it is unpacked.

    All files are inflated. `watch` sees their contents, those of large files from other threads.

    Raises `BrokenWheelError`, which names the entry at fault.
    """
    try:
        name, version, _build, _tags = parse_wheel_filename(path.name)
    except InvalidWheelFilename as error:
        raise BrokenWheelError(path.name, str(error)) from None
    try:
        with path.open("rb", buffering=0) as file, zipfile.ZipFile(file) as archive:
            contents = check_archive(file, archive)
            dist_info = _dist_info(contents, name, version)
            _check_metadata(contents, dist_info, name, version)
            _check_content(path, contents, dist_info, watch)
    except FaultError as fault:
        raise BrokenWheelError(path.name, str(fault)) from None
    except ZIP_ERRORS as error:
        raise BrokenWheelError(path.name, f"it is damaged or cut short: {error}") from None


# --- .dist-info ---


def _dist_info(paths: Iterable[str], name: NormalizedName, version: Version) -> str:
    folders = {path.partition("/")[0] for path in paths if "/" in path}
    found = sorted(folder for folder in folders if folder.lower().endswith(".dist-info"))
    if not found:
        raise FaultError("it has no .dist-info folder")
    if len(found) > 1:
        raise FaultError(f"it has more than one .dist-info folder: {', '.join(found)}")
    its_name, _, its_version = found[0][: -len(".dist-info")].partition("-")
    if canonicalize_name(its_name) != name or _version(its_version) != version:
        raise FaultError(f"its file name says {name} {version}, its folder is `{found[0]}`")
    return found[0]


def _version(text: str) -> Version | None:
    try:
        # PEP 427 writes `_` for what a file name cannot have.
        return Version(text.replace("_", "-"))
    except InvalidVersion:
        return None


def _check_metadata(contents: dict[str, Content], dist_info: str, name: NormalizedName, version: Version) -> None:
    for filename in ("METADATA", "WHEEL", "RECORD"):
        if f"{dist_info}/{filename}" not in contents:
            raise FaultError(f"it has no `{dist_info}/{filename}`")

    def field(key: str, filename: str) -> str:
        values = Metadata(contents[f"{dist_info}/{filename}"].read().decode("utf-8", "replace")).all(key)
        if len(values) != 1:
            raise FaultError(f"its {filename} has {len(values)} fields `{key}`, not one")
        return values[0]

    its_name, its_version = field("Name", "METADATA"), field("Version", "METADATA")
    if canonicalize_name(its_name) != name or _version(its_version) != version:
        raise FaultError(f"its file name says {name} {version}, its METADATA {its_name} {its_version}")
    wheel_version = field("Wheel-Version", "WHEEL")
    major = wheel_version.partition(".")[0]
    if not major.isdecimal() or int(major) > 1:  # as the specification asks; others have the same layout
        raise FaultError(f"its format is version {wheel_version}, only 1 is supported")


# --- RECORD ---

# The specification asks for sha256 or better and names md5 and sha1 as not permitted.
_STRONG = frozenset({"sha256", "sha384", "sha512", "sha3_256", "sha3_384", "sha3_512", "blake2b", "blake2s"})
# RECORD cannot hold its own hash, and signatures of RECORD are made after it.
_UNRECORDED = ("RECORD", "RECORD.jws", "RECORD.p7s")


def _check_content(path: Path, contents: dict[str, Content], dist_info: str, watch: Watch) -> None:
    exempt = {f"{dist_info}/{filename}" for filename in _UNRECORDED}
    files = {name: content for name, content in contents.items() if not content.entry.is_dir()}
    record = _record(contents[f"{dist_info}/RECORD"], files.keys(), exempt)

    def check(content: Content) -> None:
        pieces = watch(content.name, content.chunks())
        if content.name in exempt:
            for _piece in pieces:
                pass
        else:
            _check_hash(content, *record[content.name], pieces)

    def check_in_thread(content: Content) -> None:
        with path.open("rb", buffering=0) as file:
            check(dataclasses.replace(content, file=Reader(file)))

    # Large files on other cores, as zlib and hashlib release the GIL; small ones would wait for it.
    pool = ThreadPoolExecutor(max(cores() - 1, 1))
    try:
        large = [content for content in files.values() if content.entry.file_size >= _LARGE]
        pending = [pool.submit(check_in_thread, content) for content in large]
        for content in files.values():
            if content.entry.file_size < _LARGE:
                check(content)
        for done in pending:
            done.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _record(content: Content, files: Collection[str], exempt: Collection[str]) -> dict[str, tuple[str, str]]:
    """The hash and the size of each file, as written, if all files are listed and no others."""
    text = content.read()
    try:
        rows = read_record(text)
    except ValueError as error:
        raise FaultError(f"its RECORD cannot be read: {error}") from None
    found: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    for row in rows:
        if len(row) != 3:  # noqa: PLR2004 - path, hash, size
            raise FaultError(f"its RECORD has a line of {len(row)} fields, not 3: {','.join(row)}")
        path, digest, size = row
        found[path].add((digest, size))
        if len(found[path]) > 1:
            raise FaultError(f"its RECORD lists `{path}` twice, and differently")
    for name in found:
        if name not in files and name not in exempt and not name.endswith("/"):
            raise FaultError(f"its RECORD lists `{name}`, which it does not have")
    for name in files:
        if name not in exempt and name not in found:
            raise FaultError(f"it has `{name}`, which its RECORD does not list")
    return {path: next(iter(rows)) for path, rows in found.items()}


def _check_hash(content: Content, expected: str, size: str, pieces: Iterable[bytes]) -> None:
    algorithm = expected.partition("=")[0]
    if not expected:
        raise FaultError(f"its RECORD has no hash of `{content.name}`")
    if algorithm not in _STRONG:
        raise FaultError(f"its RECORD has a hash of `{content.name}` by {algorithm}, and sha256 is the least allowed")
    if size and size != str(content.entry.file_size):
        raise FaultError(f"`{content.name}` has {content.entry.file_size} bytes, and {size} by its RECORD")
    found = hashlib.new(algorithm)
    for piece in pieces:
        found.update(piece)
    if hash_of(found.digest(), algorithm) != normalized_hash(expected).rstrip("="):
        raise FaultError(f"`{content.name}` is not what its RECORD says: its {algorithm} differs")

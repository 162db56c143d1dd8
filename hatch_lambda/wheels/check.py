"""Check a wheel before anything in it is used: its archive, its names and versions, and its content against RECORD.

Its file name, its folders, METADATA and RECORD must agree, as tools differ in which they believe
(https://packaging.python.org/specifications/binary-distribution-format).
"""

from __future__ import annotations

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
from hatch_lambda.wheels.archive import ZIP_ERRORS, FaultError, check_archive
from hatch_lambda.wheels.members import Member, OpenWheels, inflated
from hatch_lambda.wheels.metadata import Metadata
from hatch_lambda.wheels.record import UNRECORDED, Discrepancies, hash_of, normalized_hash, read_record, unmatched_rows

if TYPE_CHECKING:
    from pathlib import Path

    from packaging.utils import NormalizedName

_LARGE = 256 * 1024  # worth a thread of its own

_MOST_METADATA = 64 * 1024 * 1024  # read as a whole

Watch = Callable[[str, Iterator[bytes]], Iterable[bytes]]
"""Receives the path and the content of a file in pieces, and yields the same pieces."""


def check_wheel(path: Path, watch: Watch = lambda _name, content: content) -> Discrepancies:
    """Refuse a wheel that is damaged, contradicts itself, or would do harm when it is unpacked.

    All files are inflated. `watch` sees their contents, those of large files from other threads. Returns how
    RECORD differs from the content, which is no reason to refuse it here.

    Raises `BrokenWheelError`, which names the entry at fault.
    """
    try:
        name, version, _build, _tags = parse_wheel_filename(path.name)
    except InvalidWheelFilename as error:
        raise BrokenWheelError(path.name, str(error)) from None
    try:
        with path.open("rb", buffering=0) as file, zipfile.ZipFile(file) as archive:
            check_archive(file, archive)
            dist_info = _dist_info(archive.namelist(), name, version)
            files = {entry.filename: Member.of(path, entry) for entry in archive.infolist() if not entry.is_dir()}
        _check_metadata(files, dist_info, name, version)
        return _check_content(files, dist_info, watch)
    except FaultError as fault:
        raise BrokenWheelError(path.name, str(fault)) from None
    except ZIP_ERRORS as error:
        raise BrokenWheelError(path.name, f"it is damaged or cut short: {error}") from None


# --- .dist-info ---


def _dist_info(paths: Iterable[str], name: NormalizedName, version: Version) -> str:
    folders = {path.partition("/")[0] for path in paths if "/" in path}
    found = sorted(folder for folder in folders if folder.lower().endswith(".dist-info"))
    if not found:
        raise FaultError("it has no .dist-info directory")
    if len(found) > 1:
        raise FaultError(f"it has more than one .dist-info directory: {', '.join(found)}")
    its_name, _, its_version = found[0][: -len(".dist-info")].partition("-")
    if canonicalize_name(its_name) != name or _version(its_version) != version:
        raise FaultError(f"its file name says {name} {version}, its directory is `{found[0]}`")
    return found[0]


def _version(text: str) -> Version | None:
    try:
        # PEP 427 writes `_` for what a file name cannot have.
        return Version(text.replace("_", "-"))
    except InvalidVersion:
        return None


def _check_metadata(files: dict[str, Member], dist_info: str, name: NormalizedName, version: Version) -> None:
    for path in (f"{dist_info}/METADATA", f"{dist_info}/WHEEL", f"{dist_info}/RECORD"):
        if path not in files:
            raise FaultError(f"it has no `{path}`")
        if files[path].size > _MOST_METADATA:
            raise FaultError(f"its entry `{path}` is too large for a metadata file")

    def field(key: str, filename: str) -> str:
        values = Metadata(files[f"{dist_info}/{filename}"].read().decode("utf-8", "replace")).all(key)
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


def _check_content(files: dict[str, Member], dist_info: str, watch: Watch) -> Discrepancies:
    exempt = {f"{dist_info}/{filename}" for filename in UNRECORDED}
    rows = _record(files[f"{dist_info}/RECORD"])
    record = {path.lstrip("/"): row for path, row in rows.items()}
    faults: dict[str, tuple[str, str]] = {}

    def check(members: Iterable[Member]) -> None:
        with OpenWheels() as wheels:
            for member in members:
                pieces = watch(member.name, inflated(wheels, member))
                if member.name not in exempt and (fault := _fault(member, record.get(member.name), pieces)):
                    faults[member.name] = fault
                for _piece in pieces:  # that were not hashed
                    pass

    # Large files on other cores, as zlib and hashlib release the GIL; small ones would wait for it.
    pool = ThreadPoolExecutor(max(cores() - 1, 1))
    try:
        pending = [pool.submit(check, [member]) for member in files.values() if member.size >= _LARGE]
        check(member for member in files.values() if member.size < _LARGE)
        for done in pending:
            done.result()
    finally:
        pool.shutdown(cancel_futures=True)
    return Discrepancies(unmatched_rows(rows, files, dist_info), tuple(faults[name] for name in sorted(faults)))


def _record(member: Member) -> dict[str, tuple[str, str]]:
    """The hash and the size of each file, as written."""
    try:
        rows = read_record(member.read())
    except ValueError as error:
        raise FaultError(f"its RECORD cannot be read: {error}") from None
    found: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    for row in rows:
        if len(row) != 3:  # noqa: PLR2004 - path, hash, size
            raise FaultError(f"its RECORD has a line of {len(row)} fields, not 3: {','.join(row)}")
        path, digest, size = row
        found[path.lstrip("/")].add((digest, size))  # selenium 4.0 has `/` before the paths of some files
        if len(found[path.lstrip("/")]) > 1:
            raise FaultError(f"its RECORD lists `{path}` twice, and differently")
    return {path: (digest, size) for path, digest, size in rows}


def _fault(member: Member, row: tuple[str, str] | None, pieces: Iterable[bytes]) -> tuple[str, str] | None:
    """What RECORD does wrong, and for which file. `row`: hash and size."""
    path = f"`{member.name}`"
    if row is None:
        return "does not list", path
    expected, size = row
    algorithm = expected.partition("=")[0]
    if not expected:
        return "has no hash of", path
    if algorithm not in _STRONG:
        return "has a hash weaker than sha256 of", f"{path} ({algorithm})"
    found = hashlib.new(algorithm)
    for piece in pieces:
        found.update(piece)
    if size and size != str(member.size):
        return "has another size of", f"{path} ({size} instead of {member.size} bytes)"
    if hash_of(found.digest(), algorithm) != normalized_hash(expected):
        return "has another hash of", f"{path} ({algorithm})"
    return None

"""The set `debug` of `prune`: native code without what only debuggers and linkers read.

The result of each wheel is cached in the store, as a zip whose entries the archive copies.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from hatch_lambda.bundle.files import LeftOut
from hatch_lambda.bundle.records import replace_files
from hatch_lambda.common.hashing import cores
from hatch_lambda.config.settings import COMPRESSION_LEVEL
from hatch_lambda.wheels.members import Member
from hatch_lambda.wheels.record import hash_of
from hatch_lambda.wheels.signatures import ELF_SIGNATURE, native_files
from hatch_lambda.wheels.strip import strip

if TYPE_CHECKING:
    from collections.abc import Iterable, MutableMapping
    from pathlib import Path

    from hatch_lambda.bundle.files import Bundle
    from hatch_lambda.wheels.members import BundleFile
    from hatch_lambda.wheels.store import Store, StoredWheel

_KIND = "stripped"
# Increase it when the same file is stripped to other bytes.
_FORMAT = 1
_FACTS = "facts.json"
"""The entry with what RECORD says of each stripped file, and why others could not be stripped. No file has its name."""


def with_stripped(bundle: Bundle, store: Store, known: MutableMapping[object, Bundle]) -> Bundle:
    """Strip the native code of a bundle. `known`: this build's other bundles."""
    inputs = _KIND, bundle.key
    if not bundle.key or inputs not in known:
        found = stripped_files(bundle.files, bundle.wheels, store)
        files = replace_files(bundle.files, dict(found.files), hashes=found.hashes)
        digest = hashlib.sha256(repr(sorted(found.hashes.items())).encode("utf-8")).hexdigest()
        known[inputs] = dataclasses.replace(
            bundle,
            files=files,
            key=f"{bundle.key} {digest}" if bundle.key else "",
            left_out={**bundle.left_out, "debug": found.left_out},
            kept=(*bundle.kept, *found.kept),
        )
    return dataclasses.replace(known[inputs], directory=bundle.directory)


@dataclasses.dataclass(frozen=True)
class Stripped:
    """What can be stripped of a bundle.

    `files`, `hashes`: by path, the stripped file, and its hash and size as in RECORD. `kept`: lines on what cannot be
    stripped, and why. `left_out`: their number, and the bytes that they lose.
    """

    files: dict[str, BundleFile]
    hashes: dict[str, tuple[str, int]]
    kept: tuple[str, ...]
    left_out: LeftOut


def stripped_files(files: Iterable[BundleFile], wheels: Iterable[StoredWheel], store: Store) -> Stripped:
    """Strip the files of wheels, or take what is cached."""
    keys = {
        wheel.path: hashlib.sha256(json.dumps([_FORMAT, wheel.sha256]).encode("ascii")).hexdigest() for wheel in wheels
    }
    archives = store.archives(_KIND, keys.values())
    with ThreadPoolExecutor(cores()) as pool:  # zlib releases the GIL
        missing = [(path, key) for path, key in keys.items() if key not in archives]
        made = pool.map(_strip_wheel, [path for path, _key in missing])
        archives.update(
            {key: store.keep_archive(_KIND, key, each) for (_, key), each in zip(missing, made, strict=True)}
        )
    by_wheel: dict[Path, list[tuple[BundleFile, Member]]] = {}
    for file in files:
        if isinstance(file.source, Member) and file.source.wheel in keys:
            by_wheel.setdefault(file.source.wheel, []).append((file, file.source))
    changed: dict[str, BundleFile] = {}
    hashes: dict[str, tuple[str, int]] = {}
    kept: list[str] = []
    saved = 0
    for path, members in by_wheel.items():
        archive = archives[keys[path]]
        with zipfile.ZipFile(archive) as opened:
            facts = json.loads(opened.read(_FACTS))
            for file, member in members:
                if member.name in facts["hashes"]:
                    entry = opened.NameToInfo[member.name]
                    changed[file.path] = file._replace(source=Member.of(archive, entry))
                    hashes[file.path] = tuple(facts["hashes"][member.name])
                    saved += member.size - entry.file_size
                elif member.name in facts["kept"]:
                    kept.append(f"kept symbols of {file.owner}: {file.path}: {facts['kept'][member.name]}")
    return Stripped(changed, hashes, tuple(sorted(kept)), LeftOut(len(changed), saved))


def _strip_wheel(wheel: Path) -> bytes:
    """A zip of the stripped files of a wheel, by their names in it."""
    packed, kept, hashes = io.BytesIO(), {}, {}
    with zipfile.ZipFile(wheel) as opened, zipfile.ZipFile(packed, "w") as archive:
        for name, pieces in native_files(opened):
            content = b"".join(pieces)
            if not content.startswith(ELF_SIGNATURE):
                continue
            try:
                stripped = strip(content)
            except ValueError as error:
                kept[name] = str(error)
                continue
            if stripped != content:
                hashes[name] = hash_of(hashlib.sha256(stripped).digest()), len(stripped)
                archive.writestr(zipfile.ZipInfo(name), stripped, zipfile.ZIP_DEFLATED, COMPRESSION_LEVEL)
        archive.writestr(zipfile.ZipInfo(_FACTS), json.dumps({"hashes": hashes, "kept": kept}))
    return packed.getvalue()

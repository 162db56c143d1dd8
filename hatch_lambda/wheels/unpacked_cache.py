"""Files of wheels as they were unpacked before, for bundles to share: a link is made quicker than a file is inflated.

A bundle that is written to in place changes what is shared. So what an earlier build has unpacked is not taken without
a look at its checksum, and no zip is made of it: zips are made of the wheels.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import zlib
from typing import TYPE_CHECKING

from hatch_lambda.wheels.members import BundleFile, Member

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

_PIECE = 1024 * 1024


class Shelf:
    """`folders`: where what was unpacked of each wheel is, by the wheel's path. `linking`: false for copies.

    `sound`: the wheels of which that was done just now, so that nobody can have written to it since.
    """

    def __init__(
        self, folders: Mapping[Path, Path], *, linking: bool = True, sound: Collection[Path] = frozenset()
    ) -> None:
        self._folders = {wheel: os.fspath(folder) for wheel, folder in folders.items()}
        self._linking = linking
        self._sound = sound
        self._made: set[str] = set()

    def take(self, file: BundleFile, target: str) -> bool:
        """Have a file at the target, if there is one here and it is as it should be."""
        member = file.source
        if not isinstance(member, Member) or member.wheel not in self._folders:
            return False
        place = self._place(member)
        try:
            if not _looks_as_it_did(place, member, file.mode):
                return False
            if member.wheel not in self._sound and not _has_the_content(place, member):
                return False
            if self._linking:
                try:
                    os.link(place, target)
                except OSError:  # the file system cannot have a file under two names, or this is another one
                    self._linking = False
                else:
                    return True
            shutil.copyfile(place, target)
            os.chmod(target, file.mode)  # noqa: PTH101 - thousands of them
        except OSError:
            return False
        return True

    def put(self, file: BundleFile, target: str) -> None:
        """Keep a file that was unpacked, where it can be shared."""
        member = file.source
        if not self._linking or not isinstance(member, Member) or member.wheel not in self._folders:
            return
        place = self._place(member)
        try:
            self._make_folder(os.path.dirname(place))  # noqa: PTH120 - thousands of them
            with contextlib.suppress(FileNotFoundError):
                os.unlink(place)  # noqa: PTH108 - it was not as it should be
            os.link(target, place)
        except FileExistsError:
            pass  # another build was as quick
        except OSError:
            self._linking = False

    def _place(self, member: Member) -> str:
        return f"{self._folders[member.wheel]}/{member.name}"

    def _make_folder(self, folder: str) -> None:
        if folder not in self._made:
            os.makedirs(folder, exist_ok=True)  # noqa: PTH103 - thousands of them
            self._made.add(folder)


def _looks_as_it_did(path: str, member: Member, mode: int) -> bool:
    status = os.lstat(path)
    return status.st_size == member.size and (os.name == "nt" or status.st_mode == stat.S_IFREG | mode)


def _has_the_content(path: str, member: Member) -> bool:
    crc = 0
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - thousands of them
        while piece := file.read(_PIECE):
            crc = zlib.crc32(piece, crc)
    return crc == member.crc

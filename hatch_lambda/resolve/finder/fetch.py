"""Index pages, metadata and wheels: each fetched once, from the store if it is there, else from the index."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import re
import threading
import zipfile
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from urllib.parse import quote, urljoin

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from hatch_lambda.resolve.finder import IndexFault, LeftToPip
from hatch_lambda.resolve.finder.client import NOT_FOUND, NOT_MODIFIED, OK, PARTIAL, check_secure
from hatch_lambda.resolve.finder.files import File
from hatch_lambda.resolve.finder.workers import Awaited
from hatch_lambda.wheels.archive import ZIP_ERRORS
from hatch_lambda.wheels.metadata import Metadata
from hatch_lambda.wheels.store import WantedWheel

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from packaging.utils import NormalizedName
    from typing_extensions import Self

    from hatch_lambda.resolve.finder.client import Client
    from hatch_lambda.resolve.finder.files import Preference
    from hatch_lambda.resolve.finder.workers import Workers
    from hatch_lambda.wheels.store import Store

Result = TypeVar("Result")

# Bytes. The longest pages of the public index have some 30 MB.
_LONGEST_PAGE = 100_000_000
_LONGEST_METADATA = 20_000_000
SMALL = 300_000
"""A wheel up to this size is downloaded as a whole where its metadata is not beside it: one request instead of two."""
_TAIL = 64_000  # in which METADATA is, as a rule: wheels have it near their end
_JSON = "application/vnd.pypi.simple.v1+json"
_METADATA_PATH = re.compile(r"[^/]+\.dist-info/METADATA")
_PAGE_FORMAT = 2
# How urgent: everything else waits for the first two.
_PAGE, _METADATA, _WHEEL = 0, 1, 2


class Known(NamedTuple):
    """What a distribution's metadata say."""

    requires: tuple[Requirement, ...]
    extras: frozenset[NormalizedName]
    requires_python: str


class Wheel(NamedTuple):
    """A wheel that is here. `url`: where it is from. `is_cached`: in the store."""

    path: Path
    url: str
    is_cached: bool


class Fetch:
    """Whatever is asked for is begun at once and comes as a future. Each may raise `LeftToPip`."""

    def __init__(  # noqa: PLR0913, PLR0917 - where from, where to, and by whom
        self,
        client: Client,
        workers: Workers,
        urls: Sequence[str],
        preference: Preference,
        store: Store,
        destination: Path,
        arrived: Callable[[Path], object],
    ) -> None:
        """`arrived`: called for each wheel that was downloaded."""
        self._client = client
        self._workers = workers
        self._urls = urls
        self._preference = preference
        self._store = store
        self._destination = destination
        self._arrived = arrived
        self._lock = threading.RLock()
        self._reading_a_page = threading.Lock()  # one at a time, as it takes many times the page's size in memory
        self._begun: dict[Hashable, Future[object]] = {}
        self._dropped: set[File] = set()
        self._downloaded: list[tuple[File, Path]] = []

    def files(self, name: NormalizedName) -> Future[Sequence[File]]:
        """The candidates of a project, the best last."""
        return self._once(("files", name), (_PAGE, 0), lambda: self._files(name))

    def known(self, file: File) -> Future[Known]:
        """What a file's metadata say."""
        return self._once(("known", file.page, file.filename), (_METADATA, 0), lambda: self._known(file))

    def wheel(self, file: File) -> Future[Wheel]:
        """A wheel, large ones first."""
        return self._once(_key_of_wheel(file), (_WHEEL, -(file.size or 0)), lambda: self._wheel(file))

    def drop(self, file: File) -> None:
        """Stop downloading what is not needed after all."""
        self._dropped.add(file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Cache what was downloaded if it is left to pip, which finds it there."""
        for file, path in tuple(self._downloaded) if kind and issubclass(kind, Exception) else ():
            with contextlib.suppress(OSError):
                self._store.keep(path, file.name, file.version_text, scratch=self._destination)

    def _once(self, key: Hashable, urgency: tuple[int, int], task: Callable[[], Result]) -> Future[Result]:
        with self._lock:
            if key not in self._begun:
                self._begun[key] = self._workers.submit(urgency, task)
            return self._begun[key]  # type: ignore[return-value]

    def _files(self, name: NormalizedName) -> Sequence[File]:
        return self._preference.merged([self._page(url, name) for url in self._urls])

    def _page(self, index: str, name: NormalizedName) -> Sequence[File]:
        """The candidates of one index; revalidated each time, as pip does (`Cache-Control: max-age=0`)."""
        url = f"{index}/{quote(name)}/"
        key = hashlib.sha256(json.dumps([_PAGE_FORMAT, url, self._preference.facts]).encode()).hexdigest()
        etag, kept = _page_from_text(self._store.page(key))
        headers = {"Accept": _JSON, "Cache-Control": "max-age=0", **({"If-None-Match": etag} if etag else {})}
        answer = self._client.get(url, headers, most=_LONGEST_PAGE)
        if answer.status == NOT_MODIFIED and kept is not None:
            return kept
        if answer.status == NOT_FOUND:
            return ()
        if answer.status != OK:
            raise IndexFault(f"{url} answers {answer.status}")
        if not answer.headers.get("content-type", "").lower().startswith(_JSON):
            raise LeftToPip(f"{url} has no JSON page")
        try:
            with self._reading_a_page:
                found = self._preference.candidates(name, answer.body)
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
            raise LeftToPip(f"{url} is no valid page") from None
        if (etag := answer.headers.get("etag")) and "no-store" not in answer.headers.get("cache-control", "").lower():
            with contextlib.suppress(OSError):
                self._store.keep_page(key, _page_as_text(etag, answer.url, found))
        return [file._replace(page=answer.url) for file in found]

    def _known(self, file: File) -> Known:
        if file.rank is None:
            raise LeftToPip(f"{file} is an sdist")
        metadata = self._metadata(_wanted(file), file)
        try:
            requires = tuple(map(Requirement, metadata.requires))
            is_the_same = canonicalize_name(metadata.get("Name")) == file.name
            is_the_same = is_the_same and Version(metadata.get("Version")) == file.version
        except (InvalidRequirement, InvalidVersion):
            raise LeftToPip(f"the metadata of {file.filename} are not valid") from None
        if not is_the_same:
            raise LeftToPip(f"the metadata of {file.filename} are those of another distribution")
        extras = frozenset(map(canonicalize_name, metadata.all("Provides-Extra")))
        return Known(requires, extras, metadata.get("Requires-Python"))

    def _metadata(self, wanted: WantedWheel, file: File) -> Metadata:
        # Without a hash, what is beside the wheel may change.
        content = None if file.metadata is True else self._store.metadata(file.sha256)
        if content is None or (isinstance(file.metadata, str) and _sha256(content) != file.metadata):
            content = self._fetched_metadata(wanted, file)
            if file.metadata is not True:
                self._keep_metadata(file, content)
        return Metadata(content.decode("utf-8", "replace"))

    def _keep_metadata(self, file: File, content: bytes) -> None:
        with contextlib.suppress(OSError):
            self._store.keep_metadata(file.sha256, content)

    def _fetched_metadata(self, wanted: WantedWheel, file: File) -> bytes:
        """From where it costs least: beside the wheel, out of it if it is here or small, or out of its end."""
        if file.metadata:
            return self._beside(file)
        if kept := self._store.find(wanted):
            content = _metadata_in(kept.path)
        elif not (_is_large(file) and (content := self._near_the_end(file))):
            content = _metadata_in(self._wheel_now(file).path)
        if content is None:
            raise LeftToPip(f"the metadata of {file.filename} cannot be read")
        return content

    def _beside(self, file: File) -> bytes:
        """METADATA as the index serves it (PEP 658). Stage 7 compares it with what is in the wheel."""
        url = f"{_url_of(file)}.metadata"
        answer = self._client.get(url, {}, most=_LONGEST_METADATA)
        if answer.status != OK:
            raise IndexFault(f"{url} answers {answer.status}")
        if isinstance(file.metadata, str) and _sha256(answer.body) != file.metadata:
            raise IndexFault(f"{url} has another content than the index says")
        return answer.body

    def _near_the_end(self, file: File) -> bytes | None:
        """METADATA out of a wheel of which only the end is fetched; None if it is not there, or not whole."""
        tail = {"Range": f"bytes=-{_TAIL}", "Accept-Encoding": "identity"}
        answer = self._client.get(_url_of(file), tail, most=_TAIL)
        return _metadata_in(io.BytesIO(answer.body)) if answer.status == PARTIAL else None

    def _wheel_now(self, file: File) -> Wheel:
        """In this thread, if nobody has begun."""
        with self._lock:
            begun = self._begun.get(_key_of_wheel(file))
            if begun is None or begun.cancel():
                mine = Awaited[object]()
                mine.set_running_or_notify_cancel()  # nobody else is to begin it
                self._begun[_key_of_wheel(file)] = mine
            else:
                return begun.result()  # type: ignore[return-value]
        try:
            wheel = self._wheel(file)
        except BaseException as error:
            mine.set_exception(error)
            raise
        mine.set_result(wheel)
        return wheel

    def _wheel(self, file: File) -> Wheel:
        if kept := self._store.find(_wanted(file)):
            return Wheel(kept.path, _url_of(file), is_cached=True)
        path = self._destination / file.sha256 / file.filename  # of the same name there may be another one elsewhere
        if not self._client.download(_url_of(file), path, file.sha256, file.size, lambda: file not in self._dropped):
            raise LeftToPip(f"{file} is not needed")
        if not file.metadata and _is_large(file):
            self._check_its_end(file, path)
        self._downloaded.append((file, path))
        self._arrived(path)
        return Wheel(path, _url_of(file), is_cached=False)

    def _check_its_end(self, file: File, wheel: Path) -> None:
        """Check a wheel against what was fetched of its end alone, which no hash holds."""
        known, content = self._store.metadata(file.sha256), _metadata_in(wheel)
        if content is not None and known != content:
            self._keep_metadata(file, content)
            if known is not None:
                raise LeftToPip(f"the end of {file.filename} is not that of the wheel")


def _page_as_text(etag: str, url: str, files: Sequence[File]) -> str:
    content = json.dumps([etag, url, [file[:-1] for file in files]])
    return f"{_sha256(content.encode())}\n{content}"


def _page_from_text(text: str | None) -> tuple[str | None, Sequence[File] | None]:
    """The ETag of a page in the store, and its candidates; None if it is damaged."""
    digest, _, content = (text or "").partition("\n")
    try:
        if digest == _sha256(content.encode()):
            etag, url, rows = json.loads(content)
            return etag, [File(*row)._replace(build=tuple(row[8]), page=url) for row in rows]
    except (TypeError, ValueError, IndexError):
        pass
    return None, None


def _key_of_wheel(file: File) -> Hashable:
    """By content: several indexes may have the same."""
    return ("wheel", file.sha256, file.filename)


def _url_of(file: File) -> str:
    """Where a file is. Raises `LeftToPip` if that is less secure than its page."""
    try:
        url = urljoin(file.page, file.link).partition("#")[0]
        check_secure(url, file.page)
    except ValueError:
        raise LeftToPip(f"{file.page} has a malformed URL") from None
    return url


def _wanted(file: File) -> WantedWheel:
    """Raises `LeftToPip` if the index states no SHA-256, or the file's name is not safe in a path."""
    wanted = WantedWheel(file.name, file.version_text, file.filename, file.sha256)
    if not wanted.is_plain:
        raise LeftToPip(f"the index states no SHA-256 of {file.filename}")
    return wanted


def _is_large(file: File) -> bool:
    return bool(file.size and file.size > SMALL)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _metadata_in(wheel: Path | io.BytesIO) -> bytes | None:
    """METADATA of a wheel, or of its end; None if it is not there or cannot be read."""
    try:
        with zipfile.ZipFile(wheel) as archive:  # it corrects the offsets by what is missing at the beginning
            info = next(info for info in archive.infolist() if _METADATA_PATH.fullmatch(info.filename))
            is_here = info.header_offset >= 0 and info.file_size <= _LONGEST_METADATA
            return archive.read(info) if is_here else None
    except (*ZIP_ERRORS, OSError, RuntimeError, StopIteration):
        return None

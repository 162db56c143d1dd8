"""Fetching by HTTP, with one pool of connections."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import os
import socket
import ssl
import threading
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from urllib.parse import urljoin, urlsplit
from weakref import WeakSet

from urllib3 import PoolManager, Retry, Timeout, exceptions

from hatch_lambda.resolve.finder import IndexFault, LeftToPip
from hatch_lambda.resolve.finder.indexes import is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import BinaryIO

    from urllib3 import BaseHTTPResponse, HTTPConnectionPool
    from urllib3.connection import HTTPConnection

    from hatch_lambda.resolve.finder.indexes import Indexes

Result = TypeVar("Result")

WORKERS = 10
"""Each may hold a page of many megabytes."""
_PAUSES = (0.25, 1.0)
"""Seconds before a request is retried. If the index fails for longer, pip retries as often as it is configured to."""
_REDIRECTS = 10
_PIECE = 256 * 1024
_RETRIED = frozenset({500, 502, 503, 520, 527})  # as pip does (`PipSession`), and others that say when to retry
_LONGEST_WAIT = 30
"""Seconds that `Retry-After` may ask for."""
_LONGEST_WHEEL = 4_000_000_000
"""Bytes, where the index states no size."""
OK, PARTIAL, NOT_MODIFIED, NOT_FOUND = 200, 206, 304, 404


class Answer(NamedTuple):
    """What a server has sent. `headers`: by lower-case name. `url`: after redirects."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


class Client:
    """Fetches from indexes. All errors of the network and of servers raise `LeftToPip`."""

    def __init__(self, ways: Indexes, user_agent: str) -> None:
        self._ways = ways
        self._user_agent = user_agent
        self._lock = threading.Lock()
        self._sockets = WeakSet[socket.socket]()
        self.stopped = threading.Event()

    def get(self, url: str, headers: Mapping[str, str], *, most: int) -> Answer:
        """`most`: bytes of the body, decoded. If a range is asked for and not supported, the body is empty."""

        def read(answer: BaseHTTPResponse, final_url: str) -> Answer:
            is_whole_instead = "Range" in headers and answer.status == OK
            body = bytearray()
            while not is_whole_instead and (piece := answer.read(_PIECE, decode_content=True)):
                body += piece
                if len(body) > most:
                    raise IndexFault(f"{url} has more than {most} bytes")
            lower = {name.lower(): value for name, value in answer.headers.items()}
            return Answer(answer.status, lower, bytes(body), final_url)

        return self._repeat(url, {"Accept-Encoding": "gzip", **headers}, read)

    def download(self, url: str, path: Path, sha256: str, size: int | None, is_wanted: Callable[[], bool]) -> bool:
        """Download a file with this hash and size; False if it is not wanted any more."""

        def save(answer: BaseHTTPResponse, _final_url: str) -> bool:
            if answer.status != OK:
                raise IndexFault(f"{url} answers {answer.status}")
            digest, length = hashlib.sha256(), 0
            with self._create(path) as file:
                while length <= (_LONGEST_WHEEL if size is None else size):
                    piece = answer.read(_PIECE, decode_content=False)
                    if not piece:
                        break
                    if not is_wanted():
                        return False
                    length += len(piece)
                    digest.update(piece)
                    file.write(piece)
            if digest.hexdigest() != sha256 or size not in {None, length}:
                raise IndexFault(f"{url} has another content than the index says")
            return True

        return self._repeat(url, {"Accept-Encoding": "identity"}, save)

    def stop(self) -> None:
        """From now on nothing is fetched, and no file is created. What is being read breaks off."""
        with self._lock:
            self.stopped.set()
            for each in self._sockets:
                with contextlib.suppress(OSError):  # not connected any more
                    socket.socket.shutdown(each, socket.SHUT_RDWR)  # not TLS's own, which is for the reading thread

    def close(self) -> None:
        """Close the connections that are not in use."""
        with self._lock:
            if "_made_pool" in vars(self):
                self._made_pool.clear()

    def _create(self, path: Path) -> BinaryIO:
        with self._lock:  # so that no directory is created when it was removed
            self._go_on()
            path.parent.mkdir(parents=True, exist_ok=True)
            return path.open("wb")

    def _go_on(self) -> None:
        if self.stopped.is_set():
            raise LeftToPip("stopped")

    def _repeat(self, url: str, headers: Mapping[str, str], read: Callable[[BaseHTTPResponse, str], Result]) -> Result:
        """Ask until there is an answer. What has timed out or cannot be reached is left to pip, which waits as long."""
        for pause in (*_PAUSES[: self._ways.retries], None):
            try:
                answer, final_url = self._ask(url, {"User-Agent": self._user_agent, **headers})
                with answer:
                    wait = None if pause is None else self._wait_before_retry(answer, pause)
                    if wait is None:
                        result = read(answer, final_url)
                        self._go_on()  # else it may be cut off
                        return result
            except (exceptions.HTTPError, OSError, ValueError) as error:  # the latter of malformed URLs and headers
                if pause is None or isinstance(error, (exceptions.TimeoutError, ValueError)):
                    raise IndexFault(f"{url} cannot be fetched: {error}") from None
                wait = pause
            self.stopped.wait(wait)
        raise AssertionError

    def _wait_before_retry(self, answer: BaseHTTPResponse, pause: float) -> float | None:
        """Seconds; None if the answer is final. Raises `LeftToPip` if they are too many."""
        wait = Retry().get_retry_after(answer) if answer.status in Retry.RETRY_AFTER_STATUS_CODES else None
        if wait is not None and wait > _LONGEST_WAIT:
            raise IndexFault(f"{answer.url} asks to wait for {wait:.0f} seconds")
        return pause if wait is None and answer.status in _RETRIED else wait

    def _ask(self, url: str, headers: Mapping[str, str]) -> tuple[BaseHTTPResponse, str]:
        """The answer after redirects, and its URL; the body is still to be read."""
        for _ in range(_REDIRECTS):
            self._go_on()
            answer = self._pool.request(
                "GET", url, headers=headers, redirect=False, retries=False, preload_content=False
            )
            location = answer.get_redirect_location()
            if not location:
                return answer, url
            with answer:
                answer.read(_PIECE, decode_content=False)  # the connection of a short one can be used again
            target = urljoin(url, location)
            check_secure(target, url)
            url = target
        raise IndexFault(f"{url} redirects without end")

    @property
    def _pool(self) -> PoolManager:
        with self._lock:
            return self._made_pool

    @cached_property
    def _made_pool(self) -> PoolManager:
        is_secure = self._ways.certificates or any(url.startswith("https:") for url in self._ways.urls)
        pool = PoolManager(
            maxsize=WORKERS,
            timeout=Timeout(self._ways.timeout),
            ssl_context=self._ssl_context() if is_secure else None,
        )
        pool.pool_classes_by_scheme = {
            scheme: self._with_our_connections(kind) for scheme, kind in pool.pool_classes_by_scheme.items()
        }
        return pool

    def _with_our_connections(self, pool: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
        """Whose sockets we know, as urllib3 offers no way to stop what is being read."""

        def connect(connection: HTTPConnection) -> None:
            pool.ConnectionCls.connect(connection)
            with self._lock:
                self._go_on()
                if connection.sock:
                    self._sockets.add(connection.sock)

        ours = type("_Connection", (pool.ConnectionCls,), {"connect": connect})
        return type(pool.__name__, (pool,), {"ConnectionCls": ours})

    def _ssl_context(self) -> ssl.SSLContext:
        given = self._ways.certificates
        try:
            if given and os.path.isdir(given):  # noqa: PTH112 - may be any text
                return ssl.create_default_context(capath=given)
            context = ssl.create_default_context(cafile=given)
            if not given and not _has_certificates(context):  # a Python that finds none: those that pip has
                found = importlib.metadata.distribution("pip").locate_file("pip/_vendor/certifi/cacert.pem")
                context.load_verify_locations(str(found))
        except OSError as error:
            raise LeftToPip(f"the certificates cannot be read: {error}") from None
        return context


def _has_certificates(context: ssl.SSLContext) -> bool:
    """OpenSSL reads those in a directory when it needs them, by their hash, and does not count them."""
    directory = ssl.get_default_verify_paths().capath
    by_hash = directory and any(name.endswith(".0") for name in os.listdir(directory))  # noqa: PTH208 - names alone
    return bool(by_hash or context.cert_store_stats()["x509_ca"])


def check_secure(url: str, source: str) -> None:
    """Check where a page or a redirect leads to. Raises `LeftToPip` if it is less secure than where it comes from."""
    target, origin = urlsplit(url), urlsplit(source)
    if "@" in target.netloc or target.scheme not in {"http", "https"}:
        raise LeftToPip(f"{source} leads to a URL that is no plain one")
    if target.scheme == "http" and not (origin.scheme == "http" and is_loopback(target.hostname or "")):
        raise LeftToPip(f"{source} leads to a URL without TLS")

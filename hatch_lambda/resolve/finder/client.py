"""Fetching by HTTP: one pool of connections, and workers that do what is most urgent first."""

from __future__ import annotations

import hashlib
import itertools
import os
import queue
import threading
from concurrent.futures import Future
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import urljoin, urlsplit

from hatch_lambda.resolve.finder import LeftToPip
from hatch_lambda.resolve.finder.indexes import is_loopback

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from typing_extensions import Self
    from urllib3 import BaseHTTPResponse, PoolManager

    from hatch_lambda.resolve.finder.indexes import Indexes

Result = TypeVar("Result")

WORKERS = 16
_ATTEMPTS = 3  # of an answer that breaks off
_RETRIES = 2  # of pip's five: if the index fails for long, pip tries again
_REDIRECTS = 10
_PIECE = 256 * 1024
# As pip retries (`PipSession`); urllib3 adds 413, 429 and 503 if they say when to retry.
_RETRIED = (500, 502, 503, 520, 527)
_LONGEST_WAIT = 30
"""Seconds that `Retry-After` may ask for."""
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
        self.stopped = threading.Event()

    def get(self, url: str, headers: Mapping[str, str], *, most: int) -> Answer:
        """`most`: bytes of the body, decoded."""

        def read(answer: BaseHTTPResponse, final_url: str) -> Answer:
            body = answer.read(most + 1, decode_content=True)
            if len(body) > most:
                answer.close()
                raise LeftToPip(f"{url} has more than {most} bytes")
            lower = {name.lower(): value for name, value in answer.headers.items()}
            return Answer(answer.status, lower, body, final_url)

        return self._repeat(url, headers, read)

    def download(self, url: str, path: Path, sha256: str, size: int | None, is_wanted: Callable[[], bool]) -> bool:
        """Download a file with this hash and size; False if it is not wanted any more."""

        def save(answer: BaseHTTPResponse, _final_url: str) -> bool:
            if answer.status != OK:
                raise LeftToPip(f"{url} answers {answer.status}")
            digest, length = hashlib.sha256(), 0
            with path.open("wb") as file:
                while piece := answer.read(_PIECE, decode_content=False):
                    length += len(piece)
                    if not is_wanted() or self.stopped.is_set():
                        answer.close()
                        return False
                    if size is not None and length > size:
                        break
                    digest.update(piece)
                    file.write(piece)
            if digest.hexdigest() != sha256 or size not in {None, length}:
                answer.close()
                path.unlink()
                raise LeftToPip(f"{url} has another content than the index says")
            return True

        return self._repeat(url, {"Accept-Encoding": "identity"}, save)

    def _repeat(self, url: str, headers: Mapping[str, str], read: Callable[[BaseHTTPResponse, str], Result]) -> Result:
        from urllib3.exceptions import HTTPError

        for attempt in itertools.count(1):
            try:
                answer, final_url = self._ask(url, {"User-Agent": self._user_agent, **headers})
                with answer:
                    return read(answer, final_url)
            except (HTTPError, OSError) as error:
                # What could not be reached has been retried already.
                if attempt == _ATTEMPTS or type(error).__name__ == "MaxRetryError" or self.stopped.is_set():
                    raise LeftToPip(f"{url} cannot be fetched: {error}") from None
        raise AssertionError

    def _ask(self, url: str, headers: Mapping[str, str]) -> tuple[BaseHTTPResponse, str]:
        """The answer after redirects, and its URL; the body is still to be read."""
        for _ in range(_REDIRECTS):
            if self.stopped.is_set():
                raise LeftToPip("stopped")
            answer = self._pool.request("GET", url, headers=headers, redirect=False, preload_content=False)
            location = answer.get_redirect_location()
            if not location:
                return answer, url
            answer.drain_conn()
            target = urljoin(url, location)
            check_secure(target, url)
            url = target
        raise LeftToPip(f"{url} redirects without end")

    @property
    def _pool(self) -> PoolManager:
        with self._lock:
            return self._made_pool

    @cached_property
    def _made_pool(self) -> PoolManager:
        from urllib3 import PoolManager, Retry, Timeout

        class BoundedRetry(Retry):
            """Leaves it to pip if the server asks for a long wait."""

            def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
                seconds = super().get_retry_after(response)
                if seconds is not None and seconds > _LONGEST_WAIT:
                    raise LeftToPip(f"{response.url} asks to wait for {seconds:.0f} seconds")
                return seconds

        return PoolManager(
            maxsize=WORKERS,
            timeout=Timeout(self._ways.timeout),
            retries=BoundedRetry(min(self._ways.retries, _RETRIES), status_forcelist=_RETRIED, backoff_factor=0.25),
            ssl_context=self._ssl_context() if any(url.startswith("https:") for url in self._ways.urls) else None,
        )

    def _ssl_context(self) -> ssl.SSLContext:
        import ssl

        given = self._ways.certificates
        try:
            if given and os.path.isdir(given):  # noqa: PTH112 - may be any text
                return ssl.create_default_context(capath=given)
            return ssl.create_default_context(cafile=given)
        except OSError as error:
            raise LeftToPip(f"the certificates of {given} cannot be read: {error}") from None


def check_secure(url: str, source: str) -> None:
    """Check where a page or a redirect leads to. Raises `LeftToPip` if it is less secure than where it comes from."""
    target, origin = urlsplit(url), urlsplit(source)
    if "@" in target.netloc or target.scheme not in {"http", "https"}:
        raise LeftToPip(f"{source} leads to a URL that is no plain one")
    if target.scheme == "http" and not (origin.scheme == "http" and is_loopback(target.hostname or "")):
        raise LeftToPip(f"{source} leads to a URL without TLS")


class Workers:
    """Threads that take the most urgent task first. They never keep the interpreter from ending."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._tasks: queue.PriorityQueue[tuple[Any, int, Future[Any], Callable[[], Any]]] = queue.PriorityQueue()
        self._order = itertools.count()
        self._lock = threading.Lock()
        self._idle = 0
        self._threads: list[threading.Thread] = []

    def submit(self, urgency: tuple[int, int], task: Callable[[], Result]) -> Future[Result]:
        """`urgency`: the smallest first."""
        future: Future[Result] = Future()
        if self._client.stopped.is_set():
            future.set_exception(LeftToPip("stopped"))
            return future
        with self._lock:
            self._tasks.put((urgency, next(self._order), future, task))
            if self._tasks.qsize() > self._idle and len(self._threads) < WORKERS:
                self._threads.append(threading.Thread(target=self._work, daemon=True))
                self._threads[-1].start()
        return future

    def _work(self) -> None:
        while True:
            with self._lock:
                self._idle += 1
            _urgency, _order, future, task = self._tasks.get()
            with self._lock:
                self._idle -= 1
            if self._client.stopped.is_set():
                return
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(task())
                except BaseException as error:  # noqa: BLE001 - raised where the result is wanted
                    future.set_exception(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Stop. What is being fetched is dropped at its next piece."""
        self._client.stopped.set()
        for _thread in self._threads:  # wake those that wait for a task
            self._tasks.put(((0, 0), next(self._order), Future(), str))

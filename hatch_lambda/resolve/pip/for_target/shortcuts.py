"""Where pip takes its time over what cannot matter, or tells late what it has.

The result is the same without, so a pip that has no seam for one of these goes without it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
import tempfile
from threading import Thread
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet

from hatch_lambda.resolve.pip.for_target import WHEEL_IS_HERE
from hatch_lambda.resolve.pip.for_target.seams import Findings, override

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def read_certificates_once() -> None:
    """Each connection of pip's reads the same files of certificates into the one TLS context that all of them share.

    That takes longer than many an answer of an index.
    """
    try:
        from pip._vendor.truststore import SSLContext, _api
    except ImportError:
        return
    load, configure = getattr(SSLContext, "load_verify_locations", None), getattr(_api, "_configure_context", None)
    if load is None or configure is None:
        return
    loaded: WeakKeyDictionary[Any, set[object]] = WeakKeyDictionary()
    configured: WeakSet[Any] = WeakSet()

    def load_once(self: Any, cafile: Any = None, capath: Any = None, cadata: Any = None) -> None:
        if (cafile, capath, cadata) not in loaded.setdefault(self, set()):
            load(self, cafile, capath, cadata)
            loaded[self].add((cafile, capath, cadata))

    @contextlib.contextmanager
    def configure_once(context: Any) -> Iterator[None]:
        with contextlib.nullcontext() if context in configured else configure(context):
            configured.add(context)
            yield

    override(SSLContext, "load_verify_locations", load_once)
    if configure.__module__.endswith("._openssl"):  # elsewhere it lasts no longer than a connection is made
        override(_api, "_configure_context", configure_once)


def read_certificates_early() -> None:
    """They can be read while the rest of pip is imported."""
    with contextlib.suppress(ImportError):
        from pip._internal.cli import index_command
        from pip._vendor.truststore import _api

        seams: Any = _api

        def configure(context: Any) -> None:  # as the first connection does, where that has a lasting effect
            with seams._configure_context(context._ctx):  # noqa: SLF001
                pass

        answer_early(index_command, "_create_truststore_ssl_context", and_then=configure)


def ask_for_versions_early() -> None:
    """Pip tells an index what it runs on, for which it asks other programs, `rustc` among them."""
    with contextlib.suppress(ImportError):
        from pip._internal.network import session

        answer_early(session, "user_agent")


def answer_early(owner: Any, name: str, *, and_then: Callable[[Any], object] = lambda _: None) -> None:
    """Have a function called in a thread, so that the result is there when pip calls it.

    `and_then`: what can be done with that at once.
    """
    function = getattr(owner, name, None)
    if function is None:
        return
    results: list[Any] = []

    def call() -> None:
        with contextlib.suppress(Exception):  # pip gets to see it when it calls
            results.append(function())
            and_then(results[0])

    # No daemon: a process that ends while OpenSSL is at work in a thread crashes.
    thread = Thread(target=call)
    thread.start()

    def result() -> Any:
        thread.join()
        return results.pop() if results else function()

    override(owner, name, result)


def show_wheels_at_once(folder: str) -> None:
    """Have each wheel below a folder as soon as it is there, and say so; pip saves what it takes in the end.

    Each is in a folder of its own: of two that have one name, pip may drop the one that came first.
    """
    from pip._internal.network import download

    def show(link: Any, path: str) -> None:
        if not link.is_wheel:
            return
        with contextlib.suppress(OSError):  # where a link cannot be made, it will be looked at in the end
            place = os.path.join(tempfile.mkdtemp(dir=folder), link.filename)  # noqa: PTH118
            os.link(path, place)
            tell_of_wheel(place)

    if one := getattr(download, "Downloader", None):
        fetch = one.__call__

        def fetch_and_tell(self: Any, link: Any, location: Any) -> Any:
            fetched = fetch(self, link, location)
            show(link, fetched[0])
            return fetched

        override(one, "__call__", fetch_and_tell)

    if many := getattr(download, "BatchDownloader", None):  # until pip 25.1
        fetch_each = many.__call__

        def fetch_each_and_tell(self: Any, links: Any, location: Any) -> Iterator[Any]:
            for link, fetched in fetch_each(self, links, location):
                show(link, fetched[0])
                yield link, fetched

        override(many, "__call__", fetch_each_and_tell)


def take_what_the_store_has(folder: str, findings: Findings) -> None:
    """Have pip find wheels that earlier builds have kept, as it finds what it has downloaded before to the same place.

    Neither they nor their metadata are asked for then. Pip's own cache does less: not every index lets it keep
    something there.
    """
    from pip._internal.exceptions import InstallationError
    from pip._internal.operations import prepare
    from pip._internal.utils.hashes import Hashes

    find_download = getattr(prepare, "_check_download_dir", None)
    if find_download is None:
        return

    def kept_wheel(link: Any) -> str | None:
        """A wheel with the very hash that the index says, and with its name, as `Store` has them."""
        sha256 = getattr(link, "_hashes", {}).get("sha256", "")
        if link.is_file or not link.is_wheel or not re.fullmatch("[0-9a-f]{64}", sha256):
            return None
        path = os.path.join(folder, sha256[:2], sha256, link.filename)  # noqa: PTH118
        with contextlib.suppress(OSError):
            os.utime(path)  # by which other builds know that it is in use
        try:
            Hashes({"sha256": [sha256]}).check_against_path(path)
        except (OSError, InstallationError):
            return None
        return path

    def find_kept_too(link: Any, *args: Any, **kwargs: Any) -> Any:
        found = find_download(link, *args, **kwargs)
        if found is None and (found := kept_wheel(link)) and found not in findings.kept:
            findings.kept.add(found)
            logging.getLogger(prepare.__name__).info("Using %s, kept from an earlier build", link.filename)
            tell_of_wheel(found)
        return found

    override(prepare, "_check_download_dir", find_kept_too)


def tell_of_wheel(path: str) -> None:
    sys.stdout.write(f"{WHEEL_IS_HERE}{path}\n")
    sys.stdout.flush()

"""Package indexes by HTTP, over a folder of wheels and sdists."""

from __future__ import annotations

import base64
import functools
import hashlib
import html
import json
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import unquote

from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType


class SimpleIndex:
    """The pages of PEP 503 over a folder: `with SimpleIndex(folder) as index:` serves it at `index.url`.

    `credentials`: user name and password as a URL has them, quoted; `index.url` has them in it. `as_json`: the pages
    of PEP 691, with the metadata of PEP 658; `yanked`: which of its files are, and why (PEP 592). `page`: what else a
    project's page is, by folder and name; `Location: …` redirects.
    """

    def __init__(
        self,
        folder: Path,
        credentials: tuple[str, str] | None = None,
        *,
        as_json: bool = False,
        yanked: Mapping[str, str | bool] = MappingProxyType({}),
        page: Callable[[Path, str], str] | None = None,
    ) -> None:
        self._credentials = credentials
        page = page or (functools.partial(json_page, yanked=yanked) if as_json else project_page)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(folder, credentials, page))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def _origin(self) -> str:
        login = "{}:{}@".format(*self._credentials) if self._credentials else ""
        return f"http://{login}127.0.0.1:{self._server.server_port}"

    @property
    def url(self) -> str:
        return f"{self._origin}/simple"

    def file_url(self, filename: str) -> str:
        return f"{self._origin}/files/{filename}"

    def __enter__(self) -> SimpleIndex:  # noqa: PYI034 - `Self` is newer than Python 3.10
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _handler(
    folder: Path, credentials: tuple[str, str] | None, project_page: Callable[[Path, str], str]
) -> type[BaseHTTPRequestHandler]:
    expected = None
    if credentials:
        login = ":".join(map(unquote, credentials)).encode()
        expected = f"Basic {base64.b64encode(login).decode()}"

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if expected and self.headers.get("Authorization") != expected:
                self.answer(401, b"")
                return
            place, _, name = self.path.strip("/").partition("/")
            file = folder / name
            if place == "simple" and (page := project_page(folder, name)):
                self.answer(200, page.encode(), _content_type(page))
            elif place == "files" and file.is_file():
                self.answer(200, file.read_bytes(), "application/octet-stream")
            elif place == "files" and file.suffix == ".metadata":
                self.answer(200, metadata_of(file.with_suffix("")).encode(), "application/octet-stream")
            else:
                self.answer(404, b"")

        def answer(self, status: int, body: bytes, content_type: str = "text/html") -> None:
            location = body.decode().removeprefix("Location: ") if body.startswith(b"Location: ") else None
            self.send_response(302 if location else status)
            self.send_header("Location", location or self.path)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            if status == 401:
                self.send_header("WWW-Authenticate", 'Basic realm="x"')
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as it is called there
            """Keep the tests' output clean."""

    return Handler


def _content_type(page: str) -> str:
    return "application/vnd.pypi.simple.v1+json" if page.startswith(("{", "[")) else "text/html"


def project_page(folder: Path, name: str) -> str:
    return "".join(
        f'<a href="../../files/{path.name}#sha256={hashlib.sha256(path.read_bytes()).hexdigest()}" '
        f'data-requires-python="{html.escape(_requires_python(path))}">{path.name}</a><br>'
        for path in sorted(folder.iterdir())
        if canonicalize_name(path.name.split("-")[0]) == name
    )


def json_page(folder: Path, name: str, yanked: Mapping[str, str | bool] = MappingProxyType({})) -> str:
    files = [
        {
            "filename": path.name,
            "url": f"../../files/{path.name}",
            "hashes": {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()},
            "requires-python": _requires_python(path) or None,
            "core-metadata": path.suffix == ".whl",
            "yanked": yanked.get(path.name, False),
        }
        for path in sorted(folder.iterdir())
        if canonicalize_name(path.name.split("-")[0]) == name
    ]
    return json.dumps({"meta": {"api-version": "1.0"}, "name": name, "files": files}) if files else ""


def _requires_python(path: Path) -> str:
    if path.suffix != ".whl":
        return ""
    lines = metadata_of(path).splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("Requires-Python")), "")


def metadata_of(wheel: Path) -> str:
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))).decode()

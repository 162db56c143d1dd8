"""What all tests share: an environment without the outside world, and an index in a folder."""

from __future__ import annotations

import base64
import functools
import hashlib
import html
import json
import os
import tempfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest
from packaging.utils import canonicalize_name
from projects import HOOK, PACKAGE, NewProject, Project, write_project

from hatch_lambda import pipeline
from hatch_lambda.common.ui import Reporter
from hatch_lambda.config.request import Request
from hatch_lambda.config.settings import load

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType

    from hatch_lambda.bundle.files import Bundle


# By these the logs of CI are folded, and have lines for that.
CONTINUOUS_INTEGRATION = frozenset({"CI", "GITHUB_ACTIONS", "GITLAB_CI", "TF_BUILD", "BUILDKITE"})


@pytest.fixture(autouse=True)
def _no_ambient_settings(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Only tests that are marked to need the index get the machine's own settings of pip and uv."""
    for name in list(os.environ):
        if name.startswith(("HATCH_", "SOURCE_DATE_EPOCH")) or name in CONTINUOUS_INTEGRATION:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HATCH_LAMBDA_CACHE_DIR", str(tmp_path / "lambda-cache"))
    if request.node.get_closest_marker("index"):
        return
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)  # `--isolated` still reads the machine's file
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CACHE_DIR", str(tmp_path / "pip-cache"))
    monkeypatch.setenv("TMPDIR", str(_folder(tmp_path / "tmp")))
    monkeypatch.setattr(tempfile, "tempdir", None)  # it remembers what TMPDIR was before


def _folder(path: Path) -> Path:
    path.mkdir(exist_ok=True)
    return path


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels and sdists: all that pip finds."""
    folder = _folder(tmp_path / "index")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def new_project(project_root: Path) -> NewProject:
    """Write a project. `tool`: the tables below `[tool]`; `project`: further lines of the `[project]` table."""

    def write(tool: str = HOOK, *, project: str = "", files: Mapping[str, str | bytes] = PACKAGE) -> Project:
        return write_project(project_root, tool, project, files)

    return write


class RecordingUI:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.errors: list[str] = []

    def status(self, message: str) -> None:
        self.lines.append(message)

    def error(self, message: str) -> None:
        self.errors.append(message)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@pytest.fixture
def ui() -> RecordingUI:
    return RecordingUI()


@pytest.fixture
def project_root(tmp_path: Path) -> Path:
    return _folder(tmp_path / "project")


@pytest.fixture
def bundle_of(index: Path, project_root: Path, ui: RecordingUI) -> Callable[..., Bundle]:
    """`bundle_of("foo>=1", runtime=…, architecture=…, …)`: run the nine stages over the local index."""
    del index

    def run(*requirements: str, verbose: bool = False, **table: object) -> Bundle:
        table = {key.replace("_", "-"): value for key, value in table.items()}
        settings = load({"runtime": "python3.13", **table}, project_root, environ={})
        request = Request(settings, settings.bundle_directory, subject="orders", requirements=requirements)
        return pipeline.run(request, Reporter(ui, verbose=verbose))

    return run


@pytest.fixture
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    """Put a `cc` first on PATH that "compiles" to given bytes; builds see no other one."""

    def install(output: bytes) -> None:
        folder = _folder(tmp_path / "compiler")
        (folder / "output").write_bytes(output)
        program = folder / "cc"
        program.write_text(f'#!/bin/sh\ncp "{folder / "output"}" "$2"\n', encoding="utf-8")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.delenv("CC", raising=False)

    return install


class SimpleIndex:
    """The pages of PEP 503 over a folder: `with SimpleIndex(folder) as index:` serves it at `index.url`.

    `credentials`: user name and password as a URL has them, quoted; `index.url` has them in it. `as_json`: the pages
    of PEP 691, with the metadata of PEP 658, of which the files in `yanked` are yanked (PEP 592). `page`: what else a
    project's page is, by folder and name.
    """

    def __init__(
        self,
        folder: Path,
        credentials: tuple[str, str] | None = None,
        *,
        as_json: bool = False,
        yanked: frozenset[str] = frozenset(),
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


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> type[SimpleIndex]:
    """Indexes by HTTP, for a pip that may use them."""
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/nobody-here")  # whoever forgets to name one
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return SimpleIndex


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
                kind = "application/vnd.pypi.simple.v1+json" if page.startswith(("{", "[")) else "text/html"
                self.answer(200, page.encode(), kind)
            elif place == "files" and file.is_file():
                self.answer(200, file.read_bytes(), "application/octet-stream")
            elif place == "files" and file.suffix == ".metadata":
                self.answer(200, _metadata(file.with_suffix("")).encode(), "application/octet-stream")
            else:
                self.answer(404, b"")

        def answer(self, status: int, body: bytes, content_type: str = "text/html") -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            if status == 401:
                self.send_header("WWW-Authenticate", 'Basic realm="x"')
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as it is called there
            """Keep the tests' output clean."""

    return Handler


def project_page(folder: Path, name: str) -> str:
    return "".join(
        f'<a href="../../files/{path.name}#sha256={hashlib.sha256(path.read_bytes()).hexdigest()}" '
        f'data-requires-python="{html.escape(_requires_python(path))}">{path.name}</a><br>'
        for path in sorted(folder.iterdir())
        if canonicalize_name(path.name.split("-")[0]) == name
    )


def json_page(folder: Path, name: str, yanked: frozenset[str] = frozenset()) -> str:
    files = [
        {
            "filename": path.name,
            "url": f"../../files/{path.name}",
            "hashes": {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()},
            "requires-python": _requires_python(path) or None,
            "core-metadata": path.suffix == ".whl",
            "yanked": path.name in yanked,
        }
        for path in sorted(folder.iterdir())
        if canonicalize_name(path.name.split("-")[0]) == name
    ]
    return json.dumps({"meta": {"api-version": "1.0"}, "name": name, "files": files}) if files else ""


def _requires_python(path: Path) -> str:
    if path.suffix != ".whl":
        return ""
    lines = _metadata(path).splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("Requires-Python")), "")


def _metadata(wheel: Path) -> str:
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))).decode()

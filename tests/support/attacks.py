"""Wheels, sdists and indexes that attack a build."""

from __future__ import annotations

import base64
import hashlib
import io
import sys
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest

from tests.support.packages import metadata, record, source_files

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


UNIX = pytest.mark.skipif(sys.platform == "win32", reason="symbolic links and names that Windows does not know")
HERE = "python{}.{}".format(*sys.version_info)
FOO_WHEEL = "foo-1.0-py3-none-any.whl"
INFO = "foo-1.0.dist-info"
MANYLINUX = "cp313-cp313-manylinux_2_28_x86_64"
SPEED = "foo/_speed.cpython-313-x86_64-linux-gnu.so"


def good_files(more: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
    return {
        "foo.py": b"VERSION = '1.0'\n" * 20,
        f"{INFO}/METADATA": metadata("foo", "1.0").encode(),
        f"{INFO}/WHEEL": b"Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        **(more or {}),
    }


def write_wheel(
    folder: Path,
    files: Mapping[str, bytes] | None = None,
    *entries: tuple[zipfile.ZipInfo | str, bytes],
    recorded: str | None = None,
) -> Path:
    """A wheel of these files and entries, all of them in RECORD unless another one is given."""
    files = good_files() if files is None else files
    names = {entry if isinstance(entry, str) else entry.filename: content for entry, content in entries}
    path = folder / FOO_WHEEL
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry, content in [*files.items(), *entries]:
            archive.writestr(entry, content)
        text = record({**files, **names}, f"{INFO}/RECORD") if recorded is None else recorded
        archive.writestr(f"{INFO}/RECORD", text)
    return path


_FORGING = """

FORGED = {forged!r}


def build_wheel(directory, config_settings=None, metadata_directory=None):
    import base64
    for filename, content in FORGED.items():
        path = pathlib.Path(directory, filename)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(content))
    return {returned!r}
"""


def make_forging_sdist(folder: Path, name: str, forged: Mapping[str, bytes], returned: str | None = None) -> Path:
    """An sdist of `name` 1.0 by its metadata, whose backend "builds" the given files, by their names."""
    files = source_files(name)
    encoded = {filename: base64.b64encode(content).decode() for filename, content in forged.items()}
    files["backend.py"] += _FORGING.format(forged=encoded, returned=returned or next(iter(forged)))
    return pack_sdist(folder, name, files)


def pack_sdist(folder: Path, name: str, files: Mapping[str, str]) -> Path:
    """An sdist of `name` 1.0 with these files."""
    path = folder / f"{name}-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for filename, text in files.items():
            entry = tarfile.TarInfo(f"{name}-1.0/{filename}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return path


class Liar:
    """An index whose files need not be what its pages say: `with Liar({filename: (content, hash)}) as url:`."""

    def __init__(self, files: Mapping[str, tuple[bytes, str]]) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = unquote(self.path.strip("/").rpartition("/")[2])
                page = "".join(
                    f'<a href="/files/{file}#sha256={sha256}">{file}</a>'
                    for file, (_, sha256) in files.items()
                    if file.startswith(f"{name}-")
                )
                body = files[name][0] if name in files else page.encode()
                self.send_response(200 if body else 404)
                self.send_header("Content-Type", "application/octet-stream" if name in files else "text/html")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as it is called there
                """Keep the tests' output clean."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> str:
        self._thread.start()
        return f"http://127.0.0.1:{self._server.server_port}/simple"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def requirements(root: Path, *lines: str) -> dict[str, list[str]]:
    (root / "requirements.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return {"requirements": ["requirements.txt"]}


def other_sha256(content: bytes = b"what was meant") -> str:
    return hashlib.sha256(content).hexdigest()

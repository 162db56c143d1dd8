"""What all tests share: an environment without the outside world, and an index in a folder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from hatch_lambda import pipeline
from hatch_lambda.settings import load
from hatch_lambda.ui import Reporter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hatch_lambda.bundle import Bundle


@pytest.fixture(autouse=True)
def _no_ambient_settings(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Only tests that are marked to need the index get the machine's own settings of pip and uv."""
    for name in list(os.environ):
        if name.startswith(("HATCH_", "SOURCE_DATE_EPOCH")):
            monkeypatch.delenv(name)
    if request.node.get_closest_marker("index"):
        return
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)  # `--isolated` still reads the machine's file
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CACHE_DIR", str(tmp_path / "pip-cache"))
    monkeypatch.setenv("TMPDIR", str(_folder(tmp_path / "tmp")))


def _folder(path: Path) -> Path:
    path.mkdir(exist_ok=True)
    return path


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels and sdists: all that pip finds."""
    folder = _folder(tmp_path / "index")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


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
        return pipeline.run(
            settings,
            settings.bundle_directory,
            subject="orders",
            requirements=requirements,
            reporter=Reporter(ui, verbose=verbose),
        )

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

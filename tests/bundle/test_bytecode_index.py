"""Bytecode of distributions as they are on the index."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from hatch_lambda import pipeline
from hatch_lambda.bundle.bytecode import compile_bundle
from hatch_lambda.common.target import RUNTIMES
from hatch_lambda.common.ui import Reporter
from hatch_lambda.config.request import Request
from hatch_lambda.config.tables import load
from hatch_lambda.wheels.store import user_store
from hatch_lambda.zip import writer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.recording_ui import RecordingUI

RUNNING = "python{}.{}".format(*sys.version_info)

pytestmark = [
    pytest.mark.index,
    pytest.mark.skipif(
        RUNNING not in RUNTIMES or sys.platform != "linux", reason="what is compiled is imported as Lambda would"
    ),
]

# What of each is imported, which in turn imports most of the rest.
IMPORTS = {"pydantic": "pydantic", "boto3": "boto3.session, botocore.client", "anyio": "anyio.abc"}


def test_they_are_imported_without_their_sources(project_root: Path, ui: RecordingUI, tmp_path: Path) -> None:
    settings = load({"runtime": RUNNING}, project_root, environ={})
    request = Request(settings, settings.bundle_directory, subject="orders", requirements=tuple(IMPORTS))
    bundle = pipeline.run(request, Reporter(ui))
    store = user_store(settings.fallback_store)

    made = compile_bundle(bundle.files, bundle.wheels, settings, store)
    shutil.rmtree(store.root / "bytecode")
    again = compile_bundle(reversed(bundle.files), bundle.wheels[::-1], settings, store)

    assert made.files == again.files
    assert [file.source.read() for file in made.files] == [file.source.read() for file in again.files]
    with zipfile.ZipFile(
        writer.write(tmp_path / "function.zip", made.added_to(bundle.files, settings).files).path
    ) as zipped:
        zipped.extractall(tmp_path / "task")
    for source in (tmp_path / "task").rglob("*.py"):
        source.write_text("raise RuntimeError('compiled anew')\n", encoding="utf-8")
    statement = f"import sys; sys.path.insert(0, {str(tmp_path / 'task')!r}); import {', '.join(IMPORTS.values())}"
    finished = subprocess.run(
        [sys.executable, "-I", "-S", "-c", statement], capture_output=True, text=True, check=False
    )
    assert finished.stderr == ""
    assert finished.returncode == 0

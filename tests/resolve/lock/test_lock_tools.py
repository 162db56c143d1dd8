"""Lock files of other tools."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hatch_lambda import pipeline
from hatch_lambda.common.ui import Reporter
from hatch_lambda.config.request import Request
from hatch_lambda.config.tables import load
from hatch_lambda.resolve.lock.read import LockFileError
from tests.support.example_project import EXAMPLE, NOT_SOURCES
from tests.support.locks import HERE, LOCK, distributions

if TYPE_CHECKING:
    from collections.abc import Callable

    from hatch_lambda.bundle.files import Bundle
    from tests.support.recording_ui import RecordingUI

    BundleOf = Callable[..., Bundle]
    Table = dict[str, Any]


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """A copy of the example project, with a dependency more that differs from Python to Python."""
    shutil.copytree(EXAMPLE, tmp_path / "project", ignore=shutil.ignore_patterns(*NOT_SOURCES), dirs_exist_ok=True)
    return tmp_path / "project"


ASKED = ("luhn>=0.2", "pydantic>=2.10")
NAMES = {"annotated-types", "luhn", "pydantic", "pydantic-core", "typing-extensions", "typing-inspection"}


def names(bundle: Bundle) -> set[str]:
    return {distribution.partition(" ")[0] for distribution in distributions(bundle)}


@pytest.mark.index
class TestOtherToolsLocks:
    def test_uv_locks_for_all_targets_at_once(self, example: Path, plain_bundle_of: BundleOf) -> None:
        uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        if uv is None:
            pytest.skip("uv is not there")
        command = [uv, "export", "--quiet", "--format", "pylock.toml", "--output-file", LOCK]
        subprocess.run(command, cwd=example, check=True, capture_output=True)
        arm = plain_bundle_of(*ASKED, runtime="python3.13", architecture="arm64", lock_file=LOCK)
        assert names(arm) == NAMES
        assert [path.name for path in arm.directory.glob("pydantic_core/*.so")] == [
            "_pydantic_core.cpython-313-aarch64-linux-gnu.so"
        ]
        intel = plain_bundle_of(*ASKED, runtime="python3.11", architecture="x86_64", lock_file=LOCK)
        assert names(intel) == NAMES
        assert [path.name for path in intel.directory.glob("pydantic_core/*.so")] == [
            "_pydantic_core.cpython-311-x86_64-linux-gnu.so"
        ]

    def test_pip_locks_for_where_it_runs(self, example: Path, plain_bundle_of: BundleOf) -> None:
        command = [sys.executable, "-m", "pip", "lock", "--quiet", *ASKED, "--output", LOCK]
        ended = subprocess.run(command, cwd=example, check=False, capture_output=True, text=True)
        if "unknown command" in ended.stderr:
            pytest.skip("this pip cannot lock")
        assert ended.returncode == 0, ended.stderr
        with pytest.raises(LockFileError) as caught:
            plain_bundle_of(*ASKED, runtime="python3.14" if HERE != "python3.14" else "python3.13", lock_file=LOCK)
        assert "pydantic-core" in str(caught.value)
        assert "`pip lock` locks for the machine that it runs on" in str(caught.value)
        if sys.platform == "linux" and os.uname().machine == "x86_64":
            assert names(plain_bundle_of(*ASKED, runtime=HERE, lock_file=LOCK)) == NAMES


@pytest.fixture
def plain_bundle_of(project_root: Path, ui: RecordingUI) -> BundleOf:
    """`bundle_of` without a local index."""

    def run(*requirements: str, **table: object) -> Bundle:
        table = {key.replace("_", "-"): value for key, value in table.items()}
        settings = load({"python": sys.executable, **table}, project_root, environ={})
        request = Request(settings, settings.bundle_directory, subject="orders", requirements=requirements)
        return pipeline.run(request, Reporter(ui))

    return run

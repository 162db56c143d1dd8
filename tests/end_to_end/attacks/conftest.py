"""What attacks on a build share."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from hatch_lambda import pipeline
from hatch_lambda.common.ui import Reporter
from hatch_lambda.config.request import Request
from hatch_lambda.config.tables import load
from hatch_lambda.resolve.audit import check_closure
from tests.support.attacks import make_forging_sdist
from tests.support.packages import make_wheel
from tests.support.projects import BUNDLE, HOOK, PACKAGE, Project, write_project
from tests.support.situation import closure_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from hatch_lambda.bundle.files import Bundle
    from tests.support.recording_ui import RecordingUI


@pytest.fixture
def as_it_was(project_root: Path, tmp_path: Path) -> Callable[[], None]:
    """Lay out something like a former bundle; gives the check that nothing has changed and nothing is left behind."""
    former = project_root / BUNDLE / "former.py"
    former.parent.mkdir(parents=True)
    former.write_text("FORMER = True\n", encoding="utf-8")

    def check() -> None:
        assert {path: path.read_bytes() for path in project_root.rglob("*") if path.is_file()} == {
            former: b"FORMER = True\n"
        }
        assert list((tmp_path / "tmp").iterdir()) == []
        assert list((tmp_path / "lambda-cache").rglob(".part-*")) == []

    return check


@pytest.fixture
def project(project_root: Path) -> Callable[..., Project]:
    """`project("foo>=1", tool=…, files=…)`: a project that depends on it."""

    def write(*dependencies: str, tool: str = HOOK, files: Mapping[str, str | bytes] = PACKAGE) -> Project:
        return write_project(project_root, tool, f"dependencies = {json.dumps(dependencies)}", files)

    return write


@pytest.fixture
def stage_7(
    project_root: Path, ui: RecordingUI, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Bundle]:
    """`stage_7(wheel, …)`: build with these wheels as what stages 1 to 6 have found, without a pip."""
    (tmp_path / "tmp").mkdir(exist_ok=True)

    def run(*wheels: Path) -> Bundle:
        found = closure_of(wheels)
        monkeypatch.setattr(pipeline, "resolve", lambda job, store: check_closure(found, found, job, store))
        settings = load({"runtime": "python3.13"}, project_root, environ={})
        return pipeline.run(Request(settings, settings.bundle_directory, subject="orders"), Reporter(ui))

    return run


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def forge(index: Path, tmp_path: Path) -> Callable[..., None]:
    """`forge("foo", name=…, version=…, …)`: an sdist of `foo` 1.0 that builds that wheel instead of its own."""

    def write(sdist: str, **wheel: object) -> None:
        made = make_wheel(tmp_path / "forged", **wheel)  # type: ignore[arg-type]
        make_forging_sdist(index, sdist, {made.name: made.read_bytes()})

    return write

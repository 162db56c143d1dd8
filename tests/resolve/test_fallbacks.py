"""Distributions that were built here without the extension modules that other builds have: the build says so."""

from __future__ import annotations

import dataclasses
import io
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest
from packaging.utils import canonicalize_name

from hatch_lambda.common.ui import Reporter
from hatch_lambda.resolve import fallbacks
from hatch_lambda.resolve.closure import Attempt, Closure, IndexFile, Sdist, SourceTree, Wheel
from hatch_lambda.resolve.fallbacks import built_without_extensions
from hatch_lambda.resolve.job import Job
from hatch_lambda.wheels.compatibility import Verdict
from hatch_lambda.wheels.scan import scan_unchecked
from tests.support.elf import make_elf
from tests.support.packages import make_sdist, make_wheel
from tests.support.situation import HERE, distribution_of, request_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from hatch_lambda.bundle.files import Bundle
    from tests.support.recording_ui import RecordingUI

    Built = Callable[..., dict[str, str | None]]

WARNING = "built here without extension modules, so in pure Python, which is slower: wrapt 1.0"


def sdist_with(path: Path, names: Sequence[str]) -> Sdist:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(f"wrapt-1.0/{name}", "")
    else:
        with tarfile.open(path, "w:gz") as sources:
            for name in names:
                sources.addfile(tarfile.TarInfo(f"wrapt-1.0/{name}"), io.BytesIO())
    return Sdist(path, "0" * 64, path.as_uri())


@pytest.fixture
def built(tmp_path: Path, project_root: Path, ui: RecordingUI, monkeypatch: pytest.MonkeyPatch) -> Built:
    """What is reported of wrapt, built from an sdist of these files, with what would compile it left out."""
    monkeypatch.setattr(fallbacks, "how_to_compile", lambda *_: None)
    job = Job(request_for(project_root, ["wrapt"], {"runtime": HERE}), tmp_path, Reporter(ui))

    def run(
        *sources: str,
        offers: Sequence[str] = (),
        files: dict[str, str | bytes] | None = None,
        others: Sequence[Path] = (),
        archive: str = "wrapt-1.0.tar.gz",
        **facts: object,
    ) -> dict[str, str | None]:
        wheel = make_wheel(tmp_path, "wrapt", files=files)
        own = Wheel(wheel, "built by stage 4", Verdict(compatible=True, reason="fits"))
        former = [Wheel(path, "built by stage 4", Verdict(compatible=False, reason="no")) for path in others]
        found = dataclasses.replace(
            distribution_of(wheel), wheels=(*former, own), source=sdist_with(tmp_path / archive, sources)
        )
        listed = {canonicalize_name("wrapt"): tuple(IndexFile(name, None, False) for name in offers)}  # noqa: FBT003
        closure = Closure((dataclasses.replace(found, **facts),), offers=listed)  # type: ignore[arg-type]
        return built_without_extensions(closure, [scan_unchecked("wrapt", "1.0", wheel)], job)

    return run


@pytest.mark.parametrize("source", ["src/wrapt/_wrappers.c", "speedups.pyx", "src/lib.rs", "x/y.cpp", "lib/fit.f90"])
@pytest.mark.parametrize("archive", ["wrapt-1.0.tar.gz", "wrapt-1.0.zip"])
def test_sources_for_a_compiler(source: str, archive: str, built: Built) -> None:
    assert built("setup.py", source, archive=archive) == {"wrapt 1.0": None}


def test_pure_sources(built: Built) -> None:
    assert built("setup.py", "wrapt.py", "tests/data/x.c", "docs/x.cpp", "wrapt/api.h") == {}
    assert built("wrapt/template.c", files={"wrapt/template.c": ""}) == {}  # data
    assert built("_x.c", files={"wrapt/_x.so": make_elf()}) == {}
    assert built("_x.c", source=None) == {}
    assert built("_x.c", source=SourceTree("file:///src", None)) == {}


def test_wheels_on_the_index(built: Built) -> None:
    native = "wrapt-1.0-cp313-cp313-manylinux_2_17_x86_64.whl"
    assert built(offers=[native, "wrapt-1.0.tar.gz"]) == {"wrapt 1.0": None}
    assert built(offers=["wrapt-2.0-cp313-cp313-manylinux_2_17_x86_64.whl", "no-wheel.whl"]) == {}
    # Elsewhere only, so Linux has pure Python everywhere
    assert built("_x.c", offers=["wrapt-1.0-cp313-cp313-macosx_11_0_arm64.whl", "wrapt-1.0-py3-none-any.whl"]) == {}


def test_a_wheel_with_native_code_that_does_not_fit(built: Built, tmp_path: Path) -> None:
    tag = "cp313-cp313-linux_x86_64"
    native = make_wheel(tmp_path, "wrapt", tag=tag, files={"_x.so": make_elf()})
    assert built(others=[native]) == {"wrapt 1.0": None}
    assert built(others=[make_wheel(tmp_path / "pure", "wrapt", tag=tag)]) == {}


def test_a_build_that_succeeded_only_without_a_compiler(built: Built) -> None:
    failed, succeeded = Attempt(4, "building", False, "failed"), Attempt(5, "building", True, "fits")  # noqa: FBT003

    assert built(attempts=(failed, succeeded), source=SourceTree("git+https://example.org", None)) == {
        "wrapt 1.0": None
    }


def test_a_damaged_archive_is_no_evidence(built: Built, tmp_path: Path) -> None:
    broken = tmp_path / "broken.tar.gz"
    broken.write_bytes(b"\x1f\x8b\x08")
    assert built("x.c", source=Sdist(broken, "0" * 64, broken.as_uri())) == {}


def test_the_second_build_says_it_too(
    index: Path,
    bundle_of: Callable[..., Bundle],
    bundle_with_state: Callable[..., Bundle],
    compiler: Callable[[bytes], None],
    ui: RecordingUI,
) -> None:
    compiler(make_elf("aarch64"))
    make_sdist(index, "wrapt", build="optional")

    for build in (bundle_of, bundle_of, bundle_with_state, bundle_with_state):
        ui.lines.clear()
        build("wrapt", runtime=HERE)
        assert ui.text.count(WARNING) == 1
    assert "Reusing the resolution" in ui.text


def test_why_stage_4_has_failed(built: Built) -> None:
    because = Attempt(4, "building", False, "the build failed: it needs Rust, which is not installed")  # noqa: FBT003
    succeeded = Attempt(5, "building", True, "a compatible wheel")  # noqa: FBT003

    assert built(attempts=(because, succeeded)) == {"wrapt 1.0": "it needs Rust, which is not installed"}

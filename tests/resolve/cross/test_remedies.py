"""What stage 7 says about the cross compiler."""

from __future__ import annotations

import dataclasses
import os
import platform
import sys
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common.target import RUNTIMES, target_named
from hatch_lambda.common.ui import Reporter
from hatch_lambda.resolve.closure import Attempt, Sdist, Wheel
from hatch_lambda.resolve.cross import remedies
from hatch_lambda.resolve.cross.zig import Zig, host_may_serve
from hatch_lambda.resolve.job import Job
from hatch_lambda.resolve.reasons import Reason
from hatch_lambda.wheels.compatibility import Verdict
from tests.support.native_sdists import make_native_sdist
from tests.support.packages import make_wheel
from tests.support.situation import HERE, distribution_of, request_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.recording_ui import RecordingUI

    Remedies = Callable[..., list[str]]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="there are no cross builds on Windows")

THIS, OTHER = ("x86_64", "arm64") if platform.machine() == "x86_64" else ("arm64", "x86_64")
INSTALL = "install the cross compiler, which builds it for the target: `hatch-lambda[cross]` in `build-system.requires`"
NO_HEADER = Reason("it needs a library of the system, which a cross build does not have: the header `ffi.h` is missing")


@pytest.fixture
def remedies_for(tmp_path: Path, project_root: Path, ui: RecordingUI, monkeypatch: pytest.MonkeyPatch) -> Remedies:
    """For an sdist of these files, which is built for a target by this machine."""

    def run(
        *files: str,
        reason: Reason | None = None,
        installed: bool = False,
        refused: bool = False,
        pure: bool = False,
        **table: object,
    ) -> list[str]:
        monkeypatch.setattr(remedies, "installed_zig", lambda: Zig("zig", "0.16.0") if installed else None)
        sdist = make_native_sdist(tmp_path, "wrapt", dict.fromkeys(files, ""))
        wheel = make_wheel(tmp_path, "wrapt")
        verdict = Verdict(compatible=pure, reason="tagged for another machine")
        found = dataclasses.replace(
            distribution_of(wheel),
            wheels=(Wheel(wheel, "built by stage 4", verdict),) if refused or pure else (),
            source=Sdist(sdist, "0" * 64, sdist.as_uri()),
            attempts=(Attempt(4, "building", succeeded=False, outcome="the build failed", reason=reason),),
        )
        settings = {"runtime": HERE, "architecture": OTHER, **table}
        job = Job(request_for(project_root, ["wrapt"], settings), tmp_path, Reporter(ui))
        if pure:
            return [*filter(None, [remedies.how_to_compile(found, job)])]
        return [*remedies.cross_remedies(found, job)]

    return run


@pytest.mark.parametrize("source", ["_x.c", "src/x.cpp", "x.cc", "x.cxx", "x.pyx"])
def test_it_is_named_where_it_would_help(source: str, remedies_for: Remedies) -> None:
    assert remedies_for(source) == [INSTALL]


def test_also_for_this_machine_s_architecture_if_what_it_makes_was_refused(remedies_for: Remedies) -> None:
    assert remedies_for("x.c", architecture=THIS, refused=True) == [INSTALL]


def test_it_is_named_for_what_has_become_pure(remedies_for: Remedies) -> None:
    assert remedies_for("x.c", pure=True) == [INSTALL]
    assert remedies_for("x.c", pure=True, installed=True) == []
    assert remedies_for("x.c", pure=True, reason=NO_HEADER) == []
    assert remedies_for("setup.py", pure=True) == []


@pytest.mark.skipif(
    HERE not in RUNTIMES or not host_may_serve(target_named(HERE, THIS), sys.version_info[:2]),
    reason="no C compiler at hand",
)
def test_not_where_this_machine_s_compilers_have_made_it_pure(remedies_for: Remedies) -> None:
    assert remedies_for("x.c", pure=True, architecture=THIS) == []


def test_rust_needs_more_than_that(remedies_for: Remedies) -> None:
    assert remedies_for("src/lib.rs") == [INSTALL.replace("target:", "target (and cargo, for its Rust code):")]


def test_it_is_not_for_pure_sources(remedies_for: Remedies) -> None:
    assert remedies_for("setup.py", "x.h") == []


def test_it_says_why_it_would_not_help(remedies_for: Remedies) -> None:
    start = "the cross compiler (`hatch-lambda[cross]`) would not help: "
    assert remedies_for("x.c", reason=NO_HEADER) == [start + NO_HEADER.text]
    assert remedies_for("x.c", "fit.f90") == [start + "it has Fortran sources"]


def test_a_missing_header_of_python_is_no_obstacle(remedies_for: Remedies) -> None:
    assert remedies_for("x.c", reason=Reason("…", helpless=False)) == [INSTALL]


def test_the_setting_is_named_if_that_is_all(remedies_for: Remedies) -> None:
    assert remedies_for("x.c", installed=True, cross=False) == [
        "let the cross compiler build it: remove `cross = false`"
    ]
    assert remedies_for("x.c", installed=True) == []  # it was tried


def test_what_helps_with_rust_is_said_once(remedies_for: Remedies) -> None:
    rust = "install Rust's standard library for the target: `rustup target add aarch64-unknown-linux-gnu`"
    assert remedies_for("x.rs", installed=True, reason=Reason("…", rust, helpless=False)) == [rust]

"""Files that are not the ones whose hashes were given."""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common.errors import LambdaBuildError, ResolutionError
from hatch_lambda.common.hashing import sha256_of
from hatch_lambda.resolve.closure import MissingDependencyError
from hatch_lambda.resolve.pip import process
from tests.support.attacks import FOO_WHEEL, HERE, UNIX, Liar, make_forging_sdist, other_sha256, requirements
from tests.support.packages import make_sdist, make_wheel
from tests.support.projects import HOOK, Project

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hatch_lambda.bundle.files import Bundle
    from hatch_lambda.common.process import Completed
    from hatch_lambda.resolve.job import Job
    from tests.support.recording_ui import RecordingUI

    BundleOf = Callable[..., Bundle]

pytestmark = UNIX


@pytest.mark.parametrize("make", [make_wheel, make_sdist])
def test_a_wrong_hash_stops_a_real_build(
    make: Callable[[Path, str], Path], index: Path, project: Callable[..., Project], project_root: Path
) -> None:
    path = make(index, "foo")
    requirements(project_root, f"foo==1.0 --hash=sha256:{other_sha256()}")

    shown = project(tool=f'{HOOK}requirements = ["requirements.txt"]\n').fail()

    assert f"Expected sha256 {other_sha256()}" in shown
    assert f"Got        {sha256_of(path)}" in shown


@pytest.mark.usefixtures("online")
@pytest.mark.parametrize("build", ["pure", "broken"])
def test_stage_3_rejects_a_wheel_with_another_hash(
    build: str, tmp_path: Path, project_root: Path, bundle_of: BundleOf, ui: RecordingUI
) -> None:
    sdist, wheel = make_sdist(tmp_path, "foo", build=build), make_wheel(tmp_path, "foo", files={"foo.py": "EVIL = 1\n"})
    table = requirements(project_root, f"foo==1.0 --hash=sha256:{sha256_of(sdist)}")
    served = {path.name: (path.read_bytes(), sha256_of(path)) for path in (sdist, wheel)}

    with Liar(served) as url:
        if build == "pure":
            bundle = bundle_of(runtime=HERE, pip_args=["--index-url", url], **table)
            assert "BUILT_WITH" in bundle.directory.joinpath("foo.py").read_text(encoding="utf-8")
            assert " foo 1.0" in ui.text
            return
        with pytest.raises(MissingDependencyError) as caught:
            bundle_of(runtime=HERE, pip_args=["--index-url", url], **table)
    stage_3 = caught.value.missing[0].attempts[0]
    assert (stage_3.stage, stage_3.succeeded) == (3, False)
    told = "\n".join((stage_3.outcome, *stage_3.words))
    assert f"Expected sha256 {sha256_of(sdist)}" in told
    assert f"Got        {sha256_of(wheel)}" in told


def test_an_sdist_that_is_replaced_before_it_is_built(
    index: Path,
    tmp_path: Path,
    bundle_of: BundleOf,
    monkeypatch: pytest.MonkeyPatch,
    as_it_was: Callable[[], None],
) -> None:
    meant = make_sdist(index, "foo")
    evil = make_forging_sdist(tmp_path, "foo", {FOO_WHEEL: make_wheel(tmp_path, "foo").read_bytes()})
    build_wheel = process.pip_wheel

    def exchange_and_build(job: Job, *args: Path, **kwargs: object) -> Completed:
        shutil.copy(evil, job.scratch / "downloads" / "foo" / meant.name)
        return build_wheel(job, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(process, "pip_wheel", exchange_and_build)

    with pytest.raises(LambdaBuildError) as caught:
        bundle_of("foo", runtime=HERE)

    assert sha256_of(meant) in str(caught.value)
    assert sha256_of(evil) in str(caught.value)
    as_it_was()


@pytest.mark.usefixtures("online")
def test_an_index_that_serves_a_wheel_with_another_hash(
    tmp_path: Path, bundle_of: BundleOf, as_it_was: Callable[[], None]
) -> None:
    evil = make_wheel(tmp_path, "foo").read_bytes()

    with Liar({FOO_WHEEL: (evil, other_sha256())}) as url, pytest.raises(ResolutionError) as caught:
        bundle_of("foo", pip_args=["--index-url", url])

    assert other_sha256() in str(caught.value)
    assert hashlib.sha256(evil).hexdigest() in str(caught.value)
    as_it_was()


@pytest.mark.usefixtures("online")
def test_an_index_that_serves_an_sdist_with_another_hash(
    tmp_path: Path, bundle_of: BundleOf, as_it_was: Callable[[], None]
) -> None:
    evil = make_sdist(tmp_path, "foo").read_bytes()

    with Liar({"foo-1.0.tar.gz": (evil, other_sha256())}) as url, pytest.raises(ResolutionError) as caught:
        bundle_of("foo", runtime=HERE, pip_args=["--index-url", url])

    assert other_sha256() in str(caught.value)
    as_it_was()

"""Whether the closure has all that its wheels require, wherever the requirements got lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.resolve.requirements import IncompleteClosureError
from tests.support import simple_index
from tests.support.locks import HERE, distributions
from tests.support.packages import make_sdist, make_wheel, metadata

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hatch_lambda.bundle.files import Bundle
    from tests.support.recording_ui import RecordingUI
    from tests.support.simple_index import SimpleIndex

    BundleOf = Callable[..., Bundle]

NO_DEPS: dict[str, object] = {"pip_args": ["--no-deps"]}


def refusal(bundle_of: BundleOf, *requirements: str, **table: object) -> str:
    with pytest.raises(IncompleteClosureError) as caught:
        bundle_of(*requirements, **table)
    return str(caught.value)


@pytest.fixture
def top(index: Path) -> None:
    """`top`, which requires something always, for an extra, and never on the target."""
    make_wheel(
        index,
        "top",
        extras=["fast"],
        requires=["below>=1", "speed; extra == 'fast'", "never; sys_platform == 'win32'"],
    )
    make_wheel(index, "below")
    make_wheel(index, "speed", requires=["below[deep]"])


@pytest.mark.usefixtures("top")
class TestWithoutDependencies:
    def test_what_is_missing_stops_the_build(self, bundle_of: BundleOf) -> None:
        shown = refusal(bundle_of, "top", **NO_DEPS)
        assert "- `below>=1` was not resolved; required by: orders -> top 1.0" in shown
        assert "remove `--no-deps`" in shown
        assert "speed" not in shown
        assert "never" not in shown

    def test_also_by_pips_configuration(
        self, bundle_of: BundleOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        configuration = tmp_path / "pip.conf"
        configuration.write_text("[download]\nno-deps = true\n", encoding="utf-8")
        monkeypatch.setenv("PIP_CONFIG_FILE", str(configuration))
        assert "`below>=1` was not resolved" in refusal(bundle_of, "top")

    def test_what_an_extra_requires_is_missing(self, bundle_of: BundleOf) -> None:
        shown = refusal(bundle_of, "top[fast]", "below", **NO_DEPS)
        assert "- `speed` was not resolved; required by: orders -> top 1.0" in shown

    def test_what_another_distributions_extra_requires_is_missing(self, index: Path, bundle_of: BundleOf) -> None:
        make_wheel(index, "below", "2.0", extras=["deep"], requires=["deepest; extra == 'deep'"])
        shown = refusal(bundle_of, "top[fast]", "below", "speed", **NO_DEPS)
        assert "- `deepest` was not resolved; required by: orders -> below 2.0" in shown

    def test_a_complete_list_is_accepted(self, bundle_of: BundleOf) -> None:
        assert distributions(bundle_of("top", "below", **NO_DEPS)) == {"top 1.0", "below 1.0"}

    def test_what_is_provided_may_be_missing(self, bundle_of: BundleOf) -> None:
        assert distributions(bundle_of("top", provided=["below"], **NO_DEPS)) == {"top 1.0"}

    def test_a_version_that_is_not_accepted_gets_a_warning(
        self, index: Path, bundle_of: BundleOf, ui: RecordingUI
    ) -> None:
        make_wheel(index, "below", "0.9")
        bundle_of("top", "below==0.9", **NO_DEPS)
        assert "top 1.0 requires `below>=1`, not 0.9" in ui.text


def test_for_an_sdist_the_backend_is_not_blamed(index: Path, bundle_of: BundleOf) -> None:
    make_sdist(index, "top", requires=["below"])
    shown = refusal(bundle_of, "top", runtime=HERE, **NO_DEPS)
    assert "- `below` was not resolved; required by: orders -> top 1.0" in shown


def test_an_index_whose_metadata_lacks_requirements_is_noticed(
    tmp_path: Path, bundle_of: BundleOf, serve: type[SimpleIndex], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(tmp_path / "served", "top", requires=["below"])
    monkeypatch.setattr(simple_index, "metadata_of", lambda wheel: metadata(*wheel.name.split("-")[:2]))
    with serve(tmp_path / "served", as_json=True) as served, pytest.raises(LambdaBuildError, match="below"):
        bundle_of("top", pip_args=["--index-url", served.url])


class TestRequiresPython:
    """pip's check can be switched off."""

    @pytest.fixture(autouse=True)
    def _old(self, index: Path) -> None:
        make_wheel(index, "old", requires_python="<3.12")

    def test_a_wheel_for_another_python_stops_the_build(
        self, bundle_of: BundleOf, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PIP_IGNORE_REQUIRES_PYTHON", "1")
        shown = refusal(bundle_of, "old")
        assert "- old 1.0 requires Python <3.12, python3.13 has 3.13." in shown
        assert "required by: orders -> old 1.0" in shown
        assert '`pip-args = ["--ignore-requires-python"]`' in shown

    def test_the_projects_own_setting_lets_it_in(self, bundle_of: BundleOf) -> None:
        assert distributions(bundle_of("old", pip_args=["--ignore-requires-python"])) == {"old 1.0"}

"""The setting `provided`: what the runtime or a layer has need not be packaged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hatch_lambda.resolve.provided import ProvidedError
from tests.support.packages import make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hatch_lambda.bundle.files import Bundle
    from tests.support.recording_ui import RecordingUI

    BundleOf = Callable[..., Bundle]

SDK = {
    "boto3": ["botocore", "jmespath", "s3transfer"],
    "botocore": ["jmespath", "python-dateutil", "urllib3"],
    "s3transfer": ["botocore"],
    "jmespath": [],
    "python-dateutil": ["six"],
    "six": [],
    "urllib3": [],
    "requests": ["urllib3", "idna"],
    "idna": [],
    "powertools": ["boto3", "jmespath"],
}


@pytest.fixture
def sdk(index: Path) -> None:
    for name, requires in SDK.items():
        make_wheel(index, name, requires=requires)


def names(bundle: Bundle) -> set[str]:
    return {distribution.partition(" ")[0] for distribution in bundle.distributions}


class TestAnything:
    @pytest.fixture(autouse=True)
    def distributions(self, index: Path) -> None:
        make_wheel(index, "pandas", requires=["numpy", "pytz"])
        make_wheel(index, "numpy")
        make_wheel(index, "pytz")
        make_wheel(index, "scipy", requires=["numpy"])
        make_wheel(index, "report", requires=["pandas"])

    @pytest.mark.parametrize(
        ("requirements", "provided", "packaged"),
        [
            (["pandas", "scipy"], [], {"pandas", "numpy", "pytz", "scipy"}),
            (["pandas"], ["pandas"], set()),
            (["report"], ["Pandas"], {"report"}),
            (["scipy", "pandas"], ["numpy"], {"scipy", "pandas", "pytz"}),
            (["pytz", "pandas"], ["pandas", "numpy"], {"pytz"}),
        ],
    )
    def test_it_is_left_out_with_what_only_it_needs(
        self, requirements: list[str], provided: list[str], packaged: set[str], bundle_of: BundleOf
    ) -> None:
        assert names(bundle_of(*requirements, provided=provided)) == packaged

    def test_what_something_else_needs_stays_and_its_user_is_told_who(
        self, bundle_of: BundleOf, ui: RecordingUI
    ) -> None:
        assert names(bundle_of("pandas", "scipy", provided=["pandas"])) == {"scipy", "numpy"}

        (warning,) = [line for line in ui.lines if line.startswith("Warning:")]
        assert "numpy is required by scipy 1.0" in warning
        assert "  provided by the runtime or a layer: pandas 1.0, pytz 1.0" in ui.lines

    def test_what_the_project_itself_asks_for_stays(self, bundle_of: BundleOf, ui: RecordingUI) -> None:
        assert names(bundle_of("pandas", "pytz", provided=["pandas"])) == {"pytz"}

        assert "pytz is required by orders" in ui.text

    def test_a_name_that_nothing_requires_is_told(self, bundle_of: BundleOf, ui: RecordingUI) -> None:
        bundle_of("pytz", provided=["padnas"])

        assert "Warning: `provided` names `padnas`, which nothing requires" in ui.lines

    def test_an_extra_counts_as_it_was_asked_for(self, index: Path, bundle_of: BundleOf) -> None:
        make_wheel(index, "web", requires=["pytz ; extra == 'zones'", "scipy"], extras=["zones"])

        assert names(bundle_of("web[zones]", provided=["scipy"])) == {"web", "pytz"}

    def test_what_needs_each_other_in_a_circle_goes_together(self, index: Path, bundle_of: BundleOf) -> None:
        make_wheel(index, "one", requires=["two"])
        make_wheel(index, "two", requires=["one"])

        assert names(bundle_of("one", "pytz", provided=["one"])) == {"pytz"}


@pytest.mark.usefixtures("sdk")
class TestAwsSdk:
    def test_all_of_it_is_left_to_the_runtime(self, bundle_of: BundleOf) -> None:
        assert names(bundle_of("boto3", "idna", provided=["aws-sdk"])) == {"idna"}

    def test_a_project_without_it_may_say_so(self, bundle_of: BundleOf, ui: RecordingUI) -> None:
        assert names(bundle_of("idna", provided=["aws-sdk"])) == {"idna"}
        assert "Warning" not in ui.text

    @pytest.mark.parametrize("requirements", [["boto3", "requests"], ["requests"]])
    def test_a_part_of_it_in_the_bundle_stops_the_build(self, requirements: list[str], bundle_of: BundleOf) -> None:
        with pytest.raises(ProvidedError) as raised:
            bundle_of(*requirements, provided=["aws-sdk"])

        message = str(raised.value)
        assert "  urllib3 is required by requests 1.0\n" in message
        assert "package the SDK" in message
        assert 'add "urllib3" to `provided`' in message

    def test_the_remedy_of_the_message_works(self, bundle_of: BundleOf) -> None:
        assert names(bundle_of("boto3", "requests", provided=["aws-sdk", "urllib3"])) == {"requests", "idna"}

    def test_what_is_built_on_it_is_packaged_without_it(self, bundle_of: BundleOf) -> None:
        provided = ["aws-sdk", "jmespath"]

        assert names(bundle_of("powertools", provided=provided)) == {"powertools"}

    def test_naming_boto3_alone_means_the_same(self, bundle_of: BundleOf) -> None:
        assert names(bundle_of("boto3", "idna", provided=["boto3"])) == {"idna"}
        with pytest.raises(ProvidedError, match="urllib3 is required by requests"):
            bundle_of("boto3", "requests", provided=["boto3"])

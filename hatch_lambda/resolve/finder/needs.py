"""What the project needs on the target."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion

from hatch_lambda.resolve.finder import LeftToPip

if TYPE_CHECKING:
    from collections.abc import Collection

    from packaging.markers import Marker
    from packaging.requirements import Requirement
    from packaging.utils import NormalizedName

    from hatch_lambda.common.target import Target
    from hatch_lambda.resolve.finder.indexes import Wanted


class Needs:
    """The requirements and constraints that apply. Each marker is evaluated once."""

    def __init__(self, target: Target, project: Wanted) -> None:
        """Raises `LeftToPip`."""
        self._target = target
        self._verdicts: dict[tuple[str, str], bool] = {}
        self.requirements = [each for each in project.requirements if self.holds(each, ())]
        self.requested = frozenset(canonicalize_name(each.name) for each in self.requirements)
        self.constraints: defaultdict[NormalizedName, SpecifierSet] = defaultdict(SpecifierSet)
        for each in project.constraints:
            if self.holds(each, ()):
                self.constraints[canonicalize_name(each.name)] &= each.specifier

    def holds(self, requirement: Requirement, extras: Collection[str]) -> bool:
        """Whether the target needs a requirement of a distribution with these extras. Raises `LeftToPip`."""
        marker = requirement.marker
        holds = marker is None or any(self._evaluate(marker, extra) for extra in extras or ("",))
        if holds and requirement.url:
            raise LeftToPip(f"{requirement.name} is a direct reference")
        return holds

    def _evaluate(self, marker: Marker, extra: str) -> bool:
        key = (str(marker), extra)
        if key not in self._verdicts:
            try:
                self._verdicts[key] = marker.evaluate({**self._target.marker_environment, "extra": extra})
            except (InvalidVersion, UndefinedComparison, UndefinedEnvironmentName):
                raise LeftToPip(f"the marker `{marker}` cannot be evaluated") from None
        return self._verdicts[key]

    def serves(self, requires_python: str) -> bool:
        """Whether the target's Python is one of these."""
        return not requires_python or self._target.serves(requires_python)

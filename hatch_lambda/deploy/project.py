"""What a project says about its zips, as values: the adapters to Hatch read it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from packaging.version import InvalidVersion, Version

from hatch_lambda.common.target import Target, all_targets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path


class Variant(NamedTuple):
    """One of the zips that a project builds: a version of the target `lambda`.

    `layers`: the variants that a function uses. `handler`: None if the build's tables have none.
    """

    name: str
    is_layer: bool
    target: Target
    layers: tuple[str, ...] = ()
    handler: str | None = None


class Origin(NamedTuple):
    """What a zip was built as. `target`: None if its name does not say. `version`: the project's, likewise."""

    variant: Variant
    target: Target | None
    version: str | None


@dataclass(frozen=True)
class Project:
    """A project on disk.

    `name`: normalized. `version`: None if it takes a plugin to know it that is not installed here. `directory`: where
    builds leave zips. `built`: the variants that a build makes by default. `file_name`: of a zip, by variant, version
    and target. `made`: the variant and target of zips that builds have recorded, by path.
    """

    root: Path
    name: str
    version: str | None
    directory: Path
    variants: Mapping[str, Variant]
    built: tuple[str, ...]
    file_name: Callable[[str, str, Target], str]
    made: Mapping[Path, tuple[str, str]] = field(default_factory=dict)

    def origin_of(self, path: Path) -> Origin | None:
        """By the record of a build on this machine, or else by the name. None for a zip that is not the project's."""
        by_name = self._by_name(path.name)
        variant, target = self.made.get(path.resolve(), ("", ""))
        if variant not in self.variants:
            return by_name
        return Origin(
            self.variants[variant],
            next((each for each in all_targets() if str(each) == target), None),
            by_name.version if by_name else None,
        )

    def _by_name(self, file_name: str) -> Origin | None:
        found = sorted(self._matches(file_name), key=lambda match: match[0])
        if not found:
            return None
        best = [origin for length, origin in found if length == found[-1][0]]
        best.sort(key=lambda origin: origin.variant.name in self.built)  # a name without the variant fits any
        targets = {origin.target for origin in best}
        # An archive name without the target fits any.
        return best[-1]._replace(target=targets.pop() if len(targets) == 1 else None)

    def _matches(self, file_name: str) -> Iterator[tuple[int, Origin]]:
        """What a name can mean, with how much of it is not the version: `1.0-1` is one, too."""
        for variant in self.variants.values():
            for target in all_targets():
                before, mark, after = self.file_name(variant.name, "\0", target).partition("\0")
                if not mark:
                    if file_name == before:
                        yield len(before), Origin(variant, target, None)
                    continue
                version = file_name.removeprefix(before).removesuffix(after)
                if file_name == f"{before}{version}{after}" and _is_version(version):
                    yield len(before + after), Origin(variant, target, version)


def _is_version(text: str) -> bool:
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True

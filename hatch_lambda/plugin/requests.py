"""The bundles that the versions of the target need, as requests to the pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from hatch_lambda.config.dependencies import with_local_sources
from hatch_lambda.config.project_requirements import Declared, requirements_of
from hatch_lambda.config.request import LAYER_ROOT, TASK_ROOT, Request
from hatch_lambda.config.settings import CODE
from hatch_lambda.plugin import project_wheel
from hatch_lambda.plugin.prepared import is_layer
from hatch_lambda.zip import layer_files

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hatchling.builders.plugin.interface import BuilderInterface

    from hatch_lambda.config.settings import Settings
    from hatch_lambda.plugin.common import Common


class Requests(NamedTuple):
    """`settings`: by version. `build`: a name for the build."""

    builder: BuilderInterface[Any, Any]
    settings: Mapping[str, Settings]
    common: Common
    build: str

    def of(self, version: str, *, cleaned: tuple[str, ...] = ()) -> Request:
        """The bundle that a version needs. Raises `LambdaBuildError`.

        `cleaned`: the versions to build from scratch, which do not borrow older resolutions from the others.
        """
        settings, metadata, directories = self.settings[version], self.builder.metadata, self.common.directories
        core = metadata.core  # with what metadata hooks add, and context fields filled in
        groups = metadata.config.get("dependency-groups", {})
        declared = Declared(
            core.name, tuple(core.dependencies), core.optional_dependencies, groups, core.requires_python
        )
        others = dict.fromkeys(directories[other] for other in cleaned or self.settings)
        return Request(
            settings,
            settings.bundle_directory,
            metadata.name,
            *with_local_sources(requirements_of(declared, settings), settings, self.common.workspace),
            state=directories[version],
            neighbours=tuple(other for other in others if other != directories[version]),
            anew=bool(cleaned),
            place=LAYER_ROOT if version == CODE or is_layer(version, settings) else TASK_ROOT,
            build=self.build,
            libraries=lambda: self._libraries(settings),
        )

    def _libraries(self, settings: Settings) -> dict[str, Path]:
        """The project's files that the loader searches, in the zip and its layers."""
        found = {} if settings.is_layer else project_wheel.shared_libraries(self.builder, settings)
        for each in (settings, *(self.settings[name] for name in settings.layers)):
            found |= layer_files.libraries(each)
        return found

    def together(self, version: str) -> tuple[Request, ...]:
        """For a layer, the requests with which it agrees on versions: of all that share layers, layers first."""
        if not self.settings[version].is_layer:
            return ()
        groups = [{name, *settings.layers} for name, settings in self.settings.items() if settings.layers]
        members = {version}
        while more := {name for group in groups if group & members for name in group} - members:
            members |= more
        return tuple(self.of(name) for name in self.settings if name in members and len(members) > 1)

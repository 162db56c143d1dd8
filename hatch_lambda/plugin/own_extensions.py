"""The project's own extension modules: its build hooks compile them for the target."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from hatch_lambda.plugin import HOOK
from hatch_lambda.plugin.project_wheel import Built, ProjectWheelBuilder, build_wheel
from hatch_lambda.resolve.cross.zig import Zig, host_may_serve, installed_zig
from hatch_lambda.wheels.compatibility import fault_of_machine_code
from hatch_lambda.wheels.signatures import may_have_machine_code

if TYPE_CHECKING:
    from pathlib import Path

    from hatchling.builders.plugin.interface import BuilderInterface

    from hatch_lambda.config.settings import Settings
    from hatch_lambda.wheels.store import Store

# Hooks of Hatch and its own plugins that compile nothing.
_OF_HATCH = frozenset({HOOK, "version", "vcs", "build-scripts", "requirements_txt", "jupyter-builder"})


def cross_compiler_for(builder: BuilderInterface[Any, Any], settings: Settings) -> Zig | None:
    """The cross compiler, if there is one and hooks may compile."""
    if not settings.cross or _OF_HATCH.issuperset(ProjectWheelBuilder.of(builder, {}).config.hook_config):
        return None
    return installed_zig()


def build_for_target(
    builder: BuilderInterface[Any, Any], directory: Path, build_data: dict[str, Any], settings: Settings, store: Store
) -> Built:
    """As `build_wheel`. If this machine's compilers cannot serve the target, hooks find the cross compiler.

    Also in a second build, if what they have made needs a newer glibc.
    """
    zig, target = cross_compiler_for(builder, settings), settings.target
    if zig is None or host_may_serve(target, sys.version_info[:2]):
        built = build_wheel(builder, directory, build_data, settings)
        if zig is None or not may_have_machine_code(built.path) or not fault_of_machine_code(built.path, target):
            return built
    from hatch_lambda.resolve.cross.in_process import for_target, note_in  # few projects compile anything

    scratch = directory / "cross"
    scratch.mkdir()
    with for_target(target, zig, store.compiler(zig.version), scratch):
        built = build_wheel(builder, scratch / "wheel", build_data, settings)
    note_in(built.path, builder.metadata.core.name, builder.metadata.version, target, zig)
    return built

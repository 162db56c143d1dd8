"""The project's own wheel, built by Hatch with the file selection of `targets.lambda`."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hatchling.builders.plugin.interface import IncludedFile
from hatchling.builders.wheel import WheelBuilder

from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.common.system_libraries import SEARCHED
from hatch_lambda.config.settings import TARGET_TABLE
from hatch_lambda.plugin import HOOK
from hatch_lambda.plugin.display import raised_by
from hatch_lambda.plugin.selection import leave_out_build_directory, packable, suggested_selection
from hatch_lambda.wheels.compatibility import compressed_tags, fits
from hatch_lambda.zip.writer import EPOCH_VARIABLE, source_date_epoch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hatchling.builders.plugin.interface import BuilderInterface

    from hatch_lambda.common.target import Target
    from hatch_lambda.config.settings import Settings

# Hatch's options that select files: https://hatch.pypa.io/latest/config/build/#file-selection
FILE_SELECTION = (
    *("include", "exclude", "packages", "only-include", "only-packages", "sources", "force-include", "artifacts"),
    *("bypass-selection", "ignore-vcs", "skip-excluded-dirs"),
)

# All that Hatch reads in a target's table: https://hatch.pypa.io/latest/config/build/
HATCH_KEYS = (
    *FILE_SELECTION,
    *("dependencies", "dev-mode-dirs", "dev-mode-exact", "directory", "hooks", "reproducible", "versions"),
    *("require-runtime-dependencies", "require-runtime-features"),
)


class Built(NamedTuple):
    """The project's wheel.

    `sources`: the files on disk that it is from. `forced`: the paths of those that the function's own `force-include`
    names, which no pattern leaves out.
    """

    path: Path
    sources: list[str]
    forced: frozenset[str]


def build_wheel(
    builder: BuilderInterface[Any, Any], directory: Path, build_data: dict[str, Any], settings: Settings
) -> Built:
    """Build the project's wheel into a directory: what the wheel ships, the zip ships.

    Hooks of the wheel target run as for any wheel. `build_data`: of the target `lambda`, whose hooks may add files.
    Raises `LambdaBuildError` for faults in the configuration.
    """
    wheel_builder = ProjectWheelBuilder.of(builder, build_data, settings)
    with wheel_builder.explaining_faults(), _surroundings(directory):
        (wheel,) = wheel_builder.build(
            directory=str(directory), versions=["standard"], hooks_only=False, clean=False, clean_hooks_after=False
        )
    return Built(Path(wheel), wheel_builder.packaged, frozenset(wheel_builder.forced))


def check_selection(builder: BuilderInterface[Any, Any], settings: Settings | None = None) -> None:
    """Report before anything is resolved that a hook is missing, or no files of the project unless hooks may add some.

    Raises `LambdaBuildError`.
    """
    wheel_builder = ProjectWheelBuilder.of(builder, {}, settings)
    with wheel_builder.explaining_faults():
        for name in wheel_builder.config.hook_config:
            if builder.plugin_manager.build_hook.get(name) is None:
                raise LambdaBuildError(
                    f"No installed plugin provides the build hook `{name}` of the wheel target.\n"
                    "The zip contains the project's wheel, which is built with its hooks.\n"
                    "What you can do: add the plugin to `build-system.requires`, or to the `dependencies` of the hook; "
                    "with `python -m hatchling`, install it."
                )
        hooks = {*builder.config.hook_config, *wheel_builder.config.hook_config}
        if hooks <= {builder.PLUGIN_NAME} and not wheel_builder.config.get_force_include():
            _ = wheel_builder.config.default_file_selection_options


def project_files(builder: BuilderInterface[Any, Any], settings: Settings) -> dict[str, Path]:
    """The project's files for a zip, by their paths in it, less what hooks add. Raises `LambdaBuildError`."""
    wheel_builder = ProjectWheelBuilder.of(builder, {}, settings)
    with wheel_builder.explaining_faults():
        found = [*wheel_builder.recurse_included_files()]
    paths = {file.distribution_path.replace(os.sep, "/"): Path(file.path) for file in found}
    return {path: source for path, source in paths.items() if not settings.is_not_its_own(path)}


def check_tags(wheel: Path, target: Target) -> None:
    """Raise `LambdaBuildError` if the target does not support the tags of the project's wheel, which hooks set."""
    if not fits(wheel.name, target):
        runtime, machine = target.runtime.name, target.architecture.machine
        raise LambdaBuildError(
            f"The project's wheel is tagged {compressed_tags(wheel.name)}, which {target.description} "
            "does not support.\n"
            "A build hook has made it for another Python or system, so it might not work on Lambda.\n"
            f"What you can do: build with the runtime's Python on Linux on {machine} (`{runtime} -m hatchling build -t "
            "lambda`); or, if the wheel works with others as well, have the hook set a tag that says so (`build_data"
            f'["tag"] = "cp310-abi3-linux_{machine}"` with code for the stable ABI, `"py3-none-linux_{machine}"` with '
            'code that needs no particular Python, `"py3-none-any"` without native code).'
        )


def shared_libraries(builder: BuilderInterface[Any, Any], settings: Settings) -> dict[str, Path]:
    """The selected files that Lambda's loader searches, by their paths in the zip; not those that hooks will add."""
    wheel_builder = ProjectWheelBuilder.of(builder, {}, settings)
    found: list[IncludedFile] = []
    with suppress(LambdaBuildError, OSError), wheel_builder.explaining_faults():  # reported when the wheel is built
        found += wheel_builder.recurse_included_files()
        found += wheel_builder.recurse_explicit_files(wheel_builder.config.shared_data)
    paths = {file.distribution_path.replace(os.sep, "/"): Path(file.path) for file in found}
    return {
        path: source
        for path, source in paths.items()
        if SEARCHED.fullmatch(path) and (path in wheel_builder.forced or not settings.is_not_its_own(path))
    }


class ProjectWheelBuilder(WheelBuilder):
    """Hatch's wheel builder with the file selection of another target on top of its own, and a function's on top."""

    overriding: dict[str, Any]
    tables: dict[str, str]
    """Where the user wrote what is overriding, by key."""
    contributed: dict[str, Any]
    packaged: list[str]
    """The paths of the files that were selected so far."""
    forced: set[str]
    """Those of them by the function's own `force-include`, by their paths in the wheel."""

    @classmethod
    def of(
        cls, builder: BuilderInterface[Any, Any], contributed: dict[str, Any], settings: Settings | None = None
    ) -> ProjectWheelBuilder:
        """`contributed`: the build data of the other target. `settings`: the function's."""
        self = cls(builder.root, plugin_manager=builder.plugin_manager, metadata=builder.metadata, app=builder.app)
        self.overriding = {key: builder.target_config[key] for key in FILE_SELECTION if key in builder.target_config}
        self.tables = dict.fromkeys(self.overriding, TARGET_TABLE)
        if settings:
            self.overriding |= settings.selection
            self.tables |= dict.fromkeys(settings.selection, settings.table)
        self.contributed = contributed
        self.packaged = []
        self.forced = set()
        leave_out_build_directory(self, builder.config.hook_config.get(HOOK, {}))
        return self

    @property
    def target_config(self) -> dict[str, Any]:
        return {**super().target_config, **self.overriding}

    # All that Hatch packages comes from these three.

    def recurse_project_files(self) -> Iterable[IncludedFile]:
        return self._packable(super().recurse_project_files())

    def recurse_explicit_files(self, inclusion_map: dict[str, str]) -> Iterable[IncludedFile]:
        return self._packable(super().recurse_explicit_files(inclusion_map))

    def recurse_forced_files(self, inclusion_map: dict[str, str]) -> Iterable[IncludedFile]:
        special = (  # which Hatch reports as missing
            IncludedFile(source, "", target)
            for source, target in inclusion_map.items()
            if os.path.lexists(source) and not os.path.isfile(source) and not os.path.isdir(source)  # noqa: PTH112, PTH113
        )
        own = self.config.force_include if self.tables.get("force-include", TARGET_TABLE) != TARGET_TABLE else ()
        for file in self._packable(chain(special, super().recurse_forced_files(inclusion_map)), forced=True):
            if any(Path(file.path).is_relative_to(source) for source in own):
                self.forced.add(file.distribution_path.replace(os.sep, "/"))
            yield file

    def _packable(self, files: Iterable[IncludedFile], *, forced: bool = False) -> Iterator[IncludedFile]:
        for file in packable(files, self.root, forced=forced):
            self.packaged.append(file.path)
            yield file

    def set_build_data_defaults(self, build_data: dict[str, Any]) -> None:
        super().set_build_data_defaults(build_data)
        for key, value in self.contributed.items():
            default = build_data.get(key)
            if isinstance(default, list):
                build_data[key] = [*default, *value]
            elif isinstance(default, dict):
                build_data[key] = {**default, **value}
            elif key in {*build_data, "tag"}:
                build_data[key] = value

    @contextmanager
    def explaining_faults(self) -> Iterator[None]:
        """Turn Hatch's configuration errors into ours, with the path of the table that the user wrote."""
        try:
            yield
        except (TypeError, ValueError) as error:
            if not raised_by(error, "hatchling"):
                raise
            message = str(error)
            if message.startswith("Unable to determine which files to ship"):
                name = self.normalize_file_name_component(self.metadata.core.name)
                raise LambdaBuildError(
                    f"Hatch cannot determine the project's files: there is no package or module named `{name}`.\n"
                    f"Select the files for the zip in pyproject.toml:\n\n[{TARGET_TABLE}]\n"
                    + suggested_selection(Path(self.root))
                ) from None
            for key, table in self.tables.items():
                message = message.replace(f"tool.hatch.build.targets.wheel.{key}", f"{table}.{key}")
            raise LambdaBuildError(message) from None


@contextmanager
def _surroundings(directory: Path) -> Iterator[None]:
    """Change two globals while Hatch builds its wheel, for which `WheelArchive` offers no argument or method.

    Its temporary file, which Hatch leaves behind when a build fails, goes to the directory. `SOURCE_DATE_EPOCH`, which
    Hatch limits to what a zip can hold at the lower end only, is limited at the upper end, too.
    """
    former_directory, former_epoch = tempfile.tempdir, os.environ.get(EPOCH_VARIABLE)
    tempfile.tempdir = str(directory)
    if former_epoch is not None:
        os.environ[EPOCH_VARIABLE] = str(source_date_epoch())
    try:
        yield
    finally:
        tempfile.tempdir = former_directory
        if former_epoch is not None:
            os.environ[EPOCH_VARIABLE] = former_epoch

"""One build of the target `lambda`, from the project's tables to the zips."""

from __future__ import annotations

import uuid
from collections import Counter
from contextlib import ExitStack, closing
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name
from packaging.version import Version

from hatch_lambda import pipeline
from hatch_lambda.bundle.files import union
from hatch_lambda.common import tempfiles
from hatch_lambda.common.errors import ConfigurationError, LambdaBuildError
from hatch_lambda.common.files import make_directory, write_cache
from hatch_lambda.common.ui import Reporter
from hatch_lambda.config.settings import (
    CODE,
    FIELDS,
    FUNCTION,
    HOOK_TABLE,
    LAYER,
    TARGET_TABLE,
    ProjectSettings,
    Settings,
)
from hatch_lambda.config.tables import load_project, missing_table_message
from hatch_lambda.config.validators import listed
from hatch_lambda.plugin import HOOK, made_zips, project_wheel, selection, unused_patterns
from hatch_lambda.plugin.archive import write
from hatch_lambda.plugin.common import Common
from hatch_lambda.plugin.contents import contents_of
from hatch_lambda.plugin.display import HatchUI
from hatch_lambda.plugin.prepared import PREPARED_KEY, Prepared, has_project, is_layer
from hatch_lambda.plugin.requests import Requests
from hatch_lambda.resolve.layers import Layer
from hatch_lambda.resolve.origins import Origins
from hatch_lambda.wheels import locks
from hatch_lambda.zip import layer_files, root_names, size, summary, variants, writer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hatchling.builders.plugin.interface import BuilderInterface
    from typing_extensions import Self

    from hatch_lambda.wheels.members import BundleFile

# What Hatch itself reads in the table of any hook.
_HATCH_OWN_KEYS = frozenset(
    {"dependencies", "enable-by-default", "require-runtime-dependencies", "require-runtime-features"}
)


class Build:
    """What hook and builder share: the settings, loaded once, what zips have in common, and the zips made so far."""

    def __init__(self, builder: BuilderInterface[Any, Any]) -> None:
        self.builder = builder
        self._made: list[tuple[Prepared, summary.Made]] = []
        self._held = ExitStack()
        self._held_to_the_end = ExitStack()
        self._id = uuid.uuid4().hex

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Release the lock and remove the project's wheel, wherever the build has ended."""
        self._held.close()
        self._held_to_the_end.close()

    @cached_property
    def tables(self) -> ProjectSettings:
        """What the tables of hook and target say. Raises `LambdaBuildError`."""
        builder = self.builder
        of_target = HOOK in builder.target_config.get("hooks", {})
        if HOOK not in builder.config.hook_config:
            if of_target or HOOK in builder.build_config.get("hooks", {}):
                raise LambdaBuildError(
                    "The target `lambda` requires the `lambda` build hook, but hooks are disabled "
                    "(`HATCH_BUILD_NO_HOOKS` or `--no-hooks`)."
                )
            raise LambdaBuildError(missing_table_message())
        table = builder.config.hook_config[HOOK]
        return load_project(
            {key: value for key, value in table.items() if key not in _HATCH_OWN_KEYS},
            builder.target_config,
            Path(builder.root),
            hatch_keys=project_wheel.HATCH_KEYS,
            # A hook's table below a target replaces the general one (https://hatch.pypa.io/latest/config/build/#build-hooks).
            name=f"{TARGET_TABLE}.hooks.{HOOK}" if of_target else HOOK_TABLE,
        )

    @property
    def settings(self) -> Mapping[str, Settings]:
        """By version of the target."""
        return self.tables.versions

    def reporter(self, *, verbose: bool = False) -> Reporter:
        return Reporter(HatchUI(self.builder.app), verbose=verbose or self.builder.app.verbosity > 0)

    @cached_property
    def requests(self) -> Requests:
        """The bundles that the versions of the target need."""
        return Requests(self.builder, self.settings, self._common, self._id)

    def default_build_data(self) -> dict[str, Any]:
        return project_wheel.ProjectWheelBuilder.of(self.builder, {}).get_default_build_data()

    def check(self, versions: list[str]) -> None:
        """Find what would stop the build later, or in Hatch with a traceback. Raises `LambdaBuildError`."""
        writer.source_date_epoch()
        if self.tables.zip.sbom:
            from hatch_lambda.inspect.sbom import check_installed

            check_installed()
        if unknown := [version for version in versions if version not in self.settings]:
            known = listed(self.settings)
            raise ConfigurationError(
                [f"The target `lambda` has no version `{name}`; it has {known}" for name in unknown]
            )
        names = Counter(self._zip_name(version) for version in dict.fromkeys(versions))
        if shared := [name for name, count in names.items() if count > 1]:
            raise ConfigurationError(
                [
                    f"Field `{TARGET_TABLE}.archive-name` gives several zips of this build the name `{name}`; "
                    "add `{variant}`, which differs for each"
                    for name in shared
                ]
            )
        concerned = {each: self.settings[each] for name in versions for each in (name, *self.settings[name].layers)}
        layer_files.check_sources(concerned.values())
        with_project = [settings for version, settings in concerned.items() if has_project(version, settings)]
        self._common.has_several = len(with_project) > 1
        selection.build_directory(self.builder, self.builder.config.hook_config[HOOK])
        for settings in {(each.sources, each.force_include): each for each in with_project}.values():
            project_wheel.check_selection(self.builder, settings)

    def prepare(self, version: str, build_data: dict[str, Any], *, cleaned: tuple[str, ...]) -> None:
        """Run the pipeline for a version and put the result into Hatch's build data. Raises `LambdaBuildError`."""
        self._common.before_each()
        prepared = self._prepared(version, cleaned)
        if prepared.settings.is_layer:
            self._lock(prepared.settings)  # it may have been prepared for a function
        build_data[PREPARED_KEY] = prepared

    def _prepared(self, version: str, cleaned: tuple[str, ...]) -> Prepared:
        if version in self._common.layers:
            return self._common.layers[version]
        layers = tuple(self._prepared(name, cleaned) for name in self.settings[version].layers)
        request = self.requests.of(version, cleaned=cleaned)
        reporter = self.reporter()
        self._lock(request.settings)
        directory = request.settings.build_directory
        tempfiles.sweep(directory, tempfiles.PART)
        make_directory(request.settings.target_directory, below=directory)
        gitignore = directory / ".gitignore"
        if not gitignore.exists():  # tools that select files by what git ignores package no bundle
            write_cache(gitignore, b"*\n")
        bundle = pipeline.make_bundle(
            request,
            reporter,
            self._common.bundles,
            layers=[Layer(each.settings, each.bundle.wheels) for each in layers],
            together=() if request.settings.lock_file else self.requests.together(version),
        )
        prepared = Prepared(version, request, bundle, reporter, layers)
        if request.settings.is_layer:
            self._common.layers[version] = prepared
        return prepared

    def build_zip(self, directory: str, build_data: dict[str, Any]) -> str:
        """Write the zip of the version that was prepared, and report it. Raises `LambdaBuildError`."""
        prepared: Prepared = build_data[PREPARED_KEY]
        version, bundle, reporter = prepared.version, prepared.bundle, prepared.reporter
        former_warnings = [*reporter.warnings]  # those given from here on stand right above the summary
        settings, known = prepared.settings, (self._common, build_data)
        with ExitStack() as stack:
            layers = {
                layer.version: contents_of(layer, *known, stack, self._owner, quiet=True) for layer in prepared.layers
            }
            contents = contents_of(prepared, *known, stack, self._owner, layers=[*layers.values()])
            own, dependencies, placed, sources = contents
            for warning in (
                *own.warnings,
                *unused_patterns.warnings(self.builder, prepared, self.settings[FUNCTION], own),
                *root_names.warnings(
                    own.files if version == CODE else contents.modules, settings.target, own=self._owner
                ),
            ):
                if not any(warning in other.reporter.warnings for other, _made in self._made):
                    reporter.warn(warning)
            modules = {name: layer.modules for name, layer in layers.items()}
            self._check_handler(prepared, (*chain.from_iterable(modules.values()), *contents.modules))
            files = variants.compose(version, own.files, dependencies, own_sources=own.sources, sources=sources)
            if settings.is_layer:
                files = layer_files.with_placed(variants.in_layer(files), placed, settings)
            if not files:
                reporter.warn("the zip is empty, and Lambda accepts no empty layer")
            variants.check_with_layers(contents.modules, modules, settings.table)
            union(layer.placed for layer in layers.values())
            everything = {name: layer.everything for name, layer in layers.items()}
            with reporter.at_work("checking the size"):  # which takes a while if it is too large
                size.check_size(
                    *(version, (*own.files, *placed), dependencies, settings),
                    *(bundle.wheels, self._common.store, everything),
                )
            path = Path(directory, self._zip_name(version))
            archive, unchanged = write(
                *(path, files, prepared, contents, self.tables.zip),
                root=Path(self.builder.root),
                owner=self._owner,
                when_read=stack.close,
            )
        made = summary.Made(
            archive,
            files,
            unchanged=unchanged,
            distributions=None if version == CODE else len(bundle.wheels),
            origins=Origins() if version == CODE else bundle.origins,
            own_files=sum(".dist-info/" not in path for path in own.selected)
            if has_project(version, settings)
            else None,
            placed=len(placed),
            is_layer=is_layer(version, settings),
            layers={name: layer.size for name, layer in layers.items()},
            left_out={} if version == CODE else bundle.left_out,
            target=settings.target,
        )
        self._made.append((prepared, made))
        for line in summary.lines(made, reporter.screen, former_warnings):
            reporter.coloured_line(line)
        return str(path)

    def compare_zips(self) -> None:
        """List the zips of this build side by side, if there are several."""
        if len(self._made) > 1:
            reporter = self._made[-1][0].reporter
            together = {prepared.version for prepared, _made in self._made} == {CODE, LAYER}
            for line in summary.overview([made for _prepared, made in self._made], reporter.screen, together=together):
                reporter.coloured_line(line)

    def clean(self, directory: str, versions: list[str]) -> None:
        """Remove the zips of earlier builds for the current target, of any project version; those for others stay.

        Those of functions that are no longer configured go, too, unless only some versions are to be cleaned.
        """
        root = Path(self.builder.root).resolve()
        if HOOK in self.builder.config.hook_config:
            targets = {version: str(self.settings[version].target) for version in versions or self.settings}
            build_directory = self.settings[FUNCTION].build_directory
            everything = {*self.builder.config.versions} <= {*(versions or self.settings)}
            made_zips.remove(
                *(build_directory, root, Path(directory)),
                lambda version, target: (
                    (version, target) in targets.items() or (everything and version not in self.settings)
                ),
            )
        else:  # without the table there is no target: remove the zips for all
            made_zips.remove(root / FIELDS["build-directory"].default, root, Path(directory), lambda *_made: True)

    def forget(self, versions: tuple[str, ...]) -> None:
        """Remove the bundles of versions, and what was resolved for them."""
        for settings in dict.fromkeys(self.settings[version] for version in versions):
            self._lock(settings)
            tempfiles.remove(settings.target_directory)
        self._held.close()

    def _lock(self, settings: Settings) -> None:
        """Lock the bundle of a version and release the former one, for which Hatch may have built no zip."""
        self._held.close()
        self._held.enter_context(locks.building(self._common.store, settings.bundle_directory, self.reporter().line))

    @cached_property
    def _common(self) -> Common:
        return self._held_to_the_end.enter_context(closing(Common(self.builder, self.settings)))

    @property
    def _core(self) -> Any:
        return self.builder.metadata.core

    @cached_property
    def _owner(self) -> str:
        """The project, as the files of its own wheel name it."""
        return f"{canonicalize_name(self._core.name)} {Version(self.builder.metadata.version)}"

    def _zip_name(self, version: str) -> str:
        project, project_version = self.builder.project_id.split("-", 1)
        target = self.settings[version].target
        return self.tables.zip.name_of(version, project=project, project_version=project_version, target=target)

    def _check_handler(self, prepared: Prepared, files: tuple[BundleFile, ...]) -> None:
        """Check that Lambda will find the handler in these files, whether they go into one zip or into two."""
        settings = prepared.settings
        handler, table = settings.handler or self.tables.zip.handler, settings.table
        if not handler or is_layer(prepared.version, settings):
            return
        from hatch_lambda.zip.handler import check_handler

        setting = f"{table if settings.handler else TARGET_TABLE}.handler"
        if note := check_handler(handler, files, settings.target, own=self._owner, setting=setting):
            prepared.reporter.line(f"  {note}")

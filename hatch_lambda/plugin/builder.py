"""The build target `lambda`: the project's wheel and the hook's bundle, in one zip or in two."""

from __future__ import annotations

import gc
import re
import tempfile
from collections import Counter
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.plugin.interface import BuilderInterface
from hatchling.plugin.manager import PluginManager

from hatch_lambda.plugin.prepared import HOOK, PREPARED_KEY, WAITING_PIP_KEY, Prepared

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from hatch_lambda.bundle.files import Bundle
    from hatch_lambda.common.ui import Reporter
    from hatch_lambda.config.request import Request
    from hatch_lambda.config.settings import Settings, ZipSettings
    from hatch_lambda.resolve.pip.process import WaitingPip
    from hatch_lambda.wheels.members import BundleFile
    from hatch_lambda.zip.summary import Made


class LambdaBuilder(BuilderInterface[BuilderConfig, PluginManager]):
    """Builds the zips that are uploaded to Lambda."""

    PLUGIN_NAME = "lambda"

    def get_version_api(self) -> dict[str, Callable[..., str]]:
        return dict.fromkeys(["function", "layer", "code", *self._functions], self.build_zip)

    def get_default_versions(self) -> list[str]:
        """A project that is cut into functions means these."""
        return self._functions or ["function"]

    _waiting_pip: WaitingPip | None = None

    def get_default_build_data(self) -> dict[str, Any]:
        return {WAITING_PIP_KEY: self._waiting_pip}

    def build(
        self, *, versions: list[str] | None = None, clean_only: bool | None = False, **options: Any
    ) -> Generator[str, None, None]:
        from hatch_lambda.plugin.display import aborting

        if hasattr(gc, "freeze"):
            # What Hatch has imported stays until the end. There, looking for garbage in it takes a tenth of a rebuild.
            gc.freeze()
        with aborting(self.app):
            if clean_only:
                yield from super().build(versions=versions, clean_only=clean_only, **options)
                return
            wanted = versions or self.config.versions
            self._check(wanted)
            with self._looking_ahead(wanted, anew=bool(options.get("clean"))):
                yield from super().build(versions=versions, clean_only=clean_only, **options)
            self._tell_of_all()

    def build_zip(self, directory: str, **build_data: Any) -> str:
        """One zip, as Lambda unpacks it: the project and its dependencies, or either of them."""
        from hatch_lambda.common import tempfiles
        from hatch_lambda.config.settings import CODE, LAYER
        from hatch_lambda.resolve.closure import Origins
        from hatch_lambda.zip import size, summary, variants, writer

        prepared: Prepared = build_data[PREPARED_KEY]
        zips = self._zip_settings()
        reporter = prepared.reporter
        former_warnings = [*reporter.warnings]  # this one's own will stand right above the summary
        # A requirements file may name the project itself (`-e .`); its own wheel is the one to take.
        dependencies = tuple(file for file in prepared.bundle.files if file.owner != self._owner)
        tempfiles.sweep(Path(tempfile.gettempdir()), tempfiles.SCRATCH)
        with ExitStack() as stack:
            scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix=tempfiles.marked(tempfiles.SCRATCH)))
            own = () if prepared.version == LAYER else self._own_files(Path(scratch), build_data, reporter)
            self._check_handler(prepared, zips, (*own, *dependencies))
            files = variants.compose(prepared.version, own, dependencies)
            size.make_sure_that_it_fits([*own, *dependencies])
            path = Path(directory, self._archive_name(prepared, zips))
            with reporter.at_work("writing the zip"), self._alone_with(prepared.request):
                written = writer.write(path, files, level=zips.compression_level, when_read=stack.close)
        code_alone = prepared.version == CODE
        made = summary.Made(
            written,
            files,
            distributions=None if code_alone else len(prepared.bundle.wheels),
            origins=Origins() if code_alone else prepared.bundle.origins,
            has_project=prepared.version != LAYER,
            left_out={} if code_alone else prepared.bundle.left_out,
        )
        self._write_papers(prepared, zips, written.path)
        self._made.append((prepared, made))
        for line in summary.lines(made, reporter.screen, former_warnings):
            reporter.line(line)
        return str(written.path)

    @contextmanager
    def _alone_with(self, request: Request) -> Iterator[None]:
        """Keep others from clearing the store while it is read from."""
        from hatch_lambda.wheels.store import user_store

        with user_store(request.settings.fallback_store).alone_with(request.directory, lambda: None):
            yield

    def _write_papers(self, prepared: Prepared, zips: ZipSettings, path: Path) -> None:
        """What is left beside the zip for those who want to look into it."""
        if zips.report:
            from hatch_lambda.inspect import report

            report.write(path, report.beside(path), prepared.settings.target)
        if zips.sbom:
            from hatch_lambda.inspect import report, sbom

            hashes = {wheel.distribution.partition(" ")[0]: wheel.sha256 for wheel in prepared.bundle.wheels}
            sbom.write(path, report.beside(path, ".cdx.json"), prepared.settings.target, hashes)

    @cached_property
    def _made(self) -> list[tuple[Prepared, Made]]:
        """The zips of this build so far."""
        return []

    def _tell_of_all(self) -> None:
        """Where there are several, how they compare."""
        if len(self._made) < 2:  # noqa: PLR2004 - one has told all
            return
        from hatch_lambda.config.settings import CODE, LAYER
        from hatch_lambda.zip import summary

        reporter = self._made[-1][0].reporter
        together = {prepared.version for prepared, _made in self._made} == {CODE, LAYER}
        for line in summary.overview([made for _prepared, made in self._made], reporter.screen, together=together):
            reporter.line(line)

    def clean(self, directory: str, versions: list[str]) -> None:
        """Remove the zips of this project for the target at hand, whatever their version; those for others stay."""
        if HOOK in self.config.hook_config:
            names = self._names_of_zips(versions or [*self.get_version_api()], project_version="VERSION")
            patterns = [re.escape(name).replace("VERSION", r"[^-]+") for name in names]
        else:  # no table, no target: of all targets then
            project = self.normalize_file_name_component(self.metadata.core.name)
            patterns = [rf"{re.escape(project)}-.+-python3\.\d+-\w+\.zip"]
        for path in Path(directory).iterdir():
            of_zip = re.sub(r"\.(html|cdx\.json)$", ".zip", path.name)  # a report and a bill of materials go with it
            if any(re.fullmatch(pattern, of_zip) for pattern in patterns):
                path.unlink()

    @property
    def _functions(self) -> list[str]:
        """As they stand in the table, which may have faults: these are told when it is read."""
        functions = self._hook_table.get("functions", {})
        return [name for name in functions if isinstance(name, str)] if isinstance(functions, dict) else []

    @property
    def _hook_table(self) -> dict[str, Any]:
        table = self.config.hook_config.get(HOOK, {})
        return table if isinstance(table, dict) else {}

    @cached_property
    def _owner(self) -> str:
        """The project, as the files of its own wheel name it."""
        from packaging.utils import canonicalize_name
        from packaging.version import Version

        return f"{canonicalize_name(self.metadata.core.name)} {Version(self.metadata.version)}"

    def _settings(self) -> dict[str, Settings]:
        """What the hook was told, which the build data have in a build."""
        from hatch_lambda.plugin.requests import load_settings

        return load_settings(self._hook_table, self.config, self.root)

    def _zip_settings(self) -> ZipSettings:
        from hatch_lambda.config.settings import load_zip_settings
        from hatch_lambda.plugin.project_wheel import HATCH_KEYS

        return load_zip_settings(self.target_config, Path(self.root), hatch_keys=HATCH_KEYS)

    def _check(self, versions: list[str]) -> None:
        """Say at once what would stop the build later, or with a traceback of Hatch's."""
        from hatch_lambda.common.errors import ConfigurationError, LambdaBuildError
        from hatch_lambda.config.settings import LAYER, missing_table_message
        from hatch_lambda.config.validators import listed
        from hatch_lambda.plugin.project_wheel import check_selection
        from hatch_lambda.zip.writer import source_date_epoch

        source_date_epoch()
        if self._zip_settings().sbom:
            from hatch_lambda.inspect.sbom import make_sure_that_the_library_is_there

            make_sure_that_the_library_is_there()
        if HOOK not in self.config.hook_config:
            if HOOK in self.build_config.get("hooks", {}) or HOOK in self.target_config.get("hooks", {}):
                raise LambdaBuildError("The target `lambda` needs its build hook, and Hatch was told not to run it.")
            raise LambdaBuildError(missing_table_message())
        self._settings()
        known = self.get_version_api()
        if unknown := [version for version in versions if version not in known]:
            raise ConfigurationError(
                [f"The target `lambda` has no version `{version}`; it has {listed(known)}" for version in unknown]
            )
        self._refuse_shared_names(versions)
        if versions != [LAYER]:
            check_selection(self)

    @contextmanager
    def _looking_ahead(self, versions: list[str], *, anew: bool) -> Iterator[None]:
        """Begin with what a build will wait for, while all the rest is still to be imported."""
        from hatch_lambda.resolve.saved_resolution import look_ahead
        from hatch_lambda.wheels.store import user_store

        of_versions = self._settings()
        wanted = list(dict.fromkeys(of_versions[version] for version in versions))
        folders = [settings.target_directory for settings in wanted]
        resolved = look_ahead(folders, user_store(wanted[0].fallback_store)) if not anew else set()
        if not any(
            settings.target_directory not in resolved and not settings.lock_file and self._has_dependencies(settings)
            for settings in wanted
        ):
            yield
            return
        from hatch_lambda.resolve.pip.process import WaitingPip

        with WaitingPip(wanted[0].root) as self._waiting_pip:
            yield

    def _has_dependencies(self, settings: Settings) -> bool:
        """Whether it may have any, by a quick look."""
        named = (settings.requirements, settings.extras, settings.dependency_groups)
        return any(named) or bool(self.metadata.core.dependencies)

    def _refuse_shared_names(self, versions: list[str]) -> None:
        from hatch_lambda.common.errors import ConfigurationError
        from hatch_lambda.config.settings import TARGET_TABLE

        if shared := [name for name, times in Counter(self._names_of_zips(versions)).items() if times > 1]:
            raise ConfigurationError(
                [
                    f"Field `{TARGET_TABLE}.archive-name` gives several zips of this build the name `{name}`; "
                    "put `{variant}` into it, which is another word for each"
                    for name in shared
                ]
            )

    def _names_of_zips(self, versions: Iterable[str], *, project_version: str | None = None) -> list[str]:
        zips, of_versions = self._zip_settings(), self._settings()
        project, own_version = self.project_id.split("-", 1)
        return [
            zips.name_of(
                version,
                project=project,
                project_version=project_version or own_version,
                target=of_versions[version].target,
            )
            for version in dict.fromkeys(versions)
        ]

    def _archive_name(self, prepared: Prepared, zips: ZipSettings) -> str:
        project, version = self.project_id.split("-", 1)
        target = prepared.settings.target
        return zips.name_of(prepared.version, project=project, project_version=version, target=target)

    def _own_files(self, scratch: Path, build_data: dict[str, Any], reporter: Reporter) -> tuple[BundleFile, ...]:
        """What the project itself brings into the zip, looked through."""
        from hatch_lambda.plugin import project_wheel
        from hatch_lambda.wheels import layout
        from hatch_lambda.zip.secrets import likely_secrets, refuse_credentials_in_metadata

        prepared: Prepared = build_data[PREPARED_KEY]
        settings = prepared.settings
        wheel = project_wheel.build_wheel(self, scratch, build_data)
        self._audit(wheel, prepared.bundle, settings)
        files = layout.lay_out(wheel, settings.target, settings.is_not_its_own)
        refuse_credentials_in_metadata(files)
        if all(".dist-info/" in file.path for file in files):
            reporter.warn("no file of the project itself is selected; the zip has its metadata alone")
        if secrets := likely_secrets(files):
            reporter.warn(
                f"these files often hold secrets, and whoever gets the zip can read them: {', '.join(secrets)}"
            )
        return self._compiled(files, settings, reporter) if settings.compile_bytecode else files

    def _compiled(
        self, files: tuple[BundleFile, ...], settings: Settings, reporter: Reporter
    ) -> tuple[BundleFile, ...]:
        from hatch_lambda.bundle.bytecode import compile_bundle
        from hatch_lambda.wheels.store import user_store

        made = compile_bundle(files, (), settings, user_store(settings.fallback_store))
        for module in made.uncompiled:
            reporter.warn(f"{settings.target.runtime.name} cannot compile {module}")
        return made.added_to(files)

    def _check_handler(self, prepared: Prepared, zips: ZipSettings, files: tuple[BundleFile, ...]) -> None:
        """Make sure that Lambda finds the handler in what it gets, be it in one zip or in two."""
        from hatch_lambda.config.settings import LAYER, TARGET_TABLE

        settings = prepared.settings
        handler, table = (settings.handler, settings.table) if settings.handler else (zips.handler, TARGET_TABLE)
        if not handler or prepared.version == LAYER:
            return
        from hatch_lambda.zip.handler import check_handler

        if note := check_handler(handler, files, settings.target, own=self._owner, setting=f"{table}.handler"):
            prepared.reporter.line(f"  {note}")

    def _audit(self, wheel: Path, dependencies: Bundle, settings: Settings) -> None:
        """Machine code of the project's own is judged together with what the dependencies bring."""
        from hatch_lambda.wheels.signatures import may_have_machine_code

        if not may_have_machine_code(wheel):
            return  # as most have none; what follows takes its time to import
        from hatch_lambda.resolve.audit import scans_of, without
        from hatch_lambda.wheels.loadable import make_sure_that_it_loads
        from hatch_lambda.wheels.scan import scan
        from hatch_lambda.wheels.store import user_store

        own = [without(found, settings.is_not_its_own) for found in scan([(self.project_id, wheel)])]
        kept = [(kept.distribution, kept.path) for kept in dependencies.wheels]
        others = scans_of(kept, settings, user_store(settings.fallback_store))
        make_sure_that_it_loads([*own, *others], settings.target, vouched_for=settings.compatible)

"""The build target `lambda`: the project's wheel and the hook's bundle, in one zip."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.plugin.interface import BuilderInterface
from hatchling.plugin.manager import PluginManager

from hatch_lambda.build_hook import BUNDLE_KEY, SETTINGS_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from hatch_lambda.archive import Archive
    from hatch_lambda.bundle import Bundle
    from hatch_lambda.settings import Settings

HOOK = "lambda"


class LambdaBuilder(BuilderInterface[BuilderConfig, PluginManager]):
    """Builds the zip that is uploaded to Lambda."""

    PLUGIN_NAME = "lambda"

    def get_version_api(self) -> dict[str, Callable[..., str]]:
        return {"function": self.build_function}

    def build(
        self, *, versions: list[str] | None = None, clean_only: bool | None = False, **options: Any
    ) -> Generator[str, None, None]:
        from hatch_lambda.hatch_ui import aborting

        with aborting(self.app):
            if not clean_only:
                self._check(versions or [])
            yield from super().build(versions=versions, clean_only=clean_only, **options)

    def build_function(self, directory: str, **build_data: Any) -> str:
        """The zip of project and dependencies, at its root, as Lambda unpacks it to `/var/task`."""
        from hatch_lambda import archive, bundle, layout, limits, litter, project
        from hatch_lambda.hatch_ui import HatchUI
        from hatch_lambda.sensitive_files import likely_secrets, refuse_credentials_in_metadata
        from hatch_lambda.ui import Reporter

        settings: Settings = build_data[SETTINGS_KEY]
        dependencies: Bundle = build_data[BUNDLE_KEY]
        reporter = Reporter(HatchUI(self.app))
        litter.sweep(Path(tempfile.gettempdir()), litter.SCRATCH)
        with tempfile.TemporaryDirectory(prefix=litter.marked(litter.SCRATCH)) as scratch:
            wheel = project.build_wheel(self, Path(scratch), build_data)
            self._audit(wheel, dependencies, settings)
            own_files = layout.lay_out(wheel, settings.target)
            refuse_credentials_in_metadata(own_files)
            if all(".dist-info/" in file.path for file in own_files):
                reporter.warn("no file of the project itself is selected; the zip has its metadata alone")
            if secrets := likely_secrets(own_files):
                reporter.warn(
                    f"these files often hold secrets, and whoever gets the zip can read them: {', '.join(secrets)}"
                )
            # A requirements file may name the project itself (`-e .`); its own wheel is the one to take.
            others = tuple(file for file in dependencies.files if file.owner != own_files[0].owner)
            files = bundle.union([own_files, others])
            limits.make_sure_that_it_fits(files)
            made = archive.write(Path(directory, self._archive_name(settings)), files)
        reporter.line(_summary(made, dependencies))
        return str(made.path)

    def clean(self, directory: str, versions: list[str]) -> None:
        """Remove the zips of this project for the target at hand, whatever their version; those for others stay."""
        del versions
        name = re.escape(self.normalize_file_name_component(self.metadata.core.name))
        target = re.escape(str(self._settings().target)) if HOOK in self.config.hook_config else r"python3\.\d+-\w+"
        ours = re.compile(rf"{name}-.+-{target}\.zip")
        for path in Path(directory).iterdir():
            if ours.fullmatch(path.name):
                path.unlink()

    def _settings(self) -> Settings:
        """What the hook was told, which the build data have in a build."""
        from hatch_lambda.build_hook import load_settings

        return load_settings(self.config.hook_config.get(HOOK, {}), self.config, self.root)

    def _check(self, versions: list[str]) -> None:
        """Say at once what would stop the build later, or with a traceback of Hatch's."""
        from hatch_lambda.archive import source_date_epoch
        from hatch_lambda.errors import ConfigurationError, LambdaBuildError
        from hatch_lambda.project import HATCH_KEYS, check_selection
        from hatch_lambda.settings import check_target_table, missing_table_message

        source_date_epoch()
        check_target_table(self.target_config, HATCH_KEYS)
        if unknown := [version for version in versions if version not in self.get_version_api()]:
            raise ConfigurationError(
                [f"The target `lambda` has no version `{version}` yet; it has `function`" for version in unknown]
            )
        if HOOK not in self.config.hook_config:
            if HOOK in self.build_config.get("hooks", {}) or HOOK in self.target_config.get("hooks", {}):
                raise LambdaBuildError("The target `lambda` needs its build hook, and Hatch was told not to run it.")
            raise LambdaBuildError(missing_table_message())
        check_selection(self)

    def _audit(self, wheel: Path, dependencies: Bundle, settings: Settings) -> None:
        """Machine code of the project's own is judged together with what the dependencies bring."""
        from hatch_lambda.audit import make_sure_that_it_loads, scan
        from hatch_lambda.stages.audit import scans_of
        from hatch_lambda.store import user_store

        (own,) = scan([(self.project_id, wheel)])
        if own.machine_code:
            kept = [(kept.distribution, kept.path) for kept in dependencies.wheels]
            others = scans_of(kept, settings, user_store(settings.fallback_store))
            make_sure_that_it_loads([own, *others], settings.target, vouched_for=settings.compatible)

    def _archive_name(self, settings: Settings) -> str:
        return f"{self.project_id}-{settings.target}.zip"


def _summary(made: Archive, dependencies: Bundle) -> str:
    from hatch_lambda.limits import DIRECT_UPLOAD_LIMIT, UNZIPPED_LIMIT
    from hatch_lambda.ui import counted, megabytes

    zipped, unzipped = megabytes(made.zipped), megabytes(made.unzipped)
    lines = [
        f"{made.path.name}: the project and {counted(len(dependencies.wheels), 'distribution')}",
        f"  zipped   {zipped:>9} of {megabytes(DIRECT_UPLOAD_LIMIT)} for a direct upload",
        f"  unzipped {unzipped:>9} of {megabytes(UNZIPPED_LIMIT)}, layers included",
    ]
    if made.zipped > DIRECT_UPLOAD_LIMIT:
        lines.append("Warning: it is too large for a direct upload; upload it by way of S3.")
    return "\n".join(lines)

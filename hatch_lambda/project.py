"""The project itself as a wheel, made by Hatch's own wheel builder with what `targets.lambda` says of files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatchling.builders.wheel import WheelBuilder

from hatch_lambda.errors import LambdaBuildError
from hatch_lambda.settings import TARGET_TABLE

if TYPE_CHECKING:
    from hatchling.builders.plugin.interface import BuilderInterface

# Hatch's options that select files: https://hatch.pypa.io/latest/config/build/#file-selection
_FILE_SELECTION = (
    *("include", "exclude", "packages", "only-include", "only-packages", "sources", "force-include", "artifacts"),
    *("ignore-vcs", "skip-excluded-dirs"),
)


def build_wheel(builder: BuilderInterface[Any, Any], directory: Path, build_data: dict[str, Any]) -> Path:
    """Build the project's wheel into a directory: what it ships, the zip ships.

    Hooks of the wheel target run as for any wheel; files that hooks of the target `lambda` asked for come on top.
    Raises `LambdaBuildError` where Hatch cannot tell which files are the project's.
    """
    wheel_builder = _ProjectWheelBuilder(
        builder.root, plugin_manager=builder.plugin_manager, metadata=builder.metadata, app=builder.app
    )
    wheel_builder.overriding = {
        key: builder.target_config[key] for key in _FILE_SELECTION if key in builder.target_config
    }
    wheel_builder.contributed = build_data
    wheel_builder.make_sure_that_files_are_selected()
    (wheel,) = wheel_builder.build(
        directory=str(directory), versions=["standard"], hooks_only=False, clean=False, clean_hooks_after=False
    )
    return Path(wheel)


class _ProjectWheelBuilder(WheelBuilder):
    """Hatch's wheel builder with the file selection of another target over its own."""

    overriding: dict[str, Any]
    contributed: dict[str, Any]

    @property
    def target_config(self) -> dict[str, Any]:
        return {**super().target_config, **self.overriding}

    def set_build_data_defaults(self, build_data: dict[str, Any]) -> None:
        super().set_build_data_defaults(build_data)
        build_data["artifacts"] = [*build_data["artifacts"], *self.contributed.get("artifacts", ())]
        build_data["force_include"] = {**build_data["force_include"], **self.contributed.get("force_include", {})}

    def make_sure_that_files_are_selected(self) -> None:
        contributes_files = self.contributed.get("artifacts") or self.contributed.get("force_include")
        if contributes_files or self.config.get_force_include():
            return
        try:
            _ = self.config.default_file_selection_options
        except ValueError:
            raise LambdaBuildError(self._nothing_selected()) from None

    def _nothing_selected(self) -> str:
        name = self.normalize_file_name_component(self.metadata.core.name)
        root = Path(self.root)
        modules = sorted(path.name for path in root.glob("*.py") if path.name not in {"setup.py", "conftest.py"})
        packages = sorted(path.parent.relative_to(root).as_posix() for path in root.glob("**/__init__.py"))
        top_level = [path for path in packages if not any(path.startswith(f"{other}/") for other in packages)]
        own = (
            modules
            or [path for path in top_level if path.split("/")[0] not in {"tests", "test", "docs"}][:1]
            or ["app.py"]
        )
        selected = ", ".join(f'"{path}"' for path in own)
        return (
            f"Hatch cannot tell which files are the project's: there is no package or module named `{name}`.\n"
            f"Say which ones belong into the zip, in pyproject.toml:\n\n"
            f"[{TARGET_TABLE}]\n"
            f"only-include = [{selected}]"
        )

"""Which zips are to be deployed, and what each of them is."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import Version

from hatch_lambda.common.hashing import sha256_of
from hatch_lambda.common.ui import counted
from hatch_lambda.config.validators import listed
from hatch_lambda.deploy.errors import DeployError
from hatch_lambda.inspect import contents, fitness
from hatch_lambda.inspect.output import target_by_name
from hatch_lambda.zip.reader import open_zip

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from hatch_lambda.common.target import Target
    from hatch_lambda.deploy.project import Origin, Project, Variant

_DIST_INFO = re.compile(r"(?:python/(?:lib/[^/]+/site-packages/)?)?([^/]+)-([^-/]+)\.dist-info/METADATA")
# What other artifacts of a build are called: `hatch publish` and a shell's `dist/*` name them, too.
_OTHER_ARTIFACTS = (".whl", ".tar.gz", ".html", ".json")


@dataclass(frozen=True)
class Zip:
    """A zip to deploy. `variant`: None if it is not known which of a project's zips it is. `target`: likewise."""

    path: Path
    is_layer: bool
    variant: Variant | None = None
    target: Target | None = None

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def variant_name(self) -> str | None:
        return self.variant.name if self.variant else None

    @cached_property
    def code_sha256(self) -> str:
        """As Lambda gives it: base64."""
        return base64.b64encode(bytes.fromhex(sha256_of(self.path))).decode()

    @cached_property
    def size(self) -> int:
        return self.path.stat().st_size

    @cached_property
    def fits(self) -> tuple[Target, ...]:
        """Where it runs: its target if that is known, or else every one that nothing in it speaks against."""
        if self.target:
            return (self.target,)
        faults = fitness.faults_by_target(contents.read(self.path))
        return tuple(target for target, found in faults.items() if not found)


def find(paths: Sequence[Path], project: Project | None) -> tuple[Zip, ...]:
    """The zips among these paths; by default, those of the project's current version in its `dist`.

    A directory stands for the zips of the project in it. Raises `DeployError`.
    """
    if not paths and not project:
        raise DeployError(
            "There is no project here, so there is no telling which zip to deploy.\n"
            "What you can do: run it in the folder of a project with a pyproject.toml, or name the zip: "
            "`hatch-lambda deploy orders.zip --function orders`."
        )
    found: dict[Path, Zip] = {}
    for path in paths or ([project.directory] if project else []):
        if path.is_dir() or not paths:
            if not project:
                raise DeployError(f"{path} is a directory, and there is no project here. Name the zips in it.")
            found.update({each.resolve(): _described(each, project) for each in _current(project, path)})
        elif path.suffix == ".zip":
            found[path.resolve()] = _described(path, project)
        elif not path.name.endswith(_OTHER_ARTIFACTS):
            raise DeployError(f"{path} is not a zip." if path.exists() else f"{path} does not exist.")
    if not found:
        raise DeployError(
            f"There is no zip among {listed(map(str, paths))}.\nWhat you can do: build it: `hatch build -t lambda`."
        )
    return tuple(found.values())


def _current(project: Project, directory: Path) -> Iterator[Path]:
    """The zips of a directory that a build of the project would make now. Raises `DeployError`."""
    there = {path: origin for path in sorted(directory.glob("*.zip")) if (origin := project.origin_of(path))}
    chosen: dict[str, list[Path]] = {}
    for path, origin in there.items():
        if _is_current(origin, project):
            chosen.setdefault(origin.variant.name, []).append(path)
    for variant, paths in chosen.items():
        if len(paths) > 1:
            raise DeployError(
                f"{directory} has {counted(len(paths), 'zip')} for `{variant}`: {_names(paths)}.\n"
                "What you can do: name the one to deploy, or remove the others: `hatch build -c -t lambda`."
            )
    if not chosen:
        version = f" {project.version}" if project.version else ""
        targets = ", ".join(sorted({str(project.variants[name].target) for name in project.built}))
        raise DeployError(
            f"There is no zip of {project.name}{version} for {targets} in {directory}"
            + (f"; it has {_names(there)}" if there else "")
            + ".\nWhat you can do: build it: `hatch build -t lambda`"
            + ("; or name the zip to deploy." if there else ".")
        )
    for name in project.built:
        yield from chosen.get(name, ())


def _is_current(origin: Origin, project: Project) -> bool:
    is_version = not (origin.version and project.version) or Version(origin.version) == Version(project.version)
    return is_version and origin.variant.name in project.built and origin.target in {None, origin.variant.target}


def _names(paths: Iterator[Path] | Sequence[Path] | Mapping[Path, object]) -> str:
    return ", ".join(path.name for path in paths)


def _described(path: Path, project: Project | None) -> Zip:
    """Raises `DeployError` for a zip of another project, and `ContentsError` for what is no zip."""
    with open_zip(path) as archive:
        names = archive.namelist()
    origin = project.origin_of(path) if project else None
    if origin:
        variant, target = origin.variant, origin.target or target_by_name(path)
        is_layer = variant.is_layer
    else:
        variant, target = None, target_by_name(path)
        is_layer = contents.read(path).kind == "layer"
    if project and not is_layer:
        _check_project(path, names, project)
    if project and is_layer and not origin:
        raise DeployError(
            f"{path} is a layer, but by its name and the records of builds, none of the project {project.name}.\n"
            f"What you can do: build it in this folder, or deploy it from outside of any project."
        )
    return Zip(path, is_layer, variant, target)


def _check_project(path: Path, names: Sequence[str], project: Project) -> None:
    """Each zip of a project but a layer has its metadata."""
    found = {canonicalize_name(match[1]) for name in names if (match := _DIST_INFO.fullmatch(name))}
    if project.name not in found:
        what = f"{', '.join(sorted(found)[:3])}, …" if found else "no metadata of any distribution"
        raise DeployError(
            f"{path} is not a zip of the project {project.name} in {project.root}: it lacks `{project.name}` and has "
            f"{what}.\n"
            "What you can do: deploy it from the folder of its project (or name that by `--project`), or from outside "
            "of any, as it is."
        )

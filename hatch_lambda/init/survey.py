"""What a project is, as far as its files tell: functions, runtime, requirements, lock file."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from hatch_lambda.common.files import read_regular
from hatch_lambda.common.target import ARCHITECTURES, RUNTIMES
from hatch_lambda.config.lock_tools import LOCK_TOOLS
from hatch_lambda.init.templates import DeclaredFunction, Template, template_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DEFAULT_ARCHITECTURE = "x86_64"
REQUIREMENTS = "requirements.txt"

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]+")  # of functions' tables


@dataclass(frozen=True)
class Found:
    """A value and where it is from, for people: `python3.12`, `template.yaml`."""

    value: str
    origin: str


@dataclass(frozen=True)
class Function:
    """A function as it is to be packaged.

    `handler`: dotted, or None if it is not known. `directory`: whose files are at the root of the zip; the project's
    own if empty. `requirements`: a requirements file, relative to the project.
    """

    name: str
    handler: str | None
    runtime: str
    architecture: str
    directory: str = ""
    requirements: str | None = None


@dataclass(frozen=True)
class Survey:
    """What was found. `notes`: what people should know of it.

    `functions`: those of a template. `requirements`: of a project whose dependencies are in no pyproject.toml.
    """

    root: Path
    runtime: Found
    architecture: Found
    functions: tuple[Function, ...] = ()
    template: str = ""
    lock_file: str | None = None
    requirements: str | None = None
    notes: tuple[str, ...] = field(default=())


def survey(
    root: Path, project: Mapping[str, Any], *, runtime: str | None = None, architecture: str | None = None
) -> Survey:
    """Look at a project. `project`: its pyproject.toml. `runtime`, `architecture`: what the user wants."""
    notes: list[str] = []
    template = template_in(root)
    if template and template.fault:
        notes.append(f"{template.file} cannot be read, so nothing is taken from it: {template.fault}")
    for name, reason in template.skipped if template else ():
        notes.append(f"{name} of {template.file if template else ''} is left out: {reason}")
    declared = template.functions if template else ()
    the_runtime = Found(runtime, "--runtime") if runtime else _runtime(root, project, template, notes)
    the_architecture = Found(architecture, "--architecture") if architecture else _architecture(template)
    has_dependencies = bool(project.get("project", {}).get("dependencies"))
    lock_file = _lock_file(root, project, notes)
    functions = []
    for each in declared:
        # A template without architectures means Lambda's default, whatever other functions have.
        own_architecture = each.architecture if each.architecture in ARCHITECTURES else DEFAULT_ARCHITECTURE
        own_runtime = each.runtime if each.runtime in RUNTIMES else the_runtime.value
        functions.append(_function(root, each, runtime or own_runtime, architecture or own_architecture, notes))
    requirements = None
    if not has_dependencies and lock_file is None:
        at_the_top = not functions and root.joinpath(REQUIREMENTS).is_file()  # a function of a template has its own
        requirements = REQUIREMENTS if at_the_top else None
    elif any(each.requirements for each in functions):
        what = lock_file or "the dependencies of [project]"
        notes.append(f"requirements files are not used: all functions get {what}")
        functions = [dataclasses.replace(each, requirements=None) for each in functions]
    return Survey(
        *(root, the_runtime, the_architecture, tuple(functions), template.file if declared and template else ""),
        *(lock_file, requirements, tuple(notes)),
    )


# --- Runtime and architecture ---


def _runtime(root: Path, project: Mapping[str, Any], template: Template | None, notes: list[str]) -> Found:
    for found in _named_runtimes(root, template):
        if found.value in RUNTIMES:
            return found
        notes.append(f"{found.origin} names {found.value}, which is no runtime that hatch-lambda supports")
    required = project.get("project", {}).get("requires-python")
    origin = "requires-python"
    if not isinstance(required, str):
        required = project.get("tool", {}).get("poetry", {}).get("dependencies", {}).get("python")
        origin, required = "tool.poetry.dependencies.python", _without_caret(required)
    newest_first = [runtime for runtime in reversed(RUNTIMES.values()) if runtime.deprecated]  # else it is a preview
    try:
        supported = SpecifierSet(required or "")
    except InvalidSpecifier:
        supported, required = SpecifierSet(""), None
    fitting = [each.name for each in newest_first if supported.contains(each.full_version)]
    return Found(fitting[0], origin) if required and fitting else Found(newest_first[0].name, "the newest")


def _named_runtimes(root: Path, template: Template | None) -> Iterator[Found]:
    for function in template.functions if template else ():
        if function.runtime and template:
            yield Found(function.runtime, template.file)
    for file, pattern in ((".python-version", r"^(?:cpython-?|python-?)?(3\.\d+)"), ("runtime.txt", r"(3\.\d+)")):
        if match := re.search(pattern, _text_of(root / file), re.MULTILINE):
            yield Found(f"python{match[1]}", file)
    if match := re.search(r'^python_(?:full_)?version\s*=\s*"(3\.\d+)', _text_of(root / "Pipfile"), re.MULTILINE):
        yield Found(f"python{match[1]}", "Pipfile")


def _without_caret(required: object) -> str | None:
    """Poetry's `^3.11` as a specifier; `~3.11` likewise."""
    if not isinstance(required, str):
        return None
    caret = re.fullmatch(r"\^\s*(\d+)(\.[\d.]+)?", required.strip())
    if caret:
        return f">={caret[1]}{caret[2] or ''},<{int(caret[1]) + 1}"
    tilde = re.fullmatch(r"~\s*(\d+\.\d+)(\.\d+)?", required.strip())
    return f"=={tilde[1]}.*" if tilde else required


def _text_of(path: Path) -> str:
    try:
        return read_regular(path).decode("utf-8", errors="replace") if path.is_file() else ""
    except OSError:
        return ""


def _architecture(template: Template | None) -> Found:
    for function in template.functions if template else ():
        if function.architecture in ARCHITECTURES and template:
            return Found(function.architecture, template.file)
    return Found(DEFAULT_ARCHITECTURE, "Lambda's default")


# --- Functions ---


def _function(root: Path, declared: DeclaredFunction, runtime: str, architecture: str, notes: list[str]) -> Function:
    directory = _directory(root, declared, notes)
    own = PurePosixPath(directory, declared.requirements or REQUIREMENTS).as_posix()
    requirements = own if root.joinpath(own).is_file() else None
    handler = declared.handler.replace("/", ".").lstrip(".") if declared.handler else None
    if handler and not all(handler.rpartition(".")[::2]):
        notes.append(f"{declared.name} has the handler {declared.handler}, which names no module and function")
        handler = None
    elif handler is None:
        notes.append(f"{declared.name} has no handler that can be read from the template; set it in its table")
    return Function(
        _NOT_IN_NAMES.sub("-", declared.name).strip("-_") or "app",
        handler,
        runtime,
        architecture,
        directory,
        requirements,
    )


def _directory(root: Path, declared: DeclaredFunction, notes: list[str]) -> str:
    if declared.directory is None:
        notes.append(f"{declared.name} does not have its code in a directory that the template names")
        return ""
    directory = Path(root, declared.directory).resolve()
    try:
        relative = directory.relative_to(root.resolve()).as_posix()
    except ValueError:
        notes.append(f"{declared.name} has its code outside of the project, in {declared.directory}")
        return ""
    if not directory.is_dir():
        notes.append(f"{declared.name} has its code in {declared.directory}, which is no directory")
        return ""
    return "" if relative == "." else relative


# --- Dependencies ---


def _lock_file(root: Path, project: Mapping[str, Any], notes: list[str]) -> str | None:
    """The lock file to package from: of the tool that pyproject.toml configures, if there are several."""
    present = [name for name in LOCK_TOOLS if root.joinpath(name).is_file()]
    present += sorted(path.name for path in root.glob("pylock*.toml") if path.is_file())
    if not present:
        return None
    tools = project.get("tool", {})
    configured = [name for name in present if name in LOCK_TOOLS and LOCK_TOOLS[name].name in tools]
    chosen, *others = dict.fromkeys([*configured, *present])
    if others:
        notes.append(f"{chosen} is used, and not {', '.join(others)}")
    return chosen

"""The functions that a template declares: AWS SAM's, CloudFormation's or the Serverless Framework's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from hatch_lambda.common.files import read_regular

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEMPLATES = ("template.yaml", "template.yml", "template.json")
SERVERLESS = ("serverless.yml", "serverless.yaml", "serverless.json")

_RESOURCES = {"AWS::Serverless::Function": "CodeUri", "AWS::Lambda::Function": "Code"}


@dataclass(frozen=True)
class DeclaredFunction:
    """A function in a template. What the template leaves to a variable is None.

    `directory`: whose files are at the root of the zip, relative to the template. `requirements`: a requirements file.
    """

    name: str
    handler: str | None = None
    runtime: str | None = None
    architecture: str | None = None
    directory: str | None = ""
    requirements: str | None = None


@dataclass(frozen=True)
class Template:
    """The functions of a template that run Python from a zip. `skipped`: names of others, with the reason.

    `fault`: why the file cannot be read.
    """

    file: str
    functions: tuple[DeclaredFunction, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    fault: str = ""


class _Tagged:
    """What CloudFormation would fill in: `!Ref Stage`, `!Sub "${Stage}-orders"`."""

    def __init__(self, tag: str, value: object) -> None:
        self.tag, self.value = tag, value


class _Loader(yaml.SafeLoader):  # type: ignore[misc] # the library has no types
    """Reads tags that only CloudFormation knows, of which there may be new ones."""


def _construct_tagged(loader: Any, tag: str, node: Any) -> _Tagged:
    if isinstance(node, yaml.ScalarNode):
        return _Tagged(tag, loader.construct_scalar(node))
    if isinstance(node, yaml.SequenceNode):
        return _Tagged(tag, loader.construct_sequence(node, deep=True))
    return _Tagged(tag, loader.construct_mapping(node, deep=True))


_Loader.add_multi_constructor("!", _construct_tagged)


def template_in(root: Path) -> Template | None:
    """The template at the top of a project: SAM's or CloudFormation's before Serverless's; None if there is none."""
    found: Template | None = None
    for name in (*TEMPLATES, *SERVERLESS):
        path = root / name
        if not path.is_file():
            continue
        try:
            content = yaml.load(read_regular(path).decode("utf-8-sig"), _Loader)  # noqa: S506 - a SafeLoader
        except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
            found = found or Template(name, fault=" ".join(str(error).split()))
            continue
        functions = _Cloudformation(content) if name in TEMPLATES else _Serverless(content)
        template = Template(name, tuple(functions.declared()), tuple(functions.skipped))
        if template.functions:
            return template
        found = found or (template if template.skipped else None)
    return found


def _table(value: object) -> dict[str, Any]:
    return {str(key): each for key, each in value.items()} if isinstance(value, dict) else {}


class _Cloudformation:
    def __init__(self, content: object) -> None:
        self._template = _table(content)
        self.skipped: list[tuple[str, str]] = []

    def declared(self) -> Iterator[DeclaredFunction]:
        shared = _table(_table(self._template.get("Globals")).get("Function"))
        for name, resource in _table(self._template.get("Resources")).items():
            kind = _table(resource).get("Type")
            if not isinstance(kind, str) or kind not in _RESOURCES:
                continue
            of_serverless = shared if kind == "AWS::Serverless::Function" else {}
            properties = {**of_serverless, **_table(_table(resource).get("Properties"))}
            runtime = self._text(properties.get("Runtime"))
            architectures = properties.get("Architectures")
            first = architectures[0] if isinstance(architectures, list) and architectures else None
            code = properties.get(_RESOURCES[kind])
            if properties.get("PackageType") == "Image" or "ImageUri" in _table(code):
                self.skipped.append((name, "it is a container image"))
            elif runtime and not runtime.startswith("python"):
                self.skipped.append((name, f"its runtime is {runtime}"))
            elif "InlineCode" in properties or "ZipFile" in _table(code):
                self.skipped.append((name, "its code is in the template"))
            else:
                yield DeclaredFunction(
                    name, self._text(properties.get("Handler")), runtime, self._text(first), self._directory(code)
                )

    def _text(self, value: object) -> str | None:
        """A value as text, a parameter by its default."""
        wanted = value.value if isinstance(value, _Tagged) and value.tag == "Ref" else _table(value).get("Ref")
        if isinstance(wanted, str):
            value = _table(_table(self._template.get("Parameters")).get(wanted)).get("Default")
        return value if isinstance(value, str) else None

    def _directory(self, code: object) -> str | None:
        path = "" if code is None else self._text(code)
        return None if path is None or path.startswith("s3://") or path.endswith(".zip") else path


class _Serverless:
    def __init__(self, content: object) -> None:
        self._service = _table(content)
        self.skipped: list[tuple[str, str]] = []

    def declared(self) -> Iterator[DeclaredFunction]:
        provider = _table(self._service.get("provider"))
        of_plugin = _table(_table(self._service.get("custom")).get("pythonRequirements"))
        functions = self._service.get("functions")
        tables = functions if isinstance(functions, list) else [functions]
        for name, function in (item for table in tables for item in _table(table).items()):
            properties = _table(function)
            runtime = _plain(properties.get("runtime", provider.get("runtime")))
            if "image" in properties:
                self.skipped.append((name, "it is a container image"))
            elif runtime and not runtime.startswith("python"):
                self.skipped.append((name, f"its runtime is {runtime}"))
            else:
                yield DeclaredFunction(
                    name,
                    _plain(properties.get("handler")),
                    runtime,
                    _plain(properties.get("architecture", provider.get("architecture"))),
                    _plain(properties.get("module")) or "",
                    _plain(of_plugin.get("fileName")),
                )


def _plain(value: object) -> str | None:
    """Text without one of Serverless's variables: `${opt:stage}`."""
    return value if isinstance(value, str) and "${" not in value else None

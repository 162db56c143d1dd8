"""Writes what the pages below `docs/reference` take from the code: settings, environment variables, commands, runtimes.

    hatch run reference            # write
    hatch run reference --check    # exit with 1 if a page is not what it would write

Each table stands in its page between two comments, `<!-- settings: begin -->` and `<!-- settings: end -->`; the rest of
the page is written by hand. A setting's meaning is the docstring below its declaration, a command's is its help text.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import re
import sys
from inspect import cleandoc
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hatch_lambda.cli import COMMANDS, main
from hatch_lambda.common.target import RUNTIMES
from hatch_lambda.config import settings
from hatch_lambda.config.fields import TABLES
from hatch_lambda.config.validators import shown
from hatch_lambda.deploy import settings as publisher

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from hatch_lambda.config.fields import Field

REFERENCE = Path(__file__).parents[1] / "docs" / "reference"


# --- Settings ---


def meanings(owner: str) -> dict[str, str]:
    """The docstrings below the fields of a class in `settings`, by key; `""`: below its global names."""
    module = ast.parse(Path(settings.__file__).read_text(encoding="utf-8"))
    body = module.body
    if owner:
        body = next(node.body for node in body if isinstance(node, ast.ClassDef) and node.name == owner)
    found = {}
    for declared, below in pairwise(body):
        if isinstance(declared, ast.AnnAssign):
            target: ast.expr = declared.target
        elif isinstance(declared, ast.Assign):
            (target,) = declared.targets
        else:
            continue
        if isinstance(target, ast.Name) and isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            key = target.id.lower().strip("_").replace("_", "-")
            found[key] = " ".join(cleandoc(str(below.value.value)).split())
    return found


def shown_default(default: object) -> str:
    if default is dataclasses.MISSING:
        return "required"
    if default is None:
        return "none"
    if isinstance(default, (frozenset, tuple)):
        return "`[{}]`".format(", ".join(f'"{item}"' for item in sorted(default)))
    if isinstance(default, bool):
        return f"`{shown(default)}`"
    return str(default) if isinstance(default, int) else f"`{default}`"


def settings_table(fields: Iterable[Field], meaning: dict[str, str]) -> Iterator[str]:
    yield from ("| key | type, default | meaning |", "|---|---|---|")
    for field in fields:
        yield f"| `{field.key}` | {field.type}, {shown_default(field.default)} | {meaning[field.key]} |"


def hook_table() -> Iterator[str]:
    return settings_table(settings.FIELDS.values(), {**meanings("Settings"), **meanings("")})


def further_table() -> Iterator[str]:
    """The keys that only the tables of functions and layers have."""
    meaning = meanings("Settings")
    yield from ("| key | in tables of | type, default | meaning |", "|---|---|---|---|")
    for key in dict.fromkeys((*settings.FUNCTION_FIELDS, *settings.LAYER_FIELDS)):
        field = (settings.FUNCTION_FIELDS | settings.LAYER_FIELDS)[key]  # type: ignore[operator]  # both are dicts
        if "hook" not in field.tables:
            tables = " and ".join(f"{table}s" for table in TABLES if table in field.tables)
            yield f"| `{key}` | {tables} | {field.type}, {shown_default(field.default)} | {meaning[key]} |"


def target_table() -> Iterator[str]:
    return settings_table(settings.TARGET_FIELDS.values(), meanings("ZipSettings"))


def publisher_table() -> Iterator[str]:
    yield from ("| key | type, default | meaning |", "|---|---|---|")
    for key, field in publisher.FIELDS.items():
        several = "; or a table of them by variant" if field.per_variant else ""
        yield f"| `{key}` | {field.type}, {shown_default(field.default)} | {field.help.removesuffix('.')}{several}. |"


def overriding_variables() -> Iterator[str]:
    meaning = meanings("Settings")
    yield from ("| variable | overrides | meaning |", "|---|---|---|")
    for key, variable in settings.ENVIRONMENT_VARIABLES.items():
        overrides = f"`{key}`" if key in settings.FIELDS else ""
        yield f"| `{variable}` | {overrides} | {meaning[key].replace('](', '](')} |"


# --- Commands ---


def commands() -> Iterator[str]:
    context = click.Context(main, info_name="hatch-lambda", **main.context_settings)
    for name in COMMANDS:
        command = main.get_command(context, name)
        assert command is not None  # noqa: S101 - it is one of the group's
        yield from described(command, click.Context(command, info_name=name, parent=context), level=2)


def described(command: click.Command, context: click.Context, level: int) -> Iterator[str]:
    """A heading, the usage, the help text and the options of a command, and its subcommands below."""
    usage = " ".join(context.get_usage().removeprefix("Usage: ").split())
    yield from (f"{'#' * level} {context.command_path}", "", "```", usage, "```", "")
    yield from markdown(cleandoc(command.help or ""))
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None  # noqa: S101 - the group has listed it
            yield from described(below, click.Context(below, info_name=name, parent=context), level + 1)
        return
    options = [option for option in command.get_params(context) if isinstance(option, click.Option)]
    yield from ("| option | meaning |", "|---|---|")
    for option in options:
        yield f"| {names_of(option, context)} | {meaning_of(option, context)} |"
    yield ""


def names_of(option: click.Option, context: click.Context) -> str:
    """`-o, --output FILE`; the values of a choice stand in its meaning."""
    names, _ = option.get_help_record(context) or ("", "")
    if isinstance(option.type, click.Choice) and not option.metavar:
        names = f"{names.partition(' [')[0]} {str(option.name).upper()}"
    text = " ".join(names.split())
    return f"`{text}`" if "|" not in text else "<code>{}</code>".format(text.replace("|", "&#124;"))


def meaning_of(option: click.Option, context: click.Context) -> str:
    _, meaning = option.get_help_record(context) or ("", "")
    if isinstance(option.type, click.Choice) and not option.metavar:
        meaning += f" One of {', '.join(f'`{value}`' for value in option.type.choices)}."
    return " ".join(meaning.split()).replace("|", "\\|")


def markdown(text: str) -> Iterator[str]:
    """A help text; paragraphs that click is told to leave as they are, by a backspace, are lists or blocks of code."""
    for paragraph in re.split(r"\n\s*\n", text):
        kept = paragraph.startswith("\b\n")
        lines = paragraph.removeprefix("\b\n").splitlines()
        if kept and not all(line.startswith("- ") for line in lines):
            title = [lines.pop(0), ""] if lines[0].endswith(":") and not lines[0].startswith(" ") else []
            yield from (*title, "```sh", *cleandoc("\n".join(["", *lines])).splitlines(), "```", "")
        else:
            yield from (*lines, "")


# --- Runtimes ---


def runtimes() -> Iterator[str]:
    yield from ("| runtime | system | glibc | end of support |", "|---|---|---|---|")
    for runtime in reversed(RUNTIMES.values()):
        glibc, end = "{}.{}".format(*runtime.glibc), runtime.deprecated or "a public preview"
        yield f"| `{runtime.name}` | {runtime.system} | {glibc} | {end} |"


TABLES_BY_PAGE = {
    "settings.md": {
        "hook": hook_table,
        "functions and layers": further_table,
        "target": target_table,
        "publisher": publisher_table,
    },
    "environment.md": {"overriding": overriding_variables},
    "commands.md": {"commands": commands},
    "runtimes.md": {"runtimes": runtimes},
}


def filled(page: str, text: str) -> str:
    """The text of a page with its tables as they are to be. Raises `ValueError` if it has no place for one."""
    for name, table in TABLES_BY_PAGE[page].items():
        begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
        before, found_begin, rest = text.partition(begin)
        _, found_end, after = rest.partition(end)
        if not found_begin or not found_end:
            raise ValueError(f"{page} has no place for {name}, between {begin.strip()} and {end}")
        lines = "\n".join(table()).strip("\n")
        text = f"{before}{begin}\n{lines}\n\n{end}{after}"
    return text


def run(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="Write the tables in docs/reference that come from the code.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a page is outdated")
    check = parser.parse_args(arguments).check
    outdated = 0
    for page in TABLES_BY_PAGE:
        path = REFERENCE / page
        text = path.read_text(encoding="utf-8")
        if (new := filled(page, text)) == text:
            continue
        outdated += 1
        if check:
            print(f"docs/reference/{page} is not what the code says; `hatch run reference` writes it")
        else:
            path.write_text(new, encoding="utf-8")
            print(f"docs/reference/{page}")
    return 1 if check and outdated else 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))

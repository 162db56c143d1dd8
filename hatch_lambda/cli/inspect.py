"""`hatch-lambda inspect`: the contents of a zip, what takes the space and where it runs."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from hatch_lambda.cli.target_options import target_of, target_options
from hatch_lambda.cli.terminal import bar, console, heading, is_narrow, size, table
from hatch_lambda.common import limits
from hatch_lambda.common.errors import TooLargeError
from hatch_lambda.common.printable import printable
from hatch_lambda.common.target import ARCHITECTURES, RUNTIMES, Target
from hatch_lambda.common.ui import counted, megabytes, percent
from hatch_lambda.inspect import survey
from hatch_lambda.inspect.built import build_record_of
from hatch_lambda.inspect.contents import OWN, Contents, read
from hatch_lambda.inspect.directories import large_directories
from hatch_lambda.inspect.fitness import faults_by_target
from hatch_lambda.inspect.sources import grouped, portion
from hatch_lambda.wheels.loadable import SYSTEM_OF, UnfitMachineCodeError, fault_report

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from hatch_lambda.inspect.directories import Node
    from hatch_lambda.inspect.sources import Portion
    from hatch_lambda.wheels.loadable import Fault

_SHOWN_HANDLERS = 8


@click.command
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Write JSON, with sizes in bytes.")
@target_options("Check that this runtime can run it: exit with 1 and the reasons if not.")
@click.option(
    "--layer",
    "layer_paths",
    multiple=True,
    metavar="PATH",
    type=click.Path(exists=True, path_type=Path),
    help="A layer of the function, for the size limit and for shared libraries (repeatable).",
)
def inspect(
    *, path: Path, as_json: bool, runtime: str | None, architecture: str | None, layer_paths: tuple[Path, ...]
) -> None:
    """Show the contents of PATH, what takes the space and where it runs.

    PATH is the zip of a function or a layer, whatever tool built it, or an unzipped directory; nothing in it is
    executed. With --runtime, also check it against the architecture, glibc and libraries of Lambda and its limits.
    """
    target = target_of(runtime, architecture)
    if len(layer_paths) > limits.MOST_LAYERS:
        raise click.UsageError(f"A function can have {limits.MOST_LAYERS} layers, not {len(layer_paths)}.")
    contents, layers = read(path), tuple(map(read, layer_paths))
    # Reads everything, so that errors come before any output.
    inspection = _Inspection(contents, layers, target, faults_by_target(contents, layers))
    if as_json:
        click.echo(json.dumps(inspection.as_json(), indent=2))
    else:
        _show(inspection)
    inspection.check()


@dataclass(frozen=True)
class _Inspection:
    """`target`: what to check against. `faults`: what keeps each target from running it."""

    contents: Contents
    layers: tuple[Contents, ...]
    target: Target | None
    faults: Mapping[Target, Sequence[Fault]]

    @property
    def size_with_layers(self) -> int:
        return sum(whole.size for whole in (self.contents, *self.layers))

    def check(self) -> None:
        """Raise `UnfitMachineCodeError` or `TooLargeError` if the target cannot run it."""
        if not self.target:
            return
        if faults := self.faults[self.target]:
            raise UnfitMachineCodeError(fault_report(faults, self.target), faults)
        if self.size_with_layers > limits.UNZIPPED_LIMIT:
            sizes = [(str(whole.path), whole.size) for whole in (self.contents, *self.layers)]
            raise TooLargeError(
                f"The unzipped size is {megabytes(self.size_with_layers)} ({self.size_with_layers:,} bytes); "
                f"Lambda's limit is {megabytes(limits.UNZIPPED_LIMIT)}, layers included.",
                sizes,
            )

    def as_json(self) -> dict[str, Any]:
        contents, kind = self.contents, survey.kind_by_path(self.contents)
        return {
            "format": 1,
            **contents.as_json(),
            "unzipped_with_layers": self.size_with_layers,
            "limits": {"unzipped": limits.UNZIPPED_LIMIT, "zipped": limits.DIRECT_UPLOAD_LIMIT},
            "project": contents.project and str(contents.project),
            "distributions": [
                {
                    "name": installed.name,
                    "version": installed.version,
                    "metadata": installed.dist_info,
                    "built": built.known() if (built := build_record_of(contents, installed)) else None,
                    **_sizes(installed.portion, contents),
                }
                for installed in contents.installed
            ],
            "unclaimed": _sizes(portion(OWN, contents.unclaimed), contents),
            "folders": [{"path": part.name, **_sizes(part, contents)} for part in survey.folders(contents)],
            "kinds": [{"kind": part.name, **_sizes(part, contents)} for part in survey.kinds(contents, kind)],
            "machine_code": [
                {
                    "path": code.path,
                    "distribution": str(contents.owners[code.path]) if code.path in contents.owners else None,
                    "format": code.kind,
                    "architecture": code.architecture,
                    "glibc": str(code.glibc) if code.glibc else None,
                    "musl": code.musl,
                    "libraries": list(code.libraries),
                }
                for code in contents.machine_code
            ],
            "broken_machine_code": [
                {"path": broken.path, "cause": broken.cause} for broken in contents.broken_machine_code
            ],
            "bytecode": [
                {
                    "python": found.python or None,
                    "validated": found.validation or None,
                    **_sizes(found.portion, contents),
                }
                for found in survey.bytecode(contents)
            ],
            "handlers": list(survey.handlers(contents)),
            "runs_on": [
                {
                    "runtime": target.runtime.name,
                    "architecture": target.architecture.name,
                    "fits": not faults,
                    "never_imported": _sizes(survey.never_imported(contents, target), contents),
                    "faults": [dataclasses.asdict(fault) for fault in faults],
                }
                for target, faults in self.faults.items()
            ],
        }


def _sizes(part: Portion, contents: Contents) -> dict[str, int | None]:
    zipped = part.compressed if contents.zipped is not None else None
    return {"files": part.files, "unzipped": part.size, "zipped": zipped}


# --- For people ---


def _show(inspection: _Inspection) -> None:
    out, contents = console(), inspection.contents
    _show_limits(out, inspection)
    if not contents.entries:
        out.print("\nThe archive is empty.")
        return
    heading(out, "Contents", counted(len(contents.installed), "distribution"))
    rows = [(str(installed), installed.portion) for installed in contents.installed]
    if contents.unclaimed:
        own = portion(OWN if contents.kind == "function" else "other files", contents.unclaimed)
        rows.append((own.name, own))
    _show_portions(out, contents, "distribution", sorted(rows, key=lambda row: -row[1].size))
    heading(out, "Sizes")
    kind = survey.kind_by_path(contents)
    if large := large_directories(contents, kind):
        _show_portions(out, contents, "directory", [(f"{'  ' * depth}{node.path}/", node) for depth, node in large])
        out.print()
    _show_portions(
        out, contents, "file type", [(survey.label(part.name), part) for part in survey.kinds(contents, kind)]
    )
    _show_machine_code(out, contents)
    for target in [target for target, faults in inspection.faults.items() if not faults]:
        if (part := survey.never_imported(contents, target)).files:
            who = f"{target.runtime.name} on {target.architecture.name}"
            what = f"{size(part.size)} of extension modules in {counted(part.files, 'file')}"
            out.print(f"  {who} never imports {what} for other Pythons or systems", soft_wrap=True)
    _show_bytecode(out, contents)
    if found := survey.handlers(contents):
        heading(out, "Handlers", "most likely first")
        for name in found[:_SHOWN_HANDLERS]:
            out.print(f"  {printable(name)}", soft_wrap=True)
        if more := found[_SHOWN_HANDLERS:]:
            out.print(f"  and {len(more)} more")
    heading(out, "Runs on", *(["with its layers"] if inspection.layers else []))
    if any(inspection.faults.values()):
        _show_targets(out, inspection)
    else:
        out.print(f"  every runtime from {next(iter(RUNTIMES))}, on {' and '.join(ARCHITECTURES)}")


def _show_limits(out: Console, inspection: _Inspection) -> None:
    contents = inspection.contents
    what = contents.kind if contents.zipped is not None else f"{contents.kind}, not zipped yet"
    title = Text.assemble((printable(contents.name), "bold"), f"  {what}, {counted(len(contents.entries), 'file')}")
    out.print(title, soft_wrap=True)
    rows = [("unzipped", contents.size, limits.UNZIPPED_LIMIT, "")]
    if inspection.layers:
        rows.append(("with layers", inspection.size_with_layers, limits.UNZIPPED_LIMIT, ""))
    if contents.zipped is not None:
        rows.append(("zipped", contents.zipped, limits.DIRECT_UPLOAD_LIMIT, " for a direct upload"))
    grid = table("", "size", "share", "of", "")
    grid.show_header = False
    grid.columns[3].justify = "left"
    for label, count, limit, note in rows:
        share = count / limit
        cells = [f"  {label}", size(count), percent(share), f"of {size(limit)}{note}"]
        grid.add_row(*cells, bar(share, 10, out))
    out.print(grid)
    if inspection.size_with_layers > limits.UNZIPPED_LIMIT:
        over = size(inspection.size_with_layers - limits.UNZIPPED_LIMIT)
        out.print(Text(f"  exceeds Lambda's limit by {over}", "red"))
    elif contents.zipped is not None and contents.zipped > limits.DIRECT_UPLOAD_LIMIT:
        out.print(Text("  exceeds the direct-upload limit; upload it through Amazon S3", "yellow"))


def _show_portions(out: Console, contents: Contents, of: str, rows: Sequence[tuple[str, Portion | Node]]) -> None:
    is_zip = contents.zipped is not None
    has_bars = not is_narrow(out)
    grid = table(f"  {of}", "files", "unzipped", *(["zipped"] if is_zip else []), "share", *([""] if has_bars else []))
    largest = max((part.size for _, part in rows), default=0)
    for label, part in rows:
        grid.add_row(
            f"  {printable(label)}",
            f"{part.files:,}",
            size(part.size),
            *([size(part.compressed)] if is_zip else []),
            percent(part.size / max(contents.size, 1)),
            *([bar(part.size / max(largest, 1), 8, out)] if has_bars else []),
        )
    out.print(grid)


def _show_machine_code(out: Console, contents: Contents) -> None:
    if not contents.machine_code and not contents.broken_machine_code:
        return
    groups = grouped(
        contents.machine_code,
        lambda code: (str(contents.owners.get(code.path, OWN)), f"{SYSTEM_OF[code.kind]} {code.architecture}"),
    )
    heading(out, "Native code")
    grid = table("  distribution", "files", "built for", "requires")
    grid.columns[2].justify = grid.columns[3].justify = "left"
    for (name, system), codes in sorted(groups.items()):
        newest = max((code.glibc for code in codes if code.glibc), default=None)
        libc = "musl" if any(code.musl for code in codes) else f"glibc {newest}" if newest else ""
        grid.add_row(f"  {printable(name)}", f"{len(codes):,}", system, libc)
    for broken in contents.broken_machine_code:
        grid.add_row(f"  {printable(broken.path)}", "1", "unknown", "(corrupt)")
    out.print(grid)


def _show_bytecode(out: Console, contents: Contents) -> None:
    if not (found := survey.bytecode(contents)):
        return
    heading(out, "Bytecode")
    grid = table("  compiled with", "files", "unzipped", "validated")
    grid.columns[3].justify = "left"
    for one in found:
        python = f"Python {one.python}" if one.python else "an unknown Python"
        grid.add_row(f"  {python}", f"{one.portion.files:,}", size(one.portion.size), one.validation)
    out.print(grid)


def _show_targets(out: Console, inspection: _Inspection) -> None:
    grid = table("  runtime", *ARCHITECTURES)
    for column in grid.columns:
        column.justify = "left"
    for runtime in RUNTIMES.values():
        cells = []
        for architecture in ARCHITECTURES.values():
            number = len(inspection.faults[Target(runtime, architecture)])
            cells.append(Text(f"no, {counted(number, 'problem')}", "red") if number else Text("yes", "green"))
        grid.add_row(f"  {runtime.name}", *cells)
    out.print(grid)
    if not inspection.target:
        unfit = next(target for target, faults in inspection.faults.items() if faults)
        options = f"--runtime {unfit.runtime.name} --architecture {unfit.architecture.name}"
        out.print(Text(f"  for details: `{options}`", "dim"))

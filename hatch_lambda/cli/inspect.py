"""`hatch-lambda inspect`: what a zip holds, where its space goes and where it runs."""

from __future__ import annotations

import dataclasses
import json
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hatch_lambda.cli.target_options import named_target, target_options
from hatch_lambda.common.target import ARCHITECTURES, RUNTIMES, Target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.text import Text

    from hatch_lambda.inspect.contents import Contents
    from hatch_lambda.inspect.contents.survey import Portion
    from hatch_lambda.wheels.loadable import Fault
    from hatch_lambda.wheels.machine_code import MachineCode

# https://docs.aws.amazon.com/lambda/latest/dg/chapter-layers.html
_MOST_LAYERS = 5


@click.command
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Write JSON, with sizes in bytes.")
@target_options("Exit with 1 unless this runtime can run it, and say why not.")
@click.option(
    "--layer",
    "layer_paths",
    multiple=True,
    metavar="PATH",
    type=click.Path(exists=True, path_type=Path),
    help="A layer that the function is deployed with; may be repeated. It counts for the limit and for the libraries.",
)
def inspect(
    *, path: Path, as_json: bool, runtime: str | None, architecture: str | None, layer_paths: tuple[Path, ...]
) -> None:
    """Show what PATH holds, where its space goes and where it runs.

    PATH is the zip of a function or of a layer, whoever made it, or a folder that is yet to be zipped; nothing of it is
    executed. With --runtime it is checked as well: against the processor, the glibc and the libraries of Lambda and its
    limits.
    """
    target = named_target(runtime, architecture)
    if len(layer_paths) > _MOST_LAYERS:
        raise click.UsageError(f"A function can have {_MOST_LAYERS} layers, not {len(layer_paths)}.")
    from hatch_lambda.inspect.contents import read

    inspection = _Inspection(read(path), tuple(map(read, layer_paths)), target)
    if as_json:
        click.echo(json.dumps(inspection.as_json(), indent=2))
    else:
        _show(inspection)
    inspection.make_sure_that_it_fits()


@dataclass(frozen=True)
class _Inspection:
    """All that is found out. `target`: what it is to be checked against."""

    contents: Contents
    layers: tuple[Contents, ...]
    target: Target | None

    @property
    def size_with_layers(self) -> int:
        return sum(whole.size for whole in (self.contents, *self.layers))

    @cached_property
    def faults(self) -> dict[Target, tuple[Fault, ...]]:
        from hatch_lambda.inspect.contents.fitness import faults_by_target

        return faults_by_target(self.contents, self.layers)

    def make_sure_that_it_fits(self) -> None:
        """Raise `UnfitMachineCodeError` or `TooLargeError` where the target could not run it."""
        from hatch_lambda.common.errors import TooLargeError
        from hatch_lambda.common.limits import UNZIPPED_LIMIT
        from hatch_lambda.common.ui import megabytes
        from hatch_lambda.wheels.loadable import UnfitMachineCodeError, report

        if not self.target:
            return
        if faults := self.faults[self.target]:
            raise UnfitMachineCodeError(report(faults, self.target), faults)
        if self.size_with_layers > UNZIPPED_LIMIT:
            sizes = [(str(whole.path), whole.size) for whole in (self.contents, *self.layers)]
            raise TooLargeError(
                f"It has {megabytes(self.size_with_layers)} unzipped ({self.size_with_layers:,} bytes); "
                f"Lambda takes {megabytes(UNZIPPED_LIMIT)}, layers included.",
                sizes,
            )

    def as_json(self) -> dict[str, Any]:
        from hatch_lambda.common.limits import DIRECT_UPLOAD_LIMIT, UNZIPPED_LIMIT
        from hatch_lambda.inspect.contents import survey

        contents, owner = self.contents, _owners(self.contents)
        return {
            "format": 1,
            "path": str(contents.path),
            "kind": contents.kind,
            "files": len(contents.entries),
            "unzipped": contents.size,
            "zipped": contents.zipped,
            "unzipped_with_layers": self.size_with_layers,
            "limits": {"unzipped": UNZIPPED_LIMIT, "zipped": DIRECT_UPLOAD_LIMIT},
            "project": contents.project and str(contents.project),
            "distributions": [
                {
                    "name": installed.name,
                    "version": installed.version,
                    "metadata": installed.dist_info,
                    **_sizes(survey.portion("", installed.entries), contents),
                }
                for installed in contents.installed
            ],
            "unclaimed": _sizes(survey.portion("", contents.unclaimed), contents),
            "folders": [{"path": part.name, **_sizes(part, contents)} for part in survey.folders(contents)],
            "kinds": [{"kind": part.name, **_sizes(part, contents)} for part in survey.kinds(contents)],
            "machine_code": [
                {
                    "path": code.path,
                    "distribution": owner.get(code.path),
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
                    "faults": [dataclasses.asdict(fault) for fault in faults],
                }
                for target, faults in self.faults.items()
            ],
        }


def _sizes(part: Portion, contents: Contents) -> dict[str, int | None]:
    zipped = part.compressed if contents.zipped is not None else None
    return {"files": part.files, "unzipped": part.size, "zipped": zipped}


def _owners(contents: Contents) -> dict[str, str]:
    return {entry.path: str(installed) for installed in contents.installed for entry in installed.entries}


# --- For people ---


def _show(inspection: _Inspection) -> None:
    from hatch_lambda.cli.terminal import console

    out, contents = console(), inspection.contents
    is_fit = not any(inspection.faults.values())  # reads all there is to read, before anything is shown
    _show_limits(out, inspection)
    if not contents.entries:
        out.print("\nIt holds no file.")
        return
    _show_distributions(out, contents)
    _show_space(out, contents)
    _show_machine_code(out, contents)
    _show_bytecode(out, contents)
    _show_handlers(out, contents)
    _show_targets(out, inspection, is_fit=is_fit)


def _show_limits(out: Console, inspection: _Inspection) -> None:
    from rich.text import Text

    from hatch_lambda.cli.terminal import bar, percent, printable, size, table
    from hatch_lambda.common.limits import DIRECT_UPLOAD_LIMIT, UNZIPPED_LIMIT
    from hatch_lambda.common.ui import counted

    contents = inspection.contents
    what = contents.kind if contents.zipped is not None else f"{contents.kind}, not zipped yet"
    name = printable(contents.path.name or str(contents.path))
    out.print(Text.assemble((name, "bold"), f"  {what}, {counted(len(contents.entries), 'file')}"), soft_wrap=True)
    rows = [("unzipped", contents.size, UNZIPPED_LIMIT, "")]
    if inspection.layers:
        rows.append(("with layers", inspection.size_with_layers, UNZIPPED_LIMIT, ""))
    if contents.zipped is not None:
        rows.append(("zipped", contents.zipped, DIRECT_UPLOAD_LIMIT, " for a direct upload"))
    grid = table("", "size", "share", "of", "")
    grid.show_header = False
    grid.columns[3].justify = "left"
    for label, count, limit, note in rows:
        share = count / limit
        cells = [f"  {label}", size(count), percent(share), f"of {size(limit)}{note}"]
        grid.add_row(*cells, bar(share, 10, out))
    out.print(grid)
    if inspection.size_with_layers > UNZIPPED_LIMIT:
        out.print(Text(f"  {size(inspection.size_with_layers - UNZIPPED_LIMIT)} more than Lambda takes", "red"))
    elif contents.zipped is not None and contents.zipped > DIRECT_UPLOAD_LIMIT:
        out.print(Text("  too large for a direct upload: it goes by way of S3", "yellow"))


def _show_portions(out: Console, contents: Contents, of: str, rows: Sequence[tuple[str, Portion]]) -> None:
    from hatch_lambda.cli.terminal import bar, is_narrow, percent, printable, size, table

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


def _show_distributions(out: Console, contents: Contents) -> None:
    from hatch_lambda.cli.terminal import heading
    from hatch_lambda.common.ui import counted
    from hatch_lambda.inspect.contents.fitness import OWN
    from hatch_lambda.inspect.contents.survey import portion

    rows = [(str(installed), portion("", installed.entries)) for installed in contents.installed]
    if contents.unclaimed:
        rows.append((OWN if contents.kind == "function" else "of no distribution", portion("", contents.unclaimed)))
    heading(out, "What is in it", counted(len(contents.installed), "distribution"))
    _show_portions(out, contents, "distribution", sorted(rows, key=lambda row: -row[1].size))


def _show_space(out: Console, contents: Contents) -> None:
    from hatch_lambda.cli.terminal import heading
    from hatch_lambda.inspect.contents.survey import kinds, tree

    heading(out, "Where the space goes")
    if branches := tree(contents):
        _show_portions(out, contents, "folder", [("  " * depth + part.name, part) for part, depth in branches])
        out.print()
    _show_portions(out, contents, "kind of file", [(part.name, part) for part in kinds(contents)])


def _show_machine_code(out: Console, contents: Contents) -> None:
    from hatch_lambda.cli.terminal import heading, printable, table
    from hatch_lambda.inspect.contents.fitness import OWN

    if not contents.machine_code and not contents.broken_machine_code:
        return
    owner = _owners(contents)
    groups: defaultdict[tuple[str, str], list[MachineCode]] = defaultdict(list)
    for code in contents.machine_code:
        groups[owner.get(code.path, OWN), f"{_SYSTEMS[code.kind]} {code.architecture}"].append(code)
    heading(out, "Machine code")
    grid = table("  distribution", "files", "made for", "needs")
    grid.columns[2].justify = grid.columns[3].justify = "left"
    for (name, system), codes in sorted(groups.items()):
        grid.add_row(f"  {printable(name)}", f"{len(codes):,}", system, _libc_of(codes))
    for broken in contents.broken_machine_code:
        grid.add_row(f"  {printable(broken.path)}", "1", "unknown", "it is broken")
    out.print(grid)


_SYSTEMS = {"ELF": "Linux", "Mach-O": "macOS", "PE": "Windows"}


def _libc_of(codes: Sequence[MachineCode]) -> str:
    newest = max((code.glibc for code in codes if code.glibc), default=None)
    return "musl" if any(code.musl for code in codes) else f"glibc {newest}" if newest else ""


def _show_bytecode(out: Console, contents: Contents) -> None:
    from hatch_lambda.cli.terminal import heading, size, table
    from hatch_lambda.inspect.contents.survey import bytecode

    if not (found := bytecode(contents)):
        return
    heading(out, "Bytecode")
    grid = table("  compiled with", "files", "unzipped", "checked at import")
    grid.columns[3].justify = "left"
    for one in found:
        python = f"Python {one.python}" if one.python else "an unknown Python"
        grid.add_row(f"  {python}", f"{one.portion.files:,}", size(one.portion.size), one.validation)
    out.print(grid)


_SHOWN_HANDLERS = 8


def _show_handlers(out: Console, contents: Contents) -> None:
    from hatch_lambda.cli.terminal import heading, printable
    from hatch_lambda.inspect.contents.survey import handlers

    if not (found := handlers(contents)):
        return
    heading(out, "Handlers", "the likeliest first")
    for name in found[:_SHOWN_HANDLERS]:
        out.print(f"  {printable(name)}", soft_wrap=True)
    if more := found[_SHOWN_HANDLERS:]:
        out.print(f"  and {len(more)} more")


def _show_targets(out: Console, inspection: _Inspection, *, is_fit: bool) -> None:
    from rich.text import Text

    from hatch_lambda.cli.terminal import heading, table

    heading(out, "Runs on", *(["together with its layers"] if inspection.layers else []))
    if is_fit:
        out.print(f"  every runtime from {next(iter(RUNTIMES))}, on {' and '.join(ARCHITECTURES)}")
        return
    grid = table("  runtime", *ARCHITECTURES)
    for column in grid.columns:
        column.justify = "left"
    for runtime in RUNTIMES.values():
        faults = [inspection.faults[Target(runtime, architecture)] for architecture in ARCHITECTURES.values()]
        grid.add_row(f"  {runtime.name}", *map(_verdict, faults))
    out.print(grid)
    if not inspection.target:
        unfit = next(target for target, faults in inspection.faults.items() if faults)
        options = f"--runtime {unfit.runtime.name} --architecture {unfit.architecture.name}"
        out.print(Text(f"  `{options}` says what does not fit", "dim"))


def _verdict(faults: Sequence[Fault]) -> Text:
    from rich.text import Text

    from hatch_lambda.common.ui import counted

    return Text(f"no, {counted(len(faults), 'fault')}", "red") if faults else Text("yes", "green")

"""What is written next to a zip, if set: the HTML report and the SBOM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_lambda.inspect import output
from hatch_lambda.resolve.fingerprint import installed_version

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_lambda.config.settings import ZipSettings
    from hatch_lambda.plugin.prepared import Prepared

_REPORT, _SBOM = ".html", ".cdx.json"
"""The ends of their names, in place of `.zip`."""


def paths(path: Path, zips: ZipSettings) -> tuple[Path, ...]:
    """`path`: of the zip."""
    suffixes = ((_REPORT, zips.report), (_SBOM, zips.sbom))
    return tuple(output.next_to(path, suffix) for suffix, is_set in suffixes if is_set)


def facts(zips: ZipSettings) -> list[str]:
    """What they depend on besides the zip, its target and its wheels."""
    return [installed_version("cyclonedx-python-lib")] if zips.sbom else []


def write(path: Path, zips: ZipSettings, prepared: Prepared) -> None:
    target = prepared.settings.target
    if not (zips.report or zips.sbom):
        return
    from hatch_lambda.inspect import report, sbom

    if zips.report:
        report.write(path, output.next_to(path, _REPORT), target)
    if zips.sbom:
        hashes = {wheel.distribution.partition(" ")[0]: wheel.sha256 for wheel in prepared.bundle.wheels}
        sbom.write(path, output.next_to(path, _SBOM), target, hashes)

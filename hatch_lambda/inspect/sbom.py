"""The SBOM (software bill of materials) of a Lambda zip."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.inspect import contents, output

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hatch_lambda.common.target import Target


class MissingLibraryError(LambdaBuildError):
    """The extra `sbom` is not installed."""


def write(path: Path, to: Path, target: Target | None = None, hashes: Mapping[str, str] | None = None) -> Path:
    """Write the SBOM of a zip, a layer or a directory. See `document`."""
    output.write(to, document(path, target, hashes).encode("utf-8"))
    return to


def document(path: Path, target: Target | None = None, hashes: Mapping[str, str] | None = None) -> str:
    """The SBOM as CycloneDX 1.6 JSON; the same zip gives the same document.

    `target`: decides which requirements apply; taken from the file name by default. `hashes`: the SHA-256 of the
    wheels, by name of the distribution. Raises `LambdaBuildError`.
    """
    check_installed()
    from hatch_lambda.inspect import cyclonedx_bom

    known: dict[str, str] = {canonicalize_name(name): sha256 for name, sha256 in (hashes or {}).items()}
    return cyclonedx_bom.document(contents.read(output.named(path)), target or output.target_by_name(path), known)


def check_installed() -> None:
    """Raise `MissingLibraryError` if the library is missing: a build checks this before it starts."""
    if find_spec("cyclonedx") is None:
        raise MissingLibraryError(
            "SBOMs require `cyclonedx-python-lib`, which is not installed.\n"
            "What you can do: `pip install 'hatch-lambda[sbom]'`. For `sbom = true` in a build, add "
            '`"hatch-lambda[sbom]"` to `requires` in `[build-system]`.'
        )

"""The licence of a distribution, by its metadata."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

if TYPE_CHECKING:
    from hatch_lambda.wheels.metadata import Metadata

# A longer `License` is the text of a licence, not its name.
_MAX_NAME = 60


@dataclass(frozen=True)
class Licence:
    """`expression`: in SPDX, as in `MIT OR Apache-2.0`. `names`: other names, if there is no expression."""

    expression: str | None
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.expression or ", ".join(self.names)


def licence_of(metadata: Metadata) -> Licence:
    """`License-Expression` (PEP 639) or `License`, whichever is valid SPDX; else classifiers; else plain names."""
    fields = map(metadata.get, ("License-Expression", "License"))
    written = [text for text in fields if len(text.splitlines()) == 1]
    for text in written:
        try:
            return Licence(str(canonicalize_license_expression(text)))
        except InvalidLicenseExpression:
            continue
    # `MIT License` for `License :: OSI Approved :: MIT License`; `License :: OSI Approved` alone names none.
    lines = [line for line in metadata.all("Classifier") if line.startswith("License :: ")]
    classified = [line.rpartition(" :: ")[2].strip() for line in lines]
    names = tuple(dict.fromkeys(name for name in classified if name and name != "OSI Approved"))
    return Licence(None, names or tuple(text for text in written if len(text) <= _MAX_NAME and text != "UNKNOWN"))

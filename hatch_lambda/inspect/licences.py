"""The licence of a distribution, by its metadata."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message

# A longer `License` is the text of a licence, not its name.
_MAX_NAME = 60
_CLASSIFIER = "License :: "


@dataclass(frozen=True)
class Licence:
    """`expression`: in SPDX, as in `MIT OR Apache-2.0`. `names`: other names, if there is no expression."""

    expression: str | None
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.expression or ", ".join(self.names)


def licence_of(metadata: Message) -> Licence:
    """`License-Expression` (PEP 639) or `License`, whichever is valid SPDX; else classifiers; else plain names."""
    written = [str(metadata.get(field, "")).strip() for field in ("License-Expression", "License")]
    written = [text for text in written if len(text.splitlines()) == 1]
    for text in written:
        try:
            return Licence(str(canonicalize_license_expression(text)))
        except InvalidLicenseExpression:
            continue
    names = tuple(dict.fromkeys(_classifiers(metadata)))
    return Licence(None, names or tuple(text for text in written if len(text) <= _MAX_NAME and text != "UNKNOWN"))


def _classifiers(metadata: Message) -> Iterator[str]:
    """`MIT License` for `License :: OSI Approved :: MIT License`; `License :: OSI Approved` alone names none."""
    for line in map(str, metadata.get_all("Classifier", ())):
        name = line.rpartition(" :: ")[2].strip()
        if line.startswith(_CLASSIFIER) and name and name != "OSI Approved":
            yield name

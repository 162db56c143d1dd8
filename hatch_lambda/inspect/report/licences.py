"""What a distribution says of its licence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

if TYPE_CHECKING:
    from email.message import Message

# Where `License` is longer, it is the text of a licence and not the name of one.
_LONGEST_NAME = 60
_CLASSIFIER = "License :: "


@dataclass(frozen=True)
class Licence:
    """`expression`: as SPDX has it, such as `MIT OR Apache-2.0`. `names`: what else was said, where there is none."""

    expression: str | None
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.expression or ", ".join(self.names)


def licence_of(metadata: Message) -> Licence:
    """The most exact that there is: an SPDX expression in `License-Expression` (PEP 639) or `License`; else names."""
    written = [str(metadata.get(field, "")).strip() for field in ("License-Expression", "License")]
    expression = next(filter(None, map(_expression, written)), None)
    return Licence(expression, () if expression else _classified(metadata) or tuple(filter(None, map(_name, written))))


def _expression(text: str) -> str | None:
    if len(text.splitlines()) != 1:
        return None
    try:
        return str(canonicalize_license_expression(text))
    except InvalidLicenseExpression:
        return None


def _classified(metadata: Message) -> tuple[str, ...]:
    """`MIT License` of `License :: OSI Approved :: MIT License`. One that only says `OSI Approved` names none."""
    lines = (str(line) for line in metadata.get_all("Classifier", ()))
    names = [line.rpartition(" :: ")[2].strip() for line in lines if line.startswith(_CLASSIFIER)]
    return tuple(dict.fromkeys(name for name in names if name and name != "OSI Approved"))


def _name(text: str) -> str | None:
    return text if len(text.splitlines()) == 1 and len(text) <= _LONGEST_NAME and text != "UNKNOWN" else None

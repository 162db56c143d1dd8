"""HTML that cannot be anything else than what was meant: all text is escaped on its way in."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child: TypeAlias = "str | Iterable[Child] | None"

_VOID = frozenset({"input", "meta", "br"})


def tag(name: str, *children: Child, **attributes: str | int | bool | None) -> Markup:
    """An element. Attributes as keywords: `class_`, `aria_label`; None and False leave one out, True gives no value."""
    start = "".join((name, *(_attribute(key, value) for key, value in attributes.items())))
    return Markup(f"<{start}>" if name in _VOID else f"<{start}>{join(children)}</{name}>")


def join(child: Child) -> Markup:
    """Children side by side; what is no markup is escaped."""
    if child is None:
        return Markup()
    if isinstance(child, Markup):
        return child
    if isinstance(child, str):
        return escape(child)
    return Markup("".join(map(join, child)))


def escape(text: str) -> Markup:
    return Markup(html.escape(visible(text)))


def visible(text: str) -> str:
    """Text with what one would not see spelt out: control characters, and those that turn the direction of writing.

    A name with U+202E in it shows as another one than it is (https://trojansource.codes).
    """
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _spelt_out(character) for character in text)


def _spelt_out(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _attribute(key: str, value: str | int | bool | None) -> str:  # noqa: FBT001 - as HTML has them
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{value if isinstance(value, Markup) else escape(str(value))}"'

"""Requirements and constraints files, read as pip reads them.

https://pip.pypa.io/en/stable/reference/requirements-file-format/
"""

from __future__ import annotations

import codecs
import locale
import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hatch_lambda.common.files import local_path, read_regular

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# UTF-32 first: its little-endian mark begins with that of UTF-16.
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
)
_CODING = re.compile(rb"coding[:=]\s*([-\w.]+)")  # PEP 263
_COMMENT = re.compile(r"(?:^|\s+)#.*$")
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
_REMOTE = re.compile(r"(?!file:)[a-z][a-z0-9+.-]*://", re.IGNORECASE)

REQUIREMENT, CONSTRAINT, EDITABLE = ("-r", "--requirement"), ("-c", "--constraint"), ("-e", "--editable")


class Line(NamedTuple):
    """A logical line. `requirement`: with its marker; empty if there are only options."""

    requirement: str
    options: tuple[str, ...]

    @property
    def editable(self) -> str | None:
        return None if self.requirement else next(iter(values_of(EDITABLE, self.options)), None)


class Unread(NamedTuple):
    """A file that is not read: `reason` says why; None for a URL, which pip alone reads."""

    name: str
    reason: str | None


class RequirementsFile(NamedTuple):
    """A file that was read. `variables`: those it names as `${NAME}`, set or not."""

    path: Path
    is_constraints: bool
    content: bytes
    lines: tuple[Line, ...]
    variables: frozenset[str]


def walk(
    name: str, folder: Path, *, is_constraints: bool = False, above: frozenset[Path] = frozenset()
) -> Iterator[RequirementsFile | Unread]:
    """Read a file and, in order, all that it includes.

    `name`: a path relative to the folder, or a URL. `above`: the files that include it.
    """
    if _REMOTE.match(name):
        yield Unread(name, None)
        return
    path = Path(name)
    try:
        path = Path(os.path.abspath(local_path(name) or folder / name))  # noqa: PTH100 - as pip does, which follows no links here
        content = read_regular(path)
        text = decode(content)
        fault = "it includes itself" if path in above else None
    except OSError as error:
        fault = error.strerror or str(error)
    except (ValueError, LookupError) as error:  # by its encoding, or of a path that cannot be one
        fault = str(error)
    if fault is not None:
        yield Unread(str(path), fault)
        return
    raw_lines = list(_logical_lines(text))
    variables = frozenset(name for raw in raw_lines for name in _VARIABLE.findall(raw))
    lines = tuple(map(_parsed, raw_lines))
    yield RequirementsFile(path, is_constraints, content, lines, variables)
    for line in lines:
        if line.requirement or line.editable:
            continue
        # Of several, pip takes the first `-r`, or else the first `-c`.
        for names, constrains in ((REQUIREMENT, False), (CONSTRAINT, True)):
            if found := list(values_of(names, line.options)):
                yield from walk(found[0], path.parent, is_constraints=constrains, above=above | {path})
                break


def lines_of(text: str) -> tuple[Line, ...]:
    """The logical lines of a file by itself."""
    return tuple(map(_parsed, _logical_lines(text)))


def decode(content: bytes) -> str:
    """By its byte-order mark, a PEP 263 comment, as UTF-8 or by the locale. Raises `UnicodeError` or `LookupError`."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding)
    for line in content.split(b"\n", 2)[:2]:
        if line.startswith(b"#") and (coding := _CODING.search(line)):
            return content.decode(coding[1].decode("ascii"))
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode(locale.getpreferredencoding(do_setlocale=False))


def values_of(names: tuple[str, ...], words: Sequence[str]) -> Iterator[str]:
    """The values of an option, by its short and long names; long ones may be abbreviated (optparse)."""
    waiting = iter(words)
    for word in waiting:
        name, equals, value = word.partition("=")
        if word in names or (not equals and _abbreviates(name, names)):
            value = next(waiting, "")
        elif not _abbreviates(name, names):
            if word.startswith("--") or not word.startswith(names[0]):
                continue
            value = word[len(names[0]) :]
        if value:
            yield value


def _abbreviates(word: str, names: tuple[str, ...]) -> bool:
    return len(word) > len("--xx") and names[-1].startswith(word)


def _parsed(raw: str) -> Line:
    """Cut into requirement and options, as pip does it: at the first word that begins with `-`."""
    line = _VARIABLE.sub(lambda match: os.environ.get(match[1]) or match[0], raw)
    words = line.split(" ")
    first = next((place for place, word in enumerate(words) if word.startswith("-")), len(words))
    options = " ".join(words[first:])
    try:
        split = shlex.split(options)
    except ValueError:
        split = options.split()  # pip will say so
    return Line(" ".join(words[:first]).strip(), tuple(split))


def _logical_lines(text: str) -> Iterator[str]:
    """Lines that are not empty, with continuations joined and without comments; a comment line ends a continuation."""
    joined = ""
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        is_comment = _COMMENT.match(line)
        joined += f" {line}" if is_comment else line.strip("\\") if line.endswith("\\") else line
        if line.endswith("\\") and not is_comment and number < len(lines):
            continue
        if stripped := _COMMENT.sub("", joined).strip():
            yield stripped
        joined = ""

"""Compiles modules: a program that `compilers` runs in an interpreter of the runtime's version.

It uses only the standard library, and runs on every CPython that Lambda has. First it writes a description of its
interpreter; then it reads a path and a source at a time from standard input, and writes a mark and the content of a
`.pyc` file, or the reason why there is none. Each part is a frame: its length, then its bytes.
"""

from __future__ import annotations

import marshal
import sys

TYPE_CHECKING = False  # not from `typing`, which takes time to import
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType
    from typing import Any, BinaryIO

COMPILED, REFUSED = b"+", b"-"

_HASH_BASED_UNCHECKED = (0b01).to_bytes(4, "little")  # PEP 552: the first flag says hash, the second would say checked


def main() -> None:
    # This file's directory: its modules must not be imported in place of the standard library's.
    del sys.path[0]
    single_characters = [sys.intern(chr(number)) for number in range(256)]  # see `_marshalled`
    orders, answers = sys.stdin.buffer, sys.stdout.buffer
    _send(answers, "\n".join(_self_description()).encode("utf-8"))
    while path := _receive(orders):
        source = _receive(orders)
        try:
            content = pyc_of(source, path.decode("utf-8"))
        except Exception as error:  # noqa: BLE001 - the compiler raises any, and the next file may be fine
            answers.write(REFUSED)
            content = _in_words(error).encode("utf-8", "backslashreplace")
        else:
            answers.write(COMPILED)
        _send(answers, content)
    del single_characters


def _self_description() -> Iterator[str]:
    from importlib.util import MAGIC_NUMBER

    yield sys.implementation.name
    yield ".".join(map(str, sys.version_info[:3]))
    # Other builds may compile the same source to other bytecode.
    is_debug, is_free_threaded = hasattr(sys, "gettotalrefcount"), "free-threading" in sys.version
    yield "debug" if is_debug else "free-threaded" if is_free_threaded else "usual"
    yield MAGIC_NUMBER.hex()
    yield sys.implementation.cache_tag or ""


def _receive(stream: BinaryIO) -> bytes:
    return stream.read(int.from_bytes(stream.read(4), "little"))


def _send(stream: BinaryIO, content: bytes) -> None:
    stream.write(len(content).to_bytes(4, "little"))
    stream.write(content)
    stream.flush()


def _in_words(error: Exception) -> str:
    if isinstance(error, SyntaxError) and error.lineno:
        return f"line {error.lineno}: {error.msg}"
    return str(error) or type(error).__name__


def pyc_of(source: bytes, path: str) -> bytes:
    """What import would write for a source, with a hash in place of its time. `path`: the file in tracebacks."""
    from importlib.util import MAGIC_NUMBER, source_hash

    return MAGIC_NUMBER + _HASH_BASED_UNCHECKED + source_hash(source) + _marshalled(_compiled(source, path))


def _compiled(source: bytes, path: str) -> CodeType:
    """The same code for the same source, whatever was compiled before.

    The strings that a process has interned matter in two cases. A constant that is also a qualified name
    (`Outer.Inner`) is interned in place only if it is the first of its value; one of two equal sets is dropped, unless
    their strings had to be replaced by interned ones. In these cases the source is compiled a second time while the
    first result is alive, when all of its strings are interned.
    """
    code = compile(source, path, "exec", dont_inherit=True, optimize=0)
    if _depends_on_what_is_interned(code):
        return compile(source, path, "exec", dont_inherit=True, optimize=0)
    return code


def _depends_on_what_is_interned(code: CodeType) -> bool:
    all_code = list(_code_in(code))
    qualified_names = {id(getattr(inner, "co_qualname", inner)) for inner in all_code}
    constants = [constant for inner in all_code for constant in _leaves(inner.co_consts)]
    if any(id(constant) in qualified_names and not str(constant).isidentifier() for constant in constants):
        return True
    composed = [constant for constant in constants if isinstance(constant, (frozenset, slice))]
    return len(set(composed)) < len(composed)


def _code_in(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, type(code)):
            yield from _code_in(constant)


def _leaves(constants: tuple[object, ...]) -> Iterator[object]:
    for constant in constants:
        if isinstance(constant, tuple):
            yield from _leaves(constant)
        else:
            yield constant


def _marshalled(code: CodeType) -> bytes:
    """The same bytes for the same code, which `marshal` alone does not give.

    It marks all objects with more than one reference, even if by accident, as those that may be referred to again
    (https://github.com/python/cpython/issues/98819). Objects that were just loaded have only the references that the
    bytes name; those that they share with `code`, its interned strings, always have more than one.
    Strings of one character are shared by the whole process, so whether one is marked as interned depends on whether
    it has been interned before (python/cpython#73894): `main` interns all of them.
    """
    loaded = marshal.loads(marshal.dumps(code))  # noqa: S302 - our own bytes
    if sys.version_info < (3, 11) and (sets := list(_frozensets_in(loaded))):
        return _with_sorted_sets(loaded, sets)
    return marshal.dumps(loaded)


def _frozensets_in(constant: Any) -> Iterator[frozenset[Any]]:
    if isinstance(constant, frozenset):
        yield constant
    for inner in getattr(constant, "co_consts", constant if isinstance(constant, (tuple, frozenset)) else ()):
        yield from _frozensets_in(inner)


def _with_sorted_sets(code: CodeType, sets: list[frozenset[Any]]) -> bytes:
    """Before Python 3.11, sets are written in iteration order, which depends on None's address.

    Version 2 of the format has no references, so a value has the same bytes everywhere: those of a set can be replaced
    by those of the same set, sorted. Outer sets come first, as their bytes are longer.
    """
    content = marshal.dumps(code, 2)
    for own, in_order in sorted({(marshal.dumps(one, 2), _sorted(one)) for one in sets}, key=lambda two: -len(two[0])):
        content = content.replace(own, in_order)
    if marshal.loads(content) != code:  # noqa: S302 - our own bytes
        raise ValueError("its sets cannot be sorted")
    return content


def _sorted(constant: Any) -> bytes:
    content = marshal.dumps(constant, 2)
    if isinstance(constant, frozenset):
        return content[:_HEAD] + b"".join(sorted(map(_sorted, constant)))
    if isinstance(constant, tuple):
        return content[:_HEAD] + b"".join(map(_sorted, constant))
    return content


_HEAD = 5  # of a set or tuple in version 2: its type and its length


if __name__ == "__main__":
    main()

"""Extension modules by their paths: light enough for builds that check no machine code."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hatch_lambda.common.target import Target

# `module.tag.so`, with the tags of CPython (PEP 3149), PyPy and Windows.
_TAGGED_EXTENSION = re.compile(
    r"(?P<module>[^./]+)\.(?:(?:cpython|pypy|graalpy|cp|pp)-?\d[\w-]*|abi3t?(?:-[\w-]+)?)\.(?:so|pyd)$"
)
_PLAIN_EXTENSION = re.compile(r"(?P<module>[^./]+)\.(?:so|pyd)$")
_SCHEME = re.compile(r"^[^/]+\.data/(?:purelib|platlib|data)/")
_SCRIPTS = re.compile(r"^[^/]+\.data/scripts/")


def is_never_imported(path: str, target: Target) -> bool:
    """Whether a file, by its path in a wheel or bundle, is an extension module of other Pythons or systems."""
    if not path.endswith((".so", ".pyd")):
        return False
    module, name = importable_module(path), path.rpartition("/")[2]
    return bool(module) and name not in {f"{module}{suffix}" for suffix in target.extension_suffixes}


def path_in_bundle(path: str) -> str:
    """The path in the bundle of a file in a wheel."""
    return _SCRIPTS.sub("bin/", _SCHEME.sub("", path))


def importable_module(path: str) -> str | None:
    """The name of the extension module, of any system, that a file is; None if it cannot be imported."""
    folder, _, name = path_in_bundle(path).rpartition("/")
    match = _TAGGED_EXTENSION.match(name) or _PLAIN_EXTENSION.match(name)
    if match and match["module"].isidentifier() and all(part.isidentifier() for part in folder.split("/") if folder):
        return match["module"]
    return None

"""Checking handlers of bundles that are written out in a test."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common.target import ARCHITECTURES, RUNTIMES, Target
from hatch_lambda.wheels.members import BundleFile, Generated
from hatch_lambda.zip.handler import HandlerError, check_handler

if TYPE_CHECKING:
    from collections.abc import Mapping

RUNNING = "python{}.{}".format(*sys.version_info)
TARGET = Target(RUNTIMES[RUNNING], ARCHITECTURES["x86_64"])
OWN = "orders 1.0"
GOOD = "def handler(event, context):\n    return {}\n"


def bundle_files(contents: Mapping[str, str | bytes], owner: str = OWN) -> list[BundleFile]:
    encoded = {path: text.encode() if isinstance(text, str) else text for path, text in contents.items()}
    return [BundleFile(path, 0o644, Generated(content), owner) for path, content in encoded.items()]


def note(handler: str, contents: Mapping[str, str | bytes], target: Target = TARGET) -> str | None:
    return check_handler(handler, bundle_files(contents), target, own=OWN)


def error(handler: str, contents: Mapping[str, str | bytes], target: Target = TARGET) -> HandlerError:
    with pytest.raises(HandlerError) as raised:
        note(handler, contents, target)
    return raised.value


def module_note(source: str, **others: str) -> str | None:
    """Of `app.handler`, with other modules beside it."""
    return note("app.handler", {"app.py": source, **{f"{name}.py": text for name, text in others.items()}})


def module_error(source: str, **others: str) -> str:
    return str(error("app.handler", {"app.py": source, **{f"{name}.py": text for name, text in others.items()}}))

"""The project's own build hooks run in this process: while `for_target` lasts, what they compile is for the target."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_lambda.resolve.cross import in_backend
from hatch_lambda.resolve.cross.environment import Tools, facts, record_of_zig, write_starter
from hatch_lambda.resolve.cross.headers import unpack_headers
from hatch_lambda.wheels.build_record import add_record
from hatch_lambda.wheels.signatures import may_have_machine_code

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hatch_lambda.common.target import Target
    from hatch_lambda.resolve.cross.zig import Zig


@contextmanager
def for_target(target: Target, zig: Zig, cache: Path, scratch: Path) -> Iterator[None]:
    """Change the environment and what setuptools and the like ask (`sysconfig`, `platform`, `os`), and change it back.

    `cache`: Zig's own. `scratch`: an empty directory.
    """
    include = unpack_headers(target.runtime, scratch / "headers")
    tools = Tools.written(target, zig.program, include, scratch, scratch)
    described = facts(target, tools, include, Path(sys.executable), cache, os.environ)
    environment, former = dict(os.environ), list[tuple[object, str, object]]()
    _forget_configuration()
    try:
        in_backend.set_variables(described, "hatchling.build")
        in_backend.act(described, former)
        # Some plugins start setuptools as a program (hatch-mypyc).
        site = scratch / "site"
        site.mkdir()
        write_starter(site, "sitecustomize.py", described)
        paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
        os.environ |= {"PYTHONPATH": os.pathsep.join(paths), in_backend.BACKENDS[0]: "hatchling.build"}
        os.environ[in_backend.DECIDED] = "1"
        yield
    finally:
        for owner, name, value in reversed(former):
            setattr(owner, name, value)
        os.environ.clear()
        os.environ.update(environment)
        _forget_configuration()


def note_in(wheel: Path, name: str, version: str, target: Target, zig: Zig) -> None:
    """Say in the project's wheel how its native code was made."""
    if may_have_machine_code(wheel):
        add_record(wheel, name, version, record_of_zig(zig, target))


def _forget_configuration() -> None:
    """What distutils has read from `sysconfig` once."""
    for name in ("distutils.sysconfig", "setuptools._distutils.sysconfig"):
        if module := sys.modules.get(name):
            setattr(module, "_config_vars", None)  # noqa: B010 - mypy knows no such attribute

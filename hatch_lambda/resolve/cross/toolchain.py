"""The cross compiler as a toolchain of stage 4."""

from __future__ import annotations

import json
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.common.hashing import sha256_of
from hatch_lambda.resolve.cross import in_backend
from hatch_lambda.resolve.cross.environment import (
    MESON_FILE,
    Tools,
    facts,
    meson_cross_file,
    record_of_zig,
    write_starter,
)
from hatch_lambda.resolve.cross.headers import PACK, unpack_headers
from hatch_lambda.resolve.toolchains import Call, Toolchain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hatch_lambda.common.interpreters import Interpreter
    from hatch_lambda.common.target import Target
    from hatch_lambda.resolve.cross.zig import Zig
    from hatch_lambda.wheels.build_record import BuildRecord

_FORMAT = 2
"""Increase it whenever the same sdist may be built otherwise."""


@dataclass(frozen=True)
class CrossCompiler(Toolchain):
    """Zig's C and C++ compiler, for any backend.

    pip runs in an environment of `python`, where a `.pth` starts `in_backend`. `cache`: a directory for Zig's own.
    """

    target: Target
    zig: Zig
    python: Interpreter
    cache: Path

    @classmethod
    def of(cls, target: Target, zig: Zig, python: Interpreter, cache: Path) -> CrossCompiler:
        version = ".".join(zig.version.split(".")[:2])
        return cls(4, f"with the cross compiler (zig {version})", ", cross-compiled", target, zig, python, cache)

    def environment(self, base: Mapping[str, str], scratch: Path) -> dict[str, str]:
        """Raises `LambdaBuildError`."""
        python = self.interpreter(self.python, scratch)
        ended = subprocess.run(  # noqa: S603 - the interpreter that builds
            [self.python.path, "-I", "-m", "venv", "--without-pip", python.parent.parent],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            text=True,
        )
        if ended.returncode != 0:
            raise LambdaBuildError(
                f"{self.python.path} cannot make an environment for a cross build: {ended.stderr.strip()}\n"
                "What you can do: use another interpreter (`python`), or `cross = false`."
            )
        include = unpack_headers(self.target.runtime, scratch / "headers")
        tools = Tools.written(self.target, self.zig.program, include, scratch, Path(base["TMPDIR"]))
        meson_cross_file(self.target, tools, python)
        (packages,) = python.parent.parent.glob("lib/*/site-packages")
        described = facts(self.target, tools, include, python, self.cache, base)
        write_starter(packages, "hatch_lambda_cross.pth", described)
        # A front end that builds this project may have left these there, but pip is not the backend.
        return {name: value for name, value in base.items() if name not in {*in_backend.BACKENDS, in_backend.DECIDED}}

    def interpreter(self, given: Interpreter, scratch: Path) -> Path:
        del given
        return scratch / "python" / "bin" / "python"

    def options(self, build_system: Mapping[str, object], scratch: Path) -> str:
        """Meson takes no cross file from the environment."""
        if "mesonpy" not in str(build_system.get("build-backend")):
            return ""
        return f" --config-settings={shlex.quote(f'setup-args=--cross-file={scratch / MESON_FILE}')}"

    def facts(self) -> list[object]:
        return [_FORMAT, self.stage, self.zig.version, sha256_of(PACK)]

    def record(self, python: Interpreter) -> BuildRecord:
        del python
        return record_of_zig(self.zig, self.target)

    def calls(self, scratch: Path) -> tuple[Call, ...]:
        try:
            lines = Tools(scratch).log.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return ()
        return tuple(Call(**json.loads(line)) for line in lines)

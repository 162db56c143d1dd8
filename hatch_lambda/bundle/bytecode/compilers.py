"""The processes that compile."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

from hatch_lambda.bundle.bytecode import compile_modules
from hatch_lambda.bundle.bytecode.interpreter import unsuitable
from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.common.hashing import cores
from hatch_lambda.common.redact import redact

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from hatch_lambda.common.interpreters import Interpreter
    from hatch_lambda.common.target import Runtime
    from hatch_lambda.config.settings import Settings
    from hatch_lambda.wheels.members import BundleFile

_MODULES_WORTH_A_PROCESS = 16


class Compiled(NamedTuple):
    """The bytecode of a module or, unless `ok`, the reason why there is none."""

    ok: bool
    content: bytes


class Compilers(contextlib.ExitStack):
    """Up to one compiling process for each core. None outlives the `with` block.

    `identity`: what decides the bytes, as releases of one minor version may compile differently.
    """

    def __init__(self, interpreter: Interpreter, settings: Settings) -> None:
        super().__init__()
        self.runtime = settings.target.runtime
        self._interpreter = interpreter
        self._settings = settings
        self._idle: SimpleQueue[_Compiler] = SimpleQueue()
        try:
            first = self._start()
        except BaseException:
            self.close()
            raise
        self._idle.put(first)
        self.name = f"Python {first.description.version}"
        self.identity = first.description.version, first.description.magic

    def compile(self, modules: Sequence[BundleFile], root: str) -> Generator[Compiled, None, None]:
        """Compile modules, and yield the results in the same order."""
        pool = ThreadPoolExecutor(min(cores(), 1 + len(modules) // _MODULES_WORTH_A_PROCESS))
        try:
            yield from pool.map(lambda module: self._compile(module, root), modules)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            self.close()  # or threads would wait for results
            raise
        finally:
            pool.shutdown()

    def _compile(self, module: BundleFile, root: str) -> Compiled:
        source = module.source.read()
        try:
            compiler = self._idle.get_nowait()
        except Empty:
            compiler = self._start()
        result = compiler.compile(f"{root}/{module.path}", source)
        self._idle.put(compiler)
        return result

    def _start(self) -> _Compiler:
        compiler = _Compiler(self._interpreter.path)
        self.callback(compiler.end)
        compiler.introduce()
        if fault := compiler.description.mismatch(self.runtime):
            raise unsuitable(self._settings, self._interpreter.path, fault)
        return compiler


class _Description(NamedTuple):
    """What a compiling process says about its interpreter, in this order."""

    implementation: str
    version: str
    build: str
    magic: str
    cache_tag: str

    def mismatch(self, runtime: Runtime) -> str | None:
        """How its bytecode differs from the runtime's."""
        number = int.from_bytes(bytes.fromhex(self.magic)[:2], "little")
        if self.implementation != "cpython":
            return f"{self.implementation} {self.version}"
        if tuple(map(int, self.version.split(".")[:2])) != runtime.python:
            return f"Python {self.version}"
        if self.build != "usual":
            return f"a {self.build} build of Python {self.version}"
        if number != runtime.magic_number:
            return f"Python {self.version} with the magic number {number}, as in a pre-release"
        if self.cache_tag != runtime.cache_tag:
            return f"Python {self.version} with the cache tag `{self.cache_tag}`"
        return None


class _Compiler:
    """One process, with the protocol that `compile_modules` describes."""

    description: _Description

    def __init__(self, interpreter: Path) -> None:
        self._interpreter = interpreter
        # Neither the user's variables nor installed packages may change the result. The hash seed is fixed to be safe:
        # nothing is known to depend on it.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        with contextlib.ExitStack() as stack:
            self._errors = stack.enter_context(tempfile.TemporaryFile())
            self._process = subprocess.Popen(  # noqa: S603 - the interpreter that the settings name or we found
                [interpreter, "-B", "-s", "-S", "-W", "ignore", compile_modules.__file__],
                env={**environment, "PYTHONHASHSEED": "0"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                start_new_session=True,  # Ctrl-C reaches hatch-lambda only
            )
            assert self._process.stdin is not None  # noqa: S101 - a pipe, see above
            assert self._process.stdout is not None  # noqa: S101
            self._to, self._from = self._process.stdin, self._process.stdout
            stack.pop_all()

    def introduce(self) -> None:
        """Read the process's description. Raises `LambdaBuildError` if it does not start."""
        try:
            self.description = _Description(*self._receive().decode("utf-8").split("\n"))
        except (EOFError, OSError, ValueError, TypeError):
            raise LambdaBuildError(
                f"Cannot compile bytecode with the interpreter {self._interpreter}: {self._last_words()}"
            ) from None

    def compile(self, path: str, source: bytes) -> Compiled:
        """Compile a source. `path`: the file in tracebacks. Raises `LambdaBuildError` if the process ends."""
        try:
            for part in (path.encode("utf-8"), source):
                self._to.write(len(part).to_bytes(4, "little"))
                self._to.write(part)
            self._to.flush()
            return Compiled(self._from.read(1) == compile_modules.COMPILED, self._receive())
        except (EOFError, OSError):
            raise LambdaBuildError(
                f"The interpreter {self._interpreter} ended while compiling {path}: {self._last_words()}\n"
                "What you can do: exclude the file (`exclude`) if nothing needs it; try another release of this "
                "Python; or turn this off by `compile-bytecode = false`."
            ) from None

    def end(self) -> None:
        self._process.kill()
        for pipe in (self._to, self._from, self._errors):
            with contextlib.suppress(OSError):  # unsent data
                pipe.close()
        self._process.wait()

    def _receive(self) -> bytes:
        return self._exactly(int.from_bytes(self._exactly(4), "little"))

    def _exactly(self, size: int) -> bytes:
        data = self._from.read(size)
        if len(data) < size:
            raise EOFError
        return data

    def _last_words(self) -> str:
        """How the process ended, and its last line on standard error."""
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            how = "unexpected output"
        else:
            how = f"exit code {code}" if code >= 0 else f"signal {-code}"
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return redact(f"{how}: {lines[-1]}" if lines else how)

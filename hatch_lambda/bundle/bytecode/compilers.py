"""The processes that compile, and whether they may: bytecode of another Python is read by none."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

from hatch_lambda.bundle.bytecode import compile_modules
from hatch_lambda.bundle.bytecode.interpreter import unfit
from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.common.hashing import cores
from hatch_lambda.common.redact import redact
from hatch_lambda.wheels.members import DEFLATED, STORED, BundleFile, Text
from hatch_lambda.wheels.reader import OpenWheels, raw_pieces

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from typing_extensions import Self

    from hatch_lambda.common.interpreters import Interpreter
    from hatch_lambda.common.target import Runtime
    from hatch_lambda.config.settings import Settings

_MODULES_WORTH_A_PROCESS = 16


class Order(NamedTuple):
    """What a process is to compile."""

    module: BundleFile
    unit: str
    """The key under which the result is kept; empty where it is not."""


class Answer(NamedTuple):
    """What came of it. `compiled`: whether its source can be."""

    order: Order
    compiled: bool
    content: bytes
    """The bytecode, or why there is none."""

    @property
    def module(self) -> BundleFile:
        return self.order.module


class Compilers:
    """Processes that compile, as many as are of use at once; none of them outlives the `with` block."""

    def __init__(self, interpreter: Interpreter, settings: Settings) -> None:
        self._interpreter = interpreter
        self._settings = settings
        self._idle: SimpleQueue[_Compiler] = SimpleQueue()
        self._started: list[_Compiler] = []

    @property
    def runtime(self) -> Runtime:
        return self._settings.target.runtime

    @property
    def name(self) -> str:
        return f"Python {self._started[0].description.version}"

    @property
    def identity(self) -> tuple[str, str]:
        """What of an interpreter decides the bytes: releases of one minor version may compile differently."""
        description = self._started[0].description
        return description.version, description.magic

    def __enter__(self) -> Self:
        try:
            self._idle.put(self._start())
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _end(self) -> None:
        for compiler in self._started:
            compiler.end()

    def answers(self, orders: Sequence[Order], root: str) -> Generator[Answer, None, None]:
        """Compile modules, and give the results in their order."""
        pool = ThreadPoolExecutor(min(cores(), 1 + len(orders) // _MODULES_WORTH_A_PROCESS))
        try:
            yield from pool.map(lambda order: self._answer(order, root), orders)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            self._end()  # so that no thread waits for an answer
            raise
        finally:
            pool.shutdown()

    def _answer(self, order: Order, root: str) -> Answer:
        source = _source_of(order.module)
        try:
            compiler = self._idle.get_nowait()
        except Empty:
            compiler = self._start()
        compiled, content = compiler.answer(f"{root}/{order.module.path}", source)
        self._idle.put(compiler)
        return Answer(order, compiled, content)

    def _start(self) -> _Compiler:
        compiler = _Compiler(self._interpreter.path)
        self._started.append(compiler)
        compiler.introduce()
        if fault := _unfitness(compiler.description, self.runtime):
            raise unfit(self._settings, self._interpreter.path, fault)
        return compiler


def _source_of(module: BundleFile) -> bytes:
    """Without reading the wheel's directory anew for each of its modules."""
    member = module.source
    if isinstance(member, Text) or member.method not in {STORED, DEFLATED}:
        return member.read()
    with OpenWheels() as wheels:
        data = b"".join(raw_pieces(wheels, member))
    return data if member.method == STORED else zlib.decompress(data, -zlib.MAX_WBITS, member.size)


class _SelfDescription(NamedTuple):
    """What a compiling process says it runs on, in this order."""

    implementation: str
    version: str
    build: str
    magic: str
    cache_tag: str


def _unfitness(found: _SelfDescription, runtime: Runtime) -> str | None:
    """Why an interpreter's bytecode is not the runtime's."""
    python = tuple(map(int, found.version.split(".")[:2]))
    number = int.from_bytes(bytes.fromhex(found.magic)[:2], "little")
    if found.implementation != "cpython":
        return f"{found.implementation} {found.version}"
    if python != runtime.python:
        return f"Python {found.version}"
    if found.build != "usual":
        return f"a {found.build} build of Python {found.version}"
    if number != runtime.magic_number:
        return f"Python {found.version} with another bytecode (number {number}), as pre-releases have"
    if found.cache_tag != runtime.cache_tag:
        return f"Python {found.version} that calls its bytecode `{found.cache_tag}`"
    return None


class _Compiler:
    """One process. Its orders and answers are described in `compile_modules`."""

    description: _SelfDescription

    def __init__(self, interpreter: Path) -> None:
        self._interpreter = interpreter
        # Neither the user's variables nor what is installed beside the interpreter may have a say. The seed is fixed
        # besides: nothing is known to depend on it.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        with contextlib.ExitStack() as stack:
            self._errors = stack.enter_context(tempfile.TemporaryFile())
            self._process = subprocess.Popen(  # noqa: S603 - the interpreter that the settings name or we found
                [interpreter, "-B", "-s", "-S", "-W", "ignore", compile_modules.__file__],
                env={**environment, "PYTHONHASHSEED": "0"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                start_new_session=True,  # Ctrl-C is ours to answer
            )
            assert self._process.stdin is not None  # noqa: S101 - asked for above
            assert self._process.stdout is not None  # noqa: S101
            self._to, self._from = self._process.stdin, self._process.stdout
            stack.pop_all()

    def introduce(self) -> None:
        """Take down what the process says of itself. Raises `LambdaBuildError` if it does not start."""
        try:
            self.description = _SelfDescription(*self._receive().decode("utf-8").split("\n"))
        except (EOFError, OSError, ValueError, TypeError):
            raise LambdaBuildError(
                f"The interpreter {self._interpreter} is to compile bytecode and does not work: {self._last_words()}"
            ) from None

    def answer(self, path: str, source: bytes) -> tuple[bool, bytes]:
        """Whether a source could be compiled, and its bytecode or why not."""
        try:
            for part in (path.encode("utf-8"), source):
                self._to.write(len(part).to_bytes(4, "little"))
                self._to.write(part)
            self._to.flush()
            return self._from.read(1) == compile_modules.COMPILED, self._receive()
        except (EOFError, OSError):
            raise LambdaBuildError(
                f"The interpreter {self._interpreter} ended while it compiled {path}: {self._last_words()}\n"
                "What you can do: leave the file out by `exclude`, if nothing needs it; take another release of this "
                "Python; or do without bytecode, by `compile-bytecode = false`."
            ) from None

    def end(self) -> None:
        self._process.kill()
        for pipe in (self._to, self._from, self._errors):
            with contextlib.suppress(OSError):  # what was not sent any more
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
        """How the process ended, and the last line that it wrote on standard error."""
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            how = "it answers something else"
        else:
            how = f"exit code {code}" if code >= 0 else f"signal {-code}"
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return redact(f"{how}: {lines[-1]}" if lines else how)

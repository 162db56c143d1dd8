"""`compile-bytecode`: a `.pyc` for every module, so that no cold start has to compile what it imports.

They are hash-based and unchecked (PEP 552): import takes them as they are, whatever time an unpacked zip gives its
files. The interpreter of the runtime's version that makes them is a process of its own (`compile_modules.py`), one a
core; what it makes of a wheel's modules is kept in the store, as a zip from which the archive copies.

RECORD stays as it is: of bytecode it need not know
(https://packaging.python.org/specifications/recording-installed-packages).
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

from hatch_lambda import compile_modules, litter
from hatch_lambda.bundle import DEFLATED, EXECUTABLE_MODE, FILE_MODE, STORED, BundleFile, Member, Text
from hatch_lambda.credentials import redact
from hatch_lambda.errors import LambdaBuildError
from hatch_lambda.hashing import cores, sha256_of
from hatch_lambda.interpreters import Interpreter, interpreter_to_build_with
from hatch_lambda.job import TASK_ROOT
from hatch_lambda.settings import ENVIRONMENT_VARIABLES
from hatch_lambda.store import PART, write_whole
from hatch_lambda.ui import counted
from hatch_lambda.wheel_reader import OpenWheels, raw_pieces

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping, Sequence

    from typing_extensions import Self

    from hatch_lambda.settings import Settings
    from hatch_lambda.store import Store, StoredWheel
    from hatch_lambda.target import Runtime

# What a release writes at the head of its bytecode; a pre-release has another number.
# https://github.com/python/cpython/blob/main/Include/internal/pycore_magic_number.h
MAGIC_NUMBERS = {(3, 10): 3439, (3, 11): 3495, (3, 12): 3531, (3, 13): 3571, (3, 14): 3627}

# To be counted up whenever other bytes are made of the same source.
_FORMAT = 1
_MODULES_WORTH_A_PROCESS = 16
_LEVEL = 6


class Uncompiled(NamedTuple):
    """A module that the runtime's Python cannot compile either: it goes without bytecode, as it would at import."""

    path: str
    owner: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@dataclass(frozen=True)
class Bytecode:
    """The compiled modules of a bundle. `reused`: how many of them an earlier build has made."""

    files: tuple[BundleFile, ...]
    uncompiled: tuple[Uncompiled, ...]
    reused: int
    compiler: str
    """`Python 3.13.0`, for messages."""

    def __str__(self) -> str:
        """For a line of progress."""
        anew = len(self.files) - self.reused
        parts = [f"{counted(anew, 'module')} compiled by {self.compiler}"] if anew or not self.reused else []
        parts += [f"{self.reused} reused"] if self.reused else []
        parts += [f"{len(self.uncompiled)} cannot be compiled"] if self.uncompiled else []
        return ", ".join(parts)

    def added_to(self, files: Iterable[BundleFile]) -> tuple[BundleFile, ...]:
        """The files with their bytecode, sorted by path; what they had in its places goes."""
        by_path = {file.path: file for file in (*files, *self.files)}
        return tuple(by_path[path] for path in sorted(by_path))


def compile_bundle(
    files: Iterable[BundleFile],
    wheels: Iterable[StoredWheel],
    settings: Settings,
    store: Store,
    *,
    root: str = TASK_ROOT,
) -> Bytecode:
    """Compile the modules among a bundle's files for the target's Python.

    What comes from one of `wheels` is kept in the store. `root`: where the runtime has the files, which is what
    tracebacks show. Raises `LambdaBuildError` if there is no interpreter that can do it.
    """
    modules = sorted(file for file in files if is_module(file))
    interpreter = interpreter_to_compile_with(settings, store)
    note = _note_of_interpreter(settings, store)
    try:
        with _Compilers(interpreter, settings) as compilers:
            if note:
                _remember(note, interpreter.path)
            return _Work(store, compilers, root, {wheel.path: wheel.sha256 for wheel in wheels}).on(modules)
    except LambdaBuildError:
        if note:
            note.unlink(missing_ok=True)
        raise


def is_module(file: BundleFile) -> bool:
    """Whether bytecode may ever be looked for.

    Not only identifiers can be imported: migrations and plugins are by names like `0001_initial`, or by their path, and
    that takes the bytecode beside them as well. Scripts are run and not imported.
    """
    return (
        file.path.endswith(".py")
        and not file.path.partition("/")[0].endswith((".dist-info", ".egg-info", ".data"))
        and not (file.path.startswith("bin/") and file.mode == EXECUTABLE_MODE)
    )


def bytecode_path(path: str, runtime: Runtime) -> str:
    """Where import looks for the bytecode of a module (PEP 3147)."""
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}__pycache__/{name.removesuffix('.py')}.{_cache_tag(runtime)}.pyc"


def _cache_tag(runtime: Runtime) -> str:
    return "cpython-{}{}".format(*runtime.python)


# Choosing the interpreter


def interpreter_to_compile_with(settings: Settings, store: Store) -> Interpreter:
    """The one that the user names, else one of the runtime's version; no other will do.

    Raises `LambdaBuildError` where there is none.
    """
    wanted = settings.target.runtime.python
    note = _note_of_interpreter(settings, store)
    if note and (found := _remembered(note)):
        return Interpreter(found, wanted)
    found_anew = interpreter_to_build_with(settings)
    if found_anew.python != wanted:
        raise _no_interpreter(settings, found_anew)
    return found_anew


def _no_interpreter(settings: Settings, found: Interpreter) -> LambdaBuildError:
    if settings.python:
        return _unfit(settings, settings.python, f"{found}")
    return _error(
        settings,
        f"there is none: the running one is {found}, and none of that version is on PATH or among the interpreters of "
        "pyenv, uv, asdf, rye and Hatch.",
    )


def _unfit(settings: Settings, path: Path, what: str) -> LambdaBuildError:
    if settings.python:
        named = f"the one that is named, by `python` or {ENVIRONMENT_VARIABLES['python']}"
        return _error(settings, f"{named}, is {what}: {path}")
    return _error(settings, f"the one found is {what}: {path}")


def _error(settings: Settings, what: str) -> LambdaBuildError:
    version = "{}.{}".format(*settings.target.runtime.python)
    return LambdaBuildError(
        f"`compile-bytecode` needs a CPython {version}, for {settings.target.runtime.name} reads no other's bytecode; "
        f"{what}\n"
        f"What you can do: install one (`hatch python install {version}`, `uv python install {version}`, pyenv or your "
        f"system's packages); say where it is, by `{settings.table}.python` or in the environment by "
        f"{ENVIRONMENT_VARIABLES['python']}; or do without, by `compile-bytecode = false`."
    )


def _note_of_interpreter(settings: Settings, store: Store) -> Path | None:
    """Where it is kept which interpreter was found: looking for one can take longer than the rest of a build."""
    runtime = settings.target.runtime
    if settings.python or sys.version_info[:2] == runtime.python:
        return None
    return _folder(store) / f"interpreter-{runtime.name}.json"


def _remembered(note: Path) -> Path | None:
    """The interpreter of a note, if that file is still the very same."""
    try:
        kept = json.loads(note.read_text(encoding="utf-8"))
        path = Path(kept["path"])
        return path if kept["state"] == _state(path) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remember(note: Path, path: Path) -> None:
    if _remembered(note) == path:
        return
    text = json.dumps({"path": str(path), "state": _state(path)})
    write_whole(note, text.encode("utf-8"), by_way_of=_begun(note.parent.parent))


def _state(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ino]


# The work


class _Order(NamedTuple):
    module: BundleFile
    unit: str
    """The key under which the result is kept; empty where it is not."""


class _Answer(NamedTuple):
    order: _Order
    compiled: bool
    content: bytes
    """The bytecode, or why there is none."""

    @property
    def module(self) -> BundleFile:
        return self.order.module


@dataclass(frozen=True)
class _Work:
    """What is to be compiled, of which some may have been before."""

    store: Store
    compilers: _Compilers
    root: str
    hashes: Mapping[Path, str]

    def on(self, modules: Sequence[BundleFile]) -> Bytecode:
        units = self._units(modules)
        kept = self._kept(units)
        reused = sum(len(result.files) for result in kept)
        found = {result.unit for result in kept}
        orders = [_Order(module, unit) for unit in sorted(units) if unit not in found for module in units[unit]]
        with contextlib.closing(self.compilers.answers(orders, self.root)) as answers:
            for unit, of_unit in itertools.groupby(answers, key=lambda answer: answer.order.unit):
                take = self._keep if unit else self._take
                kept.append(take(unit, of_unit))
        return Bytecode(
            tuple(sorted(file for result in kept for file in result.files)),
            tuple(sorted(one for result in kept for one in result.uncompiled)),
            reused,
            self.compilers.name,
        )

    def _units(self, modules: Sequence[BundleFile]) -> dict[str, list[BundleFile]]:
        """The modules by the key under which their bytecode is kept. It has all that the bytes depend on."""
        by_wheel: dict[str, list[BundleFile]] = {}
        for module in modules:
            wheel = module.source.wheel if isinstance(module.source, Member) else None
            by_wheel.setdefault(self.hashes.get(wheel, "") if wheel else "", []).append(module)
        return {self._key(sha256, of_wheel): of_wheel for sha256, of_wheel in by_wheel.items()}

    def _key(self, sha256: str, modules: Iterable[BundleFile]) -> str:
        if not sha256:
            return ""
        paths = [(module.path, module.source.name) for module in modules if isinstance(module.source, Member)]
        return _digest([_FORMAT, sha256, *self.compilers.identity, self.root, paths])

    def _path_of(self, module: BundleFile) -> str:
        return bytecode_path(module.path, self.compilers.runtime)

    def _kept(self, units: Mapping[str, Sequence[BundleFile]]) -> list[_Result]:
        """What the store has, on all cores: hashing is the cost, and it lets other threads run."""
        there = _zips_by_key(self.store)
        candidates = [(unit, there[unit]) for unit in units if unit in there]
        with ThreadPoolExecutor(cores()) as pool:
            found = pool.map(lambda pair: self._recall(pair[0], pair[1], units[pair[0]]), candidates)
            return [result for result in found if result]

    def _recall(self, unit: str, path: Path, modules: Sequence[BundleFile]) -> _Result | None:
        try:
            is_intact = path.stem == f"{unit}-{sha256_of(path)}"
        except OSError:
            return None  # another build has dropped it
        if not is_intact:
            path.unlink(missing_ok=True)
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # by which it is known to be in use
        return self._result(unit, path, modules)

    def _keep(self, unit: str, answers: Iterable[_Answer]) -> _Result:
        """Pack the bytecode of a wheel; under a module's own name stands why it has none."""
        begun = _begun(self.store.root)
        begun.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=litter.marked(PART), dir=begun)
        modules = []
        try:
            with os.fdopen(descriptor, "wb") as raw, zipfile.ZipFile(raw, "w") as archive:
                for answer in answers:
                    modules.append(answer.module)
                    path = self._path_of(answer.module) if answer.compiled else answer.module.path
                    archive.writestr(zipfile.ZipInfo(path), answer.content, zipfile.ZIP_DEFLATED, _LEVEL)
            kept = _folder(self.store) / f"{unit}-{sha256_of(Path(name))}.zip"
            kept.parent.mkdir(exist_ok=True)
            Path(name).chmod(0o644)
            Path(name).replace(kept)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        return self._result(unit, kept, modules)

    def _result(self, unit: str, path: Path, modules: Sequence[BundleFile]) -> _Result:
        files, uncompiled = [], []
        with zipfile.ZipFile(path) as archive:
            for module in modules:
                name = self._path_of(module)
                if entry := archive.NameToInfo.get(name):
                    source = Member(path, name, *_figures(entry))
                    files.append(BundleFile(name, FILE_MODE, source, module.owner))
                else:
                    uncompiled.append(Uncompiled(module.path, module.owner, archive.read(module.path).decode("utf-8")))
        return _Result(unit, tuple(files), tuple(uncompiled))

    def _take(self, unit: str, answers: Iterable[_Answer]) -> _Result:
        files, uncompiled = [], []
        for answer in answers:
            module, content = answer.module, answer.content
            if answer.compiled:
                files.append(BundleFile(self._path_of(module), FILE_MODE, Text(content), module.owner))
            else:
                uncompiled.append(Uncompiled(module.path, module.owner, content.decode("utf-8")))
        return _Result(unit, tuple(files), tuple(uncompiled))


class _Result(NamedTuple):
    """What came of the modules of one wheel."""

    unit: str
    files: tuple[BundleFile, ...]
    uncompiled: tuple[Uncompiled, ...]


def _figures(entry: zipfile.ZipInfo) -> tuple[int, int, int, int, int]:
    return entry.compress_type, entry.CRC, entry.compress_size, entry.file_size, entry.header_offset


def _folder(store: Store) -> Path:
    return store.root / "bytecode"


def _begun(root: Path) -> Path:
    """Where the store makes what is to appear as a whole, and where it sweeps."""
    return root / "begun"


def _zips_by_key(store: Store) -> dict[str, Path]:
    return {path.name.partition("-")[0]: path for path in _folder(store).glob("*.zip")}


def _digest(facts: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps(facts).encode("utf-8")).hexdigest()


def _source_of(module: BundleFile) -> bytes:
    """Without reading the wheel's directory anew for each of its modules."""
    member = module.source
    if isinstance(member, Text) or member.method not in {STORED, DEFLATED}:
        return member.read()
    with OpenWheels() as wheels:
        data = b"".join(raw_pieces(wheels, member))
    return data if member.method == STORED else zlib.decompress(data, -zlib.MAX_WBITS, member.size)


# The processes


class _SelfDescription(NamedTuple):
    """What a compiling process says it runs on, in this order."""

    implementation: str
    version: str
    build: str
    magic: str
    cache_tag: str


class _Compilers:
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

    def answers(self, orders: Sequence[_Order], root: str) -> Generator[_Answer, None, None]:
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

    def _answer(self, order: _Order, root: str) -> _Answer:
        source = _source_of(order.module)
        try:
            compiler = self._idle.get_nowait()
        except Empty:
            compiler = self._start()
        compiled, content = compiler.answer(f"{root}/{order.module.path}", source)
        self._idle.put(compiler)
        return _Answer(order, compiled, content)

    def _start(self) -> _Compiler:
        compiler = _Compiler(self._interpreter.path)
        self._started.append(compiler)
        compiler.introduce()
        if fault := _unfitness(compiler.description, self.runtime):
            raise _unfit(self._settings, self._interpreter.path, fault)
        return compiler


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
    if number != MAGIC_NUMBERS[runtime.python]:
        return f"Python {found.version} with another bytecode (number {number}), as pre-releases have"
    if found.cache_tag != _cache_tag(runtime):
        return f"Python {found.version} that calls its bytecode `{found.cache_tag}`"
    return None


class _Compiler:
    """One process. Its orders and answers are described in `compile_modules.py`."""

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

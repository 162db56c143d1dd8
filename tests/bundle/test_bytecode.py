from __future__ import annotations

import contextlib
import importlib.util
import marshal
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from hatch_lambda.bundle.bytecode import compile_bundle, compile_modules
from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.common.target import RUNTIMES
from hatch_lambda.config.request import LAYER_ROOT, TASK_ROOT
from hatch_lambda.config.tables import load
from hatch_lambda.wheels.layout import lay_out
from hatch_lambda.wheels.store import Store, StoredWheel
from hatch_lambda.zip import writer
from tests.support.lambda_runtime import EVERY_RUNTIME, python_of, pythons_at_hand
from tests.support.marks import first_quick
from tests.support.packages import make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import CodeType

    from hatch_lambda.bundle.bytecode import Bytecode
    from hatch_lambda.config.settings import Settings
    from hatch_lambda.wheels.members import BundleFile
    from tests.support.packages import Content

RUNNING = "{}.{}".format(*sys.version_info)
TAG = "cpython-{}{}".format(*sys.version_info)

needs_the_running_version = pytest.mark.skipif(
    f"python{RUNNING}" not in RUNTIMES or sys.implementation.name != "cpython", reason="no runtime has this interpreter"
)


@dataclass(frozen=True)
class Laid:
    """A wheel in a store, and its files in a bundle."""

    store: Store
    wheels: tuple[StoredWheel, ...]
    files: tuple[BundleFile, ...]
    settings: Settings

    def compiled(self, root: str = TASK_ROOT) -> Bytecode:
        return compile_bundle(self.files, self.wheels, self.settings, self.store, root=root)

    @property
    def kept(self) -> list[Path]:
        return sorted(self.store.root.glob("bytecode/*.zip"))


class Kit:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def settings(self, version: str = RUNNING, **table: object) -> Settings:
        return load({"runtime": f"python{version}", **table}, self.folder, environ={})

    def lay(
        self,
        files: Mapping[str, Content],
        *,
        name: str = "orders",
        executables: Sequence[str] = (),
        version: str = RUNNING,
        **table: object,
    ) -> Laid:
        settings, store = self.settings(version, **table), Store(self.folder / "store")
        wheel = store.keep(make_wheel(self.folder / "made", name, files=files, executables=executables), name, "1.0")
        return Laid(store, (wheel,), lay_out(wheel.path, settings.target), settings)


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    return Kit(tmp_path)


def contents(bytecode: Bytecode) -> dict[str, bytes]:
    return {file.path: file.source.read() for file in bytecode.files}


def paths(bytecode: Bytecode) -> list[str]:
    return [file.path for file in bytecode.files]


def pyc(path: str) -> str:
    folder, _, name = f"/{path}".rpartition("/")
    return f"{folder}/__pycache__/{name}.{TAG}.pyc".lstrip("/")


def unpack(files: Sequence[BundleFile], folder: Path) -> Path:
    """By way of the very zip that would be uploaded."""
    made = writer.write(folder.with_suffix(".zip"), files)
    with zipfile.ZipFile(made.path) as zipped:
        zipped.extractall(folder)
    return folder


def run(statement: str, folder: Path) -> str:
    command = [sys.executable, "-I", "-B", "-c", f"import sys; sys.path.insert(0, {str(folder)!r}); {statement}"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.strip()


def code_objects(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, type(code)):
            yield from code_objects(constant)


@needs_the_running_version
class TestWhatIsMade:
    def test_import_uses_the_bytecode_and_never_the_source(self, kit: Kit, tmp_path: Path) -> None:
        laid = kit.lay({"orders/__init__.py": "", "orders/app.py": "STATE = 'as compiled'\n"})
        folder = unpack(laid.compiled().added_to(laid.files, laid.settings).files, tmp_path / "task")
        (folder / "orders" / "app.py").write_text("STATE = 'as changed since'\n", encoding="utf-8")

        assert run("from orders import app; print(app.STATE)", folder) == "as compiled"

    def test_it_is_hash_based_and_unchecked(self, kit: Kit) -> None:
        source = "VALUE = 1\n"

        (content,) = contents(kit.lay({"orders.py": source}).compiled()).values()

        assert content[:4] == importlib.util.MAGIC_NUMBER
        assert int.from_bytes(content[4:8], "little") == 0b01
        assert content[8:16] == importlib.util.source_hash(source.encode())

    def test_every_module_has_bytecode_where_import_looks(self, kit: Kit) -> None:
        modules = ["orders/__init__.py", "orders/__main__.py", "space/name/deep.py", "lone.py", "m/0001_initial.py"]
        laid = kit.lay({**dict.fromkeys(modules, "X = 1\n"), "orders/py.typed": "", "orders/data.json": "{}"})

        made = paths(laid.compiled())

        assert made == sorted(pyc(module.removesuffix(".py")) for module in modules)
        assert {importlib.util.cache_from_source(module, optimization="") for module in modules} == set(made)

    def test_namespace_packages_are_imported_from_bytecode(self, kit: Kit, tmp_path: Path) -> None:
        laid = kit.lay({"space/name/deep.py": "X = 'compiled'\n"})
        folder = unpack(laid.compiled().added_to(laid.files, laid.settings).files, tmp_path / "task")
        (folder / "space" / "name" / "deep.py").write_text("X = 'source'\n", encoding="utf-8")

        assert run("import space.name.deep as deep; print(deep.X)", folder) == "compiled"

    def test_scripts_and_metadata_are_not_compiled(self, kit: Kit) -> None:
        laid = kit.lay(
            {
                "orders.py": "",
                "orders-1.0.data/scripts/tool.py": "#!python\nprint()\n",
                "orders-1.0.dist-info/licenses/generate.py": "X = 1\n",
                "bin/__init__.py": "",
            }
        )

        assert paths(laid.compiled()) == [pyc("orders"), pyc("bin/__init__")]

    def test_bytecode_of_a_wheel_is_replaced(self, kit: Kit) -> None:
        laid = kit.lay({"orders.py": "VALUE = 1\n"})
        stale = laid.files[0]._replace(path=pyc("orders"))

        files = laid.compiled().added_to([*laid.files, stale], laid.settings).files

        assert [file.path for file in files] == sorted({file.path for file in files})
        (taken,) = [file for file in files if file.path == pyc("orders")]
        assert taken.source.read()[:4] == importlib.util.MAGIC_NUMBER

    def test_tracebacks_show_lambdas_paths(self, kit: Kit, tmp_path: Path) -> None:
        laid = kit.lay({"orders/app.py": "def handler():\n    raise ValueError\n\n\nhandler()\n"})
        program = tmp_path / "app.pyc"
        program.write_bytes(contents(laid.compiled())[pyc("orders/app")])

        finished = subprocess.run([sys.executable, "-I", program], capture_output=True, text=True, check=False)

        assert 'File "/var/task/orders/app.py", line 2, in handler' in finished.stderr

    def test_a_layer_has_other_paths(self, kit: Kit) -> None:
        laid = kit.lay({"orders/app.py": "def handler():\n    class Inner: ...\n"})

        for root in (TASK_ROOT, LAYER_ROOT, TASK_ROOT):
            (content,) = contents(laid.compiled(root)).values()
            names = {code.co_filename for code in code_objects(marshal.loads(content[16:]))}
            assert names == {f"{root}/orders/app.py"}
        assert len(laid.kept) == 2

    @pytest.mark.parametrize(
        ("source", "value"),
        [
            (b"# -*- coding: latin-1 -*-\nVALUE = '\xe9'\n", "é"),
            (b"\xef\xbb\xbfVALUE = '\xc3\xa9'\n", "é"),
            (b"VALUE = '''a\r\nb'''\r\n", "a\nb"),
            (b"VALUE = 'a'\\\r\n'b'\r\n", "ab"),
            (b"VALUE = 'no newline'", "no newline"),
        ],
    )
    def test_sources_are_read_as_import_reads_them(self, source: bytes, value: str, kit: Kit, tmp_path: Path) -> None:
        laid = kit.lay({"orders.py": source})
        folder = unpack(laid.compiled().added_to(laid.files, laid.settings).files, tmp_path / "task")
        (folder / "orders.py").write_bytes(b"")

        assert run("import orders; print(ascii(orders.VALUE))", folder) == ascii(value)

    def test_a_huge_module(self, kit: Kit) -> None:
        entries = "".join(f"    'key {number}': {number},\n" for number in range(60_000))

        (content,) = contents(kit.lay({"orders.py": f"TABLE = {{\n{entries}}}\n"}).compiled()).values()

        namespace: dict[str, dict[str, int]] = {}
        exec(marshal.loads(content[16:]), namespace)
        assert len(namespace["TABLE"]) == 60_000

    def test_more_modules_than_for_one_process(self, kit: Kit) -> None:
        laid = kit.lay({f"orders/m{number}.py": f"VALUE = {number}\n" for number in range(200)})

        made = contents(laid.compiled())

        for number in range(200):
            namespace: dict[str, int] = {}
            exec(marshal.loads(made[pyc(f"orders/m{number}")][16:]), namespace)
            assert namespace["VALUE"] == number

    def test_docstrings_and_assertions_stay(self, kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PYTHONOPTIMIZE", "2")

        (content,) = contents(kit.lay({"orders.py": '"""Told."""\nassert False, "checked"\n'}).compiled()).values()

        assert b"Told." in content
        assert b"checked" in content

    def test_the_working_directory_has_no_influence(
        self, kit: Kit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("marshal", "sysconfig", "importlib", "sitecustomize", "typing"):
            (tmp_path / f"{name}.py").write_text("raise SystemExit('taken in')", encoding="utf-8")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))

        assert paths(kit.lay({"orders.py": ""}).compiled()) == [pyc("orders")]

    def test_files_next_to_the_compiling_program_have_no_influence(
        self, kit: Kit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("sysconfig", "importlib", "typing", "warnings"):
            (tmp_path / f"{name}.py").write_text("raise SystemExit('taken in')", encoding="utf-8")
        program = Path(shutil.copy(compile_modules.__file__, tmp_path))
        monkeypatch.setattr(compile_modules, "__file__", str(program))

        assert paths(kit.lay({"orders.py": ""}).compiled()) == [pyc("orders")]

    def test_warnings_about_sources_are_not_shown(self, kit: Kit, capfd: pytest.CaptureFixture[str]) -> None:
        made = kit.lay({"orders.py": "PATTERN = '\\d'\nassert (1, 'always')\n"}).compiled()

        assert paths(made) == [pyc("orders")]
        assert capfd.readouterr() == ("", "")


BAD = {
    "python2.py": b"print 'hello'\n",
    "template.py": b"import {{ cookiecutter.name }}\n",
    "newer.py": b"def f(:\n",
    "null.py": b"X = 1\x00\n",
    "encoding.py": b"# coding: nobody-knows\n",
    "undecodable.py": b"X = '\xff'\n",
    "return.py": b"return 1\n",
    "nested.py": b"X = " + 5000 * b"(" + 5000 * b")",
}


@needs_the_running_version
class TestWhatDoesNotCompile:
    def test_it_has_no_bytecode_and_is_reported(self, kit: Kit) -> None:
        laid = kit.lay({**BAD, "good.py": "X = 1\n"})

        made = laid.compiled()

        assert paths(made) == [pyc("good")]
        assert [one.path for one in made.uncompiled] == sorted(BAD)
        assert {one.owner for one in made.uncompiled} == {"orders 1.0"}
        assert all(one.reason for one in made.uncompiled)
        told = {one.path: str(one) for one in made.uncompiled}
        assert told["newer.py"] == "newer.py: line 1: invalid syntax"
        assert told["return.py"] == "return.py: line 1: 'return' outside function"

    def test_it_is_reported_again_from_the_cache(self, kit: Kit) -> None:
        laid = kit.lay({**BAD, "good.py": "X = 1\n"})

        first, second = laid.compiled(), laid.compiled()

        assert second.uncompiled == first.uncompiled
        assert (first.reused, second.reused) == (0, 1)
        assert str(second) == f"1 reused, {len(BAD)} cannot be compiled"

    def test_owners_are_reported(self, kit: Kit) -> None:
        own, other = kit.lay({"own.py": "def\n"}), kit.lay({"other.py": "def\n"}, name="lib")

        made = compile_bundle([*own.files, *other.files], other.wheels, own.settings, own.store)

        assert [(one.path, one.owner) for one in made.uncompiled] == [("other.py", "lib 1.0"), ("own.py", "orders 1.0")]

    def test_a_wheel_in_which_nothing_compiles(self, kit: Kit) -> None:
        laid = kit.lay({"orders.py": "def\n"})

        assert [laid.compiled().files, laid.compiled().files] == [(), ()]

    def test_a_wheel_without_modules(self, kit: Kit) -> None:
        assert kit.lay({"orders/data.json": "{}"}).compiled().files == ()


# What CPython alone compiles to other bytes once a process has seen the same names, and sets with None: before Python
# 3.12, its hash was its address.
UNSTABLE = {
    "equal sets": (
        'def f(x): return x in (1, 2), {"new_a", "new_b", "new_c"}\n'
        'def g(x): return x in (3, 4), {"new_a", "new_b", "new_c"}\n'
    ),
    "sets with None": 'def f(x): return x in {"axis", None, (None, 1), ...}, x in {("a", None), ("b", 1.5), "c d"}\n',
    "qualified names": "def f():\n    class Inner:\n        class Deeper: ...\n",
    "single characters": 'TEXT = "{", "\xe9", " "\n',
    "names of the standard library": "def f(x): return x.__signature__, x.fromkeys, x.isoformat\n",
}
ALL = "\n".join(UNSTABLE.values())
BEFORE = f"{ALL}\nclass f:\n    class Inner: axis = limit = 1\n\xe9 = 1\n"


class TestTheSameBytes:
    @pytest.fixture(params=EVERY_RUNTIME)
    def version(self, request: pytest.FixtureRequest) -> str:
        python_of(str(request.param))  # or a skip: each compiles and loads its own bytecode; no other can stand in
        return str(request.param)

    def test_in_every_folder_order_and_process(
        self, version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        python = str(python_of(version))
        own = {f"m{number}.py": source for number, source in enumerate(UNSTABLE.values())}
        made = []
        for number, files in enumerate((own, {"a.py": BEFORE, **own, "z.py": ALL}, dict(reversed(own.items())))):
            monkeypatch.setenv("PYTHONHASHSEED", str(number))
            monkeypatch.setenv("PYTHONNODEBUGRANGES", str(number))
            laid = Kit(tmp_path / f"folder {number}").lay(files, version=version, python=python)
            found = {path: content for path, content in contents(laid.compiled()).items() if "/m" in path}
            assert all(str(tmp_path).encode() not in content for content in found.values())
            made.append(found)

        assert len(made[0]) == len(UNSTABLE)
        assert made[0] == made[1] == made[2]

    @pytest.mark.parametrize("kind", first_quick(UNSTABLE, quick=2))
    def test_whatever_the_process_has_imported_and_interned(self, kind: str, version: str) -> None:
        folder = Path(compile_modules.__file__).parent
        program = (
            "kept = [sys.intern(chr(number)) for number in range(256)]\n"
            "from compile_modules import pyc_of\n"
            f"print(pyc_of({UNSTABLE[kind].encode()!r}, 'm.py').hex())"
        )
        busy = f"import asyncio, datetime, inspect; kept_too = [compile({BEFORE!r}, 'm.py', 'exec') for _ in 'ab']"
        made = set()
        for number, before in enumerate(("", busy, "")):
            statements = f"import sys; sys.path.insert(0, {str(folder)!r})\n{before}\n{program}"
            command = [str(python_of(version)), "-B", "-s", "-S", "-c", statements]
            environment = {**os.environ, "PYTHONHASHSEED": str(number)}
            finished = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
            made.add(finished.stdout)

        assert len(made) == 1

    def test_cached_bytecode_is_identical(self, version: str, tmp_path: Path) -> None:
        python = str(python_of(version))
        kept = set()
        for folder in (tmp_path / "1", tmp_path / "2"):
            laid = Kit(folder).lay({"all.py": ALL, "before.py": BEFORE, **BAD}, version=version, python=python)
            laid.compiled()
            kept.add((laid.kept[0].name, laid.kept[0].read_bytes()))

        assert len(kept) == 1

    def test_the_code_behaves_the_same(self, version: str, kit: Kit, tmp_path: Path) -> None:
        python = python_of(version)
        tests = "'axis' in {'axis', None}, None in {'axis', None}, 'x' in {'axis', None}, len({(1, None), ('b', None)})"
        program = f"{ALL}\nprint({tests}, f.__qualname__, TEXT == tuple('{{\xe9 '))\n"
        laid = kit.lay({"m.py": program}, version=version, python=str(python))
        path = tmp_path / "m.pyc"
        path.write_bytes(next(iter(contents(laid.compiled()).values())))

        said = subprocess.run([python, "-I", path], capture_output=True, text=True, check=True).stdout

        assert said == "True True False 2 f True\n"


@needs_the_running_version
class TestWhatIsKept:
    def test_the_next_build_compiles_no_module_of_a_wheel(self, kit: Kit) -> None:
        laid = kit.lay({"orders.py": "X = 1\n", "more.py": "Y = 1\n"})

        first, second = laid.compiled(), laid.compiled()

        assert (first.reused, second.reused) == (0, 2)
        assert second.files == first.files
        assert str(first).startswith(f"2 modules compiled by Python {RUNNING}.")
        assert str(second) == "2 reused"

    def test_cached_bytecode_is_compressed_again_only_at_another_level(self, kit: Kit, tmp_path: Path) -> None:
        laid = kit.lay({"orders.py": f"TEXT = {200 * 'again '!r}\n"})
        (kept,) = laid.compiled().files

        usual, stored = (writer.write(tmp_path / f"{level}.zip", [kept], level=level) for level in (6, 0))

        with zipfile.ZipFile(laid.kept[0]) as ours, zipfile.ZipFile(usual.path) as zipped:
            assert zipped.infolist()[0].compress_size == ours.infolist()[0].compress_size < usual.unzipped
        with zipfile.ZipFile(stored.path) as zipped:
            assert zipped.infolist()[0].compress_type == zipfile.ZIP_STORED

    def test_the_projects_own_modules_are_compiled_each_time(self, kit: Kit) -> None:
        own, other = kit.lay({"own.py": "X = 1\n"}), kit.lay({"other.py": "X = 1\n"}, name="lib")

        made = [compile_bundle([*own.files, *other.files], other.wheels, own.settings, own.store) for _ in "12"]

        assert [one.reused for one in made] == [0, 1]
        assert contents(made[0]) == contents(made[1])
        assert sorted(contents(made[0])) == [pyc("other"), pyc("own")]
        assert len(other.kept) == 1

    def test_another_selection_of_files_is_compiled_separately(self, kit: Kit) -> None:
        laid = kit.lay({"orders.py": "X = 1\n", "tests.py": "Y = 1\n"})
        fewer = [file for file in laid.files if file.path != "tests.py"]

        compile_bundle(fewer, laid.wheels, laid.settings, laid.store)

        assert paths(laid.compiled()) == [pyc("orders"), pyc("tests")]

    @pytest.mark.parametrize("damage", [b"", b"not what it was"])
    def test_a_damaged_archive_is_compiled_again(self, damage: bytes, kit: Kit) -> None:
        laid = kit.lay({"orders.py": "X = 1\n"})
        first = contents(laid.compiled())
        (kept,) = laid.kept
        whole = kept.read_bytes()
        kept.write_bytes(damage or whole[:-1])

        again = laid.compiled()

        assert contents(again) == first
        assert again.reused == 0
        assert laid.kept == [kept]
        assert kept.read_bytes() == whole

    def test_a_substituted_archive_is_not_used(self, kit: Kit) -> None:
        laid, other = kit.lay({"orders.py": "X = 1\n"}), kit.lay({"orders.py": "X = 2\n"}, name="lib")
        laid.compiled()
        (mine,) = laid.kept
        other.compiled()
        (theirs,) = set(other.kept) - {mine}
        content = contents(laid.compiled())
        mine.write_bytes(theirs.read_bytes())

        assert contents(laid.compiled()) == content

    def test_another_release_of_python_compiles_again(self, kit: Kit, tmp_path: Path) -> None:
        laid = kit.lay({"orders.py": "X = 1\n"})
        laid.compiled()
        python = speaking(tmp_path / "python", version=f"{RUNNING}.99", answers=1)

        made = kit.lay({"orders.py": "X = 1\n"}, python=str(python)).compiled()

        assert contents(made) == {pyc("orders"): b"made up"}
        assert made.compiler == f"Python {RUNNING}.99"

    @pytest.mark.slow
    @pytest.mark.skipif(os.name == "nt", reason="signals are Unix's")
    def test_a_killed_build_leaves_nothing_that_is_reused(self, kit: Kit, tmp_path: Path) -> None:
        modules = {f"orders/m{number}.py": f"{ALL}VALUE = {number}\n" for number in range(1500)}
        laid = kit.lay(modules)
        store, (wheel,) = laid.store, laid.wheels
        program = textwrap.dedent(f"""
            from pathlib import Path
            from hatch_lambda.bundle.bytecode import compile_bundle
            from hatch_lambda.wheels.layout import lay_out
            from hatch_lambda.config.tables import load
            from hatch_lambda.wheels.store import Store, StoredWheel
            settings = load({{"runtime": "python{RUNNING}"}}, Path({str(tmp_path)!r}), environ={{}})
            wheel = StoredWheel(*{tuple(wheel[:-1])!r}, Path({str(wheel.path)!r}))
            files = lay_out(wheel.path, settings.target)
            compile_bundle(files, [wheel], settings, Store(Path({str(store.root)!r})))
        """)
        with subprocess.Popen([sys.executable, "-c", program]) as build:
            wait_for(lambda: children(build.pid))
            compilers = children(build.pid)
            build.send_signal(signal.SIGKILL)
        assert build.returncode == -signal.SIGKILL
        assert compilers
        assert laid.kept == []

        wait_for(lambda: not any(alive(pid) for pid in compilers))
        made = laid.compiled()
        laid.store.tidy()

        assert (len(made.files), made.reused) == (1500, 0)
        assert list(laid.store.root.glob("begun/*")) == []


def wait_for(fact: Callable[[], object]) -> object:
    """What becomes true, in ten seconds at most."""
    for _ in range(1000):
        if found := fact():
            return found
        time.sleep(0.01)
    raise AssertionError("it did not happen")


def children(pid: int) -> list[int]:
    try:
        return [child.pid for child in psutil.Process(pid).children()]
    except psutil.NoSuchProcess:
        return []


def alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        return status.rpartition(")")[2].split()[0] != "Z"
    return False


SPEAKING = """\
#!{python}
import os, sys

if "-c" in sys.argv:
    print("{minor}")
    sys.exit()

def send(content):
    os.write(1, len(content).to_bytes(4, "little") + content)

send({description!r}.encode())
for _ in range({answers}):
    for part in "path", "source":
        sys.stdin.buffer.read(int.from_bytes(sys.stdin.buffer.read(4), "little"))
    os.write(1, b"+")
    send(b"made up")
{end}
"""


def speaking(
    path: Path,
    *,
    implementation: str = "cpython",
    version: str = f"{RUNNING}.1",
    build: str = "usual",
    number: int | None = None,
    tag: str = TAG,
    answers: int = 0,
    end: str = "",
) -> Path:
    """A program that says of itself what it is told to, as an interpreter that compiles would."""
    running = RUNTIMES["python{}.{}".format(*sys.version_info)].magic_number
    magic = (running if number is None else number).to_bytes(2, "little") + b"\r\n"
    description = f"{implementation}\n{version}\n{build}\n{magic.hex()}\n{tag}"
    text = SPEAKING.format(python=sys.executable, minor=RUNNING, description=description, answers=answers, end=end)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


@needs_the_running_version
@pytest.mark.skipif(os.name == "nt", reason="programs are made of shebangs")
class TestTheInterpreter:
    @pytest.fixture
    def machine(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A machine without any interpreter but the running one."""
        pythons_at_hand()  # looks for them once, while they are to be seen
        folder = tmp_path / "machine"
        for variable in (
            "PATH",
            "PYENV_ROOT",
            "UV_PYTHON_INSTALL_DIR",
            "RYE_PY_ROOT",
            "ASDF_DATA_DIR",
            "HATCH_DATA_DIR",
        ):
            (folder / variable).mkdir(parents=True)
            monkeypatch.setenv(variable, str(folder / variable))
        monkeypatch.setenv("HOME", str(folder))
        monkeypatch.setenv("XDG_DATA_HOME", str(folder))
        return folder

    @pytest.fixture
    def other(self) -> str:
        others = [version for version in pythons_at_hand() if version != RUNNING]
        # To be picked in the place of the running one, another has to be there.
        return others[0] if others else pytest.skip("no interpreter at hand but the running one")

    def failure(self, laid: Laid) -> str:
        with pytest.raises(LambdaBuildError) as raised:
            laid.compiled()
        return str(raised.value)

    def test_no_interpreter_of_the_runtimes_version(self, kit: Kit, machine: Path) -> None:
        del machine
        wanted = "3.14" if RUNNING != "3.14" else "3.13"

        said = self.failure(kit.lay({"orders.py": ""}, version=wanted))

        assert (
            f"`compile-bytecode` requires CPython {wanted} (python{wanted} cannot read the bytecode of others)" in said
        )
        assert "none was found on PATH or among the interpreters of pyenv" in said
        assert f"(the running one is Python {RUNNING})" in said
        for remedy in (f"hatch python install {wanted}", "tool.hatch.build.hooks.lambda.python", "HATCH_LAMBDA_PYTHON"):
            assert remedy in said
        assert "compile-bytecode = false" in said

    def test_a_given_interpreter_of_another_version(self, kit: Kit) -> None:
        wanted = "3.14" if RUNNING != "3.14" else "3.13"

        said = self.failure(kit.lay({"orders.py": ""}, version=wanted, python=sys.executable))

        assert f"but the one set by `python` or HATCH_LAMBDA_PYTHON is Python {RUNNING}: {sys.executable}\n" in said

    @pytest.mark.parametrize(
        ("fault", "words"),
        [
            ({"implementation": "pypy"}, f"is pypy {RUNNING}.1: "),
            ({"version": "3.9.1"}, "is Python 3.9.1: "),
            ({"build": "debug"}, f"is a debug build of Python {RUNNING}.1: "),
            ({"build": "free-threaded"}, f"is a free-threaded build of Python {RUNNING}.1: "),
            ({"number": 3400}, "with the magic number 3400, as in a pre-release: "),
            ({"tag": "cpython-399"}, "with the cache tag `cpython-399`: "),
        ],
    )
    def test_an_interpreter_with_other_bytecode(
        self, fault: dict[str, object], words: str, kit: Kit, tmp_path: Path
    ) -> None:
        python = speaking(tmp_path / "python", **fault)  # type: ignore[arg-type]  # a table of cases

        said = self.failure(kit.lay({"orders.py": ""}, python=str(python)))

        assert f"{words}{python}" in said
        assert "What you can do" in said

    @pytest.mark.parametrize(
        ("script", "words"),
        [
            ('echo "libpython is lost" >&2; exit 127', "exit code 127: libpython is lost"),
            ("kill -9 $$", "signal 9"),
            ("exit 0", "exit code 0"),
            ("echo hello, this is no interpreter", "exit code 0"),
        ],
    )
    def test_an_interpreter_that_fails(self, script: str, words: str, kit: Kit, tmp_path: Path) -> None:
        python = tmp_path / "python"
        python.write_text(f'#!/bin/sh\ncase "$*" in *-c*) echo {RUNNING};; *) {script};; esac\n', encoding="utf-8")
        python.chmod(0o755)

        said = self.failure(kit.lay({"orders.py": ""}, python=str(python)))

        assert f"Cannot compile bytecode with the interpreter {python}: {words}" in said

    def test_an_interpreter_that_ends_while_compiling(self, kit: Kit, tmp_path: Path) -> None:
        python = speaking(tmp_path / "python", answers=1, end="sys.exit('out of memory')")

        said = self.failure(kit.lay({"a.py": "", "b.py": "", "c.py": ""}, python=str(python)))

        assert f"The interpreter {python} ended while compiling /var/task/b.py: exit code 1: out of memory" in said

    def test_a_failure_leaves_no_process_and_no_archive(self, kit: Kit, tmp_path: Path) -> None:
        python = speaking(tmp_path / "python", answers=40, end="sys.exit('out of memory')")
        laid = kit.lay({f"m{number}.py": "" for number in range(500)}, python=str(python))

        self.failure(laid)

        running = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
        assert not [command for command in running if str(python) in command]
        assert laid.kept == []
        assert list(laid.store.root.glob("begun/*")) == []

    def test_the_interpreter_is_found_and_remembered(self, kit: Kit, machine: Path, other: str) -> None:
        installed = machine / "PATH" / f"python{other}"
        installed.symlink_to(pythons_at_hand()[other])
        laid = kit.lay({"orders.py": "X = 1\n"}, version=other)

        found = laid.compiled()
        assert found.compiler.startswith(f"Python {other}.")
        assert [file.path for file in found.files] == [f"__pycache__/orders.cpython-{other.replace('.', '')}.pyc"]

        (note,) = laid.store.root.glob("bytecode/interpreter-*.json")
        assert str(installed) in note.read_text(encoding="utf-8")
        assert laid.compiled().reused == 1
        installed.unlink()
        moved = machine / "PATH" / "python3"
        moved.symlink_to(pythons_at_hand()[other])
        assert kit.lay({"orders.py": "X = 1\n"}, version=other, exclude=["a"]).compiled().reused == 1
        assert str(moved) in note.read_text(encoding="utf-8")

    def test_a_remembered_interpreter_that_broke_is_forgotten(self, kit: Kit, machine: Path, other: str) -> None:
        installed = machine / "PATH" / f"python{other}"
        script = '#!/bin/sh\n[ -e "$0.broken" ] && exit 3\nexec {} "$@"\n'
        installed.write_text(script.format(pythons_at_hand()[other]), encoding="utf-8")
        installed.chmod(0o755)
        kit.lay({"orders.py": "X = 1\n"}, version=other).compiled()
        installed.with_name(f"{installed.name}.broken").touch()

        again = kit.lay({"orders.py": "X = 2\n"}, version=other, exclude=["a"])
        assert ": exit code 3" in self.failure(again)
        assert list(again.store.root.glob("bytecode/interpreter-*.json")) == []


@pytest.mark.parametrize("version", EVERY_RUNTIME)
def test_the_magic_numbers_are_those_of_the_interpreters(version: str) -> None:
    ask = "import importlib.util as u; print(int.from_bytes(u.MAGIC_NUMBER[:2], 'little'))"
    said = subprocess.run([python_of(version), "-I", "-c", ask], capture_output=True, text=True, check=True).stdout
    assert int(said) == RUNTIMES[f"python{version}"].magic_number

"""`compile-bytecode = "only"`: which sources are left out, and that what is left works."""

from __future__ import annotations

import base64
import csv
import hashlib
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.bundle.bytecode import compile_bundle
from hatch_lambda.bundle.bytecode.source_readers import reads_sources
from hatch_lambda.common.target import RUNTIMES
from hatch_lambda.config.tables import load
from hatch_lambda.wheels.layout import lay_out
from hatch_lambda.wheels.members import FILE_MODE, BundleFile, Generated
from hatch_lambda.wheels.store import Store
from tests.support.packages import make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from hatch_lambda.bundle.bytecode.sourceless import Sourceless
    from tests.support.packages import Content

RUNNING = "python{}.{}".format(*sys.version_info)
TAG = "cpython-{}{}".format(*sys.version_info)

needs_the_running_version = pytest.mark.skipif(
    RUNNING not in RUNTIMES or sys.implementation.name != "cpython", reason="no runtime has this interpreter"
)


@pytest.fixture
def packed(tmp_path: Path) -> Callable[..., Sourceless]:
    def pack(files: Mapping[str, Content], name: str = "foo") -> Sourceless:
        settings = load({"runtime": RUNNING, "compile-bytecode": "only"}, tmp_path, environ={})
        store = Store(tmp_path / "store")
        wheel = store.keep(make_wheel(tmp_path / "made", name, files=files), name, "1.0")
        laid_out = lay_out(wheel.path, settings.target)
        first, again = (compile_bundle(laid_out, [wheel], settings, store) for _ in range(2))
        assert again.reused == len(again.files)
        done = first.added_to(laid_out, settings)
        assert contents(again.added_to(laid_out, settings)) == contents(done)
        assert compile_bundle(laid_out, [], settings, store).added_to(laid_out, settings).kept == done.kept
        return done

    return pack


def contents(done: Sourceless) -> dict[str, bytes]:
    return {file.path: file.source.read() for file in done.files}


def code_in(done: Sourceless) -> set[str]:
    return {file.path for file in done.files if ".dist-info/" not in file.path}


def unpacked(done: Sourceless, folder: Path) -> Path:
    for path, content in contents(done).items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    return folder


def run(statement: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(folder)!r}); {statement}"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@needs_the_running_version
class TestBundle:
    def test_modules_work_without_their_sources(self, packed: Callable[..., Sourceless], tmp_path: Path) -> None:
        source = "import importlib.metadata\nSTATE = importlib.metadata.version('foo')\ndef fail():\n    return 1 / 0\n"

        done = packed(
            {"foo/__init__.py": "", "foo/it.py": source, "foo/data.json": "{}", "lone.py": "from foo import it"}
        )

        assert code_in(done) == {"foo/__init__.pyc", "foo/it.pyc", "foo/data.json", "lone.pyc"}
        assert [file.path for file in done.sources] == ["foo/__init__.py", "foo/it.py", "lone.py"]
        folder = unpacked(done, tmp_path / "task")
        assert run("import lone; print(lone.it.STATE)", folder).stdout == "1.0\n"
        trace = run("import lone; lone.it.fail()", folder).stderr
        assert 'File "/var/task/foo/it.py", line 4, in fail' in trace
        assert "return 1 / 0" not in trace

    def test_record_lists_what_is_there_with_true_hashes(self, packed: Callable[..., Sourceless]) -> None:
        done = contents(
            packed({"foo/__init__.py": "", "foo/x.bin": b"\0", f"foo/__pycache__/__init__.{TAG}.pyc": b"old"})
        )

        rows = [*csv.reader(done["foo-1.0.dist-info/RECORD"].decode().splitlines())]
        assert {path for path, *_ in rows} == done.keys()
        for path, digest, size in rows:
            if digest:
                hashed = base64.urlsafe_b64encode(hashlib.sha256(done[path]).digest()).rstrip(b"=").decode()
                assert (digest, size) == (f"sha256={hashed}", str(len(done[path])))

    def test_what_reads_sources_stays_whole(self, packed: Callable[..., Sourceless]) -> None:
        files = {"foo/__init__.py": "", "foo/it.py": "import inspect\nprint(inspect.getsource(print))\n"}

        done = packed(files)

        assert code_in(done) == {*files, *(f"foo/__pycache__/{name}.{TAG}.pyc" for name in ("__init__", "it"))}
        assert done.sources == ()
        assert done.kept == ("kept sources of foo 1.0: foo/it.py may read sources",)

    def test_what_is_known_to_read_sources_stays_whole(self, packed: Callable[..., Sourceless]) -> None:
        done = packed({"numba/__init__.py": ""}, name="numba")

        assert "numba/__init__.py" in code_in(done)
        assert done.kept[0].startswith(
            "kept sources of numba 1.0: numba/core/caching.py keys what it caches by the time"
        )

    def test_sources_stay_that_import_may_not_find(self, packed: Callable[..., Sourceless]) -> None:
        stay = {
            "foo/migrations/0001_first.py": "",
            "foo/templates/project.py": "",  # in no package, but below one: data
            "foo/odd.py": "def\n",
            "migrations/versions/ab12_first.py": "",  # as of alembic, which looks for `.py`
            "shared/__init__.py": "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n",
            "foo-1.0.data/data/etc/settings.py": "",
            "foo-1.0.data/scripts/tool.py": "#!python\n",
        }
        gone = {"foo/__init__.py", "foo/migrations/__init__.py", "shared/x.py", "google/cloud/foo/it.py"}

        done = packed({**stay, **dict.fromkeys([*gone, "google/cloud/foo/__init__.py"], "")})

        assert {file.path for file in done.sources} == gone | {"google/cloud/foo/__init__.py"}
        left = {path for path in code_in(done) if path.endswith(".py")}
        assert left == {*[*stay][:5], "etc/settings.py", "bin/tool.py"}

    def test_bytecode_of_what_is_left_out_goes_with_it(self, packed: Callable[..., Sourceless]) -> None:
        stale = {
            "foo/it.pyc": b"old",
            "foo/__pycache__/it.cpython-38.pyc": b"old",
            "foo/__pycache__/no.cpython-38.pyc": b"",
        }

        done = packed({"foo/__init__.py": "", "foo/it.py": "X = 1", **stale})

        assert code_in(done) == {"foo/__init__.pyc", "foo/it.pyc", "foo/__pycache__/no.cpython-38.pyc"}
        assert contents(done)["foo/it.pyc"] != b"old"


READERS = {
    "inspect": "from inspect import getsource\n",
    "lines": "import inspect\ndef f(x): return inspect.getsourcelines(x)\n",
    "linecache": "import linecache\ndef f(x): return linecache.getline(x, 1)\n",
    "imported from linecache": "from linecache import getlines\n",
    "cut": "HERE = __file__[:-3]\n",
    "replaced": "DATA = __file__.replace('.py', '.json')\n",
    "data": "import pkgutil\nX = pkgutil.get_data('foo', 'it.py')\n",
    "globbed": "import glob, os\nfor x in glob.glob(os.path.dirname(__file__) + '/*.py'): print(x)\n",
    "pathlib": "from pathlib import Path\nX = Path(__file__).parent / 'it.py'\n",
    "listed": "def plugins(at):\n    import os\n    return [x for x in os.listdir(at) if x.endswith('.py')]\n",
    "run": "import runpy\nrunpy.run_path('x')\n",
    "torch": "import torch\n@torch.jit.script\ndef f(x): return x\n",
    "torch's module": "from torch import jit\nf = jit.script_if_tracing(g)\n",
    "triton": "import triton\n@triton.jit\ndef kernel(x): ...\n",
    "triton's options": "@triton.jit(do_not_specialize=['x'])\ndef kernel(x): ...\n",
    "warp": "import warp as wp\n@wp.kernel\ndef f(): ...\n",
    "tensorflow": "import tensorflow as tf\n@tf.function\ndef f(): ...\n",
    "numba's cache": "import numba\n@numba.njit(cache=True)\ndef f(): ...\n",
    "typeguard": "from typeguard import typechecked\n",
    "pydantic": "class A(BaseModel):\n    model_config = ConfigDict(use_attribute_docstrings=True)\n",
}
OTHERS = {
    "plain": "import json\ndef f(event, context): return json.dumps(event)\n",
    "prose": "def f():\n    '''Unlike inspect.getsource, this works: see it.py'''\n    return 1  # linecache.getline\n",
    "folder": "import os\nHERE = os.path.dirname(os.path.abspath(__file__))\nX = open(os.path.join(HERE, 'x.json'))\n",
    "attrs": "import linecache\nlinecache.cache['<generated>'] = (1, None, [], 'x')\n",
    "numba": "from numba import njit\n@njit\ndef f(): ...\n",
    "functools": "import functools\n@functools.cache\ndef f(): ...\n",
    "stub": "def open_stub(): return open('x.pyi')\n",
    "mention": "NAMES = ['setup.py']\ndef shows(): print('see app.py')\n",
    "jinja": "def load(env, name): return env.loader.get_source(env, name)\n",
}


@pytest.mark.parametrize("name", READERS)
def test_sources_that_may_read_sources(name: str) -> None:
    assert reads_sources(READERS[name].encode())


@pytest.mark.parametrize("name", OTHERS)
def test_sources_that_read_none(name: str) -> None:
    assert not reads_sources(OTHERS[name].encode())


@needs_the_running_version
def test_what_the_project_generates_is_judged_as_well(tmp_path: Path) -> None:
    settings = load({"runtime": RUNNING, "compile-bytecode": "only"}, tmp_path, environ={})
    files = [
        BundleFile(path, FILE_MODE, Generated(textwrap.dedent(text).encode()), "orders 1.0")
        for path, text in {"orders/__init__.py": "", "orders/app.py": READERS["inspect"]}.items()
    ]

    done = compile_bundle(files, (), settings, Store(tmp_path)).added_to(files, settings)

    assert done.kept == ("kept sources of orders 1.0: orders/app.py may read sources",)

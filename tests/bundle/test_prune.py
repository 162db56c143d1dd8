from __future__ import annotations

import csv
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hatch_lambda.bundle.files import LeftOut
from hatch_lambda.bundle.prune import Pruned, decide
from hatch_lambda.common.errors import BrokenWheelError
from hatch_lambda.common.target import ARCHITECTURES, RUNTIMES, Target
from hatch_lambda.config.settings import PRUNABLE
from hatch_lambda.wheels.layout import lay_out
from hatch_lambda.wheels.members import FILE_MODE, BundleFile, Generated
from tests.support.packages import make_wheel

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from tests.support.packages import Content

TARGET = Target(RUNTIMES["python3.13"], ARCHITECTURES["x86_64"])
COMPILED = b"\x7fELF\0PyInit_fast\0"


def layout(owner: str, files: Mapping[str, Content] | Iterable[str]) -> tuple[BundleFile, ...]:
    """A distribution without a wheel, by contents or by no more than paths."""
    contents = files if hasattr(files, "items") else dict.fromkeys(files, "")
    return tuple(
        BundleFile(path, FILE_MODE, Generated(text.encode() if isinstance(text, str) else text), f"{owner} 1.0")
        for path, text in contents.items()
    )


def gone(name: str, *layouts: tuple[BundleFile, ...], also: Iterable[str] = ()) -> set[str]:
    """What one set takes away."""
    return set(decide(layouts, frozenset({name}), TARGET, [source.encode() for source in also]).paths)


def test_extensions_of_other_pythons_and_systems() -> None:
    """As in snowflake-connector-python, which has one for each Python in each wheel."""
    kept = ["snow/__init__.py", "snow/it.py", "snow/it.cpython-313-x86_64-linux-gnu.so", "snow/x.abi3.so", "snow/y.so"]
    others = [
        *("snow/it.cpython-310-x86_64-linux-gnu.so", "snow/it.cpython-313-darwin.so", "snow/it.cp313-win_amd64.pyd"),
        *("snow/it.cpython-313-aarch64-linux-gnu.so", "snow/it.cpython-313t-x86_64-linux-gnu.so", "snow/it.pyd"),
    ]

    assert gone("other-pythons", layout("snow", [*kept, *others])) == set(others)


def pe(*, managed: bool = False) -> bytes:
    """A DLL for x86_64 without code; `managed`: a .NET assembly."""
    headers = struct.pack("<4sHH12xH", b"PE\0\0", 0x8664, 0, 240) + struct.pack("<2xH", 0x20B)
    directories = bytes(14 * 8) + struct.pack("<II", 0x2008 if managed else 0, 72 if managed else 0) + bytes(8)
    return b"MZ".ljust(60, b"\0") + struct.pack("<I", 64) + headers + bytes(110) + directories


def test_native_code_of_other_systems_under_any_name() -> None:
    """As in selenium, debugpy and llama-cpp-python; wheels for Linux often have that of all systems."""
    mach_o, java = struct.pack("<II28x", 0xFEEDFACF, 0x0100000C), struct.pack(">II", 0xCAFEBABE, 61)
    kept = {
        "foo/__init__.py": "",
        "foo/lib/libx.so": COMPILED,  # `ctypes` may load it
        "foo/lib/libx-aarch64-linux-musl.so": COMPILED,
        "foo/cpython-310.so.1": COMPILED,
        "foo/runtime/Python.Runtime.dll": pe(managed=True),  # pythonnet runs it on Linux, too
        "foo/manager": COMPILED,
        "foo/empty.dll": "",
        "foo/notes.exe": "no code",
        "foo/Main": java,
    }
    others = {
        "foo/lib/libx.dylib": mach_o,
        "foo/lib/libx.so.dylib": struct.pack(">II40x", 0xCAFEBABE, 2),
        "foo/.libs/plugin.so": mach_o,
        "foo/macos/manager": mach_o,
        "foo/lib/X.DLL": pe(),
        "foo/windows/manager.exe": pe(),
        "foo.libs/msvcp140.dll": pe(),
    }

    assert gone("other-pythons", layout("foo", {**kept, **others})) == others.keys()


def test_what_is_of_no_other_system_is_read_from_a_wheel(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "foo", files={"foo/__init__.py": "", "foo/x.dll": pe(), "foo/y.dll": "data"})

    assert gone("other-pythons", lay_out(wheel, TARGET)) == {"foo/x.dll"}


class TestResult:
    FILES = layout(
        "shop",
        {
            "shop/__init__.py": "",
            "shop/__init__.pyi": "x: int",
            "shop/fast.h": "int",
            "shop/__pycache__/fast.cpython-313.pyc": "1234567",
            "shop/tests/test_shop.py": "0123456789",
            "shop/tests/__pycache__/test_shop.cpython-313.pyc": "123",
            "shop/tests/fast.h": "12345",
            "shop/tests/fast.pyi": "1",
        },
    )

    def test_reports_what_each_set_removed_and_counts_each_file_once(self) -> None:
        pruned = decide([self.FILES], frozenset(PRUNABLE), TARGET)

        assert pruned.left_out == {
            "bytecode": LeftOut(2, 10),
            "tests": LeftOut(3, 16),
            "headers": LeftOut(1, 3),
            "stubs": LeftOut(1, 6),
            "other-pythons": LeftOut(0, 0),
        }
        assert {file.path for file in self.FILES} - pruned.paths == {"shop/__init__.py"}

    def test_removes_nothing_that_is_not_configured(self) -> None:
        assert decide([self.FILES], frozenset(), TARGET) == Pruned()
        assert decide([self.FILES], frozenset({"headers"}), TARGET).left_out == {"headers": LeftOut(2, 8)}

    def test_counts_a_file_once_that_two_distributions_bring(self) -> None:
        shared = "tests/test_all.py"
        one, other = layout("one", ["one.py", shared]), layout("other", ["other.py", shared])

        assert decide([one, other], frozenset({"tests"}), TARGET).left_out == {"tests": LeftOut(1, 0)}

    def test_does_not_touch_dist_info(self) -> None:
        metadata = [
            f"shop-1.0.dist-info/{name}" for name in ("tests/test_a.py", "sboms/x.h", "x.pyi", "__pycache__/x.pyc")
        ]

        assert decide([layout("shop", ["shop.py", *metadata])], frozenset(PRUNABLE), TARGET).paths == frozenset()

    def test_leaves_a_record_that_is_true(self, tmp_path: Path) -> None:
        files = {"shop/__init__.py": "", "shop/__init__.pyi": "", "shop/tests/test_shop.py": "", "shop/fast.pxd": ""}
        wheel = make_wheel(tmp_path, "shop", files=files)
        pruned = decide([lay_out(wheel, TARGET)], frozenset(PRUNABLE), TARGET)
        files_left = {file.path: file for file in lay_out(wheel, TARGET, pruned.paths.__contains__)}
        record = files_left["shop-1.0.dist-info/RECORD"].source.read().decode().splitlines()

        assert {row[0] for row in csv.reader(record)} == files_left.keys()
        assert "shop/__init__.py" in files_left
        assert pruned.paths == files.keys() - {"shop/__init__.py"}

    def test_says_which_wheel_cannot_be_read(self, tmp_path: Path) -> None:
        source = "from . import tests\n" * 50
        wheel = make_wheel(tmp_path, "shop", files={"shop/__init__.py": source, "shop/tests/test_a.py": ""})
        whole = lay_out(wheel, TARGET)
        content = wheel.read_bytes()
        start = content.index(b"shop/__init__.py") + len("shop/__init__.py")
        wheel.write_bytes(content[:start] + b"\xff" * 8 + content[start + 8 :])

        with pytest.raises(BrokenWheelError, match=r"shop-1\.0-py3-none-any\.whl.*`shop/__init__\.py`"):
            decide([whole], frozenset({"tests"}), TARGET)


class TestBytecode:
    def test_goes_where_there_is_the_source(self) -> None:
        files = [
            "shop/a.py",
            "shop/a.pyc",
            "shop/a.pyo",
            "shop/__pycache__/a.cpython-313.pyc",
            "shop/__pycache__/a.cpython-313.opt-1.pyc",
            "shop/__pycache__/f.nbi",
        ]

        assert gone("bytecode", layout("shop", files)) == {*files} - {"shop/a.py"}

    def test_without_source_is_code(self) -> None:
        assert gone("bytecode", layout("shop", ["shop/__init__.py", "shop/secret.pyc"])) == set()


def shop(source: str = "", more: Mapping[str, Content] | None = None) -> tuple[BundleFile, ...]:
    """A package that is tested, and a module of it with that source."""
    return layout(
        "shop",
        {
            "shop/__init__.py": "",
            "shop/sub/__init__.py": "",
            "shop/code.py": source,
            "shop/tests/__init__.py": "",
            "shop/tests/helper.py": "from .deeper import x",
            "shop/tests/deeper.py": "",
            "shop/tests/test_a.py": "",
            "shop/tests/data/prices.csv": "",
            **(more or {}),
        },
    )


class TestTests:
    ALL = frozenset(file.path for file in shop() if "/tests/" in file.path)

    @pytest.mark.parametrize(
        "source",
        [
            "",
            "tests = 1\ntest = tests.run()\nself.tests.append(shop.code)",
            "# from shop.tests import helper",
            '"""See shop.tests and shop/tests, and\nfrom shop.tests import helper\n"""',
            "def f():\n    '''Runs shop.tests.'''\n",
            "raise ValueError('there are no tests')",
            "from unittest import TestCase, test",
            "import contests, latest.tests_of, protests",
            "x = 'contests'",
            "def f(tests): return [test('x') for test in tests]",
        ],
    )
    def test_are_removed_if_nothing_names_them(self, source: str) -> None:
        assert gone("tests", shop(source)) == self.ALL

    @pytest.mark.parametrize(
        "source",
        [
            "from shop.tests import helper",
            "from shop.tests.helper import x",
            "from .tests import helper",
            "from .tests.helper import (\n    x,  # what else\n    y,\n)",
            "from . import code, tests; tests.helper",
            "from shop import (\n    code,\n    tests as t,\n)\nt.helper",
            "from shop \\\n    import tests\ntests.helper",
            "import os, shop.tests.helper as helper",
            "lazy from shop.tests import helper",  # Python 3.15's
            "lazy import shop.tests.helper as helper",
            "lazy = 1\nlazy from .tests import (\n    helper,\n)",
            "if x: import shop.tests.helper",
            "def f():\n    from .tests import helper",
            "try:\n    from .tests import helper\nexcept ImportError:\n    pass",
            "async def f():\n    from .tests import helper",
            "class A:\n  def f(self):\n\tfrom .tests import helper",
            "import shop\nshop.tests.helper",
            "HELPER = 'shop.tests.helper:main'",
            "HELPER = ('shop'\n    '.tests.helper')",
            "x = b'shop.tests.helper'",
            "os.path.join(os.path.dirname(__file__), 'tests', 'helper.py')",
            "Path(__file__).parent / 'tests' / 'helper.py'",
            "files('shop').joinpath(\n'tests/helper.py')",
            "open(HERE + '\\\\tests\\\\helper.py')",
            "run('python -m shop.tests.helper --quiet')",
            "exec('from shop.tests import helper')",
            'f\'{d["tests"]} {d["helper"]}\'',
            'x = f"{load("tests")} {load("helper")}"',  # Python 3.12's
            "type X = int\ndef f[T](x: T): from .tests import helper",
            "print 'Python 2'\nfrom shop.tests import helper",
            "x = (\n'never closed\nfrom shop.tests import helper",
            "from shop.tests import helper\n\x00",
            "è = 1; from shop.tests import helper",
            "\ufefffrom shop.tests import helper",
            "from shop.tests import helper\r\n",
        ],
    )
    def test_stay_as_far_as_they_are_named(self, source: str) -> None:
        left_out = gone("tests", shop(source))

        assert left_out == {"shop/tests/test_a.py"}
        assert decide([shop(source)], frozenset({"tests"}), TARGET).kept == ("kept shop/tests: named by shop/code.py",)

    @pytest.mark.parametrize(
        "source",
        [
            "import_module('shop.tests.' + name)",
            "import_module('.tests', 'shop')",
            "importlib.import_module(f'{__package__}.tests')",
            "__import__('shop.tests')",
            "def __getattr__(name):\n    if name in {'code', 'tests'}: return import_module(f'{__name__}.{name}')",
            "for module in pkgutil.walk_packages(path):\n    if module != 'tests': load(module)",
        ],
    )
    def test_all_stay_if_a_module_imports_dynamically(self, source: str) -> None:
        assert gone("tests", shop(source)) == set()

    def test_all_stay_if_a_test_that_stays_imports_dynamically(self) -> None:
        runner = {"shop/tests/deeper.py": "import pkgutil"}

        assert gone("tests", shop("from .tests import helper", runner)) == set()

    @pytest.mark.slow
    @settings(deadline=None)
    @given(before=st.text(st.characters(exclude_characters="'\"\\")), after=st.text())
    def test_stay_whatever_is_around_an_import(self, before: str, after: str) -> None:
        source = f"{before}\nfrom shop.tests import helper\n{after}"

        assert "shop/tests/helper.py" not in gone("tests", shop(source.encode("utf-8", "replace").decode()))

    def test_stay_where_the_package_lists_them(self) -> None:
        files = {"shop/__init__.py": "__all__ = ['code', 'tests']", "shop/tests/__init__.py": "from .helper import *"}

        assert gone("tests", shop(more=files)) == {"shop/tests/test_a.py"}

    def test_that_stay_keep_the_tests_that_they_name(self) -> None:
        files = {
            "shop/tests/deeper.py": "from shop.sub.tests.test_b import b",
            "shop/sub/tests/test_b.py": "from other.tests import test_c",
            "shop/sub/tests/test_x.py": "",
        }
        other = layout("other", ["other/__init__.py", "other/tests/test_c.py", "other/tests/test_y.py"])

        assert gone("tests", shop("from .tests import helper", files), other) == {
            "shop/tests/test_a.py",
            "shop/sub/tests/test_x.py",
            "other/tests/test_y.py",
        }

    def test_stay_if_another_distribution_names_them(self) -> None:
        other = layout("other", {"other.py": "import shop.tests.test_a"})

        assert "shop/tests/test_a.py" not in gone("tests", shop(), other)

    def test_are_removed_if_another_distribution_names_its_own_tests(self) -> None:
        other = layout("other", {"other/__init__.py": "EXTRAS = {'shop': 'tests'}"})

        assert gone("tests", shop(), other) == self.ALL

    def test_stay_where_the_project_names_them(self) -> None:
        assert gone("tests", shop(), also=["from shop.tests.test_a import x"]) == {
            "shop/tests/helper.py",
            "shop/tests/deeper.py",
        }
        assert "shop/tests/data/prices.csv" not in gone("tests", shop(), also=["files('shop') / 'tests' / 'data'"])
        assert gone("tests", shop(), also=["from .tests import x"]) == self.ALL

    def test_stay_where_an_entry_point_names_them(self) -> None:
        entry_points = {"shop-1.0.dist-info/entry_points.txt": "[shop.plugins]\na = shop.tests.test_a:Plugin\n"}

        assert "shop/tests/test_a.py" not in gone("tests", shop(more=entry_points))

    def test_stay_where_a_script_names_them(self) -> None:
        script = {"bin/shop": "#!/usr/bin/python\nfrom shop.tests import test_a"}

        assert "shop/tests/test_a.py" not in gone("tests", shop(more=script))

    @pytest.mark.parametrize(
        "strings", [b"\0shop.tests.helper\0", b"\0tests\0", b"__name__shop.tests__file__", b"shop/tests/x.json"]
    )
    def test_stay_where_a_compiled_module_names_them(self, strings: bytes) -> None:
        compiled = {"shop/fast.cpython-313-x86_64-linux-gnu.so": COMPILED + strings}

        assert gone("tests", shop(more=compiled)) == set()

    def test_go_where_machine_code_only_talks(self) -> None:
        talk = {"shop/fast.so": COMPILED + b"\0 all tests passed, tests\0latests\0", "shop/libx.so": b"\0shop.tests\0"}

        assert gone("tests", shop(more=talk)) == self.ALL

    def test_stay_where_bytecode_without_source_names_them(self) -> None:
        assert "shop/tests/test_a.py" not in gone("tests", shop(more={"shop/secret.pyc": b"\0shop.tests\0test_a\0"}))

    def test_stay_where_a_stub_that_is_loaded_at_run_time_names_them(self) -> None:
        stub = {"shop/__init__.pyi": "from .tests import test_a"}
        lazy = {"shop/__init__.py": "import lazy_loader as lazy\nx = lazy.attach_stub(__name__, __file__)"}

        assert "shop/tests/test_a.py" in gone("tests", shop(more=stub))
        assert "shop/tests/test_a.py" not in gone("tests", shop(more=stub | lazy))

    def test_stay_where_a_package_is_vendored(self) -> None:
        vendored = layout(
            "big",
            {
                "big/_vendor/shop/__init__.py": "",
                "big/_vendor/shop/code.py": "from shop.tests import helper",
                "big/_vendor/shop/tests/helper.py": "",
            },
        )

        assert gone("tests", vendored) == set()

    def test_go_at_the_root_too(self) -> None:
        mistake = layout(
            "mistake", {"mistake.py": "", "tests/__init__.py": "", "tests/test_a.py": "", "conftest.py": ""}
        )
        user = layout("user", {"user.py": "import tests.test_a"})

        assert gone("tests", mistake) == {"tests/__init__.py", "tests/test_a.py", "conftest.py"}
        assert gone("tests", mistake, user) == {"conftest.py"}

    def test_conftest_goes_unless_it_is_named(self) -> None:
        conftest = {"shop/conftest.py": ""}
        use = {"shop/tests/helper.py": "from shop.conftest import x"}

        assert gone("tests", shop(more=conftest)) == {*self.ALL, "shop/conftest.py"}
        assert "shop/conftest.py" not in gone("tests", shop("from .tests import helper", use | conftest))

    def test_are_recognised_by_what_they_import(self) -> None:
        tests = {"shop/__init__.py": "", "shop/tests/prices.py": "import unittest"}
        statistics = {"shop/__init__.py": "", "shop/tests/prices.py": "import math"}

        assert gone("tests", layout("shop", tests)) == {"shop/tests/prices.py"}
        assert gone("tests", layout("shop", statistics)) == set()

    @pytest.mark.parametrize(
        "files",
        [
            pytest.param(
                ["shop/tests.py", "shop/test.py", "shop/testing/test_x.py", "shop/_testing/x.py"], id="modules"
            ),
            pytest.param(["shop/test_utils.py", "shop/code_test.py"], id="modules of other names"),
            pytest.param(["shop/tests/a.json", "shop/test/b.json"], id="data alone"),
            pytest.param(["shop/test/__init__.py", "shop/test/client.py"], id="no tests in test"),
            pytest.param(["shop/sub/tests/test_a.py"], id="alone in a namespace"),
        ],
    )
    def test_a_package_named_tests_may_not_be_tests(self, files: list[str]) -> None:
        assert gone("tests", layout("shop", ["shop/__init__.py", *files])) == set()

    def test_a_package_test_that_offers_something_stays(self) -> None:
        files = {"shop/__init__.py": "", "shop/test/test_a.py": ""}
        offers = {"shop/test/__init__.py": '"""Helps to test."""\nfrom .client import Client'}
        documents = {"shop/test/__init__.py": '"""Tests."""\n# nothing else\n'}

        assert gone("tests", layout("shop", files | offers)) == set()
        assert gone("tests", layout("shop", files | documents)) == {"shop/test/__init__.py", "shop/test/test_a.py"}

    def test_a_distribution_of_tests_stays(self) -> None:
        assert gone("tests", layout("shop-tests", ["shop/tests/__init__.py", "shop/tests/test_a.py"])) == set()


class TestHeaders:
    HEADERS = ("shop/include/shop.h", "shop/x.hpp", "shop/x.pxd", "shop/x.pxi", "shop/pkgconfig/shop.pc", "include/s.h")
    ARCHIVE: Mapping[str, Content] = {"shop/libshop.a": b"!<arch>\nobject"}

    def bundle(self, source: str = "", owner: str = "shop") -> tuple[BundleFile, ...]:
        others = ("shop/x.pyx", "shop/x.c", "shop/data.pc", "shop/list.a")
        return layout(owner, {"shop/a.py": source, **dict.fromkeys((*self.HEADERS, *others), ""), **self.ARCHIVE})

    @pytest.mark.parametrize(
        "source",
        [
            "",
            "def get_include():\n    return os.path.join(HERE, 'include')",
            "def get_includes(): return [HERE / 'include' / 'shop.h']",
            "# include/shop.h",
            "'''Builds against shop/include/shop.h'''",
            "kinds = ['include', 'exclude']",
        ],
    )
    def test_go(self, source: str) -> None:
        assert gone("headers", self.bundle(source)) == {*self.HEADERS, *self.ARCHIVE}

    @pytest.mark.parametrize(
        "source",
        [
            "os.path.join(HERE, 'include')",
            "HERE / 'include'",
            "compile(['-I' + HERE + '/include'])",
            "open(HERE + 'shop.h')",
            "code = '#include \"shop.h\"\\n'",
            "glob('*.hpp')",
            "def f():\n    return read('x.pxd')",
        ],
    )
    def test_stay_where_the_distribution_works_with_them(self, source: str) -> None:
        other = layout("other", ["other/a.py", "other/a.h"])

        assert gone("headers", self.bundle(source), other) == {"other/a.h"}
        assert decide([self.bundle(source)], frozenset({"headers"}), TARGET).kept == (
            "kept headers of shop 1.0: shop/a.py uses headers",
        )

    @pytest.mark.parametrize("compiler", ["torch", "cupy-cuda12x", "Cython", "ziglang"])
    def test_stay_where_something_compiles(self, compiler: str) -> None:
        pruned = decide([self.bundle(), layout(compiler, ["compiler.py"])], frozenset({"headers"}), TARGET)

        assert pruned.paths == frozenset()
        assert pruned.kept == (f"kept headers: {compiler.lower()} may compile with them",)

    def test_stay_where_the_project_works_with_them(self) -> None:
        assert gone("headers", self.bundle(), also=["import numpy\nnumpy.get_include()"]) == set()
        assert gone("headers", self.bundle(), also=["open('a.h')"]) == set()

    def test_go_where_only_a_tool_for_builds_names_them(self) -> None:
        numpy = {"numpy/__config__.py": "'-I/opt/include/python3.13'", "numpy/f2py/cb.py": "'x.h'", "numpy/x.h": ""}

        assert gone("headers", layout("numpy", numpy)) == {"numpy/x.h"}


class TestStubs:
    def bundle(self, source: str = "") -> tuple[BundleFile, ...]:
        return layout("shop", {"shop/__init__.py": source, "shop/__init__.pyi": "", "shop/py.typed": ""})

    @pytest.mark.parametrize("source", ["", "# attach_stub", "'''Types are in shop.pyi'''", "import lazy_loader"])
    def test_go(self, source: str) -> None:
        assert gone("stubs", self.bundle(source)) == {"shop/__init__.pyi", "shop/py.typed"}

    @pytest.mark.parametrize(
        "source",
        [
            "import lazy_loader\n__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)",
            "from lazy_loader import attach_stub as a",
            "open(__file__ + 'i' if x else 'shop.pyi')",
            "print 'attach_stub'",
        ],
    )
    def test_stay_where_the_distribution_reads_them(self, source: str) -> None:
        other = layout("other", ["other/a.py", "other/a.pyi"])

        assert gone("stubs", self.bundle(source), other) == {"other/a.pyi"}

    def test_stay_where_a_type_checker_reads_them(self) -> None:
        pruned = decide([self.bundle(), layout("jedi", ["jedi/__init__.py"])], frozenset({"stubs"}), TARGET)

        assert pruned.paths == frozenset()
        assert pruned.kept == ("kept stubs: jedi reads them",)

    def test_stay_where_the_project_reads_them(self) -> None:
        assert gone("stubs", self.bundle(), also=["Path('x.pyi')"]) == set()

    def test_of_a_distribution_with_nothing_else_are_removed(self) -> None:
        assert gone("stubs", layout("types-shop", ["shop-stubs/__init__.pyi", "shop-stubs/sub/x.pyi"])) == {
            "shop-stubs/__init__.pyi",
            "shop-stubs/sub/x.pyi",
        }

    def test_stay_in_a_folder_that_could_not_be_imported_without_them(self) -> None:
        files = ["shop/__init__.py", "shop/types/a.pyi", "shop/types/b/c.pyi", "shop/fast.abi3.so", "shop/fast/x.pyi"]

        assert gone("stubs", layout("shop", files)) == {"shop/fast/x.pyi"}

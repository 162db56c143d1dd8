"""The setting `handler`: what Lambda would find is found without importing it."""

from __future__ import annotations

import importlib
import io
import json
import random
import re
import sys
import textwrap
import warnings
from collections import Counter
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common.target import ARCHITECTURES, RUNTIMES, Target
from hatch_lambda.wheels.layout import lay_out
from hatch_lambda.wheels.members import BundleFile, Text
from hatch_lambda.zip import writer
from hatch_lambda.zip.handler import _BUILT_IN, _LOADED_BEFORE, _STANDARD_LIBRARY, HandlerError, check_handler
from tests.support.lambda_runtime import invoke, pythons_at_hand, runtime_client
from tests.support.packages import make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from hatch_lambda.bundle.files import Bundle

RUNNING = "python{}.{}".format(*sys.version_info)
TARGET = Target(RUNTIMES[RUNNING], ARCHITECTURES["x86_64"])
OWN = "orders 1.0"
GOOD = "def handler(event, context):\n    return {}\n"


def bundle_files(contents: Mapping[str, str | bytes], owner: str = OWN) -> list[BundleFile]:
    encoded = {path: text.encode() if isinstance(text, str) else text for path, text in contents.items()}
    return [BundleFile(path, 0o644, Text(content), owner) for path, content in encoded.items()]


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


# --- The setting ---


@pytest.mark.parametrize("handler", ["orders.app.handler", "orders/app.handler"])
def test_dots_and_slashes_between_packages(handler: str) -> None:
    assert note(handler, {"orders/__init__.py": "", "orders/app.py": GOOD}) is None


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        ("handler", "no dot"),
        ("orders/app", "no dot"),
        ("orders.app:handler", "a dot between module and name"),
        ("orders\\app.handler", "dots or slashes between packages"),
        ("./orders/app.handler", "no `./`"),
        (".orders.app.handler", "no `./`"),
        ("orders//app.handler", "no `./`"),
        ("orders.app.", "no `./`"),
        ("orders.app. handler", "white space"),
        ("", "white space"),
        ("orders." + "a" * 125 + ".handler", "at most 128"),
        ("orders.app.py.handler", "the bundle has no module `orders.app.py`; `orders.app` is a module"),
        ("orders.app.Service.handler", "not an attribute of something in it"),
        ("Orders.app.handler", "the bundle has no module `Orders`"),
        ("src.orders.app.handler", "the bundle has no module `src`"),
    ],
)
def test_what_lambda_cannot_read(handler: str, reason: str) -> None:
    fault = error(handler, {"orders/__init__.py": "", "orders/app.py": GOOD + "class Service: ...\n"})
    assert reason in str(fault)
    assert f"The handler `{handler}` would not work on Lambda" in str(fault)
    assert fault.handler == handler
    assert fault.suggestions == ("orders.app.handler",)
    assert "Did you mean `orders.app.handler`?" in str(fault)
    assert "`tool.hatch.build.targets.lambda.handler`" in str(fault)


def test_the_error_names_the_setting_that_was_read() -> None:
    with pytest.raises(HandlerError, match=r"functions\.api\.handler"):
        check_handler("app.x", bundle_files({"app.py": GOOD}), TARGET, own=OWN, setting="functions.api.handler")


# --- Modules ---


def test_namespace_packages_and_names_that_only_importlib_takes() -> None:
    assert note("orders/api/app.handler", {"orders/api/app.py": GOOD}) is None
    assert note("lambda/my-app.handler", {"lambda/my-app.py": GOOD}) is None
    assert note("orders.handler", {"orders/__init__.py": GOOD}) is None
    assert note("orders.__init__.handler", {"orders/__init__.py": GOOD}) is None


def test_a_package_hides_a_module_of_its_name() -> None:
    hidden = {"orders/app/__init__.py": "", "orders/app.py": GOOD}
    assert "orders/app/__init__.py, which hides orders/app.py" in str(error("orders.app.handler", hidden))


def test_a_module_hides_a_folder_without_init() -> None:
    assert note("app.handler", {"app.py": GOOD, "app/data.json": "{}"}) is None
    fault = error("app.sub.handler", {"app.py": "", "app/sub.py": GOOD})
    assert "the bundle has no module `app.sub`; `app` is a module" in str(fault)
    assert fault.suggestions == ()  # nothing that could be called: nobody can import what is hidden


def test_extensions_and_bytecode_are_not_looked_into() -> None:
    major, minor = TARGET.runtime.python
    extension = f"app.cpython-{major}{minor}-x86_64-linux-gnu.so"
    assert f"`app` ({extension}) is no source" in str(note("app.handler", {extension: b"", "app.py": ""}))
    assert "`app` (app.abi3.so) is no source" in str(note("app.handler", {"app.abi3.so": b""}))
    assert "`app` (app.pyc) is no source" in str(note("app.handler", {"app.pyc": b""}))
    assert note("app.handler", {"app.py": GOOD, "app.pyc": b""}) is None
    assert "is no source" in str(note("orders.app.handler", {"orders/__init__.abi3.so": b""}))
    # of another Python, or nothing that the import system looks for
    assert "no module `app`" in str(error("app.handler", {"app.cpython-27-x86_64-linux-gnu.so": b""}))
    assert "no module `app`" in str(error("app.handler", {"__pycache__/app.cpython-313.pyc": b""}))


def test_path_files_are_read_as_the_runtime_does() -> None:
    assert note("app.handler", {"vendor.pth": "# folders\n./vendor/\n", "vendor/app.py": GOOD}) is None
    assert "`.pth` file" in str(note("app.handler", {"finder.pth": "import finder; finder.install()\n"}))
    harmless = "import os; var = 'SETUPTOOLS_USE_DISTUTILS'; __import__('_distutils_hack')\n"
    assert "no module `app`" in str(error("app.handler", {"distutils-precedence.pth": harmless}))


def test_packages_that_decide_where_their_modules_are() -> None:
    for source in ("__path__.append('elsewhere')", "import sys\nsys.modules['orders.app'] = sys"):
        decides = note("orders.app.handler", {"orders/__init__.py": source})
        assert "`orders` (orders/__init__.py) decides itself where its submodules are" in str(decides)


def test_names_of_python() -> None:
    assert "built-in module `time`" in str(error("time.handler", {"time.py": GOOD}))
    assert "has loaded its own `logging`" in str(error("logging.app.handler", {"logging/app.py": GOOD}))
    assert "rather than the folder `code`" in str(error("code.app.handler", {"code/app.py": GOOD}))
    assert note("code.app.handler", {"code/__init__.py": "", "code/app.py": GOOD}) is None
    assert "hides the standard library's module" in str(note("queue.handler", {"queue.py": GOOD}))


def test_the_tables_of_names_hold_for_this_python() -> None:
    assert set(sys.builtin_module_names) >= _BUILT_IN
    assert _LOADED_BEFORE - {"__main__", "awslambdaric"} <= sys.stdlib_module_names
    for name in _STANDARD_LIBRARY & {"code", "queue", "tkinter", "email"}:
        assert importlib.util.find_spec(name) or name == "tkinter"


def test_the_python_that_builds_has_no_say_in_what_is_of_the_standard_library() -> None:
    later_or_gone = {
        "tomllib",
        "compression",
        "annotationlib",
        "imp",
        "distutils",
        "asynchat",
        "cgi",
        "telnetlib",
        "nt",
    }
    assert _STANDARD_LIBRARY.isdisjoint(later_or_gone)


# --- Source ---


@pytest.mark.parametrize(
    ("source", "where"),
    [
        ("x = 1\ndef handler(event, context:\n    pass\n", "app.py, line 2 has a syntax error"),
        ("return 1\n", "'return' outside function"),
        ("# coding: nonsense\n", "unknown encoding"),
        (b"x = '\xe4'\n", "app.py"),
        (b"\0", "app.py"),
    ],
)
def test_syntax_errors_say_where(source: str | bytes, where: str) -> None:
    fault = error("app.handler", {"app.py": source})
    assert where in str(fault)
    assert f"syntax error for {RUNNING}" in str(fault)
    assert fault.suggestions == ()
    assert "cannot" not in str(fault.__cause__)


def test_syntax_errors_of_packages_above() -> None:
    assert "orders/__init__.py, line 1 has a syntax error" in str(
        error("orders.app.handler", {"orders/__init__.py": "1 +", "orders/app.py": GOOD})
    )


def test_encodings() -> None:
    assert note("app.handler", {"app.py": b"\xef\xbb\xbf" + GOOD.encode()}) is None
    assert note("app.handler", {"app.py": b"# coding: latin-1\nx = '\xe4'\n" + GOOD.encode()}) is None


def test_warnings_of_the_parser_are_no_concern(recwarn: pytest.WarningsRecorder) -> None:
    assert module_note("x = '\\d'\ny = 1 is 1\n" + GOOD) is None
    assert not recwarn.list


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="every syntax of the runtimes can be parsed")
def test_syntax_that_may_be_of_the_future_is_a_note() -> None:
    future = Target(RUNTIMES["python3.14"], ARCHITECTURES["arm64"])
    assert "app.py, line 1 cannot be parsed here" in str(note("app.handler", {"app.py": "t = t'{1}' 1\n"}, future))


@pytest.mark.skipif(sys.version_info < (3, 12), reason="cannot parse the newer syntax itself")
def test_syntax_that_is_newer_than_the_runtime_is_an_error() -> None:
    past = Target(RUNTIMES["python3.10"], ARCHITECTURES["arm64"])
    newer = GOOD + "type Order = dict\n"
    assert "has a syntax error for python3.10" in str(error("app.handler", {"app.py": newer}, past))
    assert note("app.handler", {"app.py": newer}) is None


def test_nesting_beyond_all_measure_is_a_note() -> None:
    deep = "x = " + "-" * 50_000 + "1\n"
    assert "nested too deeply" in str(module_note(deep + GOOD))
    branches = "if x == 0: pass\n" + "".join(f"elif x == {number}: pass\n" for number in range(1, 400))
    told = module_note("x = len('')\n" + branches + GOOD)
    assert told is None or "nested too deeply" in told


# --- What names are bound to ---

F = "def f(event, context): return {}\n"


@pytest.mark.parametrize(
    "source",
    [
        "def handler(event, context): ...",
        "def handler(event, context, *, more=1): ...",
        "def handler(event, /, context=None, more=1): ...",
        "def handler(*arguments, **keywords): ...",
        "handler = lambda event, context: {}",
        "import mangum\nhandler = mangum.Mangum(1)",
        "handler: object = object()",
        F + "a, (handler, b) = 1, (f, 2)",
        "a, *handler = [len]",
        F + "if (handler := f): pass",
        F + "[handler := f, 1]",
        F + "handler = other = f",
        "handler = print",
        "if len(''): print = 1\nhandler = print\nhandler = handler.x",
        F + "handler = f if len('') else f",
        F + "x = len('')\nif x: handler = f\nelif x > 2:\n  def handler(*_): ...\nelse: handler = f",
        "try:\n  def handler(*_): ...\nexcept ImportError:\n  raise",
        F + "try:\n  from app import nothing as handler\nexcept ImportError:\n  handler = f",
        "try:\n  import x\nexcept ImportError: pass\nelse: pass\nfinally:\n  def handler(*_): ...",
        "with open(__file__) as file:\n  def handler(*_): ...",
        "with open(__file__) as handler: ...",
        "for handler in [len, len]: ...",
        "for x in (1, 2):\n  def handler(*_): ...",
        "while True:\n  def handler(*_): ...\n  break",
        F + "match len(''):\n  case 0: handler = f\n  case _: handler = f",
        "import sys\nif sys.version_info >= (3, 9):\n  def handler(*_): ...",
        "from typing import TYPE_CHECKING\nif not TYPE_CHECKING:\n  def handler(*_): ...",
        "if __name__ != '__main__':\n  def handler(*_): ...",
        "@decorated\ndef handler(): ...",
        "@decorated\nasync def handler(event): ...",
        "class handler(dict): ...",
        "class handler:\n  def __init__(self, event, context): ...",
        "class handler:\n  def __new__(cls, *_): ...",
        "class handler:\n  __call__ = print",
        "handler = None\ndef handler(event, context): ...",
        "def handler(event): ...\nhandler = wrapped(handler)",
        "def handler(event, context):\n  def inner(): yield\n  return 1",
        "x = dict(**len.__dict__)\ny = set.__dict__\n" + GOOD,
        "x = globals().get('y')\nz = 'a' in globals()\n" + GOOD,
    ],
)
def test_names_that_are_surely_there(source: str) -> None:
    assert module_note(source) is None


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("", "`app` (app.py) has no name `handler`"),
        ("def handle(event, context): ...", "has no name `handler`"),
        ("def outer():\n  def handler(event, context): ...", "has no name `handler`"),
        ("class A:\n  def handler(self, event, context): ...", "has no name `handler`"),
        ("handler: object", "has no name `handler`"),
        ("def handler(*_): ...\ndel handler", "has no name `handler`"),
        ("try:\n  1\nexcept Exception as handler: pass", "has no name `handler`"),
        ("[1 for handler in 'ab']", "has no name `handler`"),
        ("f = lambda: (handler := 1)", "has no name `handler`"),
        ("if __name__ == '__main__':\n  handler = print", "only under the condition in line 1, which does not hold"),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n  from x import handler", "the condition in line 2"),
        ("import typing as t\nif t.TYPE_CHECKING:\n  class handler: ...", "the condition in line 2"),
        ("import sys\nif sys.version_info < (3, 9):\n  handler = print", "the condition in line 2"),
        ("if False:\n  handler = print", "the condition in line 1"),
        ("while False:\n  handler = print", "has no name `handler`"),
        ("raise SystemExit", "`app` (app.py) never gets to its end"),
        ("while True: pass\nhandler = print", "never gets to its end"),
        ("handler = None", "it is `None` (app.py, line 1), which cannot be called"),
        ("handler = 'app.main'", "a constant of type `str`"),
        ("handler = ['x']", "a list"),
        ("handler = {}", "a dict"),
        ("x = 1\nhandler = [a for a in 'b']", "it is a list (app.py, line 2)"),
        ("import json as handler", "the module `json`, which cannot be called"),
        ("import handler", "the module `handler`, which cannot be called"),
        ("handler = lambda event: 1", "`lambda event: …` (app.py, line 1) cannot be called with the two arguments"),
        ("def handler(): ...", "`def handler()` (app.py, line 1) cannot be called with the two arguments"),
        ("def handler(event): ...", "`def handler(event)`"),
        ("def handler(event, context, more): ...", "`def handler(event, context, more)`"),
        ("def handler(event, context, *, more): ...", "cannot be called with the two arguments"),
        ("def handler(**all): ...", "cannot be called with the two arguments"),
        ("async def handler(event, context): ...", "Lambda does not await it; call it by `asyncio.run`"),
        ("def handler(event, context): yield 1", "is a generator"),
        ("class handler: ...", "the class `handler` (app.py, line 1) cannot be called"),
        ("class handler:\n  def __init__(self): ...", "the class `handler`"),
        ("def handler(event, context): ...\nhandler = 1", "a constant of type `int`"),
        ("x = len('')\nif x: handler = 1\nelse: handler = None", "cannot be called"),
        ("x = len('')\nif x: handler = 1", "a constant of type `int`"),
    ],
)
def test_names_that_lambda_could_not_call(source: str, reason: str) -> None:
    assert reason in module_error(source)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import sys\nif len(sys.argv):\n  def handler(*_): ...", "`app` binds it to a function in some cases only"),
        ("for x in range(2):\n  def handler(*_): ...", "in some cases only"),
        ("for x in ():\n  def handler(*_): ...", "in some cases only"),
        ("for x in [1]:\n  if len(''): break\n  handler = print", "in some cases only"),
        ("while len(''):\n  handler = print", "in some cases only"),
        ("try:\n  handler = wrap()\nexcept ImportError: pass", "in some cases only"),
        ("from contextlib import suppress\nwith suppress(KeyError):\n  handler = {}['x'].run", "in some cases only"),
        ("match len(''):\n  case 1: handler = print", "in some cases only"),
        ("len('') and (handler := print)", "in some cases only"),
        ("def handler(*_): ...\nif len(''): del handler", "in some cases only"),
        ("handler = None\nif len(''): handler = print", "in some cases only"),
        ("def install():\n  global handler\n  handler = print\ninstall()", "in some cases only"),
        ("class A:\n  global handler\n  handler = print", "in some cases only"),
        ("def __getattr__(name): return print", "may get it from its `__getattr__`"),
        ("globals()['handler'] = print", "may get it by `globals()`"),
        ("vars().update(handler=print)", "may get it by `vars()`"),
        ("exec('handler = print')", "may get it by `exec`"),
        ("import sys\nsys.modules[__name__] = print", "may get it by `sys.modules`"),
        ("import sys\nsetattr(sys.modules[__name__], 'handler', print)", "sets an attribute `handler`"),
        ("import app as me\nme.handler = print", "sets an attribute `handler` of something"),
        ("def handler(*_): ...\nexec('del handler')", "may change its names by `exec`"),
        ("def handler(*_): ...\nmine = globals()\ndel mine['handler']", "may change its names by `globals()`"),
        ("def handler(*_): ...\nimport sys\nsys.modules[__name__] = 1", "may change its names by `sys.modules`"),
        ("def handler(*_): ...\nimport app\ndel app.__dict__['handler']", "may change its names by `app.__dict__`"),
        ("from tkinter import *", "`tkinter`, from which all names are imported, may have it"),
        ("from json import dumps as handler", "it comes from the standard library's `json`"),
        ("from boto3 import handler", "it comes from `boto3`, which the runtime or a layer has to bring"),
    ],
)
def test_what_cannot_be_told_is_a_note(source: str, reason: str) -> None:
    told = module_note(source)
    assert told is not None
    assert told.startswith(
        "Whether Lambda can call the handler `app.handler` cannot be told without running the code: "
    )
    assert reason in told
    assert "\n" not in told


def test_packages_that_set_names_of_their_modules() -> None:
    tree = {"orders/__init__.py": "from . import app\napp.handler = print", "orders/app.py": ""}
    assert "`orders` (orders/__init__.py) sets an attribute `handler`" in str(note("orders.app.handler", tree))


def test_names_that_every_module_has() -> None:
    assert "`__name__` is one of Python's own names" in str(error("app.__name__", {"app.py": GOOD}))


# --- From module to module ---


@pytest.mark.parametrize(
    ("app", "lib"),
    [
        ("from lib import handler", GOOD),
        ("from lib import main as handler", "from other import main"),
        ("import lib\nhandler = lib.handler", GOOD),
        ("import lib as l\nhandler = l.handler", GOOD),
        ("from lib import *", GOOD),
        ("from lib import *", "__all__ = ['handler']\n" + GOOD),
        ("from lib import *", "__all__ = ['x'] + ['y']\n__all__ += ['handler']\nx = y = 1\n" + GOOD),
        ("from lib import *", "from other import *\nfrom other import main as handler"),
        ("def handler(event, context): ...\nfrom lib import *", "__all__ = []\nhandler = 1"),
        ("def handler(event, context): ...\nfrom lib import *", "x = 1"),
        ("from lib import _handler as handler", "_handler = print"),
        ("from lib import *\nhandler = print", "x = 1"),
        ("from lib import __file__, __name__ as name\n" + GOOD + "handler = handler or name", ""),
        ("from lib import *\nhandler = main", "from other import *"),
    ],
)
def test_imports_are_followed(app: str, lib: str) -> None:
    assert module_note(app, lib=lib, other="def main(event, context): ...") is None


@pytest.mark.parametrize(
    ("app", "lib", "reason"),
    [
        ("from lib import handler", "", "`handler` cannot be imported from `lib` (lib.py), which has no such name"),
        ("from lib import handler", "handler = 1", "a constant of type `int` (lib.py, line 1)"),
        ("from lib import x as handler", "from other import y as x", "cannot be imported from `other`"),
        ("from lib.sub import handler", "", "`lib.sub` cannot be imported (app.py, line 1): the bundle has no module"),
        ("import lib\nhandler = lib.handlr", GOOD, "`lib` (lib.py) has no name `handlr` (app.py, line 2)"),
        ("from lib import *", "_x = 1", "`app` (app.py) has no name `handler`"),
        ("from lib import *", "__all__ = ['x']\nx = 1\n" + GOOD, "`app` (app.py) has no name `handler`"),
        ("from lib import *", "def handler(event): ...", "`def handler(event)` (lib.py, line 1)"),
        ("from lib import handler", "raise ImportError", "`lib` (lib.py) never gets to its end"),
        ("from lib import handler", "(", "lib.py, line 1 has a syntax error"),
        ("from lib import *\nfrom lib import *", "", "has no name `handler`"),
    ],
)
def test_imports_that_lead_nowhere(app: str, lib: str, reason: str) -> None:
    assert reason in module_error(app, lib=lib, other="")


@pytest.mark.parametrize(
    ("app", "lib", "reason"),
    [
        ("from lib import handler", "from app import handler", "in a circle"),
        ("from lib import *", "from app import *", "in a circle"),
        ("from lib import *", "from x import y\n__all__ = y.__all__", "in some cases only"),
        ("from lib import handler", "def __getattr__(name): ...", "`lib` (lib.py) may get it from its `__getattr__`"),
        ("from lib import *", "exec('')", "`lib` (lib.py) may get it by `exec`"),
        ("try:\n  from lib import handler\nexcept ImportError:\n  handler = None", GOOD, "in some cases only"),
    ],
)
def test_imports_that_cannot_be_told(app: str, lib: str, reason: str) -> None:
    if reason == "in some cases only" and "__all__" in lib:
        lib += "\n" + GOOD
    assert reason in str(module_note(app, lib=lib))


def test_a_guarded_import_that_fails_leaves_what_its_except_does() -> None:
    guarded = "try:\n  from lib import handler\nexcept ImportError:\n  def handler(event, context): ..."
    assert module_note(guarded, lib="") is None
    assert "cannot be called" in module_error(
        guarded.replace("def handler(event, context): ...", "handler = 1"), lib=""
    )


def test_reexports_in_packages() -> None:
    tree = {
        "orders/__init__.py": "from .api.app import handler",
        "orders/api/__init__.py": "",
        "orders/api/app.py": GOOD,
    }
    assert note("orders.handler", tree) is None
    assert note("orders.handler", {**tree, "orders/__init__.py": "from orders.api.app import *"}) is None
    assert note("orders.api.handler", {**tree, "orders/api/__init__.py": "from ..api.app import handler"}) is None
    assert (
        note("orders.handler", {"orders/__init__.py": "from .handler import handler", "orders/handler.py": GOOD})
        is None
    )
    assert "`handler` cannot be imported from `orders.api` (orders/api/__init__.py)" in str(
        error("orders.handler", {**tree, "orders/__init__.py": "from .api import handler"})
    )


def test_an_import_by_another_name_takes_what_the_package_has() -> None:
    tree = {"lib/__init__.py": "from .run import run", "lib/run.py": "def run(event, context): ...", "lib/x.py": ""}
    assert note("app.handler", {**tree, "app.py": "import lib.run as handler"}) is None
    assert "the module `lib.x`" in str(error("app.handler", {**tree, "app.py": "import lib.x as handler"}))
    assert "cannot be imported" in str(error("app.handler", {**tree, "app.py": "import lib.y as handler"}))
    dynamic = {"lib/__init__.py": "def __getattr__(name): ...\nfrom . import handler", "lib/handler.py": ""}
    assert "`__getattr__`" in str(note("lib.handler", dynamic))


def test_what_a_half_done_import_sees_cannot_be_told() -> None:
    circle = {"app.py": "main = print\nfrom lib import handler\nmain = 1", "lib.py": "from app import main as handler"}
    assert "in a circle" in str(note("app.handler", circle))
    package = {
        "orders/__init__.py": GOOD + "from . import app\nhandler = 1",
        "orders/app.py": "from orders import handler",
    }
    assert "in a circle" in str(note("orders.app.handler", package))
    star = {
        "orders/__init__.py": "import orders.app\n__all__ = ['app']",
        "orders/app.py": GOOD + "from orders import *",
    }
    assert "in a circle" in str(note("orders.app.handler", star))
    listed = {
        **star,
        "orders/__init__.py": "import orders.handler\n__all__ = ['handler']",
        "orders/handler.py": star["orders/app.py"],
    }
    assert "in a circle" in str(note("orders.handler.handler", listed))
    whole = {"orders/__init__.py": "from .app import handler", "orders/app.py": "from . import x\nhandler = x.y"}
    assert note("orders.handler", {**whole, "orders/x.py": "def y(event, context): ..."}) is None


def test_submodules_are_no_functions() -> None:
    tree = {"orders/__init__.py": "", "orders/handler.py": GOOD}
    fault = error("orders.handler", tree)
    assert "`orders.handler` (orders/handler.py) is a module, which cannot be called" in str(fault)
    assert fault.suggestions == ("orders.handler.handler",)
    for source in (
        "from . import handler",
        "from .handler import x",
        "import orders.handler",
        "from orders import handler",
    ):
        assert "the module `orders.handler`, which cannot be called" in str(
            error("orders.handler", {**tree, "orders/__init__.py": source})
        )


def test_stars_bring_submodules_that_they_list() -> None:
    tree = {"lib/__init__.py": "__all__ = ['handler']", "lib/handler.py": "", "app.py": GOOD + "from lib import *"}
    assert "the module `lib.handler`" in str(error("app.handler", tree))
    assert "in some cases only" in str(note("app.handler", {**tree, "lib/__init__.py": ""}))


def test_a_submodule_may_take_the_place_of_a_function() -> None:
    tree = {"orders/__init__.py": GOOD, "orders/handler.py": ""}
    assert "`orders` binds it to a function in some cases only" in str(note("orders.handler", tree))


# --- Suggestions ---


def test_a_typo_is_told() -> None:
    tree = {
        "orders/__init__.py": "",
        "orders/app.py": "def lambda_handler(event, context): ...\ndef helper(event): ...",
    }
    fault = error("orders.app.lambda_hander", tree)
    assert str(fault) == (
        "The handler `orders.app.lambda_hander` would not work on Lambda: `orders.app` (orders/app.py) has no name "
        "`lambda_hander`.\n"
        "Did you mean `orders.app.lambda_handler`? It is set in `tool.hatch.build.targets.lambda.handler`."
    )


def test_handlers_are_known_by_their_names_and_parameters() -> None:
    tree = {
        "a.py": "def process(event, context): ...",
        "b.py": "handler = Mangum(app)",
        "c.py": "async def handler(event, context): ...\ndef main(): ...\ndef other(x, y): ...",
        "d.py": "def handler(",
        "e-1.0.dist-info/METADATA": "handler",
    }
    assert set(error("missing.x", tree).suggestions) <= {"a.process", "b.handler"}
    assert error("a.proces", tree).suggestions == ("a.process",)
    assert error("b.handle", tree).suggestions[0] == "b.handler"
    assert "no function that looks like a handler" in str(error("c.x", {"c.py": tree["c.py"]}))


def test_dependencies_are_suggested_only_where_the_project_has_nothing() -> None:
    library = bundle_files({"shop/handlers.py": GOOD, "zoo/handlers.py": GOOD}, owner="shop 2.0")
    for own, suggestions in ((GOOD, ("app.handler",)), ("", ("shop.handlers.handler",))):
        with pytest.raises(HandlerError) as raised:
            check_handler("shop.handler.handler", [*library, *bundle_files({"app.py": own})], TARGET, own=OWN)
        assert raised.value.suggestions == suggestions


def test_suggestions_of_wheels_and_no_more_than_three(tmp_path: Path) -> None:
    modules = {f"orders/app{number}.py": GOOD for number in range(9)}
    wheel = make_wheel(tmp_path, "orders", files={"orders/__init__.py": "", **modules})
    with pytest.raises(HandlerError) as raised:
        check_handler("orders.app.handler", lay_out(wheel, TARGET), TARGET, own="orders 1.0")
    assert len(raised.value.suggestions) == 3
    assert " or `orders.app" in str(raised.value)


# --- Speed ---


def test_only_what_is_needed_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bytes] = []

    def recorded(text: Text) -> bytes:
        read.append(text.content)
        return text.content

    monkeypatch.setattr(Text, "read", recorded)
    tree = {f"lib/m{number}.py": f"# {number}\n" for number in range(500)}
    tree |= {"orders/__init__.py": "import lib.m1\n", "orders/app.py": f"from lib.m2 import x\n{GOOD}"}
    assert note("orders.app.handler", tree) is None
    assert sorted(read) == sorted([tree["orders/__init__.py"].encode(), tree["orders/app.py"].encode()])


def test_stars_from_everywhere_to_everywhere_end() -> None:
    stars = "".join(f"from m{number} import *\n" for number in range(12))
    tree = {f"m{number}.py": stars + f"x{number} = 1\n" for number in range(12)}
    assert "in a circle" in str(note("m0.handler", tree))


# --- Against Python's own verdict ---

NAMES = ("handler", "handler", "handler", "other", "sub", "print")
MODULES = ("app", "pkg", "pkg.sub", "pkg.handler")
SOURCES = ("app", "pkg", "pkg.sub", ".", ".sub", ".handler", ".gone", "nowhere")
CONDITIONS = ("yes", "no", "True", "__name__ == '__main__'", "sys.version_info >= (3, 8)", "TYPE_CHECKING", "not no")
PARAMETERS = ("event, context", "event", "*a", "a, b, c", "a, b=1, c=2", "a, b, *, c", "a, /, b")
# `{n}` and so on stand for one of the above, `{v}` for a value, `{b}` for a block of such statements.
VALUES = (
    *("f", "f", "print", "None", "[f]", "{}", "{n}", "{n}", "lambda *_: {}", "lambda event: {}", "pkg.sub.handler"),
    *("(f if {c} else {n})", "({n} := f)", "(f if no else None)", "(None or f)"),
)
SIMPLE = (
    "def {n}({p}):\n    return {}",
    "async def {n}(event, context):\n    return {}",
    "class {n}:\n    def __init__(self, {p}): ...",
    "{n} = {v}",
    "{n} = {v}",
    "{n} = {n} = {v}",
    "{n}, {n} = {v}, {v}",
    "handler = f\ndel handler",
    "({c}) and ({n} := {v})",
    "import {m}",
    "import {m} as {n}",
    "from {s} import {n}",
    "try:\n    from {s} import {n}\nexcept ImportError:\n    {n} = {v}",
    "from {s} import {n} as {n}",
    "from {m} import *",
    "__all__ = ['{n}']",
    "def change():\n    global {n}\n    {n} = f",
    "def handler(event): ...\ndef change():\n    global handler\n    handler = f\nchange()",
    "globals()['{n}'] = {v}",
    "exec('{n} = f')",
    "def __getattr__(name):\n    if name[:2] == '__': raise AttributeError(name)\n    return f",
)
COMPOUND = (
    "if {c}:\n{b}",
    "if {c}:\n{b}else:\n{b}",
    "try:\n{b}    raise ImportError\nexcept Exception:\n{b}",
    "try:\n    {n} = f\n{b}except Exception as {n}:\n{b}else:\n{b}",
    "try:\n{b}except ImportError:\n{b}finally:\n{b}",
    "for {n} in [1]:\n{b}",
    "for x in range(len('')):\n{b}else:\n{b}",
    "for x in [1, 2]:\n{b}    if {c}: break\n{b}",
    "while True:\n{b}    break\n",
    "with suppress(Exception):\n{b}    raise ValueError",
    "with suppress(Exception):\n    from .gone import x\n{b}",
    "match f:\n  case 1 if {c}: ...\n  case {n}:\n{b}",
)
HANDLERS = ("app.handler", "app.handler", "pkg.handler", "pkg.sub.handler", "pkg.handler.handler")
PREAMBLE = """\
import sys
from contextlib import suppress
from typing import TYPE_CHECKING
yes, no = len("x") == 1, len("x") == 2
def f(event, context): return {}
"""


class Author:
    """Writes little modules."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def tree(self) -> tuple[str, dict[str, str]]:
        paths = self._random.sample(["pkg/__init__.py", "pkg/sub.py", "pkg/handler.py"], self._random.randint(0, 3))
        starts = [PREAMBLE, PREAMBLE + "handler = f\n"]
        modules = {path: self._random.choice(starts) + self._block(4) for path in ["app.py", *paths]}
        return self._random.choice(HANDLERS), modules

    def _block(self, most: int, depth: int = 0) -> str:
        choices = SIMPLE if depth > 1 else SIMPLE + COMPOUND
        statements = [self._filled(self._random.choice(choices), depth) for _ in range(self._random.randint(1, most))]
        return "".join(f"{statement.rstrip()}\n" for statement in statements)

    def _filled(self, template: str, depth: int) -> str:
        def part(kind: re.Match[str]) -> str:
            if kind[1] == "b":
                return textwrap.indent(self._block(2, depth + 1), "    ").replace("\n    ", "\n    ")
            if kind[1] == "v":
                return self._filled(self._random.choice(VALUES), depth)
            return str(self._random.choice(KINDS[kind[1]]))

        return re.sub(r"\{(\w)\}", part, template)


KINDS = {"n": NAMES, "m": MODULES, "s": SOURCES, "c": CONDITIONS, "p": PARAMETERS}


def _truth(handler: str, folder: Path) -> str:
    """`works`, `missing` or `fails`, by really importing and calling it."""
    module, _, name = handler.rpartition(".")
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            found = getattr(importlib.import_module(module), name)
            answer = found({}, None)
            if hasattr(answer, "close"):
                answer.close()  # a coroutine that nobody awaits would warn
            json.dumps(answer)
    except AttributeError as missing:
        return "missing" if missing.name == name and module in sys.modules else "fails"
    except Exception:  # noqa: BLE001 - whatever generated modules raise
        return "fails"
    finally:
        sys.path.remove(str(folder))
        for added in set(sys.modules) - before:
            if added.partition(".")[0] in {"app", "pkg"}:
                del sys.modules[added]
    return "works"


@pytest.mark.parametrize("seed", range(4))
def test_the_verdict_agrees_with_an_import(tmp_path: Path, seed: int) -> None:
    author = Author(seed)
    verdicts: Counter[tuple[str, str]] = Counter()
    for number in range(300):
        handler, contents = author.tree()
        folder = tmp_path / str(number)
        for path, text in contents.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        truth = _truth(handler, folder)
        shown = "\n".join([handler, *(f"## {path}\n{text.removeprefix(PREAMBLE)}" for path, text in contents.items())])
        try:
            verdict = "undecided" if note(handler, contents) else "there"
        except HandlerError as fault:
            verdict = "wrong"
            assert truth != "works", f"{fault}\n{shown}"  # noqa: PT017 - and it may fail in any way
        assert (verdict, truth) != ("there", "missing"), shown
        verdicts[verdict, truth] += 1
    assert verdicts["there", "works"] > 5
    assert verdicts["wrong", "missing"] > 5


# --- On Lambda ---

CALLED = {
    "good.handler": GOOD,
    "pkg/sub-module.handler": GOOD,
    "lambda/app.handler": GOOD,
    "missing.handler": "",
    "nowhere.handler": "",
    "broken.handler": "def (",
    "asynchronous.handler": "async def handler(event, context):\n    return {}\n",
    "generator.handler": "def handler(event, context):\n    yield {}\n",
    "lonely.handler": "def handler(event):\n    return {}\n",
    "constant.handler": "handler = 1\n",
    "plain.handler": "class handler: ...\n",
    "time.handler": GOOD,
    "logging.handler": GOOD,
    "code/app.handler": GOOD,
    "nodot": "",
    "./good.handler": "",
    "good.py.handler": "",
    "good.handler.__call__": "",
}
REFUSED = {
    "missing.handler": "Runtime.HandlerNotFound",
    "nowhere.handler": "Runtime.ImportModuleError",
    "broken.handler": "Runtime.UserCodeSyntaxError",
    "asynchronous.handler": "Runtime.MarshalError",
    "generator.handler": "Runtime.MarshalError",
    "lonely.handler": "TypeError",
    "constant.handler": "TypeError",
    "plain.handler": "TypeError",
    "time.handler": "Runtime.BuiltInModuleConflict",
    "logging.handler": "Runtime.HandlerNotFound",
    "code/app.handler": "Runtime.ImportModuleError",
    "nodot": "Runtime.MalformedHandlerName",
    "./good.handler": "TypeError",
    "good.py.handler": "Runtime.ImportModuleError",
    "good.handler.__call__": "Runtime.ImportModuleError",
}


@pytest.mark.index
@pytest.mark.skipif(sys.platform != "linux", reason="AWS's runtime client has wheels for Linux only")
def test_lambda_refuses_what_is_refused_here(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    version = RUNNING.removeprefix("python")
    if version not in pythons_at_hand():  # the tests themselves run on a Python that Lambda does not have
        pytest.skip(f"no CPython {version} at hand")
    python = pythons_at_hand()[version]
    client = runtime_client(python, tmp_path_factory.getbasetemp() / "runtime-clients")
    contents = {f"{handler.rpartition('.')[0]}.py": source for handler, source in CALLED.items() if source}
    contents |= {"missing.py": "x = 1\n"}
    files = bundle_files(contents)
    made = writer.write(tmp_path / "function.zip", files)
    for handler in CALLED:
        invocation = invoke(made.path, python=python, handler=handler, event={}, client=client, tmp_path=tmp_path)
        if handler in REFUSED:
            error(handler, contents)
            assert isinstance(invocation.error, dict), handler
            assert invocation.error["errorType"] == REFUSED[handler]
        else:
            assert note(handler, contents) is None
            assert invocation.response == {}, invocation


FASTAPI = """\
from fastapi import FastAPI
from mangum import Mangum

app = FastAPI()


@app.get("/")
def root():
    return {}


handler = Mangum(app, lifespan="off")
"""
POWERTOOLS = """\
from aws_lambda_powertools import Logger, Tracer
from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
tracer = Tracer()


@logger.inject_lambda_context
@tracer.capture_lambda_handler
def lambda_handler(event: dict, context: LambdaContext) -> dict:
    return {}
"""


@pytest.mark.index
def test_handlers_of_real_packages(bundle_of: Callable[..., Bundle]) -> None:
    bundle = bundle_of("mangum", "fastapi", "aws-lambda-powertools[tracer]", runtime=RUNNING)
    own = bundle_files({"web/__init__.py": "", "web/main.py": FASTAPI, "web/events.py": POWERTOOLS})
    files = [*own, *bundle.files]
    assert check_handler("web.main.handler", files, TARGET, own=OWN) is None
    assert check_handler("web/events.lambda_handler", files, TARGET, own=OWN) is None
    # re-exports of a dependency's, followed through its packages
    assert check_handler("mangum.Mangum", files, TARGET, own=OWN) is None
    assert check_handler("aws_lambda_powertools.Logger", files, TARGET, own=OWN) is None
    for wrong, meant in (
        ("web.main.handlr", "web.main.handler"),
        ("web.event.lambda_handler", "web.events.lambda_handler"),
    ):
        with pytest.raises(HandlerError) as raised:
            check_handler(wrong, files, TARGET, own=OWN)
        assert raised.value.suggestions[0] == meant

"""The setting `handler`: the names of a module, read from its source, and the imports that they come from."""

from __future__ import annotations

import pytest

from tests.support.handlers import GOOD, error, module_error, module_note, note

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
def test_names_that_are_verified(source: str) -> None:
    assert module_note(source) is None


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("", "`app` (app.py) does not define `handler`"),
        ("def handle(event, context): ...", "does not define `handler`"),
        ("def outer():\n  def handler(event, context): ...", "does not define `handler`"),
        ("class A:\n  def handler(self, event, context): ...", "does not define `handler`"),
        ("handler: object", "does not define `handler`"),
        ("def handler(*_): ...\ndel handler", "does not define `handler`"),
        ("try:\n  1\nexcept Exception as handler: pass", "does not define `handler`"),
        ("[1 for handler in 'ab']", "does not define `handler`"),
        (
            "if __name__ == '__main__':\n  handler = print",
            "only under the condition in line 1, which is false on Lambda",
        ),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n  from x import handler", "the condition in line 2"),
        ("import typing as t\nif t.TYPE_CHECKING:\n  class handler: ...", "the condition in line 2"),
        ("import sys\nif sys.version_info < (3, 9):\n  handler = print", "the condition in line 2"),
        ("if False:\n  handler = print", "the condition in line 1"),
        ("raise SystemExit", "`app` (app.py) always raises an error"),
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
        ("import sys\nif len(sys.argv):\n  def handler(*_): ...", "`app` defines it as a function only in some cases"),
        ("for x in range(2):\n  def handler(*_): ...", "only in some cases"),
        ("for x in ():\n  def handler(*_): ...", "only in some cases"),
        ("for x in [1]:\n  if len(''): break\n  handler = print", "only in some cases"),
        ("while len(''):\n  handler = print", "only in some cases"),
        ("try:\n  handler = wrap()\nexcept ImportError: pass", "only in some cases"),
        ("from contextlib import suppress\nwith suppress(KeyError):\n  handler = {}['x'].run", "only in some cases"),
        ("match len(''):\n  case 1: handler = print", "only in some cases"),
        ("len('') and (handler := print)", "only in some cases"),
        ("if (handler := print): pass", "only in some cases"),
        ("for handler in [len, len]: ...", "only in some cases"),
        ("while True:\n  def handler(*_): ...\n  break", "only in some cases"),
        ("handler = None\nexec('handler = print')", "may define it by `exec`"),
        ("from lib import *", "may define it by `from lib import *`"),
        ("handler = 1\nfrom . import *", "may define it by `from . import *`"),
        ("def handler(*_): ...\nif len(''): del handler", "only in some cases"),
        ("handler = None\nif len(''): handler = print", "only in some cases"),
        ("def install():\n  global handler\n  handler = print\ninstall()", "only in some cases"),
        ("class A:\n  global handler\n  handler = print", "only in some cases"),
        ("def __getattr__(name): return print", "may provide it by its `__getattr__`"),
        ("globals()['handler'] = print", "may define it by `globals`"),
        ("vars().update(handler=print)", "may define it by `vars`"),
        ("exec('handler = print')", "may define it by `exec`"),
        ("import sys\nsys.modules[__name__] = print", "may define it by `sys.modules`"),
        ("import sys\nsetattr(sys.modules[__name__], 'handler', print)", "sets an attribute `handler`"),
        ("import app as me\nme.handler = print", "sets an attribute `handler` of something"),
        (
            "from json import dumps as handler",
            "it comes from `json`, which is not in the bundle but in the standard library",
        ),
        (
            "from boto3 import handler",
            "it comes from `boto3`, which is not in the bundle but in a layer or the runtime",
        ),
    ],
)
def test_what_cannot_be_verified_is_a_note(source: str, reason: str) -> None:
    told = module_note(source)
    assert told is not None
    assert told.startswith("The handler `app.handler` cannot be verified without running the code: ")
    assert reason in told
    assert "\n" not in told


def test_packages_that_set_names_of_their_modules() -> None:
    tree = {"orders/__init__.py": "from . import app\napp.handler = print", "orders/app.py": ""}
    assert "`orders` (orders/__init__.py) sets an attribute `handler`" in str(note("orders.app.handler", tree))


def test_names_of_every_module() -> None:
    assert "`__name__` is one of Python's own names" in str(error("app.__name__", {"app.py": GOOD}))


# --- From module to module ---


@pytest.mark.parametrize(
    ("app", "lib"),
    [
        ("from lib import handler", GOOD),
        ("from lib import main as handler", "from other import main"),
        ("import lib\nhandler = lib.handler", GOOD),
        ("import lib as l\nhandler = l.handler", GOOD),
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
        ("from lib import handler", "", "`handler` cannot be imported from `lib` (lib.py), which does not define it"),
        ("from lib import handler", "handler = 1", "a constant of type `int` (lib.py, line 1)"),
        ("from lib import x as handler", "from other import y as x", "cannot be imported from `other`"),
        ("from lib.sub import handler", "", "`lib.sub` cannot be imported (app.py, line 1): the bundle has no module"),
        (
            "import lib\nhandler = lib.handlr",
            GOOD,
            "`handlr` cannot be imported from `lib` (lib.py), which does not define it (app.py, line 2)",
        ),
        ("from lib import handler", "raise ImportError", "`lib` (lib.py) always raises an error"),
        ("from lib import handler", "(", "lib.py, line 1 has a syntax error"),
    ],
)
def test_imports_that_lead_nowhere(app: str, lib: str, reason: str) -> None:
    assert reason in module_error(app, lib=lib, other="")


@pytest.mark.parametrize(
    ("app", "lib", "reason"),
    [
        ("from lib import handler", "from app import handler", "in a circle"),
        ("from lib import handler", "handler = print\nimport app\nhandler = 1", "it depends on when `lib` is imported"),
        ("from lib import handler", "from sub import *", "`lib` (lib.py) may define it by `from sub import *`"),
        ("from lib import handler", "def __getattr__(name): ...", "`lib` (lib.py) may provide it by its `__getattr__`"),
        ("try:\n  from lib import handler\nexcept ImportError:\n  handler = None", GOOD, "only in some cases"),
    ],
)
def test_imports_that_cannot_be_verified(app: str, lib: str, reason: str) -> None:
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


def test_what_a_circular_import_sees_cannot_be_verified() -> None:
    circle = {"app.py": "main = print\nfrom lib import handler\nmain = 1", "lib.py": "from app import main as handler"}
    assert "it depends on when `app` is imported" in str(note("app.handler", circle))
    package = {
        "orders/__init__.py": GOOD + "from . import app\nhandler = 1",
        "orders/app.py": "from orders import handler",
    }
    assert "it depends on when `orders` is imported" in str(note("orders.app.handler", package))
    whole = {"orders/__init__.py": "from .app import handler", "orders/app.py": "from . import x\nhandler = x.y"}
    assert note("orders.handler", {**whole, "orders/x.py": "def y(event, context): ..."}) is None


def test_submodules_cannot_be_called() -> None:
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


def test_a_submodule_may_take_the_place_of_a_function() -> None:
    tree = {"orders/__init__.py": GOOD, "orders/handler.py": ""}
    assert "`orders` defines it as a function only in some cases" in str(note("orders.handler", tree))

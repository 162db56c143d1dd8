"""The setting `handler`: what Lambda would find, without importing it: modules, syntax and suggestions."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common.target import ARCHITECTURES, RUNTIMES, Target
from hatch_lambda.wheels.layout import lay_out
from hatch_lambda.wheels.members import Generated
from hatch_lambda.zip.handler import HandlerError, check_handler
from tests.support.handlers import GOOD, OWN, RUNNING, TARGET, bundle_files, error, module_note, note
from tests.support.packages import make_wheel

if TYPE_CHECKING:
    from pathlib import Path


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
        ("./orders/app.handler", "without `./`"),
        (".orders.app.handler", "without `./`"),
        ("orders//app.handler", "without `./`"),
        ("orders.app.", "without `./`"),
        ("orders.app. handler", "white space"),
        ("", "white space"),
        ("orders." + "a" * 125 + ".handler", "at most 128"),
        ("orders.app.py.handler", "the bundle has no module `orders.app.py`; `orders.app` is a module"),
        ("orders.app.Service.handler", "not an attribute of a class in it"),
        ("Orders.app.handler", "the bundle has no module `Orders`"),
        ("src.orders.app.handler", "the bundle has no module `src`"),
    ],
)
def test_malformed_handlers(handler: str, reason: str) -> None:
    fault = error(handler, {"orders/__init__.py": "", "orders/app.py": GOOD + "class Service: ...\n"})
    assert reason in str(fault)
    assert f"The handler `{handler}` would not work on Lambda" in str(fault)
    assert fault.handler == handler
    assert fault.suggestions == ("orders.app.handler",)
    assert "Did you mean `orders.app.handler`?" in str(fault)
    assert "`tool.hatch.build.targets.lambda.handler`" in str(fault)


def test_the_error_names_the_setting() -> None:
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


def test_extension_modules_and_bytecode_cannot_be_verified() -> None:
    major, minor = TARGET.runtime.python
    extension = f"app.cpython-{major}{minor}-x86_64-linux-gnu.so"
    assert f"`app` ({extension}) has no source" in str(note("app.handler", {extension: b"", "app.py": ""}))
    assert "`app` (app.abi3.so) has no source" in str(note("app.handler", {"app.abi3.so": b""}))
    assert "`app` (app.pyc) has no source" in str(note("app.handler", {"app.pyc": b""}))
    assert note("app.handler", {"app.py": GOOD, "app.pyc": b""}) is None
    assert "has no source" in str(note("orders.app.handler", {"orders/__init__.abi3.so": b""}))
    # of another Python, or nothing that the import system looks for
    assert "no module `app`" in str(error("app.handler", {"app.cpython-27-x86_64-linux-gnu.so": b""}))
    assert "no module `app`" in str(error("app.handler", {"__pycache__/app.cpython-313.pyc": b""}))


def test_path_files_are_read_as_on_lambda() -> None:
    assert note("app.handler", {"vendor.pth": "# folders\n./vendor/\n", "vendor/app.py": GOOD}) is None
    assert "`.pth` file" in str(note("app.handler", {"finder.pth": "import finder; finder.install()\n"}))
    harmless = "import os; var = 'SETUPTOOLS_USE_DISTUTILS'; __import__('_distutils_hack')\n"
    assert "no module `app`" in str(error("app.handler", {"distutils-precedence.pth": harmless}))


def test_packages_that_change_where_their_submodules_are() -> None:
    for source in ("__path__.append('elsewhere')", "import sys\nsys.modules['orders.app'] = sys"):
        decides = note("orders.app.handler", {"orders/__init__.py": source})
        assert "`orders` (orders/__init__.py) decides itself where its submodules are" in str(decides)


def test_names_reserved_by_python() -> None:
    assert "built-in module `time`" in str(error("time.handler", {"time.py": GOOD}))
    reserved = error("logging.app.handler", {"logging/app.py": GOOD})
    assert "has already loaded its own `logging`" in str(reserved)
    assert reserved.suggestions == ()
    assert "rather than the folder `code`" in str(error("code.app.handler", {"code/app.py": GOOD}))
    assert note("code.app.handler", {"code/__init__.py": "", "code/app.py": GOOD}) is None
    assert "hides the standard library's module" in str(note("queue.handler", {"queue.py": GOOD}))


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


def test_warnings_of_the_parser_are_ignored(recwarn: pytest.WarningsRecorder) -> None:
    assert module_note("x = '\\d'\ny = 1 is 1\n" + GOOD) is None
    assert not recwarn.list


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="every syntax of the runtimes can be parsed")
def test_syntax_newer_than_the_running_python_is_a_note() -> None:
    future = Target(RUNTIMES["python3.14"], ARCHITECTURES["arm64"])
    assert "app.py, line 1 cannot be parsed here" in str(note("app.handler", {"app.py": "t = t'{1}' 1\n"}, future))


def test_lazy_imports_are_followed_whatever_python_builds() -> None:
    newest = Target(RUNTIMES["python3.15"], ARCHITECTURES["arm64"])
    lazy = "lazy import json\nif True:\n    lazy from orders import handler\n"

    assert note("app.handler", {"app.py": lazy, "orders.py": GOOD}, newest) is None
    assert "is not in the bundle" in str(note("app.handler", {"app.py": lazy}, newest))
    assert "`handler` cannot be imported from `orders`" in str(
        error("app.handler", {"app.py": lazy, "orders.py": ""}, newest)
    )


def test_lazy_imports_are_an_error_for_older_runtimes() -> None:
    assert f"has a syntax error for {RUNNING}" in str(error("app.handler", {"app.py": "lazy import json\n" + GOOD}))


@pytest.mark.skipif(sys.version_info < (3, 12), reason="cannot parse the newer syntax itself")
def test_syntax_newer_than_the_runtime_is_an_error() -> None:
    past = Target(RUNTIMES["python3.10"], ARCHITECTURES["arm64"])
    newer = GOOD + "type Order = dict\n"
    assert "has a syntax error for python3.10" in str(error("app.handler", {"app.py": newer}, past))
    assert note("app.handler", {"app.py": newer}) is None


def test_deep_nesting_is_a_note() -> None:
    deep = "x = " + "-" * 50_000 + "1\n"
    assert "nested too deeply" in str(module_note(deep + GOOD))
    branches = "if x == 0: pass\n" + "".join(f"elif x == {number}: pass\n" for number in range(1, 400))
    told = module_note("x = len('')\n" + branches + GOOD)
    assert told is None or "nested too deeply" in told


# --- Suggestions ---


def test_a_typo_is_corrected() -> None:
    tree = {
        "orders/__init__.py": "",
        "orders/app.py": "def lambda_handler(event, context): ...\ndef helper(event): ...",
    }
    fault = error("orders.app.lambda_hander", tree)
    assert str(fault) == (
        "The handler `orders.app.lambda_hander` would not work on Lambda: `orders.app` (orders/app.py) does not define "
        "`lambda_hander`.\n"
        "Did you mean `orders.app.lambda_handler`? It is set in `tool.hatch.build.targets.lambda.handler`."
    )


def test_handlers_are_recognized_by_name_and_parameters() -> None:
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


def test_dependencies_are_suggested_only_if_the_project_has_no_handler() -> None:
    library = bundle_files({"shop/handlers.py": GOOD, "zoo/handlers.py": GOOD}, owner="shop 2.0")
    for own, suggestions in ((GOOD, ("app.handler",)), ("", ("shop.handlers.handler",))):
        with pytest.raises(HandlerError) as raised:
            check_handler("shop.handler.handler", [*library, *bundle_files({"app.py": own})], TARGET, own=OWN)
        assert raised.value.suggestions == suggestions


def test_at_most_three_suggestions(tmp_path: Path) -> None:
    modules = {f"orders/app{number}.py": GOOD for number in range(9)}
    wheel = make_wheel(tmp_path, "orders", files={"orders/__init__.py": "", **modules})
    with pytest.raises(HandlerError) as raised:
        check_handler("orders.app.handler", lay_out(wheel, TARGET), TARGET, own="orders 1.0")
    assert len(raised.value.suggestions) == 3
    assert " or `orders.app" in str(raised.value)


# --- Speed ---


def test_only_the_modules_on_the_way_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bytes] = []

    def recorded(text: Generated) -> bytes:
        read.append(text.content)
        return text.content

    monkeypatch.setattr(Generated, "read", recorded)
    tree = {f"lib/m{number}.py": f"# {number}\n" for number in range(500)}
    tree |= {"orders/__init__.py": "import lib.m1\n", "orders/app.py": f"from lib.m2 import x\n{GOOD}"}
    assert note("orders.app.handler", tree) is None
    assert sorted(read) == sorted([tree["orders/__init__.py"].encode(), tree["orders/app.py"].encode()])


def test_circular_star_imports_end() -> None:
    stars = "".join(f"from m{number} import *\n" for number in range(12))
    tree = {f"m{number}.py": stars + f"x{number} = 1\n" for number in range(12)}
    assert "by `from m0 import *`" in str(note("m0.handler", tree))

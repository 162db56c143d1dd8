"""The setting `handler`: its verdicts compared with what Python and Lambda's runtime client do."""

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

from hatch_lambda.zip import writer
from hatch_lambda.zip.handler import HandlerError, check_handler
from tests.support.handlers import GOOD, OWN, RUNNING, TARGET, bundle_files, error, note
from tests.support.lambda_runtime import invoke, pythons_at_hand

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hatch_lambda.bundle.files import Bundle

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


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2, 3))])
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
    clients = tmp_path_factory.getbasetemp() / "runtime-clients"
    contents = {f"{handler.rpartition('.')[0]}.py": source for handler, source in CALLED.items() if source}
    contents |= {"missing.py": "x = 1\n"}
    files = bundle_files(contents)
    made = writer.write(tmp_path / "function.zip", files)
    for handler in CALLED:
        invocation = invoke(made.path, version=version, handler=handler, event={}, clients=clients)
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

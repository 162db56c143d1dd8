"""Files at the root of a zip that affect all code in the function, or none, because of their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_lambda.common.target import RUNTIME_MODULES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hatch_lambda.common.target import Target
    from hatch_lambda.wheels.members import BundleFile

_AT_START = frozenset({"sitecustomize", "usercustomize"})  # https://docs.python.org/3/library/site.html


def warnings(files: Iterable[BundleFile], target: Target, *, own: str) -> Iterator[str]:
    """`files`: by their paths on `sys.path`. `own`: the owner of the project's."""
    reserved = target.runtime.standard_library | RUNTIME_MODULES
    suffixes = (*target.extension_suffixes, ".py", ".pyc")
    twins, run_early = set(), set()
    for file in files:
        top, slash, rest = file.path.partition("/")
        if "/" in rest:
            continue
        stem = next((file.path.removesuffix(suffix) for suffix in suffixes if file.path.endswith(suffix)), "")
        module = stem.removesuffix("/__init__")
        shown = f"{top}{slash} ({'the project' if file.owner == own else file.owner})"
        if module in reserved:
            twins.add(shown)
        elif module in _AT_START or (not slash and top.endswith(".pth")):
            run_early.add(shown)
    if twins:
        yield (
            "these have names of modules of Python's standard library or Lambda's runtime, and one hides the other: "
            f"{', '.join(sorted(twins))}"
        )
    if run_early:
        yield f"these can run code before the function's module is imported: {', '.join(sorted(run_early))}"

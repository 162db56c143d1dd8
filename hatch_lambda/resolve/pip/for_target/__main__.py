"""Starts the program, with nothing of ours where pip and the standard library are looked for."""

from __future__ import annotations

import gc
import importlib.util
import os
import sys


def main() -> int:
    """Import the package by its place and run the program.

    Started by path, Python puts this file's folder first on `sys.path`, from where pip must not import our modules. And
    the folder that the package is in may have what takes the place of the standard library's (old backports, say).
    """
    folder = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or os.curdir) != folder]  # noqa: PTH100
    whole = os.path.abspath(os.path.join(folder, *[os.pardir] * 3))  # noqa: PTH100, PTH118 - hatch_lambda/resolve/pip/for_target
    spec = importlib.util.spec_from_file_location(
        "hatch_lambda",
        os.path.join(whole, "__init__.py"),  # noqa: PTH118
        submodule_search_locations=[whole],
    )
    assert spec is not None  # noqa: S101 - it is, for a file of Python's
    assert spec.loader is not None  # noqa: S101
    sys.modules[spec.name] = package = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(package)
    from hatch_lambda.resolve.pip.for_target import program

    return program.main()


if __name__ == "__main__":
    # Most of what pip makes lives as long as this process, and to look through it for garbage takes a tenth of its
    # time. So that is done seldom, and of what is there in the end not at all.
    gc.set_threshold(100_000)
    exit_code = main()
    if hasattr(gc, "freeze"):
        gc.freeze()
    sys.exit(exit_code)

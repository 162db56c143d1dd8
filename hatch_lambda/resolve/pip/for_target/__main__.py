"""Runs the program with nothing of ours on `sys.path`."""

from __future__ import annotations

import importlib.util
import os
import sys
from importlib import import_module


def main(request: str, folder_of_pip: str = "") -> int:
    """Import the package from its folder and run the program. `folder_of_pip`: for an interpreter without pip.

    When a file is run, Python puts its folder first on `sys.path`: pip must not import our modules from there. And the
    folder that contains the package may contain modules that shadow the standard library (old backports, say).
    """
    folder = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or os.curdir) != folder]  # noqa: PTH100
    whole = os.path.abspath(os.path.join(folder, *[os.pardir] * 3))  # noqa: PTH100, PTH118 - hatch_lambda/resolve/pip/for_target
    spec = importlib.util.spec_from_file_location(
        "hatch_lambda",
        os.path.join(whole, "__init__.py"),  # noqa: PTH118
        submodule_search_locations=[whole],
    )
    assert spec is not None  # noqa: S101 - a Python file has one
    assert spec.loader is not None  # noqa: S101
    sys.modules[spec.name] = package = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(package)
    if folder_of_pip:  # only pip is to come from there
        sys.path.insert(0, folder_of_pip)
        import_module("pip")
        del sys.path[0]
    from hatch_lambda.resolve.pip.for_target import EXIT_UNSUPPORTED_PIP

    try:
        from hatch_lambda.resolve.pip.for_target import program
    except ImportError as error:  # pip is another one than expected
        sys.stderr.write(f"{error}\n")
        return EXIT_UNSUPPORTED_PIP
    return program.main(request)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

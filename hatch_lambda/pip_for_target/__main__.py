"""How the program is started: by this file's path, with a pip that may be anywhere."""

from __future__ import annotations

import gc
import os
import sys


def main() -> int:
    """Import the program under the name that it has, and run it.

    Started by path, Python puts this file's folder first on `sys.path`; pip must not import our modules from there.
    """
    folder = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or os.curdir) != folder]  # noqa: PTH100
    sys.path.insert(0, os.path.dirname(os.path.dirname(folder)))  # noqa: PTH120
    from hatch_lambda.pip_for_target import program

    del sys.path[0]
    return program.main()


if __name__ == "__main__":
    # Most of what pip makes lives as long as this process, and to look through it for garbage takes a tenth of its
    # time. So that is done seldom, and of what is there in the end not at all.
    gc.set_threshold(100_000)
    exit_code = main()
    if hasattr(gc, "freeze"):
        gc.freeze()
    sys.exit(exit_code)

"""What Lambda's Python runtimes do before AWS's runtime client takes over: set up `sys.path` and read `.pth` files.

It is copied to the place of Lambda's `/var/runtime/bootstrap.py` and run by an interpreter of the runtime's version, so
it imports nothing of ours, and its directory is the first on `sys.path`, as in Lambda. Its arguments are the directory
that stands for `/opt` and, optionally, one for bytecode: there, nothing can be written next to the sources.
"""

import os
import site
import sys

# Before the function's files are on the path, as in Lambda: they cannot replace the client's modules.
from awslambdaric.__main__ import main  # type: ignore[import-untyped]


def _put_on_path(task_root: str, opt: str) -> None:
    """The function's files first, then the layers', then the runtime's (see "Working with layers for Python")."""
    version = "python{}.{}".format(*sys.version_info)
    layers = [f"{opt}/python/lib/{version}/site-packages", f"{opt}/python"]
    folders = [task_root] if "PYTHONPATH" in os.environ else [task_root, *layers]
    sys.path[:0] = folders
    for folder in folders:
        site.addsitedir(folder)
    os.environ.setdefault("PYTHONPATH", os.environ["LAMBDA_RUNTIME_DIR"])


if __name__ == "__main__":
    opt, *bytecode = sys.argv[1:]
    del sys.argv[1:]
    if bytecode:
        sys.pycache_prefix = bytecode[0]
    # The built-ins that `-S` leaves out together with this machine's packages.
    site.setquit()
    site.setcopyright()
    site.sethelper()
    _put_on_path(os.environ["LAMBDA_TASK_ROOT"], opt)
    main([os.environ["LAMBDA_TASK_ROOT"], os.environ["_HANDLER"]])

"""What Lambda's Python runtimes do before they hand over to AWS's runtime client: the search path, `.pth` files.

Copied to where `/var/runtime/bootstrap.py` is in Lambda and started by an interpreter of the runtime's version, so it
stands alone and its folder is the first on `sys.path`, as there. Its one argument is the folder that stands for `/opt`.
"""

import os
import site
import sys

# Before the function's own files are on the path, as in Lambda: they cannot replace what the client is made of.
from awslambdaric.__main__ import main  # type: ignore[import-untyped]


def _put_on_path(task_root: str, opt: str) -> None:
    """The function's files come first, then the layers, then the runtime's (see "Working with layers for Python")."""
    version = "python{}.{}".format(*sys.version_info)
    layers = [f"{opt}/python/lib/{version}/site-packages", f"{opt}/python"]
    folders = [task_root] if "PYTHONPATH" in os.environ else [task_root, *layers]
    sys.path[:0] = folders
    for folder in folders:
        site.addsitedir(folder)
    os.environ.setdefault("PYTHONPATH", os.environ["LAMBDA_RUNTIME_DIR"])


def _add_builtins() -> None:
    """What `site` does at the start of any Python: it was kept from it, as it would add this machine's packages."""
    site.setquit()
    site.setcopyright()
    site.sethelper()


if __name__ == "__main__":
    opt = sys.argv.pop()
    _add_builtins()
    _put_on_path(os.environ["LAMBDA_TASK_ROOT"], opt)
    main([os.environ["LAMBDA_TASK_ROOT"], os.environ["_HANDLER"]])

"""Which distributions need sources at run time: their own, or those of the functions that are passed to them.

As for `prune`, nothing is imported: the words of sources decide, and in doubt, the sources stay.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hatch_lambda.bundle.words import units
from hatch_lambda.wheels.members import OpenWheels

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hatch_lambda.bundle.words import Unit
    from hatch_lambda.wheels.members import BundleFile

# Distributions that read sources in ways that the rule below does not see. Each reason names the module.
WHOLE = {
    "ansible-core": "ansible/executor/module_common.py sends its modules to other hosts as sources",
    "numba": "numba/core/caching.py keys what it caches by the time of a source",
    "pip": "pip/_internal/build_env.py runs pip's own sources in other interpreters",
    "torch": "torch/_sources.py parses the sources of scripted functions, torch/_inductor/codecache.py hashes its own",
    "transformers": "transformers/utils/import_utils.py finds what its modules define in their sources",
    "virtualenv": "virtualenv/create/via_global_ref/_virtualenv.py is copied into environments",
}

# Modules for which the rule holds, and which work without sources nevertheless. pydantic takes descriptions of fields
# from sources only if it is asked to (pydantic/_internal/_docs_extraction.py). fastapi, loguru, rich, sentry-sdk and
# werkzeug show no lines in errors. aws-xray-sdk looks for `.pyc`, too. Others are tests, or build, document or develop.
_HARMLESS = re.compile(
    r"(?:.*/)?tests?/.*|aws_xray_sdk/core/patcher\.py|charset_normalizer/cli/.*|fastapi/routing\.py|flask/cli\.py"
    r"|django/(?:core/management/commands/.*|db/migrations/(?:questioner|writer)\.py|utils/autoreload\.py)|loguru/_better_exceptions\.py"
    r"|matplotlib/sphinxext/.*|numpy/(?:distutils|f2py)/.*|polars/_utils/deprecation\.py|pycparser/_ast_gen\.py"
    r"|pydantic/(?:config|dataclasses|_internal/_\w+)\.py|pygments/cmdline\.py|rich/(?:_inspect|traceback)\.py"
    r"|sentry_sdk/utils\.py|sklearn/(?:_build_utils/.*|utils/_testing\.py)|sqlalchemy/(?:testing/.*|util/langhelpers\.py)"
    r"|statsmodels/tsa/ardl/_pss_critical_values/.*|websockets/version\.py|werkzeug/(?:_reloader|debug/\w+)\.py"
)


def find_reader(modules: Iterable[BundleFile]) -> str:
    """The path of the first module that may read sources; empty if there is none."""
    with OpenWheels() as wheels:
        candidates = (file for file in modules if not _HARMLESS.fullmatch(file.path))
        return next((file.path for file in candidates if reads_sources(wheels.read(file.source))), "")


def reads_sources(content: bytes) -> bool:
    """Whether a source may read sources, at import or later, by standard functions, decorators or paths."""
    return bool(_SUSPICIOUS.search(content)) and (
        bool(_CUTS_SUFFIX.search(content)) or any(map(_unit_reads_sources, units(content)))
    )


# A quick check: most files can be skipped.
_SUSPICIOUS = re.compile(
    rb"getsource|findsource|getcomments|linecache|SourceFileLoader|run_path|typechecked|beartype_this_package"
    rb"|install_import_hook|use_attribute_docstrings|\bcache\s*=\s*True|\.py[\"']|__file__\s*\["
    rb"|\bjit\.(?:script|rawkernel)|triton\.jit|(?:cp|cupy)\.fuse|(?:ti|taichi|wp|warp)\.(?:func|kernel)"
    rb"|(?:tf|tensorflow)\.function"
)
# `__file__[:-3]`: without a source it ends with `.pyc`.
_CUTS_SUFFIX = re.compile(rb"__file__\s*\[\s*:\s*-\s*\d")
# Standard functions; typeguard's and jaxtyping's hooks and decorators, which rewrite sources; pydantic's setting.
_READERS = frozenset(
    {
        *("getsource", "getsourcelines", "findsource", "getcomments", "SourceFileLoader", "run_path"),
        *("typechecked", "install_import_hook", "beartype_this_package", "use_attribute_docstrings"),
    }
)
# Decorators that compile a function from its source: torch, triton, cupy, taichi, warp, tensorflow.
_COMPILES_SOURCE = re.compile(
    r"(?:^|\.)(?:jit\.(?:script\w*|rawkernel)|triton\.jit|(?:cp|cupy)\.fuse|(?:ti|taichi|wp|warp)\.(?:func|kernel)"
    r"|(?:tf|tensorflow)\.function)$"
)
_NUMBA_DECORATORS = frozenset({"guvectorize", "jit", "njit", "vectorize"})
_OPENS_FILES = frozenset(
    {
        *("__file__", "__path__", "exec", "exists", "files", "get_data", "getfile", "glob", "iglob", "is_file"),
        *("isfile", "iterdir", "listdir", "open", "read_bytes", "read_text", "resource_filename", "resource_stream"),
        *("resource_string", "rglob", "scandir", "spec_from_file_location", "walk"),
    }
)


def _unit_reads_sources(unit: Unit) -> bool:
    names = unit.identifiers
    if names & _READERS or ("linecache" in names and names & {"getline", "getlines"}):
        return True
    if "cache" in names and names & _NUMBA_DECORATORS:  # numba/core/caching.py needs the time of the source
        return True
    if any(_COMPILES_SOURCE.search(".".join(chain)) for chain in unit.chains):
        return True
    return any(literal.text.endswith(".py") and (literal.in_path or names & _OPENS_FILES) for literal in unit.literals)

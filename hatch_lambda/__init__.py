"""Hatch plugin: `hatch build -t lambda` makes a zip that runs on AWS Lambda.

The way of the data, by file:

- `hooks` registers the two plugins; `build_hook` and `builder` translate between Hatch and what is below, which knows
  nothing of Hatch; `project` has Hatch make the project's own wheel; `dependency_builder` serves Python callers;
- `settings` is what the user wrote (`checks` looks at the values), `target` where the zip will run;
  `project_dependencies` and `local_sources` are what the project requires; `job` is all of it together;
- `pipeline` is the program: nine stages (`stages`), each taking and returning the values of `distributions`;
  `lock_file` and `lock_coverage` stand in for the first where a project is locked, `provided` leaves out what the
  runtime has; `fingerprint`, `resolution`, `store` (with `hashing`) and `shelf` let a build reuse what an earlier one
  found;
- the stages stand on `pip_process` (which starts pip, for the target by way of `pip_for_target`), `pip_listener` (what
  pip says meanwhile), `ahead` (what is done meanwhile), `toolchains` and `interpreters` for builds, `verdicts` and
  `inspection` for trust: the latter has a wheel checked (`wheel_check`), unpacked and scanned for machine code
  (`magic`, `machine_code`) in one go, for `audit` to judge;
- `assembly` makes a bundle of wheels: `layout` says where their files belong, `bundle` unites them, `prune` takes
  away what no one needs, `bytecode` adds what is compiled; all of them read by way of `wheel_reader`;
- `composition` says what goes into the zip of each version, `handler`, `limits` and `sensitive_files` look at it,
  `archive` writes it, `summary` tells of it;
- `process` starts programs, `litter` tidies up, `ui`, `live` (what a stage is at), `hatch_ui` and `errors` are what
  users and callers get to see, less the `credentials` in it.

And for zips that are there, whoever made them, the command `hatch-lambda` (`cli`):

- `contents` reads one; in it, `ownership` says which file is whose, `survey` where the space goes, `fitness` where it
  runs, `comparison` what changed; `report` is the page about it, `sbom` its bill of materials;
- `invocation` runs one here; in it, `task_root` unpacks, `runtime_python` finds interpreter and client,
  `start_as_lambda` and `run_in_lambda` become the runtime, which `runtime_process` watches and `runtime_api` talks to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hatch_lambda.api import PythonPipDependencyBuilder
    from hatch_lambda.common.errors import LambdaBuildError
    from hatch_lambda.common.ui import UI
    from hatch_lambda.resolve.closure import MissingDependencyError

__all__ = ["UI", "LambdaBuildError", "MissingDependencyError", "PythonPipDependencyBuilder"]

_HOMES = {
    "LambdaBuildError": "common.errors",
    "MissingDependencyError": "resolve.closure",
    "PythonPipDependencyBuilder": "api",
    "UI": "common.ui",
}


def __getattr__(name: str) -> object:
    """Import the public names when they are asked for: Hatch imports this package for every target of a project."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

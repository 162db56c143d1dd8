"""Stage 4: build sources with the compilers that can make code for the target: this machine's, or a cross compiler."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from hatch_lambda.resolve.build import build
from hatch_lambda.resolve.cross.toolchain import CrossCompiler
from hatch_lambda.resolve.cross.zig import host_may_serve, installed_zig
from hatch_lambda.resolve.toolchains import HostCompilers
from hatch_lambda.wheels.compatibility import Verdict
from hatch_lambda.wheels.loadable import find_faults
from hatch_lambda.wheels.scan import scan_unchecked

if TYPE_CHECKING:
    from hatch_lambda.common.target import Target
    from hatch_lambda.resolve.closure import Closure, Distribution, Wheel
    from hatch_lambda.resolve.job import Job
    from hatch_lambda.wheels.store import Store


def compile_sources(closure: Closure, job: Job, store: Store) -> Closure:
    """As `build`. Where this machine's compilers may do, they come first: they are faster, and have its libraries.

    The cross compiler then builds what they could not, also what needs a newer glibc than the runtime has.
    """
    if not any(found.source for found in closure.unmet):
        return closure
    zig = installed_zig() if job.settings.cross else None
    if zig is None:
        return build(closure, job, HostCompilers(), store)
    cross = CrossCompiler.of(job.target, zig, job.interpreter, store.compiler(zig.version))
    if host_may_serve(job.target, job.interpreter.python):
        closure = build(closure, job, HostCompilers(), store)
        closure = closure.each(lambda found: _refusing_what_cannot_load(found, job.target))
    return build(closure, job, cross, store)


def _refusing_what_cannot_load(found: Distribution, target: Target) -> Distribution:
    """The audit would stop at symbols that the runtime's glibc or libstdc++ does not have."""

    def judged(wheel: Wheel) -> Wheel:
        scan = scan_unchecked(found.name, str(found.version), wheel.path)
        faults = find_faults([scan], target, trusted=frozenset({found.name}))
        if not wheel.verdict.compatible or not faults:
            return wheel
        reason = f"its {faults[0].path} needs {faults[0].needs}, and {faults[0].runtime_has}"
        return dataclasses.replace(wheel, verdict=Verdict(compatible=False, reason=reason))

    if not found.wheel or found.wheel.url or not found.source:
        return found
    return dataclasses.replace(found, wheels=tuple(map(judged, found.wheels)))

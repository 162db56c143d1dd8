"""The directories and environment variables in which Lambda runs a function, rebuilt on this machine."""

from __future__ import annotations

import contextlib
import glob
import shutil
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from hatch_lambda.common import tempfiles
from hatch_lambda.common.ui import SilentUI
from hatch_lambda.invoke import runtime_python, task_root
from hatch_lambda.invoke.runtime_api import RuntimeApi
from hatch_lambda.invoke.runtime_process import Log, pipe, started
from hatch_lambda.invoke.supervisor import Supervisor
from hatch_lambda.wheels import store
from hatch_lambda.wheels.machine_code import scan_directory
from hatch_lambda.wheels.signatures import SIGNATURE_LENGTH, begins_as_machine_code

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from hatch_lambda.common.ui import UI
    from hatch_lambda.invoke.invocation import Invocation, Result
    from hatch_lambda.invoke.runtime_python import RuntimePython
    from hatch_lambda.invoke.task_root import Unpacked

SCRATCH = "hatch-lambda-invoke-"
"""Prefix of the temporary directory that stands for a function's file system."""


def invoke(invocation: Invocation, *, on_log: Callable[[str], None] | None = None, ui: UI | None = None) -> Result:
    """Run a function on its event.

    `on_log` gets the function's log line by line, including Lambda's own lines. Raises `LambdaBuildError` if the
    function cannot be run on this machine.
    """
    with prepare(invocation, ui) as environment:
        return environment.invoke(on_log)


@contextlib.contextmanager
def prepare(
    invocation: Invocation,
    ui: UI | None = None,
    *,
    former: ExecutionEnvironment | None = None,
    bytecode: Path | None = None,
) -> Iterator[ExecutionEnvironment]:
    """Set up an environment for any number of cold starts; it is removed at the end of the `with` block.

    `former`: of the same function with other code; what is equal is taken from it. `bytecode`: a directory that saves
    cold starts from compiling modules again. Raises `LambdaBuildError`.
    """
    runtime_python.require_linux()
    invocation.check()
    sources = (invocation.code, *invocation.layers)
    wanted = invocation.runtime, invocation.python
    if former and invocation.runtime and wanted == (former.invocation.runtime, former.invocation.python):
        python = former.python
    else:
        python = runtime_python.runtime_python(sources, *wanted)
    tempfiles.sweep(Path(tempfile.gettempdir()), SCRATCH)
    base = Path(tempfile.mkdtemp(prefix=tempfiles.marked(SCRATCH))).resolve()
    try:
        unpacked: dict[str, Unpacked] = {}
        for name, zips in (("task", sources[:1]), ("opt", invocation.layers)):
            known = former.unpacked[name] if former else None
            now = unpacked[name] = task_root.unpack(zips, base / name, known)
            if zips and (not known or not now.entries or not now.changed.isdisjoint(_native(now))):
                names = " or ".join(source.name for source in zips)
                runtime_python.check_machine(scan_directory(now.folder), names, python)
            task_root.protect(now.folder, now.modes)
        if bytecode:
            _keep_bytecode(bytecode, invocation.function_name, unpacked)
        runtime = base / "runtime"
        runtime.mkdir()
        for path in runtime_python.client_files(python, store.user_store(base).runtime_clients, ui or SilentUI()):
            runtime.joinpath(path.name).symlink_to(path)
        # A copy, not a link: the interpreter takes the directory of a link's target for `sys.path[0]`.
        shutil.copyfile(Path(__file__).with_name("run_in_lambda.py"), runtime / "bootstrap.py")
        yield ExecutionEnvironment(invocation, python, base, unpacked, bytecode)
    finally:
        tempfiles.remove(base)


def _native(unpacked: Unpacked) -> Iterator[str]:
    """The files that have changed and may be machine code."""
    for name in unpacked.changed:
        with unpacked.folder.joinpath(name).open("rb") as file:
            if begins_as_machine_code(file.read(SIGNATURE_LENGTH)):
                yield name


def _keep_bytecode(prefix: Path, function: str, unpacked: Mapping[str, Unpacked]) -> None:
    """Have what Python takes for the bytecode of a directory be that of the function's former one.

    What changes within a second may have the same time and size, so its bytecode is removed.
    """
    for name, now in unpacked.items():
        common = prefix / "of" / function / name
        if not now.entries:
            tempfiles.remove(common)
        for path in now.changed:
            for former in common.joinpath(path).parent.glob(f"{glob.escape(PurePosixPath(path).stem)}.*.pyc"):
                former.unlink(missing_ok=True)
        common.mkdir(parents=True, exist_ok=True)
        link = prefix / now.folder.relative_to(now.folder.anchor)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(common)


@dataclass(frozen=True)
class ExecutionEnvironment:
    """A function ready to be invoked, each time by a cold start: a new process and an empty `/tmp`.

    `base` holds a directory for each that Lambda has at a fixed path: `task` for `/var/task`, `runtime` for
    `/var/runtime`, `opt` and `tmp`. `unpacked`: the first and `opt`. `bytecode`: Python's prefix for it.
    """

    invocation: Invocation
    python: RuntimePython
    base: Path
    unpacked: Mapping[str, Unpacked]
    bytecode: Path | None = None

    @property
    def task_root(self) -> Path:
        return self.base / "task"

    def invoke(self, on_log: Callable[[str], None] | None = None) -> Result:
        """Run the function on its event. `on_log` gets its log line by line, including Lambda's own lines."""
        temporary = self.base / "tmp"
        event, timeout, arn = self.invocation.event, self.invocation.timeout, self.invocation.arn

        def start(request_id: str | None = None, invoked_at: float | None = None) -> Result:
            api = RuntimeApi(event, arn, timeout, request_id=request_id, invoked_at=invoked_at)
            with self.runtime(api, temporary, on_log) as supervisor:
                return supervisor.result()

        tempfiles.remove(temporary)
        temporary.mkdir()
        result = start()
        return start(result.request_id, time.monotonic()) if result.has_init_timed_out else result

    @contextlib.contextmanager
    def runtime(self, api: RuntimeApi, temporary: Path, on_log: Callable[[str], None] | None) -> Iterator[Supervisor]:
        """A process of the runtime, which ends with the `with` block. `temporary`: the directory for `TMPDIR`."""
        # Without the packages of this machine (-S) and of its user (-s). Python's own variables apply, as in Lambda:
        # the environment has only those that are set for the function.
        command = [str(self.python.path), "-s", "-S", str(self.base / "runtime/bootstrap.py"), str(self.base / "opt")]
        if self.bytecode and not any(
            "__pycache__/" in name for each in self.unpacked.values() for name in each.entries
        ):
            command.append(str(self.bytecode))
        with api, pipe() as (log, log_end), pipe() as (clock, clock_end):
            variables = self._variables(api.address, temporary)
            with started(command, variables, self.task_root, log=log_end, clock=clock_end) as process:
                lines = Log(log, on_log or (lambda _line: None))
                yield Supervisor(self.invocation, api, process, lines, clock)

    def _variables(self, api: str, temporary: Path) -> dict[str, str]:
        """https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime"""
        name, region = self.invocation.function_name, self.invocation.region
        runtime, opt = self.base / "runtime", self.base / "opt"
        libraries = [runtime, runtime / "lib", self.task_root, self.task_root / "lib", opt / "lib"]
        if self.python.prefix != Path("/usr"):
            libraries.insert(0, self.python.prefix / "lib")  # Lambda's /var/lang/lib: an interpreter may need libpython
        return {
            "AWS_DEFAULT_REGION": region,
            # Lambda has no such service; that of an EC2 machine would hand out the machine's credentials.
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{self.python.runtime}",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self.invocation.memory),
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": f"{time.strftime('%Y/%m/%d', time.gmtime())}/[$LATEST]{uuid.uuid4().hex}",
            "AWS_LAMBDA_RUNTIME_API": api,
            "AWS_REGION": region,
            "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
            "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
            # Does not exist, as in Lambda. The user's own may hold AWS credentials.
            "HOME": str(self.base / "home"),
            "LAMBDA_RUNTIME_DIR": str(runtime),
            "LAMBDA_TASK_ROOT": str(self.task_root),
            "LANG": "en_US.UTF-8",
            "LD_LIBRARY_PATH": ":".join(map(str, libraries)),
            "PATH": f"{self.python.path.parent}:/usr/local/bin:/usr/bin:/bin:{opt / 'bin'}",
            "TMPDIR": str(temporary),
            "TZ": ":UTC",
            "_HANDLER": self.invocation.handler,
            **self.invocation.environment,
        }

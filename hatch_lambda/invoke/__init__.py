"""Run a Lambda function locally: AWS's runtime client on one side, a Runtime API on the other. Requires Linux.

`invocation`: what is asked for and what comes of it. `execution_environment`: the directories and variables of a
function, filled by `task_root` and `runtime_python`. `supervisor`: a runtime (`runtime_process`), which is the child
of `start_as_lambda`, executes `run_in_lambda` and talks to `runtime_api`.
"""

from hatch_lambda.invoke.execution_environment import ExecutionEnvironment, invoke, prepare
from hatch_lambda.invoke.invocation import FunctionError, Invocation, InvocationError, Result

__all__ = ["ExecutionEnvironment", "FunctionError", "Invocation", "InvocationError", "Result", "invoke", "prepare"]

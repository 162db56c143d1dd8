"""The way into what needs the extra `aws`."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from hatch_lambda.deploy.errors import DeployError

if TYPE_CHECKING:
    from hatch_lambda.deploy.plan import Display, Plan
    from hatch_lambda.deploy.settings import DeploySettings


def deploy(plan: Plan, settings: DeploySettings, display: Display, *, dry_run: bool = False) -> None:
    """Carry a plan out, or say what it would do. Raises `DeployError`."""
    if find_spec("boto3") is None:
        raise DeployError(
            "Deploying requires boto3, which is not installed.\n"
            "What you can do: `pip install 'hatch-lambda[aws]'`; for `hatch publish`, install it where Hatch is: "
            "`pipx inject hatch 'hatch-lambda[aws]'`."
        )
    from hatch_lambda.deploy.run import deploy as carry_out

    carry_out(plan, settings, display, dry_run=dry_run)

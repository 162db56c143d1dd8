"""Waiting for updates of a function, with a bound; needs the extra `aws`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError

from hatch_lambda.deploy.errors import DeployError
from hatch_lambda.deploy.failures import code_of, explained
from hatch_lambda.deploy.settings import TABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hatch_lambda.deploy.clients import Clients

Result = TypeVar("Result")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 4.0  # seconds


class Patience:
    """For one function. `seconds`: how long each wait may take."""

    def __init__(self, clients: Clients, function: str, seconds: int, progress: Callable[[str], None]) -> None:
        self._clients = clients
        self._function = function
        self._seconds = seconds
        self._progress = progress

    def settled(self, found: Mapping[str, Any], *, version: str | None = None) -> Mapping[str, Any]:
        """The configuration when no update or creation of the function is in progress. Raises `DeployError`."""
        deadline, pause = time.monotonic() + self._seconds, 0.0
        while "InProgress" in (found.get("LastUpdateStatus"), "InProgress" if found.get("State") == "Pending" else ""):
            if not pause:
                self._progress(f"Waiting for the update of {self._function} that is in progress")
            pause = self._pause(pause, deadline, found.get("LastUpdateStatusReason") or found.get("StateReason"))
            found = self._configuration(version)
        return found

    def persistently(self, action: str, request: Callable[[], Result]) -> Result:
        """The result of a request, made again while an update by somebody else is in progress. Raises `DeployError`."""
        deadline, pause = time.monotonic() + self._seconds, 0.0
        while True:
            try:
                with explained(action, f"the function {self._function}"):
                    return _raising_conflicts(request)
            except _ConflictError as conflict:
                if not pause:
                    self._progress(f"Waiting for another update of {self._function} to end")
                pause = self._pause(pause, deadline, str(conflict))

    def _pause(self, former: float, deadline: float, reason: str | None) -> float:
        """Sleep, longer each time. Raises `DeployError` at the end of all patience."""
        pause = min(former * 2 or _FIRST_PAUSE, _LONGEST_PAUSE)
        left = deadline - time.monotonic()
        if left <= 0:
            because = f" ({reason})" if reason else ""
            raise DeployError(
                f"An update of the function {self._function} is still in progress after {self._seconds} "
                f"seconds{because}.\n"
                f"What you can do: deploy again later; wait longer (`{TABLE}.wait`, in seconds); "
                f"`aws lambda get-function-configuration --function-name {self._function}` shows its state."
            )
        time.sleep(min(pause, left))
        return pause

    def _configuration(self, version: str | None) -> Mapping[str, Any]:
        with explained("lambda:GetFunctionConfiguration", f"the function {self._function}"):
            qualifier = {"Qualifier": version} if version else {}
            found: Mapping[str, Any] = self._clients.functions.get_function_configuration(
                FunctionName=self._function, **qualifier
            )
            return found


class _ConflictError(Exception):
    """An update is in progress."""


def _raising_conflicts(request: Callable[[], Result]) -> Result:
    try:
        return request()
    except ClientError as error:
        if code_of(error) != "ResourceConflictException":
            raise
        raise _ConflictError(error.response["Error"].get("Message", "")) from None

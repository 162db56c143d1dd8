"""In CI, a test that is skipped because the machine lacks something fails."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

CI = bool(os.environ.get("CI"))
"""Read on import, before a fixture hides it."""

# Where installing something would not help.
ALLOWED_IN_CI = re.compile(
    r"no CPython 3\.\d+ .*: (no apt-get and dpkg-deb|no mirror of Debian|there is none of Debian|no qemu-user for)"
    r"|that numpy has no wheel for this Python"
    r"|layouts are for Lambda's versions of Python"
    r"|cannot parse the newer syntax itself"
    r"|every syntax of the runtimes can be parsed"
    r"|this user may look into everything"
    r"|no runtime has the running version"
    r"|is in an environment of its own"
)


def is_demanded(reason: str) -> bool:
    return CI and not ALLOWED_IN_CI.search(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and isinstance(report.longrepr, tuple):
        path, line, reason = report.longrepr
        if is_demanded(str(reason)):
            report.outcome = "failed"
            report.longrepr = f"{path}:{line}: CI has to provide what other machines may lack. {reason}"
    return report

"""The process that runs the function, and its end."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from hatch_lambda.invoke.runtime_process import kill

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="`hatch-lambda invoke` requires Linux")


@pytest.mark.parametrize("is_interrupted", [True, False])
@pytest.mark.parametrize("code", ["import time; time.sleep(60)", ""])
def test_it_is_killed_also_if_a_signal_came_while_it_was_polled(code: str, *, is_interrupted: bool) -> None:
    process = subprocess.Popen([sys.executable, "-S", "-c", code])
    if is_interrupted:
        # What is left when a signal's handler raises between two instructions of `Popen.poll`.
        process._waitpid_lock.acquire()  # type: ignore[attr-defined]
    killing = threading.Thread(target=kill, args=(process,), daemon=True)
    killing.start()
    killing.join(timeout=30)
    assert not killing.is_alive()
    assert process.returncode is not None

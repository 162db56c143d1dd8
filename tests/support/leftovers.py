"""Processes that should have ended."""

from __future__ import annotations

import os
import time

import psutil


def has_ended(pid: int, within: float = 10) -> bool:
    """Zombies have; whoever inherits an orphan reaps it sometime."""
    over = time.monotonic() + within
    while is_alive(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > over:
            return False
        time.sleep(0.01)
    return True


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True

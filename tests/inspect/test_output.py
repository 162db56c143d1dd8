"""Where reports and SBOMs go."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.inspect import output

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes here")
def test_a_pipe_stays_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()

    output.write(pipe, b"content")

    reader.join()
    assert read == [b"content"]
    assert pipe.is_fifo()

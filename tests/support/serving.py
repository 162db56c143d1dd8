"""`hatch-lambda serve` as a process, and what asks it."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

PATIENCE = 60
"""Seconds that a busy machine may take."""


class Reply(NamedTuple):
    """`headers`: with names in lower case, each as often as sent."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return dict(self.headers).get(name)


class Serving:
    """A running `hatch-lambda serve`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.lines.extend(iter(self.process.stderr.readline, ""))

    @property
    def log(self) -> str:
        return "".join(self.lines)

    def said(self, pattern: str, *, since: int = 0) -> re.Match[str]:
        """Wait for text in the log. `since`: the number of lines before it."""
        end = time.monotonic() + PATIENCE
        while not (found := re.search(pattern, "".join(self.lines[since:]))):
            assert time.monotonic() < end, f"{pattern!r} is not in:\n{self.log}"
            assert self.process.poll() is None or self._reader.is_alive(), f"it has ended:\n{self.log}"
            time.sleep(0.01)
        return found

    @property
    def port(self) -> int:
        return int(self.said(r"--endpoint-url http://[^ ]*:(\d+) ")[1])

    def request(
        self,
        method: str = "GET",
        target: str = "/",
        body: bytes | Any = None,
        headers: dict[str, str] | None = None,
        *,
        host: str | None = None,
        chunked: bool = False,
    ) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            named = {"Host": host} if host else {}
            connection.request(method, target, body, {**named, **(headers or {})}, encode_chunked=chunked)
            response = connection.getresponse()
            return Reply(response.status, [(k.lower(), v) for k, v in response.getheaders()], response.read())
        finally:
            connection.close()

    def client(self, **config: Any) -> Any:
        """boto3's client for Lambda."""
        return boto3.client(
            "lambda",
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name="us-east-1",
            aws_access_key_id="none",
            aws_secret_access_key="none",
            config=Config(retries={"total_max_attempts": 1}, read_timeout=PATIENCE, **config),
        )

    def stop(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return code


@contextmanager
def serving(
    *arguments: str | Path,
    directory: Path,
    scratch: Path,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Serving]:
    """Run the command until it serves. `scratch`: for its caches and temporary files."""
    temporary = scratch / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("HATCH_", "AWS_"))},
        "HATCH_LAMBDA_CACHE_DIR": str(scratch / "cache"),
        "HATCH_LAMBDA_PYTHON": sys.executable,
        "TMPDIR": str(temporary),
        **variables,
    }
    with subprocess.Popen(
        [sys.executable, "-m", "hatch_lambda", "serve", *map(str, arguments), "--port", "0"],
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that runs tests in the background has it ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,  # noqa: PLW1509
    ) as process:
        served = Serving(process)
        try:
            served.said("--endpoint-url")
            yield served
        finally:
            if process.poll() is None:
                served.stop()
            served._reader.join(PATIENCE)

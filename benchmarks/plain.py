"""A plain configuration for what is compared: one index, and nothing else of this machine's configuration."""

from __future__ import annotations

import ast
import functools
import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_REACHES_THE_INDEX = ("index-url", "cert", "client-cert", "proxy", "trusted-host", "timeout", "default-timeout")


@functools.cache
def configured() -> Mapping[str, str]:
    """Return how pip reaches the index on this machine: its options, those of the environment before those of files."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    # `global.cert='…'`, `:env:.cert='…'`
    pairs = [line.partition("=") for line in sorted(lines, key=lambda line: line.startswith(":env:"))]
    options = {key.rpartition(".")[2]: str(ast.literal_eval(value)) for key, _, value in pairs}
    found = {option: options[option] for option in _REACHES_THE_INDEX if option in options}
    return {"index-url": "https://pypi.org/simple", **found}


def plain_environment(index_url: str | None = None) -> dict[str, str]:
    """Return variables for a process that uses one index and nothing else of this machine's configuration.

    pip's files and environment may name further indexes, find-links and constraints, and uv's likewise: all such is
    left out, but for what it takes to reach the index: a mirror's URL, certificates, a proxy and timeouts, by `pip
    config list`. `index_url`: another index than that, on this machine.
    """
    unwanted = ("PIP_", "UV_", "HATCH_LAMBDA_", "PYTHON")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    options = dict(configured())
    if index_url:
        options = {name: value for name, value in options.items() if "timeout" in name}
        options["index-url"] = index_url
        environment = {name: value for name, value in environment.items() if not name.lower().endswith("_proxy")}
    if timeout := options.get("timeout") or options.get("default-timeout"):
        environment["UV_HTTP_TIMEOUT"] = timeout
    if cert := options.get("cert"):
        environment["SSL_CERT_FILE"] = cert
    environment |= {f"PIP_{name.upper().replace('-', '_')}": value for name, value in options.items()}
    environment |= {"PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    return {**environment, "UV_NO_CONFIG": "1", "UV_DEFAULT_INDEX": options["index-url"]}

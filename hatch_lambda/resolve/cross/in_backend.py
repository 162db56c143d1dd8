"""Makes a build backend see the target: what asks this Python about its platform gets the target's answers.

A plain file that is copied into the environment that pip builds with, and started there by a `.pth`; it runs on any
Python from 3.8 on. `begin` acts in build backends alone (pyproject_hooks sets the variables below), so that pip itself
installs build requirements for this machine; and only in the backend of the distribution that is cross-compiled, not
in those of build requirements that are sdists themselves.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import sysconfig
from pathlib import Path
from types import SimpleNamespace
from typing import Any

BACKENDS = ("_PYPROJECT_HOOKS_BUILD_BACKEND", "PEP517_BUILD_BACKEND")
DECIDED = "HATCH_LAMBDA_CROSS"
"""`1` or `0`: inherited by what a backend starts, which has another working directory."""
SOURCES = "HATCH_LAMBDA_CROSS_SOURCES"
"""Where the backend runs, for the compiler."""


def begin() -> None:
    backend = next((os.environ[name] for name in BACKENDS if name in os.environ), None)
    if backend is None or sysconfig.get_platform.__module__ == __name__:  # pip has a `.pth` read more than once
        return
    facts = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
    if DECIDED not in os.environ:
        os.environ[DECIDED] = "1" if is_about(facts["name"]) else "0"
        if os.environ[DECIDED] == "1":
            set_variables(facts, backend)
    if os.environ[DECIDED] == "1":
        act(facts, [])


def is_about(name: str) -> bool:
    """Whether the project in the working directory is the one to cross-compile, or does not say (PEP 643)."""
    try:
        lines = Path("PKG-INFO").read_text(encoding="utf-8", errors="replace").splitlines()
        own = next(line[5:].strip() for line in lines if line.lower().startswith("name:"))
    except (OSError, StopIteration):
        return True
    return own.lower().replace("_", "-").replace(".", "-") == name


def set_variables(facts: dict[str, Any], backend: str) -> None:
    os.environ[SOURCES] = str(Path.cwd())
    # Meson takes the target's compilers from its cross file, those of the environment for this machine.
    is_meson = "mesonpy" in backend
    for name, value in facts["environment"].items():
        if not (is_meson and name in facts["not_for_meson"]):
            os.environ[name] = value
    for name in facts["unset"]:
        os.environ.pop(name, None)
    if not is_meson:
        os.environ["PATH"] = facts["tools"] + os.pathsep + os.environ.get("PATH", os.defpath)


def act(facts: dict[str, Any], former: list[tuple[object, str, object]]) -> None:
    """Override what `sysconfig`, `platform` and `os` say about the platform. `former`: receives what they said."""

    def override(owner: object, **new: object) -> None:
        for name, value in new.items():
            former.append((owner, name, getattr(owner, name, None)))
            setattr(owner, name, value)

    values, include, machine = facts["variables"], facts["include"], facts["machine"]
    real_variables, real_path, real_paths = sysconfig.get_config_vars, sysconfig.get_path, sysconfig.get_paths
    # All at once: this Python's own data are loaded by names that are overridden below.
    variables = {**real_variables(), **values}

    def get_config_vars(*names: str) -> Any:
        return [variables.get(name) for name in names] if names else variables

    def get_path(name: str, *arguments: Any, **options: Any) -> str:
        return include if name in ("include", "platinclude") else real_path(name, *arguments, **options)

    def get_paths(*arguments: Any, **options: Any) -> dict[str, str]:
        return {**real_paths(*arguments, **options), "include": include, "platinclude": include}

    override(
        sysconfig,
        get_config_vars=get_config_vars,
        get_config_var=variables.get,
        get_platform=lambda: facts["environment"]["_PYTHON_HOST_PLATFORM"],
        get_python_version=lambda: values["py_version_short"],
        get_path=get_path,
        get_paths=get_paths,
        get_config_h_filename=lambda: include + "/pyconfig.h",
    )
    if sys.platform != "win32":
        uname, real_confstr = os.uname_result(("Linux", *os.uname()[1:4], machine)), os.confstr
        glibc = "glibc " + facts["glibc"]
        override(
            os,
            uname=lambda: uname,
            confstr=lambda name: glibc if name == "CS_GNU_LIBC_VERSION" else real_confstr(name),
        )
    override(
        platform,
        machine=lambda: machine,
        processor=lambda: machine,
        system=lambda: "Linux",
        libc_ver=lambda *_arguments, **_options: ("glibc", facts["glibc"]),
        _uname_cache=None,
    )
    override(sys.implementation, _multiarch=values["MULTIARCH"])
    override(sys, platform="linux")
    if sys.version_info[:2] != tuple(facts["python"]):
        override(sys, meta_path=[Tags(facts["python"]), *sys.meta_path])


class Tags:
    """Finds `packaging.tags`, wherever it is vendored, and has it take the target's Python for the running one."""

    def __init__(self, python: list[int]) -> None:
        self.sys = SimpleNamespace(**{**vars(sys), "version_info": (*python, 0, "final", 0)})

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if not name.endswith("packaging.tags"):
            return None
        others = (finder for finder in sys.meta_path if not isinstance(finder, Tags))
        spec: Any = next((found for finder in others if (found := finder.find_spec(name, path, target))), None)
        if spec and spec.loader:
            execute = spec.loader.exec_module

            def exec_module(module: Any) -> None:
                execute(module)
                module.sys = self.sys

            spec.loader.exec_module = exec_module
        return spec

"""CPythons of Debian's packages, for both architectures, unpacked below the user's cache directory.

    python -m tests.support.debian_python 3.13 arm64    # prints the path of an interpreter

apt fetches and verifies the packages, from the mirror that this machine is configured for; nothing is installed.
`usr/bin/python3.X` in the unpacked directory is a script that starts the interpreter with its own C library, and that
of another architecture under qemu-user. It serves like any interpreter, and has its headers.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock
from platformdirs import user_cache_path

SUITES = {"3.11": "bookworm", "3.13": "trixie", "3.14": "sid", "3.15": "sid"}
"""The suites of Debian by the Pythons that they have."""

_CACHE = user_cache_path("hatch-lambda-tests", appauthor=False) / "debian"
_FORMAT = 3  # increase it when the same packages become other directories
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


class _Architecture(NamedTuple):
    debian: str
    machine: str
    loader: str


_ARCHITECTURES = {
    "x86_64": _Architecture("amd64", "x86_64", "lib64/ld-linux-x86-64.so.2"),
    "arm64": _Architecture("arm64", "aarch64", "lib/ld-linux-aarch64.so.1"),
}

_NATIVE = """#!/bin/sh
exec "{root}/{loader}" --argv0 "$0" \\
  --library-path "${{LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}}{root}/usr/lib/{machine}-linux-gnu" "{program}" "$@"
"""
# The emulator looks below `root` first for all that the program opens.
_EMULATED = """#!/bin/sh
exec "{emulator}" -L "{root}" -0 "$0" "{program}" "$@"
"""


class UnavailableError(Exception):
    """Why this machine cannot have it."""


def interpreter(version: str, architecture: str) -> Path:
    """The path of an interpreter, as of `3.13` for `arm64`; fetched if it is not there. Raises `UnavailableError`."""
    wanted = _ARCHITECTURES[architecture]
    if version not in SUITES or sys.platform != "linux":
        raise UnavailableError(f"there is none of Debian for {sys.platform}")
    # Lambda's runtimes have libstdc++, too.
    programs, headers = [f"python{version}", "libstdc++6"], [f"libpython{version}-dev"]
    root = _unpacked(f"python{version}", SUITES[version], wanted, programs, headers)
    return root / f"usr/bin/python{version}"


def emulator(machine: str) -> Path:
    """The path of qemu-user for a machine (`aarch64`), statically linked. Raises `UnavailableError`."""
    for name in (f"qemu-{machine}-static", f"qemu-{machine}"):
        if found := shutil.which(name):
            return Path(found)
    here = next((each for each in _ARCHITECTURES.values() if each.machine == platform.machine()), None)
    if here is None:
        raise UnavailableError(f"no qemu-user for {platform.machine()}")
    return _unpacked("qemu-user", "trixie", here, [], ["qemu-user"]) / f"usr/bin/qemu-{machine}"


def _unpacked(name: str, suite: str, architecture: _Architecture, whole: list[str], lone: list[str]) -> Path:
    """The directory into which packages are unpacked: `whole` ones with all that they depend on."""
    root = _CACHE / f"{name}-{architecture.debian}-{_FORMAT}"
    if root.is_dir():
        return root
    _CACHE.mkdir(parents=True, exist_ok=True)
    with FileLock(_CACHE / f"{root.name}.lock"):
        if root.is_dir():  # another process was faster
            return root
        with tempfile.TemporaryDirectory(dir=_CACHE) as scratch:
            made = Path(scratch, "root")
            # Since Debian 12, all of Debian is in `usr`, whatever a package says.
            for folder in ("bin", "lib", "lib64", "sbin"):
                (made / "usr" / folder).mkdir(parents=True)
                (made / folder).symlink_to(f"usr/{folder}")
            for package in _download(Path(scratch), suite, architecture, whole, lone):
                _run("dpkg-deb", "-x", str(package), str(made))
            for pyconfig in (made / "usr/include").glob("*-linux-gnu/python3.*/pyconfig.h"):
                # In its place is one that includes it, from below `/usr/include`.
                shutil.copyfile(pyconfig, made / "usr/include" / pyconfig.parent.name / pyconfig.name)
            for program in (made / "usr/bin").glob("python3.*[0-9]"):
                _wrap(program, root, architecture)
            made.rename(root)
    return root


def _wrap(program: Path, root: Path, architecture: _Architecture) -> None:
    """Put a script in the place of a program. `root`: where its directory will be."""
    real = program.rename(program.with_name(f".{program.name}"))
    facts = {**architecture._asdict(), "root": root, "program": root / "usr/bin" / real.name}
    if architecture.machine == platform.machine():
        text = _NATIVE.format(**facts)
    else:
        text = _EMULATED.format(**facts, emulator=emulator(architecture.machine))
    program.write_text(text, encoding="utf-8")
    program.chmod(0o755)


def _download(scratch: Path, suite: str, architecture: _Architecture, whole: list[str], lone: list[str]) -> list[Path]:
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise UnavailableError("no apt-get and dpkg-deb")
    state, downloads = _CACHE / f"apt-{suite}-{architecture.debian}", scratch / "archives"
    for folder in (state / "lists/partial", downloads / "partial"):
        folder.mkdir(parents=True, exist_ok=True)
    scratch.joinpath("status").touch()
    signed = f"[signed-by={_KEYRING}] " if _KEYRING.exists() else ""
    scratch.joinpath("sources.list").write_text(f"deb {signed}{_mirror()} {suite} main\n", encoding="utf-8")
    # Mirrors may lag behind, and an interpreter of last month's serves as well.
    scratch.joinpath("apt.conf").write_text(
        f"""
        APT::Architecture "{architecture.debian}";
        #clear APT::Architectures;
        APT::Architectures {{ "{architecture.debian}"; }};
        APT::Install-Recommends "false";
        APT::Sandbox::User "root";
        Acquire::Check-Valid-Until "false";
        #clear APT::Update::Post-Invoke;
        #clear APT::Update::Post-Invoke-Success;
        Debug::NoLocking "true";
        Dir::State "{state}";
        Dir::State::Lists "{state}/lists";
        Dir::State::status "{scratch}/status";
        Dir::Cache "{scratch}";
        Dir::Cache::archives "{downloads}";
        Dir::Etc::sourcelist "{scratch}/sources.list";
        Dir::Etc::sourceparts "-";
        """,
        encoding="utf-8",
    )
    apt = ["apt-get", "-qq", "-c", str(scratch / "apt.conf")]
    with FileLock(_CACHE / f"{state.name}.lock"):
        _run(*apt, "update")
        if whole:
            _run(*apt, "install", "--yes", "--download-only", *whole)
        _run(*apt, "download", *lone, directory=downloads)
    return sorted(downloads.glob("*.deb"))


def _mirror() -> str:
    """The mirror of Debian in this machine's own configuration of apt."""
    for file in (Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))):
        if file.suffix in {".list", ".sources"} and file.is_file():
            text = file.read_text(encoding="utf-8", errors="replace")
            if found := re.search(r"^(?:URIs:|deb(?: \[[^]]*\])?) +(\S+/debian)/?(?:\s|$)", text, re.MULTILINE):
                return found[1]
    raise UnavailableError("no mirror of Debian in apt's configuration")


def _run(*command: str, directory: Path | None = None) -> None:
    finished = subprocess.run(
        command, cwd=directory, env={**os.environ, "LC_ALL": "C"}, capture_output=True, text=True, check=False
    )
    if finished.returncode:
        raise UnavailableError(f"{command[0]} failed: {(finished.stderr or finished.stdout).strip()[-500:]}")


if __name__ == "__main__":
    try:
        print(interpreter(*sys.argv[1:3]))
    except UnavailableError as error:
        sys.exit(str(error))

"""Lock files (PEP 751) made by hand."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import tomli_w

from hatch_lambda.resolve.lock.read import LockFileError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hatch_lambda.bundle.files import Bundle

    BundleOf = Callable[..., Bundle]
    Table = dict[str, Any]

LOCK = "pylock.toml"
HEAD = 'lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = "foo"\n'
HERE = "python{}.{}".format(*sys.version_info)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def file(path: Path, root: Path, **more: object) -> Table:
    """A file as an entry of a lock in a folder has it."""
    place = Path(os.path.relpath(path, root)).as_posix()
    return {"name": path.name, "path": place, "hashes": {"sha256": sha256(path)}, **more}


def package(*paths: Path, root: Path, **more: object) -> Table:
    """An entry of wheels, or of an sdist, or of both."""
    name, version = paths[0].name.removesuffix(".tar.gz").split("-")[:2]
    entry: Table = {"name": name.replace("_", "-"), "version": version, **more}
    if wheels := [file(path, root) for path in paths if path.suffix == ".whl"]:
        entry["wheels"] = wheels
    if sdists := [file(path, root) for path in paths if path.suffix == ".gz"]:
        (entry["sdist"],) = sdists
    return entry


def write_lock(root: Path, *packages: Table, name: str = LOCK, **top: object) -> Path:
    path = root / name
    top = {key.replace("_", "-"): value for key, value in top.items()}
    path.write_text(
        tomli_w.dumps({"lock-version": "1.0", "created-by": "hand", **top, "packages": list(packages)}),
        encoding="utf-8",
    )
    return path


def distributions(bundle: Bundle) -> set[str]:
    return {wheel.distribution for wheel in bundle.wheels}


def refuse(build: BundleOf, *requirements: str, **table: object) -> str:
    with pytest.raises(LockFileError) as caught:
        build(*requirements, **table)
    return str(caught.value)


def commit(repository: Path) -> str:
    def git(*arguments: str) -> str:
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments]
        return subprocess.run(command, cwd=repository, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q", "--initial-branch", "trunk")
    git("add", ".")
    git("commit", "-q", "-m", "x")
    return git("rev-parse", "HEAD")

"""Wheels and sdists made by hand, for a local folder that serves as an index."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import tarfile
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    Content = str | bytes  # sdists are built by older Pythons, too


def metadata(
    name: str,
    version: str,
    requires: Sequence[str] = (),
    requires_python: str | None = None,
    extras: Sequence[str] = (),
) -> str:
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Python: {requires_python}"] if requires_python else []
    lines += [f"Provides-Extra: {extra}" for extra in extras]
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    return "\n".join(lines) + "\n"


def make_wheel(
    folder: Path,
    name: str,
    version: str = "1.0",
    *,
    tag: str = "py3-none-any",
    requires: Sequence[str] = (),
    requires_python: str | None = None,
    extras: Sequence[str] = (),
    files: Mapping[str, Content] | None = None,
    executables: Sequence[str] = (),
) -> Path:
    """A valid wheel. Without `files` it has one module, named as the distribution, that knows its `VERSION`."""
    escaped = name.replace("-", "_")
    dist_info = f"{escaped}-{version}.dist-info"
    contents: dict[str, Content] = dict(files if files is not None else {f"{escaped}.py": f"VERSION = {version!r}\n"})
    contents[f"{dist_info}/METADATA"] = metadata(name, version, requires, requires_python, extras)
    python, abi, platform = tag.split("-")
    expanded = [f"{p}-{a}-{s}" for p in python.split(".") for a in abi.split(".") for s in platform.split(".")]
    contents[f"{dist_info}/WHEEL"] = "\n".join(
        ["Wheel-Version: 1.0", "Generator: by hand", "Root-Is-Purelib: true", *(f"Tag: {tag}" for tag in expanded), ""]
    )
    contents[f"{dist_info}/RECORD"] = record(contents, f"{dist_info}/RECORD")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{escaped}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for filename, content in contents.items():
            entry = zipfile.ZipInfo(filename, (2024, 1, 1, 0, 0, 0))
            entry.external_attr = (0o100755 if filename in executables else 0o100644) << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return path


def record(contents: Mapping[str, Content], own_name: str) -> str:
    rows = []
    for filename, content in contents.items():
        data = content.encode() if isinstance(content, str) else content
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        rows.append(f"{filename},sha256={digest},{len(data)}")
    return "\n".join([*rows, f"{own_name},,", ""])


# A build backend that needs nothing but the standard library. What it makes depends on `recipe.json` beside it, and
# on the compiler that it finds: `$CC`, else `cc` on PATH, called as `cc -o OUTPUT`.
BACKEND = """\
import json, os, pathlib, shutil, subprocess, sys
sys.path.insert(0, os.path.dirname(__file__))
from kit import make_wheel, metadata

RECIPE = json.loads(pathlib.Path(__file__).with_name("recipe.json").read_text())


def get_requires_for_build_wheel(config_settings=None):
    return []


def prepare_metadata_for_build_wheel(directory, config_settings=None):
    if RECIPE["build"] == "without-metadata":
        raise RuntimeError("error: this sdist does not know its name")
    if RECIPE["build"] == "exits":
        print("please install libfoo-dev")
        sys.exit(3)
    name = f"{RECIPE['name'].replace('-', '_')}-{RECIPE['version']}.dist-info"
    folder = pathlib.Path(directory, name)
    folder.mkdir()
    folder.joinpath("METADATA").write_text(
        metadata(RECIPE["name"], RECIPE["version"], RECIPE["requires"], RECIPE["requires_python"])
    )
    return name


def compile_extension():
    compiler = os.environ.get("CC") or shutil.which("cc")
    if compiler is None:
        raise RuntimeError("error: no compiler at all")
    subprocess.run([compiler, "-o", "extension.so"], check=True)
    return pathlib.Path("extension.so").read_bytes()


# That it is there makes `-e` possible; nobody may use it for a bundle.
def build_editable(directory, config_settings=None, metadata_directory=None):
    raise RuntimeError("error: built as editable")


# The compilers that start, by program name or environment variable.
def survey():
    programs = json.loads(os.environ["SURVEY"])
    started = {name for name in programs if started_by(shutil.which(name))}
    return sorted(started | {f"${name}" for name in VARIABLES if started_by(os.environ.get(name))})


VARIABLES = ["CC", "CXX", "FC", "F77", "F90", "LDSHARED", "CARGO", "RUSTC", "GO"]


def started_by(command):
    return bool(command) and subprocess.run(command.split() + ["--version"]).returncode == 0


def build_wheel(directory, config_settings=None, metadata_directory=None):
    name = RECIPE["name"].replace("-", "_")
    files = {f"{name}.py": f"VERSION = {RECIPE['version']!r}\\nBUILT_WITH = {sys.version_info[:2]!r}\\n"}
    tag = RECIPE["tag"]
    if RECIPE["build"] == "broken":
        print("some noise before")
        raise RuntimeError("error: this sdist cannot be built by anyone")
    if RECIPE["build"] in {"compiled", "optional"}:
        tag = "cp{0}{1}-cp{0}{1}-linux_x86_64".format(*sys.version_info)
        try:
            files[f"_{name}.so"] = compile_extension()
        except Exception:
            if RECIPE["build"] == "compiled":
                raise
    if RECIPE["build"] == "survey":
        found = survey()
        files[f"{name}.py"] += f"FOUND = {found!r}\\n"
        tag = "cp27-none-win32" if found else tag
    path = make_wheel(
        pathlib.Path(directory), RECIPE["name"], RECIPE["version"], tag=tag, files=files,
        requires=RECIPE["requires"], requires_python=RECIPE["requires_python"],
    )
    return path.name
"""


def source_files(
    name: str,
    version: str = "1.0",
    *,
    build: str = "pure",
    tag: str = "py3-none-any",
    requires: Sequence[str] = (),
    requires_python: str | None = None,
    build_requires: Sequence[str] = (),
) -> dict[str, str]:
    """The files of a source tree with an in-tree backend.

    `build`: `pure`; `compiled` (needs a compiler); `optional` (does without, and is tagged as if it had not); `broken`;
    `without-metadata` (breaks before that); `exits` (then, with a plain line of output); `survey` (fits only where no
    compiler of those in `$SURVEY`, JSON, starts).
    `tag`: of the wheel, where no compiler has a say.
    """
    from pathlib import Path

    recipe = {
        "name": name,
        "version": version,
        "build": build,
        "tag": tag,
        "requires": list(requires),
        "requires_python": requires_python,
    }
    return {
        "pyproject.toml": (
            f"[build-system]\nrequires = {json.dumps(list(build_requires))}\n"
            'build-backend = "backend"\nbackend-path = ["."]\n'
        ),
        "PKG-INFO": metadata(name, version, requires, requires_python),
        "backend.py": BACKEND,
        "kit.py": Path(__file__).read_text(encoding="utf-8"),
        "recipe.json": json.dumps(recipe),
    }


def make_sdist(
    folder: Path,
    name: str,
    version: str = "1.0",
    *,
    build: str = "pure",
    tag: str = "py3-none-any",
    requires: Sequence[str] = (),
    requires_python: str | None = None,
    build_requires: Sequence[str] = (),
) -> Path:
    """An sdist of `source_files`, always with the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{name.replace('-', '_')}-{version}"
    path = folder / f"{stem}.tar.gz"
    files = source_files(
        name,
        version,
        build=build,
        tag=tag,
        requires=requires,
        requires_python=requires_python,
        build_requires=build_requires,
    )
    # Without a time, which gzip's header would have otherwise
    with gzip.GzipFile(path, "wb", mtime=0) as compressed, tarfile.open(fileobj=compressed, mode="w") as archive:
        for filename, text in files.items():
            entry = tarfile.TarInfo(f"{stem}/{filename}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return path


def make_source_tree(folder: Path, name: str, version: str = "1.0", *, build: str = "pure") -> Path:
    folder.mkdir(parents=True)
    for filename, text in source_files(name, version, build=build).items():
        folder.joinpath(filename).write_text(text, encoding="utf-8")
    return folder

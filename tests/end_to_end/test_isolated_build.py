"""The plugin as it is installed: from its own wheel, in Hatch's isolated environment and under every Python at hand."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZipFile

import pytest

from hatch_lambda.wheels.machine_code import scan_wheel
from tests.support.attacks import make_forging_sdist
from tests.support.elf import make_elf
from tests.support.lambda_runtime import pythons_at_hand
from tests.support.packages import make_wheel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

pytestmark = pytest.mark.index

REPOSITORY = Path(__file__).parents[2]
PACKAGE_FILES = {
    path.relative_to(REPOSITORY).as_posix()
    for path in (REPOSITORY / "hatch_lambda").rglob("*")
    if path.is_file() and "__pycache__" not in path.parts
}

# One with a native wheel, one that has sources only, one that is nothing but Python and has a command.
DEPENDENCIES = ("luhn==0.2.0", "markupsafe==3.0.2", "tabulate==0.9.0")
PYPROJECT = """\
[build-system]
requires = ["hatchling", "hatch-lambda=={version}"]
build-backend = "hatchling.build"

[project]
name = "orders"
version = "1.0"
requires-python = ">=3.10"
dependencies = {dependencies}
scripts.order = "orders:main"

[tool.hatch.build.hooks.lambda]
runtime = "python3.13"
architecture = "arm64"
"""
ZIP = "orders-1.0-python3.13-arm64.zip"


def run(*command: str | Path, cwd: Path, environment: Mapping[str, str] | None = None) -> str:
    finished = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout
    return finished.stdout


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with our own wheel and sdist."""
    folder = tmp_path_factory.mktemp("distributions")
    run(sys.executable, "-m", "hatchling", "build", "-d", folder, cwd=REPOSITORY)
    return folder


@pytest.fixture(scope="module")
def own_wheel(distributions: Path) -> Path:
    (wheel,) = distributions.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def own_sdist(distributions: Path) -> Path:
    (sdist,) = distributions.glob("*.tar.gz")
    return sdist


@pytest.fixture
def project(tmp_path: Path, own_wheel: Path) -> Path:
    return write_project(tmp_path / "project", own_wheel)


def write_project(root: Path, own_wheel: Path, dependencies: Sequence[str] = DEPENDENCIES) -> Path:
    root.joinpath("orders").mkdir(parents=True)
    pyproject = PYPROJECT.format(version=own_wheel.name.split("-")[1], dependencies=list(dependencies))
    root.joinpath("pyproject.toml").write_text(pyproject, encoding="utf-8")
    root.joinpath("orders/__init__.py").write_text("def main(): ...\n", encoding="utf-8")
    return root


def serving(own_wheel: Path) -> dict[str, str]:
    """The environment in which pip and uv find our own wheel, have cached no other, and see nothing of these tests."""
    folder, caches = str(own_wheel.parent), own_wheel.parent / "caches"
    caches.mkdir(exist_ok=True)
    caches.joinpath("hatch.toml").touch()
    return {
        "PIP_FIND_LINKS": " ".join(filter(None, [folder, os.environ.get("PIP_FIND_LINKS")])),
        "UV_FIND_LINKS": ",".join(filter(None, [folder, os.environ.get("UV_FIND_LINKS")])),
        "UV_CACHE_DIR": str(caches / "uv"),
        "HATCH_DATA_DIR": str(caches / "hatch-data"),
        "HATCH_CACHE_DIR": str(caches / "hatch-cache"),
        "HATCH_CONFIG": str(caches / "hatch.toml"),
        "HATCH_LAMBDA_CACHE_DIR": str(caches / "lambda"),
        "PYTHONPATH": "",
    }


def test_the_wheel_has_the_whole_package_and_its_entry_point(own_wheel: Path) -> None:
    with ZipFile(own_wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        entry_points = archive.read(f"{'-'.join(own_wheel.name.split('-')[:2])}.dist-info/entry_points.txt").decode()

    assert names == PACKAGE_FILES
    assert "[hatch]\nlambda = hatch_lambda.hooks" in entry_points


def test_the_wheel_tells_type_checkers_that_it_has_types(own_wheel: Path) -> None:
    with ZipFile(own_wheel) as archive:
        assert "hatch_lambda/py.typed" in archive.namelist()


def test_the_sdist_has_what_it_takes_to_test_it_and_builds_the_same_wheel(
    own_sdist: Path, own_wheel: Path, tmp_path: Path
) -> None:
    run(sys.executable, "-m", "tarfile", "--extract", own_sdist, tmp_path, cwd=tmp_path)
    root = tmp_path / own_sdist.name.removesuffix(".tar.gz")

    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", cwd=root)

    tests = {path.name for path in (REPOSITORY / "tests").glob("*.py")}
    assert {path.name for path in (root / "tests").glob("*.py")} == tests
    assert root.joinpath("example_project/orders/app.py").is_file()
    assert root.joinpath("LICENSE").is_file()
    assert root.joinpath("dist", own_wheel.name).read_bytes() == own_wheel.read_bytes()


def test_hatch_builds_the_zip_in_an_isolated_environment_of_its_own(project: Path, own_wheel: Path) -> None:
    shown = run(sys.executable, "-m", "hatch", "build", "-t", "lambda", cwd=project, environment=serving(own_wheel))

    assert "Bundle for python3.13 on arm64" in shown
    assert "  9 clean up" in shown
    assert [path.name for path in (project / "dist").iterdir()] == [ZIP]
    with ZipFile(project / "dist" / ZIP) as archive:
        top_level = {name.partition("/")[0] for name in archive.namelist()}
    assert top_level == {
        *("bin", "orders", "orders-1.0.dist-info", "tabulate", "tabulate-0.9.0.dist-info"),
        *("luhn.py", "luhn-0.2.0.dist-info", "markupsafe", "MarkupSafe-3.0.2.dist-info"),
    }
    assert {code.architecture for code in scan_wheel(project / "dist" / ZIP)} == {"aarch64"}
    (installed,) = Path(serving(own_wheel)["HATCH_DATA_DIR"]).rglob("site-packages/hatch_lambda/pipeline.py")
    assert installed.read_bytes() == REPOSITORY.joinpath("hatch_lambda/pipeline.py").read_bytes()


def test_hatch_builds_the_wheel_too_without_the_dependencies(project: Path, own_wheel: Path) -> None:
    shown = run(sys.executable, "-m", "hatch", "build", "-t", "wheel", cwd=project, environment=serving(own_wheel))

    assert [path.name for path in (project / "dist").iterdir()] == ["orders-1.0-py3-none-any.whl"]
    assert "Bundle for" not in shown


FRONTENDS = {
    "hatch": ("hatch", "build"),
    "build": ("build", "--installer", "uv"),
    "uv": ("uv", "build"),
}


@pytest.mark.parametrize("frontend", FRONTENDS.values(), ids=FRONTENDS)
def test_with_the_wheel_comes_the_zip_whoever_builds_it(
    frontend: tuple[str, ...], project: Path, own_wheel: Path
) -> None:
    with project.joinpath("pyproject.toml").open("a", encoding="utf-8") as pyproject:
        pyproject.write("with-wheel = true\n")

    run(sys.executable, "-m", *frontend, cwd=project, environment=serving(own_wheel))

    made = {path.name for path in (project / "dist").iterdir()} - {".gitignore"}  # uv's
    assert made == {"orders-1.0.tar.gz", "orders-1.0-py3-none-any.whl", ZIP}
    with ZipFile(project / "dist" / ZIP) as archive:
        assert {"orders/__init__.py", "luhn.py", "tabulate/__init__.py"} <= set(archive.namelist())


@pytest.fixture
def local_index(tmp_path: Path) -> Path:
    """What stands in for `DEPENDENCIES`: each of the same kind."""
    folder = tmp_path / "index"
    extension = "native/_speedups.cpython-313-aarch64-linux-gnu.so"
    tag = "cp313-cp313-manylinux_2_17_aarch64"
    make_wheel(folder, "native", tag=tag, files={"native/__init__.py": "", extension: make_elf("aarch64")})
    entry_points = "[console_scripts]\nplain = plain:main\n"
    source = "def main(): ...\n" + "".join(f"NUMBER_{number} = {number}\n" for number in range(10_000))
    make_wheel(folder, "plain", files={"plain.py": source, "plain-1.0.dist-info/entry_points.txt": entry_points})
    built = make_wheel(tmp_path / "built", "sources")
    make_forging_sdist(folder, "sources", {built.name: built.read_bytes()})
    return folder


def test_every_python_at_hand_builds_the_same_zip(own_wheel: Path, local_index: Path, tmp_path: Path) -> None:
    pythons = {version: python for version, python in pythons_at_hand().items() if version not in {"3.8", "3.9"}}
    if len(pythons) < 2:
        pytest.skip(
            f"only Python {', '.join(pythons) or 'of no version of Lambda'} is installed; this compares several"
        )

    sums = {
        version: _sum_of_zip(python, own_wheel, local_index, tmp_path / version) for version, python in pythons.items()
    }

    assert len(set(sums.values())) == 1, sums


def _sum_of_zip(python: Path, own_wheel: Path, index: Path, folder: Path) -> str:
    # What is imported is compiled once, then: uv does not compile what it installs.
    environment = {**serving(own_wheel), "PYTHONDONTWRITEBYTECODE": "", "HATCH_LAMBDA_CACHE_DIR": str(folder / "cache")}
    uv = (sys.executable, "-m", "uv")
    run(*uv, "venv", "--quiet", "--python", python, folder / "venv", cwd=own_wheel.parent, environment=environment)
    installed = folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    run(
        *uv,
        "pip",
        "install",
        "--quiet",
        "--python",
        installed,
        own_wheel,
        cwd=own_wheel.parent,
        environment=environment,
    )
    project = write_project(folder / "project", own_wheel, ("native", "plain", "sources"))
    environment.update(PIP_NO_INDEX="1", PIP_FIND_LINKS=str(index))
    run(installed, "-m", "hatchling", "build", "-t", "lambda", cwd=project, environment=environment)
    with ZipFile(project / "dist" / ZIP) as archive:
        assert {"native/__init__.py", "plain.py", "bin/plain", "sources.py"} <= set(archive.namelist())
    return hashlib.sha256(project.joinpath("dist", ZIP).read_bytes()).hexdigest()

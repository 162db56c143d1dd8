"""What is pruned of real wheels is missed by nothing that is left."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import zipfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.bundle.prune import Pruned, decide
from hatch_lambda.common.target import ARCHITECTURES, RUNTIMES, Target
from hatch_lambda.config.settings import PRUNABLE
from hatch_lambda.wheels.layout import lay_out
from hatch_lambda.wheels.members import BundleFile, Member

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

RUNNING = f"python{sys.version_info[0]}.{sys.version_info[1]}"

pytestmark = [
    pytest.mark.index,
    pytest.mark.skipif(RUNNING not in RUNTIMES, reason="layouts are for Lambda's versions of Python"),
]

# lazy_loader's users read their stubs when they are imported; the others have many tests, some of which are needed.
PACKAGES = ("numpy", "scipy", "pandas", "networkx", "scikit-image", "lazy-loader", "packaging", "pillow")
IMPORTED = ("numpy", "networkx")
"""Those of which every module is imported, before and after."""
DEPENDENCIES_OF_PANDAS = ("python-dateutil", "six", "pytz", "tzdata")

CALLS = """
import numpy.testing
numpy.testing.assert_allclose([1.0], [1.0])
import scipy.stats
assert scipy.stats.norm.cdf(0) == 0.5
import pandas.testing
frame = pandas.DataFrame({"a": [1, 2]})
pandas.testing.assert_frame_equal(frame, frame.copy())
import networkx
assert networkx.pagerank(networkx.path_graph(2))[0] == 0.5
import skimage.color
assert skimage.color.rgb2gray(numpy.zeros((2, 2, 3))).shape == (2, 2)
import importlib.metadata
assert all(file.locate().is_file() for name in ("numpy", "pandas") for file in importlib.metadata.files(name))
"""

# What comes of importing each module, in JSON.
IMPORTER = """
import importlib, json, os, sys, warnings
warnings.simplefilter("ignore")
answers, sys.stdout = os.fdopen(os.dup(1), "w"), open(os.devnull, "w")
outcomes = {}
for name in json.load(sys.stdin):
    try:
        importlib.import_module(name)
        outcomes[name] = "imported"
    except BaseException as error:
        outcomes[name] = type(error).__name__
json.dump(outcomes, answers)
"""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    # Not in `tmp_path`, which pytest keeps: it is half a gigabyte.
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def wheels(folder: Path) -> list[Path]:
    options = ["--quiet", "--only-binary=:all:", "--no-deps", "--dest", str(folder / "wheels")]
    subprocess.run([sys.executable, "-m", "pip", "download", *options, *PACKAGES, *DEPENDENCIES_OF_PANDAS], check=True)
    return sorted((folder / "wheels").glob("*.whl"))


@pytest.fixture(scope="module")
def target() -> Target:
    return Target(RUNTIMES[RUNNING], ARCHITECTURES["x86_64"])


@pytest.fixture(scope="module")
def pruned(wheels: list[Path], target: Target) -> Pruned:
    return decide([lay_out(wheel, target) for wheel in wheels], frozenset(PRUNABLE), target)


@pytest.fixture(scope="module")
def bundles(folder: Path, wheels: list[Path], target: Target, pruned: Pruned) -> Mapping[str, Path]:
    """The same wheels laid out pruned, and those of `IMPORTED` whole."""
    for wheel in wheels:
        if wheel.name.startswith(IMPORTED):
            unpack(lay_out(wheel, target), folder / "whole")
        unpack(lay_out(wheel, target, pruned.paths.__contains__), folder / "pruned")
    return {"whole": folder / "whole", "pruned": folder / "pruned"}


def unpack(files: tuple[BundleFile, ...], folder: Path) -> None:
    with ExitStack() as stack:
        wheels = {file.source.wheel for file in files if isinstance(file.source, Member)}
        archives = {wheel: stack.enter_context(zipfile.ZipFile(wheel)) for wheel in wheels}
        for file in files:
            path = folder / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            source = file.source
            path.write_bytes(archives[source.wheel].read(source.name) if isinstance(source, Member) else source.content)


def modules_of(package: str, folder: Path) -> list[str]:
    found = set()
    for path in (folder / package).rglob("*"):
        module = re.fullmatch(r"([\w/]+)\.(?:py|abi3\.so|cpython-\w+-[\w-]+\.so)", path.relative_to(folder).as_posix())
        if module and not module[1].endswith("__main__"):
            found.add(module[1].removesuffix("/__init__").replace("/", "."))
    return sorted(found)


def python(code: str, *folders: Path, given: Collection[str] = ()) -> str:
    path = [str(folder) for folder in folders]
    code = f"import sys; sys.path[:0] = {path}; sys.dont_write_bytecode = True\n{code}"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code],
        input=json.dumps(sorted(given)),
        capture_output=True,
        text=True,
        check=False,
        cwd=folders[0].parent,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="extension modules are imported by their names on Linux")
@pytest.mark.parametrize("package", IMPORTED)
def test_every_module_that_is_left_imports_as_before(package: str, bundles: Mapping[str, Path]) -> None:
    left = modules_of(package, bundles["pruned"])
    pruned = json.loads(python(IMPORTER, bundles["pruned"], given=left))
    whole = json.loads(python(IMPORTER, bundles["whole"], bundles["pruned"], given=left))

    assert pruned == whole
    assert list(whole.values()).count("imported") > len(left) * 0.9
    assert len(left) < len(modules_of(package, bundles["whole"])) * 0.7


def test_pruned_packages_work(bundles: Mapping[str, Path]) -> None:
    python(CALLS, bundles["pruned"])


def test_each_set_takes_what_nobody_needs(pruned: Pruned) -> None:
    sizes = {name: left_out.size for name, left_out in pruned.left_out.items()}

    assert sizes["tests"] > 30_000_000
    assert sizes["headers"] > 500_000
    assert sizes["stubs"] > 500_000


def test_required_modules_are_named(pruned: Pruned) -> None:
    kept = "\n".join(pruned.kept)

    assert re.search(r"^kept stubs of scikit-image \S+: skimage/__init__.py reads stubs$", kept, re.MULTILINE)
    assert re.search(r"^kept networkx/classes/tests: named by networkx-.*/entry_points\.txt$", kept, re.MULTILINE)
    assert not any(path.startswith("skimage/") and path.endswith(".pyi") for path in pruned.paths)


def test_test_packages_that_an_older_numpy_imports_stay(target: Target, tmp_path: Path) -> None:
    """numpy.testing of numpy 2.0 to 2.3 imports `numpy._core.tests._natype`."""
    if sys.version_info >= (3, 14):
        pytest.skip("that numpy has no wheel for this Python")
    options = ["--quiet", "--only-binary=:all:", "--no-deps", "--dest", str(tmp_path)]
    subprocess.run([sys.executable, "-m", "pip", "download", *options, "numpy==2.2.6"], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    paths = decide([lay_out(wheel, target)], frozenset({"tests"}), target).paths

    assert "numpy/_core/tests/_natype.py" not in paths
    assert "numpy/_core/tests/__init__.py" not in paths
    assert "numpy/_core/tests/test_multiarray.py" in paths

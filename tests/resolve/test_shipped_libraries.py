"""Shared libraries that the project ships for its dependencies, in `lib/` or at the root of the zip."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.common.ui import Reporter
from hatch_lambda.config.request import Request
from hatch_lambda.config.tables import load
from hatch_lambda.plugin.builder import LambdaBuilder
from hatch_lambda.resolve.audit import audit
from hatch_lambda.wheels.loadable import UnfitMachineCodeError
from hatch_lambda.wheels.store import Store
from tests.support.elf import make_elf
from tests.support.packages import make_wheel
from tests.support.projects import HOOK, PACKAGE, NewProject

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.support.recording_ui import RecordingUI

    Audited = Callable[[Mapping[str, bytes]], None]

EXPAT = "lib/libexpat.so.1"
LIBRARY = make_elf(soname="libexpat.so.1")
NEEDY: dict[str, str | bytes] = {"foo/__init__.py": "", "foo/_speed.abi3.so": make_elf(needed=("libexpat.so.1",))}
SHIPPED = """
[tool.hatch.build.targets.lambda.force-include]
"native/libexpat.so.1" = "lib/libexpat.so.1"
"""


@pytest.fixture
def audited(tmp_path: Path, ui: RecordingUI) -> Audited:
    """Audit a wheel that needs libexpat, next to a project with these files."""

    def run(files: Mapping[str, bytes]) -> None:
        paths = {}
        for path, content in files.items():
            paths[path] = tmp_path / "project" / path
            paths[path].parent.mkdir(parents=True, exist_ok=True)
            paths[path].write_bytes(content)
        settings = load({"runtime": "python3.13"}, tmp_path, environ={})
        request = Request(settings, settings.bundle_directory, subject="orders", libraries=lambda: paths)
        wheel = make_wheel(tmp_path, "foo", tag="cp39-abi3-manylinux2014_x86_64", files=NEEDY)
        store = Store(tmp_path / "store")
        audit([store.keep(wheel, "foo", "1.0")], {}, request, store, Reporter(ui))

    return run


def test_a_library_that_the_project_ships_counts_for_its_dependencies(audited: Audited) -> None:
    audited({EXPAT: LIBRARY})
    audited({EXPAT: make_elf(needed=("libnext.so",)), "libnext.so": make_elf()})
    audited({EXPAT: make_elf(soname="libother.so.7")})  # the loader opens the file by its name


@pytest.mark.parametrize(
    ("files", "needs"),
    [
        ({}, "the library libexpat.so.1"),
        ({"lib/libexpat.so.1.9.2": LIBRARY}, "the library libexpat.so.1"),  # nothing opens it under its soname
        ({EXPAT: make_elf("aarch64")}, "Linux on aarch64"),
        ({EXPAT: make_elf(versions={"libc.so.6": ["GLIBC_2.38"]})}, "glibc 2.38 (GLIBC_2.38 of libc.so.6)"),
        ({EXPAT: make_elf(needed=("libc.musl-x86_64.so.1",))}, "musl (its tag would be musllinux)"),
        ({EXPAT: make_elf(needed=("libnext.so",))}, "the library libnext.so"),
        ({EXPAT: b"no library"}, "the library libexpat.so.1"),
    ],
)
def test_a_library_that_does_not_help(files: dict[str, bytes], needs: str, audited: Audited) -> None:
    with pytest.raises(UnfitMachineCodeError) as caught:
        audited(files)

    assert f"    needs {needs}\n" in str(caught.value)


def test_the_message_for_a_missing_library_says_how_to_ship_it(audited: Audited) -> None:
    with pytest.raises(UnfitMachineCodeError, match=r"ship it .* in `lib/` of the zip \(`force-include`"):
        audited({})


def test_a_damaged_library(audited: Audited) -> None:
    with pytest.raises(LambdaBuildError, match=r"The project's lib/libexpat\.so\.1 starts as machine code but cannot"):
        audited({EXPAT: LIBRARY[:100]})


def test_only_what_the_loader_searches_is_a_library_of_the_project(new_project: NewProject) -> None:
    files = {"native/libexpat.so.1": LIBRARY, "native/a/libdeep.so": LIBRARY, "orders/_x.so": LIBRARY}
    project = new_project(
        HOOK
        + '[tool.hatch.build.hooks.lambda.functions.api]\nexclude = ["lib/"]\n'
        + '[tool.hatch.build.targets.wheel.shared-data]\n"native/libexpat.so.1" = "lib/libdata.so"\n'
        + '[tool.hatch.build.targets.lambda.force-include]\n"native" = "lib"\n"orders/_x.so" = "root.so"\n',
        files={**PACKAGE, **files},
    )
    build = LambdaBuilder(str(project.root)).current

    assert sorted(build.requests.of("function").libraries()) == ["lib/libdata.so", EXPAT, "root.so"]
    assert sorted(build.requests.of("layer").libraries()) == ["lib/libdata.so", EXPAT, "root.so"]
    assert sorted(build.requests.of("api").libraries()) == ["root.so"]


def test_what_cannot_be_selected_is_reported_when_the_wheel_is_built(new_project: NewProject) -> None:
    build = LambdaBuilder(str(new_project(HOOK + SHIPPED).root)).current

    assert build.requests.of("layer").libraries() == {}


def test_a_project_that_ships_a_library(index: Path, new_project: NewProject) -> None:
    make_wheel(index, "foo", tag="cp39-abi3-manylinux2014_x86_64", files=NEEDY)
    project = new_project(
        HOOK + SHIPPED, project='dependencies = ["foo"]', files={**PACKAGE, "native/libexpat.so.1": LIBRARY}
    )

    project.build()
    assert project.read(EXPAT) == LIBRARY
    project.build("-t", "lambda:code,layer")

    pyproject = project.root / "pyproject.toml"  # the resolution is reused, but not what the audit has found
    pyproject.write_text(pyproject.read_text(encoding="utf-8").replace(SHIPPED, ""), encoding="utf-8")
    assert "needs the library libexpat.so.1" in project.fail()

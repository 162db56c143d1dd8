"""What the audit makes of files that `prune` leaves out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common.ui import Reporter
from hatch_lambda.config.request import Request
from hatch_lambda.config.tables import load
from hatch_lambda.resolve.audit import audit
from hatch_lambda.wheels.loadable import UnfitMachineCodeError
from hatch_lambda.wheels.store import Store
from tests.support.elf import make_elf
from tests.support.packages import make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.packages import Content
    from tests.support.recording_ui import RecordingUI

HERE, THERE = (f"foo/_speed.cpython-313-{machine}-linux-gnu.so" for machine in ("x86_64", "aarch64"))


@pytest.fixture
def audited(tmp_path: Path, ui: RecordingUI) -> Callable[..., None]:
    def run(files: dict[str, Content], **table: object) -> None:
        settings = load({"runtime": "python3.13", **table}, tmp_path, environ={})
        request = Request(settings, settings.bundle_directory, subject="orders")
        store = Store(tmp_path / "store")
        wheel = make_wheel(tmp_path, "foo", tag="cp313-cp313-manylinux2014_x86_64", files=files)
        audit([store.keep(wheel, "foo", "1.0")], {}, request, store, Reporter(ui))

    return run


def test_an_extension_for_another_machine_may_be_in_a_wheel_if_it_is_pruned(audited: Callable[..., None]) -> None:
    files = {HERE: make_elf(), THERE: make_elf("aarch64")}

    audited(files, prune=["other-pythons"])
    with pytest.raises(UnfitMachineCodeError, match="Linux on aarch64"):
        audited(files)


@pytest.mark.parametrize("excluded", [[], [HERE]])
def test_it_is_a_fault_if_the_runtime_imports_no_other_file(audited: Callable[..., None], excluded: list[str]) -> None:
    files = {THERE: make_elf("aarch64"), **({HERE: make_elf()} if excluded else {})}

    with pytest.raises(UnfitMachineCodeError, match="Linux on aarch64"):
        audited(files, prune=["other-pythons"], exclude=excluded)


def test_a_library_for_another_machine_is_not_pruned(audited: Callable[..., None]) -> None:
    with pytest.raises(UnfitMachineCodeError, match="Linux on aarch64"):
        audited({HERE: make_elf(), "foo.libs/libx.so": make_elf("aarch64")}, prune=["other-pythons"])

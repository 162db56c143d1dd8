"""Where the files of a wheel go in a bundle."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common.errors import BrokenWheelError
from hatch_lambda.common.target import ARCHITECTURES, RUNTIMES, Target
from hatch_lambda.wheels.layout import lay_out
from tests.support.packages import make_wheel, record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from hatch_lambda.wheels.members import BundleFile
    from tests.support.packages import Content

TARGET = Target(RUNTIMES["python3.13"], ARCHITECTURES["x86_64"])
SHEBANG = b"#!/var/lang/bin/python3.13\n"


def wheel_of(folder: Path, files: Mapping[str, Content], executables: Sequence[str] = ()) -> Path:
    return make_wheel(folder, "orders", files=files, executables=executables)


def raw_wheel(folder: Path, entries: Iterable[tuple[str | zipfile.ZipInfo, bytes]]) -> Path:
    """A wheel whose entries, with their RECORD, are exactly these beside its metadata."""
    path = folder / "orders-1.0-py3-none-any.whl"
    rows = io.StringIO()
    with zipfile.ZipFile(path, "w") as archive:
        for entry, content in [("orders-1.0.dist-info/METADATA", b"Name: orders\n"), *entries]:
            archive.writestr(entry, content)
            name = entry if isinstance(entry, str) else entry.filename
            csv.writer(rows).writerow((name, f"sha256={digest(content)}", len(content)))
        csv.writer(rows).writerow(("orders-1.0.dist-info/RECORD", "", ""))
        archive.writestr("orders-1.0.dist-info/RECORD", rows.getvalue())
    return path


def with_record(folder: Path, change: Callable[[str], str]) -> Path:
    """A wheel whose RECORD was changed."""
    wheel, own = wheel_of(folder, {"orders.py": "ORDERS = 1\n"}), "orders-1.0.dist-info/RECORD"
    with zipfile.ZipFile(wheel) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    changed = change(contents[own].decode()).encode()
    assert changed != contents[own]
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in {**contents, own: changed}.items():
            archive.writestr(name, content)
    return wheel


def digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode("ascii").rstrip("=")


def paths(files: Iterable[BundleFile]) -> list[str]:
    return sorted(file.path for file in files if ".dist-info/" not in file.path)


def by_path(files: Iterable[BundleFile]) -> dict[str, BundleFile]:
    return {file.path: file for file in files}


def unpacked(files: Iterable[BundleFile], folder: Path) -> Path:
    for file in files:
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.source.read())
        path.chmod(file.mode)
    return folder


def assert_record_is_true(files: Iterable[BundleFile], dist_info: str) -> None:
    """Every file of the layout is in RECORD with its own hash and size, and nothing else is."""
    contents = {file.path: file.source.read() for file in files}
    own = f"{dist_info}/RECORD"
    expected = {path: (f"sha256={digest(content)}", str(len(content))) for path, content in contents.items()}
    expected[own] = ("", "")
    rows = list(csv.reader(contents[own].decode("utf-8").splitlines()))

    assert {path: (recorded, size) for path, recorded, size in rows} == expected
    assert len(rows) == len(expected)


class TestSchemes:
    def test_purelib_and_platlib_meet_at_the_root_and_data_below_it(self, tmp_path: Path) -> None:
        wheel = wheel_of(
            tmp_path,
            {
                "orders/__init__.py": "",
                "orders/_native.so": b"\x00machine code",
                "orders-1.0.data/purelib/orders/pure.py": "PURE = 1",
                "orders-1.0.data/platlib/orders/plat.py": "PLAT = 1",
                "orders-1.0.data/data/share/orders/menu.json": "{}",
                "orders-1.0.data/data/top.txt": "top",
            },
        )

        files = lay_out(wheel, TARGET)

        assert paths(files) == [
            "orders/__init__.py",
            "orders/_native.so",
            "orders/plat.py",
            "orders/pure.py",
            "share/orders/menu.json",
            "top.txt",
        ]
        assert by_path(files)["orders/plat.py"].source.read() == b"PLAT = 1"
        assert {file.owner for file in files} == {"orders 1.0"}

    def test_the_metadata_is_kept(self, tmp_path: Path) -> None:
        wheel = wheel_of(tmp_path, {"orders.py": "", "orders-1.0.dist-info/licenses/LICENSE": "MIT"})

        assert [file.path for file in lay_out(wheel, TARGET) if ".dist-info/" in file.path] == [
            "orders-1.0.dist-info/licenses/LICENSE",
            "orders-1.0.dist-info/METADATA",
            "orders-1.0.dist-info/WHEEL",
            "orders-1.0.dist-info/RECORD",
        ]

    def test_headers_are_left_out(self, tmp_path: Path) -> None:
        wheel = wheel_of(
            tmp_path,
            {
                "orders/__init__.py": "",
                "orders-1.0.data/headers/orders.h": "int orders;",
            },
        )

        files = lay_out(wheel, TARGET)

        assert paths(files) == ["orders/__init__.py"]
        assert_record_is_true(files, "orders-1.0.dist-info")

    @pytest.mark.parametrize("path", ["orders-1.0.data/lib/x.py", "orders-1.0.data/Purelib/x.py"])
    def test_an_unknown_scheme_is_refused(self, path: str, tmp_path: Path) -> None:
        with pytest.raises(BrokenWheelError, match=rf"orders-1\.0-py3-none-any\.whl is not a usable wheel: {path} "):
            lay_out(wheel_of(tmp_path, {path: ""}), TARGET)

    def test_a_file_in_no_scheme_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(BrokenWheelError, match=r"orders-1\.0\.data/x\.py is in no scheme"):
            lay_out(wheel_of(tmp_path, {"orders-1.0.data/x.py": ""}), TARGET)

    def test_folders_named_as_the_author_wrote_the_name_are_found(self, tmp_path: Path) -> None:
        contents = {
            "Orders_API-1.0.data/purelib/orders.py": "",
            "Orders_API-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: Orders.API\nVersion: 1.0\n",
        }
        path = tmp_path / "orders_api-1.0-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in contents.items():
                archive.writestr(name, text)
            own = "Orders_API-1.0.dist-info/RECORD"
            archive.writestr(own, record(contents, own))

        files = lay_out(path, TARGET)

        assert paths(files) == ["orders.py"]
        assert_record_is_true(files, "Orders_API-1.0.dist-info")


class TestModes:
    def test_modes_are_0644_and_0755_for_executables_regardless_of_the_wheel(self, tmp_path: Path) -> None:
        def entry(name: str, mode: int) -> zipfile.ZipInfo:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            return info

        wheel = raw_wheel(
            tmp_path,
            [
                (entry("private.py", 0o100600), b""),
                (entry("open.py", 0o100666), b""),
                (entry("without_a_mode.py", 0), b""),
                (entry("tool", 0o100700), b""),
                (entry("setuid", 0o104755), b""),
                (entry("orders-1.0.data/scripts/run", 0o100644), b"#!/bin/sh\n"),
            ],
        )

        modes = {file.path: file.mode for file in lay_out(wheel, TARGET)}

        assert {path: oct(mode) for path, mode in modes.items() if ".dist-info/" not in path} == {
            "private.py": "0o644",
            "open.py": "0o644",
            "without_a_mode.py": "0o644",
            "tool": "0o755",
            "setuid": "0o755",
            "bin/run": "0o755",
        }


class TestScripts:
    @pytest.mark.parametrize(
        ("first_line", "expected"),
        [
            (b"#!python\n", SHEBANG),
            (b"#!pythonw\n", SHEBANG),
            (b"#!python\r\n", SHEBANG),
            (b"#!python -E\n", b"#!/var/lang/bin/python3.13 -E\n"),
            (b"#!python3\n", SHEBANG),
            (b"#!/bin/sh\n", b"#!/bin/sh\n"),
            (b"#!/usr/bin/env python3\n", b"#!/usr/bin/env python3\n"),
            (b"\x7fELF\n", b"\x7fELF\n"),
        ],
    )
    def test_the_interpreter_that_a_wheel_leaves_open_is_the_runtimes(
        self, first_line: bytes, expected: bytes, tmp_path: Path
    ) -> None:
        wheel = wheel_of(tmp_path, {"orders-1.0.data/scripts/serve": first_line + b"print(1)\n#!python\n"})

        files = lay_out(wheel, TARGET)

        assert by_path(files)["bin/serve"].source.read() == expected + b"print(1)\n#!python\n"
        assert_record_is_true(files, "orders-1.0.dist-info")

    def test_a_console_script_runs_where_lambda_has_the_bundle(self, tmp_path: Path) -> None:
        wheel = wheel_of(
            tmp_path,
            {
                "orders/cli.py": "import sys\nclass App:\n    def run():\n        return sys.argv[1]\n",
                "orders/__init__.py": "def main():\n    print('total', 42)\n    return 3\n",
                "orders-1.0.dist-info/entry_points.txt": (
                    "[console_scripts]\nOrders-Total = orders:main\nnested= orders.cli : App.run [extra]\n\n"
                    "[gui_scripts]\nwindow = orders:main\n\n[orders.plugins]\nx = orders.missing\n"
                ),
            },
        )

        files = lay_out(wheel, TARGET)
        folder = unpacked(files, tmp_path / "task root")

        assert [file.path for file in files if file.path.startswith("bin/")] == ["bin/Orders-Total", "bin/nested"]
        assert_record_is_true(files, "orders-1.0.dist-info")
        assert run_script(folder / "bin" / "Orders-Total") == (3, "total 42\n", "")
        assert run_script(folder / "bin" / "nested", "bye") == (1, "", "bye\n")

    def test_a_script_of_the_wheel_goes_before_an_entry_point_of_the_same_name(self, tmp_path: Path) -> None:
        wheel = wheel_of(
            tmp_path,
            {
                "orders.py": "",
                "orders-1.0.data/scripts/orders": "#!/bin/sh\necho own\n",
                "orders-1.0.dist-info/entry_points.txt": "[console_scripts]\norders = orders:main\n",
            },
        )

        (script,) = [file for file in lay_out(wheel, TARGET) if file.path == "bin/orders"]

        assert script.source.read() == b"#!/bin/sh\necho own\n"

    @pytest.mark.parametrize(
        "line",
        [
            "orders = orders",
            "orders = orders:",
            "orders = orders:main; import os",
            "../orders = orders:main",
            "a/b = orders:main",
            ".. = orders:main",
            "a\\b = orders:main",
            "orders = 1 + 1:main",
        ],
    )
    def test_a_malformed_console_script_is_refused_by_name(self, line: str, tmp_path: Path) -> None:
        wheel = wheel_of(
            tmp_path, {"orders.py": "", "orders-1.0.dist-info/entry_points.txt": f"[console_scripts]\n{line}\n"}
        )

        with pytest.raises(BrokenWheelError) as raised:
            lay_out(wheel, TARGET)

        assert raised.value.filename == wheel.name
        assert "console script" in raised.value.reason
        assert line.partition(" = ")[0] in raised.value.reason

    @pytest.mark.parametrize(
        "content", ["orders = orders:main\n", "[console_scripts\n", b"[console_scripts]\n\xff = a:b"]
    )
    def test_unreadable_entry_points_are_refused(self, content: Content, tmp_path: Path) -> None:
        wheel = wheel_of(tmp_path, {"orders.py": "", "orders-1.0.dist-info/entry_points.txt": content})

        with pytest.raises(BrokenWheelError, match=r"entry_points\.txt cannot be read"):
            lay_out(wheel, TARGET)


def run_script(script: Path, *arguments: str) -> tuple[int, str, str]:
    """As the system would, with an interpreter of this machine in the place of the runtime's."""
    content = script.read_bytes()
    assert content.startswith(SHEBANG)
    script.write_bytes(content.replace(SHEBANG, f"#!{sys.executable}\n".encode(), 1))
    completed = subprocess.run(
        [str(script), *arguments], cwd="/", env={}, capture_output=True, text=True, check=False, timeout=60
    )
    return completed.returncode, completed.stdout, completed.stderr


class TestRecord:
    def test_record_is_copied_unchanged_if_no_file_has_moved(self, tmp_path: Path) -> None:
        wheel = make_wheel(tmp_path, "orders")
        with zipfile.ZipFile(wheel) as archive:
            original = archive.read("orders-1.0.dist-info/RECORD")

        files = lay_out(wheel, TARGET)

        assert by_path(files)["orders-1.0.dist-info/RECORD"].source.read() == original
        assert_record_is_true(files, "orders-1.0.dist-info")

    def test_hexadecimal_hashes_become_base64(self, tmp_path: Path) -> None:
        """The bundle's RECORD follows the specification, even if no file has moved."""
        wheel = wheel_of(tmp_path, {"orders.py": "ORDERS = 1\n"})
        with zipfile.ZipFile(wheel) as archive:
            contents = {name: archive.read(name) for name in archive.namelist() if not name.endswith("/RECORD")}
        rows = "".join(f"{n},sha256={hashlib.sha256(c).hexdigest()},{len(c)}\n" for n, c in contents.items())
        with zipfile.ZipFile(wheel, "w") as archive:
            for name, content in {**contents, "orders-1.0.dist-info/RECORD": rows.encode()}.items():
                archive.writestr(name, content)

        assert_record_is_true(lay_out(wheel, TARGET), "orders-1.0.dist-info")

    @pytest.mark.parametrize("change", [("gone.py,", "../gone.py,"), ("orders.py,", "/orders.py,")])
    def test_rows_that_match_no_file_are_corrected(self, change: tuple[str, str], tmp_path: Path) -> None:
        """The bundle's RECORD lists what is there, whatever the wheel's does."""
        gone = f"gone.py,sha256={digest(b'')},0\n"
        wheel = with_record(tmp_path, lambda record: (record + gone).replace(*change))

        assert_record_is_true(lay_out(wheel, TARGET), "orders-1.0.dist-info")

    @pytest.mark.parametrize(
        "change",
        [
            lambda record: record + "orders-1.0.dist-info/,,\n",
            lambda record: record + "orders/,,\n",
            lambda record: record + record.partition("\n")[0] + "\n",
            lambda record: record.replace(digest(b"ORDERS = 1\n"), digest(b"ORDERS = 1\n") + "="),
        ],
        ids=["metadata directory", "directory", "twice", "padded"],
    )
    def test_rows_become_standard(self, change: Callable[[str], str], tmp_path: Path) -> None:
        assert_record_is_true(lay_out(with_record(tmp_path, change), TARGET), "orders-1.0.dist-info")

    @pytest.mark.parametrize("change", [("orders.py,sha256=", "orders.py,sha256=A"), (",11\n", ",5\n")])
    def test_a_wrong_hash_or_size_is_corrected_where_it_is_checked(
        self, change: tuple[str, str], tmp_path: Path
    ) -> None:
        wheel = with_record(tmp_path, lambda record: record.replace(*change, 1))

        assert_record_is_true(lay_out(wheel, TARGET, check_record=True), "orders-1.0.dist-info")

    def test_names_with_commas_quotes_and_letters_of_any_script_are_recorded(self, tmp_path: Path) -> None:
        names = ["a,b.txt", 'say "hi".txt', "Straße.txt", "注文.txt"]
        wheel = raw_wheel(tmp_path, [(f"orders-1.0.data/data/{name}", name.encode()) for name in names])

        files = lay_out(wheel, TARGET)

        assert set(names) <= set(by_path(files))
        assert_record_is_true(files, "orders-1.0.dist-info")

    def test_a_wheel_without_one_is_refused_where_it_is_needed(self, tmp_path: Path) -> None:
        path = tmp_path / "orders-1.0-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("orders-1.0.dist-info/METADATA", "")
            archive.writestr("orders-1.0.data/purelib/orders.py", "")

        with pytest.raises(BrokenWheelError, match="RECORD is missing"):
            lay_out(path, TARGET)


class TestUnsafeWheels:
    @pytest.mark.parametrize(
        "name",
        [
            "../evil.py",
            "orders/../../evil.py",
            "/etc/evil.py",
            "//evil.py",
            "C:/evil.py",
            "c:evil.py",
            "orders\\evil.py",
            "..\\evil.py",
            "orders-1.0.data/scripts/../../evil",
            "orders-1.0.data/data//etc/../../evil",
            "..",
            ".",
            "./orders.py",
            "orders//x.py",
        ],
    )
    def test_a_name_that_leads_out_of_the_bundle_or_is_not_plain_is_refused(self, name: str, tmp_path: Path) -> None:
        wheel = raw_wheel(tmp_path, [(name, b"evil")])

        with pytest.raises(BrokenWheelError) as raised:
            lay_out(wheel, TARGET)

        assert raised.value.filename == wheel.name
        assert repr(name) in str(raised.value)

    @pytest.mark.parametrize("name", ["orders/...py", "orders/..hidden", "orders/a:b.txt"])
    def test_a_name_that_only_looks_odd_stays_inside(self, name: str, tmp_path: Path) -> None:
        files = lay_out(raw_wheel(tmp_path, [(name, b"")]), TARGET)

        folder = unpacked(files, tmp_path / "bundle")
        assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == set(by_path(files))
        assert_record_is_true(files, "orders-1.0.dist-info")

    @pytest.mark.parametrize("name", ["orders/link.py", "orders-1.0.data/scripts/link"])
    def test_a_symbolic_link_is_refused(self, name: str, tmp_path: Path) -> None:
        link = zipfile.ZipInfo(name)
        link.create_system = 3
        link.external_attr = 0o120777 << 16

        with pytest.raises(BrokenWheelError, match=f"its entry '{name}' is a symbolic link"):
            lay_out(raw_wheel(tmp_path, [(link, b"/etc/passwd")]), TARGET)

    def test_a_file_that_is_no_zip_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "orders-1.0-py3-none-any.whl"
        path.write_bytes(b"<html>404</html>")

        with pytest.raises(BrokenWheelError, match=r"orders-1\.0-py3-none-any\.whl is not a usable wheel"):
            lay_out(path, TARGET)

    def test_a_wheel_that_was_cut_off_is_refused(self, tmp_path: Path) -> None:
        path = make_wheel(tmp_path, "orders")
        path.write_bytes(path.read_bytes()[:-40])

        with pytest.raises(BrokenWheelError):
            lay_out(path, TARGET)

    @pytest.mark.parametrize(
        "folders", [[], ["invoices-1.0.dist-info"], ["orders-1.0.dist-info", "Orders-1.0.dist-info"]]
    )
    def test_a_wheel_without_its_own_dist_info_is_rejected(self, folders: list[str], tmp_path: Path) -> None:
        path = tmp_path / "orders-1.0-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("orders.py", "")
            for folder in folders:
                archive.writestr(f"{folder}/METADATA", "")

        with pytest.raises(BrokenWheelError, match=r"\.dist-info directory of orders"):
            lay_out(path, TARGET)

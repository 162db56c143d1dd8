"""Reading zips and directories: the owners of files, and errors."""

from __future__ import annotations

import os
import stat
import struct
import zipfile
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.inspect.contents import Contents, read
from hatch_lambda.inspect.sources import Entry
from hatch_lambda.zip import writer
from hatch_lambda.zip.reader import ContentsError
from tests.support.elf import make_elf
from tests.support.packages import make_wheel, metadata
from tests.support.zips import make_zip, patched

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hatch_lambda.bundle.files import Bundle


def owned(contents: Contents) -> dict[str, list[str]]:
    return {str(one): [entry.path for entry in one.entries] for one in contents.installed}


def unclaimed(contents: Contents) -> list[str]:
    return [entry.path for entry in contents.unclaimed]


class TestOwnership:
    def test_zip_built_by_hatch_lambda(self, index: Path, bundle_of: Callable[..., Bundle], tmp_path: Path) -> None:
        make_wheel(index, "soup", "1.5", requires=["salt"])
        make_wheel(index, "salt", "2.0", files={"salt/__init__.py": "", "salt/data.txt": "NaCl"})
        made = writer.write(tmp_path / "orders.zip", bundle_of("soup").files)
        contents = read(made.path)
        assert contents.kind == "function"
        assert list(owned(contents)) == ["salt 2.0", "soup 1.5"]
        assert owned(contents)["salt 2.0"][-2:] == ["salt/__init__.py", "salt/data.txt"]
        assert contents.installed[1].metadata.requires == ("salt",)
        assert contents.unclaimed == ()
        assert (contents.size, contents.zipped) == (made.unzipped, made.zipped)

    def test_loose_modules_are_unclaimed(self, tmp_path: Path) -> None:
        wheel = make_wheel(tmp_path, "salt")
        contents = read(make_zip(tmp_path / "f.zip", {"app.py": "", "salty.py": ""}, wheels=[wheel]))
        assert unclaimed(contents) == ["app.py", "salty.py"]

    def test_layer(self, tmp_path: Path) -> None:
        wheel = make_wheel(tmp_path, "salt")
        contents = read(make_zip(tmp_path / "layer.zip", {"bin/tool": ""}, wheels=[wheel], root="python/"))
        assert contents.kind == "layer"
        assert "python/salt.py" in owned(contents)["salt 1.0"]
        assert contents.installed[0].dist_info == "python/salt-1.0.dist-info"
        assert contents.import_roots == ("python/",)

    def test_layer_for_one_runtime(self, tmp_path: Path) -> None:
        root = "python/lib/python3.12/site-packages/"
        contents = read(make_zip(tmp_path / "layer.zip", wheels=[make_wheel(tmp_path, "salt")], root=root))
        assert contents.kind == "layer"
        assert f"{root}salt.py" in owned(contents)["salt 1.0"]
        assert contents.import_roots == (root,)
        assert contents.import_path(f"{root}salt.py") == "salt.py"

    @pytest.mark.parametrize("files", [{"python/__init__.py": ""}, {"python/x.py": "", "app.py": ""}])
    def test_package_named_python_is_not_a_layer(self, tmp_path: Path, files: dict[str, str]) -> None:
        assert read(make_zip(tmp_path / "f.zip", files)).kind == "function"

    def test_directory_equals_its_zip(self, tmp_path: Path) -> None:
        zipped = make_zip(tmp_path / "f.zip", {"app.py": "x = 1\n"}, wheels=[make_wheel(tmp_path, "salt")])
        with zipfile.ZipFile(zipped) as opened:
            opened.extractall(tmp_path / "folder")
        contents, same = read(tmp_path / "folder"), read(zipped)
        assert owned(contents) == owned(same)
        assert unclaimed(contents) == ["app.py"]
        assert contents.size == same.size
        assert all(entry.compressed == entry.size for entry in contents.entries)
        assert contents.zipped is None
        assert contents.read("app.py") == b"x = 1\n"
        assert contents.checksum("app.py") == same.checksum("app.py")

    def test_scripts_moved_by_pip_target(self, tmp_path: Path) -> None:
        files = {
            "salt.py": "",
            "bin/salt": "",
            "salt-1.0.dist-info/METADATA": metadata("salt", "1.0"),
            "salt-1.0.dist-info/RECORD": "salt.py,,\n../../bin/salt,,\nsalt-1.0.dist-info/METADATA,,\n",
        }
        assert unclaimed(read(make_zip(tmp_path / "f.zip", files))) == []

    def test_bytecode_belongs_to_the_owner_of_its_source(self, tmp_path: Path) -> None:
        added = {"__pycache__/salt.cpython-313.pyc": "", "__pycache__/app.cpython-313.opt-1.pyc": "", "app.py": ""}
        contents = read(make_zip(tmp_path / "f.zip", added, wheels=[make_wheel(tmp_path, "salt")]))
        assert "__pycache__/salt.cpython-313.pyc" in owned(contents)["salt 1.0"]
        assert unclaimed(contents) == ["__pycache__/app.cpython-313.opt-1.pyc", "app.py"]

    def test_bytecode_instead_of_its_source(self, tmp_path: Path) -> None:
        files = {
            "salt.pyc": "",
            "salt-1.0.dist-info/METADATA": metadata("salt", "1.0"),
            "salt-1.0.dist-info/RECORD": "salt.py,,\nsalt-1.0.dist-info/METADATA,,\n",
        }
        assert unclaimed(read(make_zip(tmp_path / "f.zip", files))) == []

    @pytest.mark.parametrize("record", [{}, {"a_b-1.0.dist-info/RECORD": "elsewhere.py,,\n"}])
    def test_top_level_txt_if_record_is_missing_or_wrong(self, tmp_path: Path, record: dict[str, str]) -> None:
        files = {
            "other/x.py": "",
            "app.py": "",
            "a_b-1.0.dist-info/METADATA": metadata("a.b", "1.0"),
            "a_b-1.0.dist-info/top_level.txt": "other\n",
            **record,
        }
        contents = read(make_zip(tmp_path / "f.zip", files))
        assert "other/x.py" in owned(contents)["a.b 1.0"]
        assert unclaimed(contents) == ["app.py"]

    def test_directory_name_if_nothing_else_is_known(self, tmp_path: Path) -> None:
        files = {"A_b/x.py": "", "ab/y.py": "", "a_b-1.0.dist-info/METADATA": metadata("a.b", "1.0")}
        assert unclaimed(read(make_zip(tmp_path / "f.zip", files))) == ["ab/y.py"]

    def test_eggs(self, tmp_path: Path) -> None:
        files = {
            "old.py": "",
            "old-1.0-py3.11.egg-info/PKG-INFO": metadata("old", "1.0"),
            "old-1.0-py3.11.egg-info/installed-files.txt": "../old.py\nPKG-INFO\n",
            "older.py": "",
            "older-2.0.egg-info": metadata("older", "2.0"),
        }
        contents = read(make_zip(tmp_path / "f.zip", files))
        assert list(owned(contents)) == ["old 1.0", "older 2.0"]
        assert unclaimed(contents) == []

    def test_vendored_distributions_belong_to_their_vendor(self, tmp_path: Path) -> None:
        files = {"outer/_vendor/inner.py": "", "outer/_vendor/inner-1.0.dist-info/METADATA": metadata("inner", "1.0")}
        contents = read(make_zip(tmp_path / "f.zip", wheels=[make_wheel(tmp_path, "outer", files=files)]))
        assert list(owned(contents)) == ["outer 1.0"]
        assert unclaimed(contents) == []

    def test_metadata_without_name_is_an_ordinary_file(self, tmp_path: Path) -> None:
        contents = read(make_zip(tmp_path / "f.zip", {"x.dist-info/METADATA": "Summary: what?\n"}))
        assert contents.installed == ()
        assert unclaimed(contents) == ["x.dist-info/METADATA"]

    def test_modes(self, tmp_path: Path) -> None:
        contents = read(make_zip(tmp_path / "f.zip", {"run": "", "app.py": ""}, modes={"run": 0o755}))
        assert {entry.path: stat.S_IMODE(entry.mode) for entry in contents.entries} == {"app.py": 0o644, "run": 0o755}

    def test_directories_and_dots_are_skipped(self, tmp_path: Path) -> None:
        contents = read(make_zip(tmp_path / "f.zip", {"pkg/": "", "./app.py": "x"}))
        assert [entry.path for entry in contents.entries] == ["app.py"]
        assert contents.read("app.py") == b"x"

    def test_last_of_two_entries_with_the_same_name_wins(self, tmp_path: Path) -> None:
        path = make_zip(tmp_path / "f.zip", {"app.py": "first"})
        with zipfile.ZipFile(path, "a") as opened, pytest.warns(UserWarning, match="Duplicate"):
            opened.writestr("app.py", "second!")
        contents = read(path)
        assert [(entry.path, entry.size) for entry in contents.entries] == [("app.py", 7)]
        assert contents.read("app.py") == b"second!"


class TestProject:
    def test_is_the_distribution_that_no_other_requires(self, tmp_path: Path) -> None:
        wheels = [
            make_wheel(tmp_path, "orders", requires=["soup[hot]>=1", "orders[all]; extra == 'all'"]),
            make_wheel(tmp_path, "soup", requires=["not a requirement, but metadata may say anything"]),
        ]
        assert str(read(make_zip(tmp_path / "f.zip", wheels=wheels)).project) == "orders 1.0"

    def test_is_none_with_loose_modules(self, tmp_path: Path) -> None:
        path = make_zip(tmp_path / "f.zip", {"app.py": ""}, wheels=[make_wheel(tmp_path, "soup")])
        assert read(path).project is None

    def test_is_none_in_a_layer_or_if_ambiguous(self, tmp_path: Path) -> None:
        wheels = [make_wheel(tmp_path, "salt"), make_wheel(tmp_path, "soup")]
        assert read(make_zip(tmp_path / "layer.zip", wheels=wheels[:1], root="python/")).project is None
        assert read(make_zip(tmp_path / "f.zip", wheels=wheels)).project is None


class TestMachineCode:
    def test_any_file_name(self, tmp_path: Path) -> None:
        path = make_zip(tmp_path / "f.zip", {"data.bin": make_elf("aarch64"), "a.so": b"MZ", "b.so": ""})
        assert [(code.path, code.architecture) for code in read(path).machine_code] == [("data.bin", "aarch64")]

    def test_broken_files_are_listed_separately(self, tmp_path: Path) -> None:
        contents = read(make_zip(tmp_path / "f.zip", {"a.so": make_elf(), "b.so": b"\x7fELF"}))
        assert [code.path for code in contents.machine_code] == ["a.so"]
        assert [(code.path, code.cause) for code in contents.broken_machine_code] == [
            ("b.so", "it ends within its first header")
        ]


class TestErrors:
    @pytest.mark.parametrize("content", [b"", b"no zip at all", bytes(5000)])
    def test_not_a_zip(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "f.zip"
        path.write_bytes(content)
        with pytest.raises(ContentsError, match=r"f\.zip is not a zip file\.$"):
            read(path)

    def test_truncated(self, tmp_path: Path) -> None:
        path = make_zip(tmp_path / "f.zip", {"a.py": "x" * 1000, "b.py": ""})
        path.write_bytes(path.read_bytes()[:60])
        with pytest.raises(ContentsError, match="is truncated: its central directory is missing"):
            read(path)

    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(ContentsError, match="is neither a file nor a directory"):
            read(tmp_path / "f.zip")

    def test_encrypted(self, tmp_path: Path) -> None:
        path = make_zip(tmp_path / "f.zip", {"a.py": ""})
        header = path.read_bytes().rpartition(b"PK\1\2")[2][:4]
        patched(path, b"PK\1\2" + header + b"\0\0", b"PK\1\2" + header + b"\1\0")
        with pytest.raises(ContentsError, match=r"its entry `a\.py` is encrypted"):
            read(path)

    def test_unsupported_compression(self, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "f.zip", "w", zipfile.ZIP_LZMA) as opened:
            opened.writestr("a.py", "x")
        with pytest.raises(ContentsError, match="uses compression method 14"):
            read(tmp_path / "f.zip")

    def test_impossible_size(self, tmp_path: Path) -> None:
        path = make_zip(tmp_path / "f.zip", {"a.py": "x" * 100})
        patched(path, struct.pack("<I", 100), struct.pack("<I", 2**31 - 1))
        with pytest.raises(ContentsError, match="to 2,147,483,647 bytes, which is impossible"):
            read(path)

    def test_zip_bomb(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("hatch_lambda.zip.reader._MAX_UNPACKED", 199)
        with pytest.raises(ContentsError, match="it claims to unpack to 200 bytes"):
            read(make_zip(tmp_path / "f.zip", {"a.py": "x" * 100, "b.py": "y" * 100}))

    def test_overlapping_entries(self, tmp_path: Path) -> None:
        content = os.urandom(5000)
        path = make_zip(tmp_path / "f.zip", {"a": content, "b": content})
        with zipfile.ZipFile(path) as opened:
            first, second = opened.infolist()
        whole = path.read_bytes()
        directory = whole[whole.index(b"PK\1\2") : whole.index(b"PK\5\6")]
        start = second.header_offset
        directory = directory.replace(struct.pack("<I", start), struct.pack("<I", first.header_offset))
        end = bytearray(whole[whole.index(b"PK\5\6") :])
        end[16:20] = struct.pack("<I", start)
        path.write_bytes(whole[:start] + directory + end)
        with pytest.raises(ContentsError, match="its entries overlap"):
            read(path)

    def test_corrupt_content_is_an_error_when_it_is_read(self, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "f.zip", "w") as opened:
            opened.writestr("a.py", "precious")
        content = (tmp_path / "f.zip").read_bytes()
        (tmp_path / "f.zip").write_bytes(content.replace(b"precious", b"Precious"))
        contents = read(tmp_path / "f.zip")
        with pytest.raises(ContentsError, match="is corrupt: Bad CRC-32"):
            contents.read("a.py")

    def test_unreadable_directory(self, tmp_path: Path) -> None:
        folder = tmp_path / "folder"
        (folder / "locked").mkdir(parents=True)
        (folder / "locked").chmod(0)
        try:
            if os.access(folder / "locked", os.R_OK):  # root may, and so cannot have this error
                pytest.skip("this user may look into everything")
            with pytest.raises(ContentsError, match=r"locked cannot be read: Permission denied"):
                read(folder)
        finally:
            (folder / "locked").chmod(0o755)

    def test_pipes_and_dangling_links_are_skipped(self, tmp_path: Path) -> None:
        folder = tmp_path / "folder"
        folder.mkdir()
        (folder / "app.py").write_text("x")
        (folder / "dead").symlink_to("nowhere")
        (folder / "alive").symlink_to("app.py")
        os.mkfifo(folder / "pipe")
        entries = read(folder).entries
        assert [(entry.path, entry.size) for entry in entries] == [("alive", 1), ("app.py", 1)]
        assert all(isinstance(entry, Entry) for entry in entries)

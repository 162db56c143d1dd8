"""The user's cache: what it gives back, what it drops, and what it does not believe."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hatch_lambda.common import exchange
from hatch_lambda.common.errors import BrokenWheelError
from hatch_lambda.common.hashing import is_hashed
from hatch_lambda.common.tempfiles import PART, marked
from hatch_lambda.resolve.origins import Origins
from hatch_lambda.resolve.pip import process
from hatch_lambda.wheels import store as store_module
from hatch_lambda.wheels.store import Store, WantedWheel
from hatch_lambda.zip import writer
from tests.support.packages import make_wheel
from tests.support.simple_index import json_page
from tests.support.situation import (
    DAMAGES,
    REUSED,
    Situation,
    age,
    files_in,
    raising,
    replace_by_another,
    sha256,
    stored_wheels,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from hatch_lambda.bundle.files import Bundle
    from tests.support.recording_ui import RecordingUI
    from tests.support.simple_index import SimpleIndex

    BundleOf = Callable[..., Bundle]


class TestTheStore:
    def test_with_lock_and_store_at_hand_a_build_needs_no_network(
        self, tmp_path: Path, bundle_with_state: BundleOf, serve: type[SimpleIndex], no_process: Callable[[], None]
    ) -> None:
        make_wheel(tmp_path / "served", "foo")
        with serve(tmp_path / "served") as index:
            url = index.url
            first = bundle_with_state("foo", pip_args=["--index-url", url])
        shutil.rmtree(tmp_path / "served")
        shutil.rmtree(first.directory)

        no_process()
        second = bundle_with_state("foo", pip_args=["--index-url", url])

        assert second == first
        assert "foo.py" in files_in(second.directory)

    @pytest.mark.parametrize("how", DAMAGES.values(), ids=DAMAGES)
    def test_a_changed_wheel_is_detected_reported_and_downloaded_again(
        self, how: Callable[[Path], object], situation: Situation, cache: Path
    ) -> None:
        situation.wheels.append(make_wheel(situation.tmp / "wheels", "bar"))
        expected = writer.write(situation.tmp / "first.zip", situation.build().files).path.read_bytes()
        how(stored_wheels(cache)["foo-1.0-py3-none-any.whl"])

        bundle = situation.build()

        assert situation.resolved == 2
        (told,) = [line for line in situation.ui.lines if "foo-1.0-py3-none-any.whl" in line]
        assert told.startswith("Warning: ")
        assert "bar" not in told
        assert "EVIL" not in (bundle.directory / "foo.py").read_text(encoding="utf-8")
        assert writer.write(situation.tmp / "second.zip", bundle.files).path.read_bytes() == expected
        wheel = stored_wheels(cache)["foo-1.0-py3-none-any.whl"]
        assert sha256(wheel) == sha256(situation.wheels[0])
        situation.build()
        assert situation.resolved == 2

    def test_a_lost_wheel_is_fetched_by_the_real_pip(
        self, index: Path, bundle_with_state: BundleOf, cache: Path, ui: RecordingUI
    ) -> None:
        make_wheel(index, "foo")
        first = bundle_with_state("foo")
        shutil.rmtree(cache)

        assert bundle_with_state("foo") == first

        assert not REUSED.search(ui.text)

    def test_a_cached_wheel_is_not_downloaded_for_another_project(
        self, tmp_path: Path, bundle_with_state: BundleOf, serve: type[SimpleIndex], ui: RecordingUI
    ) -> None:
        pages, other = tmp_path / "pages", tmp_path / "other"
        for folder in (pages, tmp_path / "served"):
            make_wheel(folder, "foo", requires=["bar"])
            make_wheel(folder, "bar")
        other.mkdir()
        with serve(tmp_path / "served", page=lambda _folder, name: json_page(pages, name)) as index:
            without_pips_own_cache = ["--index-url", index.url, "--no-cache-dir"]
            first = bundle_with_state("foo", pip_args=without_pips_own_cache)
            shutil.rmtree(tmp_path / "served")
            second = bundle_with_state("foo", pip_args=without_pips_own_cache, root=other)

        assert (first.origins, second.origins) == (Origins(downloaded=2), Origins(cached=2))
        assert not REUSED.search(ui.text)
        assert second.wheels == first.wheels
        assert files_in(second.directory) == files_in(first.directory)

    def test_a_wheel_that_is_changed_while_it_is_made_use_of_stops_the_build(
        self, tmp_path: Path, bundle_with_state: BundleOf, serve: type[SimpleIndex], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_wheel(tmp_path / "served", "foo")
        download = process.pip_download

        def change_what_is_kept(*args: Any, **options: Any) -> process.PipAnswer:
            answer = download(*args, **options)
            (found,) = answer.findings["resolved"]
            if found["cached"]:
                replace_by_another(Path(found["cached"]))
            return answer

        monkeypatch.setattr(process, "pip_download", change_what_is_kept)
        with serve(tmp_path / "served") as index:
            arguments = ["--index-url", index.url]
            bundle_with_state("foo", pip_args=arguments)
            with pytest.raises(BrokenWheelError, match=r"modified in the cache"):
                bundle_with_state("foo>0", pip_args=arguments)

    @pytest.mark.skipif(os.name == "nt", reason="Windows has no time of the last change that Python knows")
    def test_a_wheel_is_hashed_once_by_one_build_unless_it_is_touched(self, tmp_path: Path) -> None:
        kept = Store(tmp_path / "cache").keep(make_wheel(tmp_path, "foo"), "foo", "1.0")
        time.sleep(0.03)  # what was written a moment ago may be written again within a tick
        store, wanted = Store(tmp_path / "cache"), [WantedWheel(*kept[:4])]

        assert store.find_all(wanted) == [kept]
        assert is_hashed(kept.path)
        kept.path.touch()
        assert not is_hashed(kept.path)
        assert store.find_all(wanted) == [kept]
        status, content = kept.path.stat(), bytearray(kept.path.read_bytes())
        content[100] ^= 1
        kept.path.write_bytes(content)
        os.utime(kept.path, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert store.find_all(wanted) == [None]
        assert not kept.path.exists()

    def test_two_projects_share_a_wheel(self, situation: Situation, cache: Path) -> None:
        situation.build()
        (wheel,) = stored_wheels(cache).values()
        before = wheel.stat()

        situation.root = situation.tmp / "other"
        situation.root.mkdir()
        situation.table = {"runtime": "python3.12", "architecture": "arm64"}
        bundle = situation.build()

        assert [stored.path for stored in bundle.wheels] == [wheel]
        assert (wheel.stat().st_ino, wheel.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
        assert list(stored_wheels(cache)) == [wheel.name]

    def test_two_contents_under_one_name_are_two_wheels(self, situation: Situation, cache: Path) -> None:
        situation.build()
        other = make_wheel(situation.tmp / "others", "foo", files={"foo.py": "OTHER = True\n"})
        situation.wheels, situation.requirements = [other], ["foo>=1"]

        bundle = situation.build()

        assert (bundle.directory / "foo.py").read_text(encoding="utf-8") == "OTHER = True\n"
        assert len([path for path in cache.rglob("*.whl") if path.is_file()]) == 2

    def test_a_variable_moves_it(
        self, situation: Situation, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HATCH_LAMBDA_CACHE_DIR", str(tmp_path / "a new" / "place"))

        situation.build()

        assert list(stored_wheels(tmp_path / "a new" / "place")) == ["foo-1.0-py3-none-any.whl"]
        assert not cache.exists()

    def test_it_is_below_the_users_cache_folder_by_default(
        self, situation: Situation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("HATCH_LAMBDA_CACHE_DIR")
        for variable_name in ("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"):
            monkeypatch.setenv(variable_name, str(tmp_path / "user"))

        situation.build()

        (wheel,) = stored_wheels(tmp_path / "user").values()
        assert "hatch-lambda" in wheel.relative_to(tmp_path / "user").parts

    @pytest.mark.parametrize("below", ["", "below/it"])
    def test_the_fallback_is_used_if_the_cache_is_not_writable(
        self, below: str, situation: Situation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = situation.tmp / "a file"
        file.write_bytes(b"")
        monkeypatch.setenv("HATCH_LAMBDA_CACHE_DIR", str(file / below))

        bundle = situation.build()
        situation.build()

        assert situation.resolved == 1
        assert file.read_bytes() == b""
        build_directory = bundle.directory.parent.parent
        assert all(build_directory in wheel.path.parents for wheel in bundle.wheels)

    def test_it_is_not_believed_in_what_it_noted_of_a_build(self, tmp_path: Path) -> None:
        store = Store(tmp_path / "store")
        kept = store.keep(make_wheel(tmp_path, "foo"), "foo", "1.0")
        store.remember_built("0" * 64, kept)
        assert store.built("0" * 64, "foo", "1.0") == kept
        (note,) = [path for path in store.root.rglob("*.json") if kept.sha256 in path.read_text(encoding="utf-8")]

        for text in ("", "[]", "5", "{}", '{"filename": 5, "sha256": 5}', '{"filename": "x", "sha256": "../.."}'):
            note.write_text(text, encoding="utf-8")
            assert store.built("0" * 64, "foo", "1.0") is None, text


class TestTidying:
    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        return Store(tmp_path / "store")

    def keep(self, store: Store, tmp_path: Path, version: str, *, days: float, size: int = 10) -> Path:
        wheel = make_wheel(tmp_path, "foo", version, files={"data": os.urandom(size)})
        path = store.keep(wheel, "foo", version).path
        age(path, days)
        return path

    def test_what_no_build_has_used_for_long_goes(self, store: Store, tmp_path: Path) -> None:
        old = self.keep(store, tmp_path, "1.0", days=61)
        recent = self.keep(store, tmp_path, "2.0", days=59)

        store.tidy()

        assert not old.parent.exists()
        assert recent.is_file()

    def test_the_least_recently_used_entries_are_removed_above_the_limit(
        self, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        paths = {
            days: self.keep(store, tmp_path, f"{number}.0", days=days, size=10_000)
            for number, days in enumerate((7, 1, 30, 3))
        }
        monkeypatch.setattr(store_module, "BOUND", 25_000)

        store.tidy()

        assert {days for days, path in paths.items() if path.exists()} == {1, 3}

    def test_it_is_done_once_a_day(self, store: Store, tmp_path: Path) -> None:
        store.tidy()
        old = self.keep(store, tmp_path, "1.0", days=61)
        store.tidy()
        assert old.exists()

        for path in store.root.iterdir():
            if path.is_file():
                age(path, 1.1)
        store.tidy()

        assert not old.exists()

    def test_a_build_does_it(self, situation: Situation, cache: Path) -> None:
        old = self.keep(Store(cache), situation.tmp, "0.5", days=61)

        situation.build()

        assert not old.exists()
        assert list(stored_wheels(cache)) == ["foo-1.0-py3-none-any.whl"]

    @pytest.mark.parametrize("how", ["found", "kept again"])
    def test_used_wheels_stay(self, how: str, store: Store, tmp_path: Path) -> None:
        path = self.keep(store, tmp_path, "1.0", days=61)
        if how == "found":
            assert store.find(WantedWheel("foo", "1.0", path.name, sha256(path)))
        else:
            store.keep(tmp_path / path.name, "foo", "1.0")

        store.tidy()

        assert path.is_file()

    def test_notes_on_a_wheel_in_use_stay(self, store: Store, tmp_path: Path) -> None:
        kept = store.keep(make_wheel(tmp_path, "foo"), "foo", "1.0")
        store.remember_built("0" * 64, kept)
        store.keep_note(kept.sha256, "sound")
        for path in store.root.rglob("*"):
            age(path, 61)
        assert store.built("0" * 64, "foo", "1.0")
        assert store.note(kept.sha256) == "sound"

        store.tidy()

        assert store.built("0" * 64, "foo", "1.0")
        assert store.note(kept.sha256) == "sound"

    def test_libraries_of_a_cross_compiler_that_is_used_no_more_are_removed(self, store: Store) -> None:
        """As a whole: it would not notice that a part is missing."""
        for version in ("0.16.0", "0.17.1"):
            store.compiler(version).joinpath("o").mkdir()
            store.compiler(version).joinpath("o", "libc++.a").touch()
        for path in store.root.rglob("*"):
            age(path, 61)
        store.compiler("0.17.1")

        store.tidy()

        assert [path.name for path in (store.root / "compilers").iterdir()] == ["zig-0.17.1"]
        assert (store.compiler("0.17.1") / "o" / "libc++.a").is_file()
        assert len(store.files()["compilers"]) == 1

    def test_notes_on_an_unused_wheel_are_removed(self, store: Store, tmp_path: Path) -> None:
        kept = store.keep(make_wheel(tmp_path, "foo"), "foo", "1.0")
        store.remember_built("0" * 64, kept)
        store.keep_note(kept.sha256, "sound")
        for path in store.root.rglob("*"):
            age(path, 61)

        store.tidy()

        assert [path.name for path in store.root.rglob("*") if path.is_file()] == ["tidied"]

    def test_part_files_of_killed_processes_are_removed_and_those_in_use_stay(
        self, store: Store, tmp_path: Path
    ) -> None:
        kept = store.keep(make_wheel(tmp_path, "foo"), "foo", "1.0")
        with subprocess.Popen([sys.executable, "-c", ""]) as ended:
            pass
        own = marked(PART)
        begun = store.root / "begun"
        (begun / f"{own}1").write_bytes(b"half")
        (begun / f"{own.replace(str(os.getpid()), str(ended.pid))}1").write_bytes(b"half")

        store.tidy()

        assert [path.name for path in begun.iterdir()] == [f"{own}1"]
        assert kept.path.is_file()

    def test_what_a_killed_build_has_left_beside_the_bundle_goes(
        self, situation: Situation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        situation.build()
        expected = {path.name for path in situation.state.iterdir()}
        situation.wheels, situation.requirements = [make_wheel(situation.tmp / "wheels", "foo", "2.0")], ["foo>=2"]
        with monkeypatch.context() as killed:
            killed.setattr(shutil, "rmtree", lambda *_, **__: None)  # it has no time to clean up
            killed.setattr(exchange, "exchange", raising(KeyboardInterrupt()))
            with pytest.raises(KeyboardInterrupt):
                situation.build()
        assert {path.name for path in situation.state.iterdir()} - expected, "nothing is left, so nothing is tested"

        situation.build()

        assert {path.name for path in situation.state.iterdir()} == expected

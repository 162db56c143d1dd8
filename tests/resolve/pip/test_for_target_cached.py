from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.packages import make_wheel
from tests.support.pip_for_target import Answer, ask, cache, target_of
from tests.support.simple_index import SimpleIndex, json_page, project_page

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.slow
class TestCachedWheels:
    """By their hash, as the store has them; the index has pages alone, so that whatever is downloaded fails."""

    @pytest.fixture
    def wheel(self, tmp_path: Path) -> Path:
        return make_wheel(tmp_path / "files", "Foo_Bar", requires=["baz"])

    @pytest.fixture
    def kept(self, wheel: Path, tmp_path: Path) -> Path:
        return cache(tmp_path / "kept", wheel)

    @pytest.fixture
    def pages(self, wheel: Path, tmp_path: Path) -> Callable[[Path, str], str]:
        make_wheel(tmp_path / "files", "baz")
        return lambda _folder, name: json_page(wheel.parent, name)

    def ask(self, index: SimpleIndex, tmp_path: Path, *requirements: str, **options: Any) -> Answer:
        return ask(
            *(tmp_path, target_of("python3.13", "arm64"), requirements or ["foo-bar"]),
            cached_wheels=tmp_path / "kept",
            index_url=index.url,
            **options,
        )

    @pytest.mark.parametrize("as_json", [True, False])
    def test_they_are_not_downloaded(self, *, as_json: bool, wheel: Path, kept: Path, tmp_path: Path) -> None:
        cache(tmp_path / "kept", make_wheel(tmp_path / "files", "baz"))
        make_page = json_page if as_json else project_page
        pages = {name: make_page(wheel.parent, name) for name in ("foo-bar", "baz")}
        with SimpleIndex(tmp_path / "nothing", page=lambda _folder, name: pages[name]) as index:
            answer = self.ask(index, tmp_path)

        assert answer.exit_code == 0, answer.output
        assert answer.files == frozenset()
        assert answer.findings is not None
        taken = {found["name"]: found["cached"] for found in answer.findings["resolved"]}
        assert taken["Foo_Bar"] == str(kept)
        assert taken["baz"].startswith(str(tmp_path / "kept"))
        assert "Using cached Foo_Bar-1.0-py3-none-any.whl from an earlier build" in answer.output
        assert kept.read_bytes() == wheel.read_bytes()

    @pytest.mark.parametrize("content", [b"", b"EVIL", None])
    def test_what_is_not_what_it_was_is_downloaded(self, content: bytes | None, kept: Path, tmp_path: Path) -> None:
        if content is None:
            kept.unlink()
        else:
            kept.write_bytes(content)
        make_wheel(tmp_path / "files", "baz")
        with SimpleIndex(tmp_path / "files", as_json=True) as index:
            answer = self.ask(index, tmp_path)

        assert answer.exit_code == 0, answer.output
        assert answer.files == {"Foo_Bar-1.0-py3-none-any.whl", "baz-1.0-py3-none-any.whl"}
        assert answer.findings is not None
        assert {found["cached"] for found in answer.findings["resolved"]} == {None}

    def test_what_the_user_has_another_hash_of_is_refused(
        self, kept: Path, pages: Callable[[Path, str], str], tmp_path: Path
    ) -> None:
        del kept
        with SimpleIndex(tmp_path / "nothing", page=pages) as index:
            answer = self.ask(index, tmp_path, f"foo-bar==1.0 --hash=sha256:{'0' * 64}", arguments=["--no-deps"])

        assert answer.exit_code != 0
        assert "THESE PACKAGES DO NOT MATCH THE HASHES" in answer.output

    @pytest.mark.parametrize("algorithm", ["md5", "sha512"])
    def test_by_other_hashes_nothing_is_found(self, algorithm: str, wheel: Path, kept: Path, tmp_path: Path) -> None:
        make_wheel(tmp_path / "files", "baz")
        of_wheel = hashlib.new(algorithm, wheel.read_bytes()).hexdigest()
        page = f'<a href="../../files/{wheel.name}#{algorithm}={of_wheel}">{wheel.name}</a>'
        with SimpleIndex(tmp_path / "files", page=lambda _folder, _name: page) as index:
            answer = self.ask(index, tmp_path, arguments=["--no-deps"])

        assert kept.is_file()
        assert answer.exit_code == 0, answer.output
        assert answer.files == {wheel.name}

    @pytest.mark.usefixtures("kept")
    def test_other_hashes_beside_it_do_not_matter(self, wheel: Path, tmp_path: Path) -> None:
        content = wheel.read_bytes()
        hashes = {"md5": hashlib.md5(content).hexdigest(), "sha256": hashlib.sha256(content).hexdigest()}
        file = {"filename": wheel.name, "url": f"../../files/{wheel.name}", "hashes": hashes}
        page = json.dumps({"meta": {"api-version": "1.0"}, "name": "foo-bar", "files": [file]})
        with SimpleIndex(tmp_path / "nothing", page=lambda _folder, _name: page) as index:
            answer = self.ask(index, tmp_path, arguments=["--no-deps"])

        assert answer.exit_code == 0, answer.output
        assert f"Using cached {wheel.name} from an earlier build" in answer.output

    def test_what_is_on_this_machine_is_taken_from_where_it_is(self, wheel: Path, kept: Path, tmp_path: Path) -> None:
        sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
        answer = ask(
            *(tmp_path, target_of("python3.13", "arm64"), [f"foo-bar @ {wheel.as_uri()}#sha256={sha256}"]),
            cached_wheels=tmp_path / "kept",
            arguments=["--no-deps"],
        )

        assert kept.is_file()
        assert answer.exit_code == 0, answer.output
        assert answer.files == {wheel.name}

    def test_that_they_are_taken_tells_others_that_they_are_in_use(
        self, kept: Path, pages: Callable[[Path, str], str], tmp_path: Path
    ) -> None:
        os.utime(kept, (0, 0))
        with SimpleIndex(tmp_path / "nothing", page=pages) as index:
            answer = self.ask(index, tmp_path, arguments=["--no-deps"])

        assert answer.exit_code == 0, answer.output
        assert kept.stat().st_mtime > 1e9

    def test_a_pip_that_looks_for_them_in_another_way_downloads_them(
        self, kept: Path, wheel: Path, changed_pip: Callable[[str], Path], tmp_path: Path
    ) -> None:
        make_wheel(tmp_path / "files", "baz")
        change = changed_pip(
            "from pip._internal.operations import prepare as p\n"
            "p.in_another_way = p.__dict__.pop('_check_download_dir')\n"
            "for f in (p.get_http_url, p.get_file_url, p.RequirementPreparer.prepare_linked_requirement,\n"
            "          p.RequirementPreparer.prepare_linked_requirements_more):\n"
            "    names = tuple({'_check_download_dir': 'in_another_way'}.get(n, n) for n in f.__code__.co_names)\n"
            "    f.__code__ = f.__code__.replace(co_names=names)\n"
        )
        with SimpleIndex(wheel.parent, as_json=True) as index:
            answer = self.ask(index, tmp_path, in_front=change)

        assert kept.is_file()
        assert answer.exit_code == 0, answer.output
        assert answer.files == {wheel.name, "baz-1.0-py3-none-any.whl"}

"""The saved resolution: when it is reused, and what is in it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

import pytest

from hatch_lambda import pipeline
from hatch_lambda.common.errors import BrokenWheelError, LambdaBuildError, ResolutionError
from hatch_lambda.resolve.pip import process
from hatch_lambda.resolve.requirements import IncompleteClosureError
from hatch_lambda.wheels.loadable import UnfitMachineCodeError
from tests.support.elf import make_elf
from tests.support.packages import make_sdist, make_source_tree, make_wheel
from tests.support.situation import HERE, REUSED, Situation, files_in, raising

if TYPE_CHECKING:
    from collections.abc import Callable

    from hatch_lambda.bundle.files import Bundle
    from tests.support.recording_ui import RecordingUI
    from tests.support.simple_index import SimpleIndex

    BundleOf = Callable[..., Bundle]


class TestResolveOnce:
    def test_the_second_build_starts_no_program_and_asks_no_index(
        self,
        index: Path,
        bundle_with_state: BundleOf,
        ui: RecordingUI,
        no_process: Callable[[], None],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        make_wheel(index, "foo", requires=["bar"])
        make_wheel(index, "bar")
        first = bundle_with_state("foo")
        before = files_in(first.directory)
        assert not REUSED.search(ui.text)

        no_process()
        monkeypatch.setattr(process, "pip_version", lambda: pytest.fail("pip is looked at"))
        second = bundle_with_state("foo")

        assert second == first
        assert files_in(second.directory) == before
        assert REUSED.search(ui.text)
        assert second.distributions == ("bar 1.0", "foo 1.0")

    @pytest.mark.parametrize(
        "line",
        [
            "-r https://example.org/requirements.txt",
            "--constraint=https://example.org/constraints.txt",
            '-c "https://example.org/constraints.txt"',
        ],
    )
    @pytest.mark.parametrize("place", ["requirements", "constraints", "included"])
    def test_what_only_the_network_can_tell_is_asked_every_time(
        self, line: str, place: str, situation: Situation
    ) -> None:
        situation.write("with-url.txt", f"foo\n{line}\n")
        situation.write("including.txt", "-r with-url.txt\n")
        if place == "included":
            situation.table["requirements"] = ["including.txt"]
        else:
            situation.table[place] = ["with-url.txt"]

        situation.build()
        situation.build()

        assert situation.resolved == 2

    @pytest.mark.parametrize("place", ["pip-args", "PIP_CONSTRAINT", "pip.conf"])
    def test_constraints_by_url_are_asked_every_time_wherever_they_are_named(
        self, place: str, situation: Situation
    ) -> None:
        url = "https://example.org/upper-constraints.txt"
        if place == "pip-args":
            situation.table["pip-args"] = ["--constraint", url]
        elif place == "pip.conf":
            situation.setenv("PIP_CONFIG_FILE", situation.write("pip.conf", f"[global]\nconstraint = {url}\n"))
        else:
            situation.setenv(place, url)

        situation.build()
        situation.build()

        assert situation.resolved == 2

    def test_no_resolution_of_another_bundle_stays_next_to_one_that_is_not_reused(self, situation: Situation) -> None:
        situation.build()
        assert (situation.state / "resolution.json").is_file()
        situation.write("requirements.txt", "-r https://example.org/requirements.txt\n")
        situation.table["requirements"] = ["requirements.txt"]
        situation.wheels = [make_wheel(situation.tmp / "wheels", "bar")]

        situation.build()

        assert not (situation.state / "resolution.json").exists()

    def test_each_target_has_a_resolution_of_its_own(self, situation: Situation) -> None:
        for runtime in ("python3.13", "python3.12", "python3.13", "python3.12"):
            situation.table["runtime"] = runtime
            situation.build()

        assert situation.resolved == 2

    def test_a_failed_resolution_is_not_kept(self, situation: Situation, monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as failing:
            failing.setattr(pipeline, "resolve", raising(ResolutionError("no such package", output="")))
            with pytest.raises(ResolutionError):
                situation.build()

        situation.build()

        assert situation.resolved == 1

    @pytest.mark.parametrize("seeds", [("0", "1", "2")])
    def test_the_hash_seed_makes_no_difference(self, seeds: tuple[str, ...], project_root: Path) -> None:
        script = (
            "import sys, pathlib\n"
            "from hatch_lambda.resolve.fingerprint import fingerprint\n"
            "from hatch_lambda.config.tables import load\n"
            "table = {'runtime': 'python3.13', 'compatible': ['a', 'b', 'c', 'd', 'e', 'f']}\n"
            "print(fingerprint(load(table, pathlib.Path(sys.argv[1])), ['foo']))\n"
        )
        keys = {
            subprocess.run(
                [sys.executable, "-c", script, str(project_root)],
                env={**os.environ, "PYTHONHASHSEED": seed},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            for seed in seeds
        }

        assert len(keys) == 1
        assert re.fullmatch(r"[0-9a-f]{64}\n", keys.pop())

    def test_a_changed_include_reaches_the_bundle(
        self, index: Path, project_root: Path, bundle_with_state: BundleOf
    ) -> None:
        make_wheel(index, "foo", "1.0")
        make_wheel(index, "foo", "2.0")
        (project_root / "requirements.txt").write_text("-c pins.txt\nfoo\n", encoding="utf-8")
        (project_root / "pins.txt").write_text("foo<2\n", encoding="utf-8")
        assert bundle_with_state(requirements=["requirements.txt"]).distributions == ("foo 1.0",)

        (project_root / "pins.txt").write_text("foo<3\n", encoding="utf-8")

        assert bundle_with_state(requirements=["requirements.txt"]).distributions == ("foo 2.0",)

    def test_a_local_project_that_another_one_requires_is_looked_at_too(
        self, tmp_path: Path, bundle_with_state: BundleOf
    ) -> None:
        """No text of this project names it."""
        core = make_source_tree(tmp_path / "core", "core")
        api = make_source_tree(tmp_path / "api", "api")
        for name in ("recipe.json", "PKG-INFO"):
            text = (api / name).read_text(encoding="utf-8")
            text = text.replace('"requires": []', f'"requires": ["core @ {core.as_uri()}"]')
            (api / name).write_text(text, encoding="utf-8")
        requirement = f"api @ {api.as_uri()}"
        assert bundle_with_state(requirement, runtime=HERE).distributions == ("api 1.0", "core 1.0")

        recipe = (core / "recipe.json").read_text(encoding="utf-8")
        (core / "recipe.json").write_text(recipe.replace('"1.0"', '"1.1"'), encoding="utf-8")

        assert bundle_with_state(requirement, runtime=HERE).distributions == ("api 1.0", "core 1.1")

    def test_what_is_excluded_no_more_is_checked_before_it_gets_in(
        self, index: Path, bundle_with_state: BundleOf
    ) -> None:
        make_wheel(index, "foo", files={"foo.py": "", "foo_fast.so": make_elf("aarch64")})
        bundle = bundle_with_state("foo", exclude=["*.so"])
        assert "foo_fast.so" not in {file.path for file in bundle.files}

        with pytest.raises(UnfitMachineCodeError, match=r"foo_fast\.so"):
            bundle_with_state("foo", exclude=["*.txt"])

        assert "foo_fast.so" not in files_in(bundle.directory)

    def test_what_is_excluded_now_is_gone(self, situation: Situation) -> None:
        situation.wheels = [make_wheel(situation.tmp / "wheels", "bar", files={"bar.py": "", "bar/data.txt": "x"})]
        situation.build()

        situation.table["exclude"] = ["*.txt"]
        bundle = situation.build()

        assert set(files_in(bundle.directory)) == {file.path for file in bundle.files}
        assert "bar/data.txt" not in files_in(bundle.directory)


def break_with(**changes: object) -> Callable[[Path], None]:
    """Change a saved resolution, or each of its wheels."""

    def damage(saved: Path) -> None:
        content: dict[str, Any] = json.loads(saved.read_text(encoding="utf-8"))
        for key, value in changes.items():
            if key in content:
                content[key] = value
            else:
                content["wheels"] = [{**wheel, key: value} for wheel in content["wheels"]]
        saved.write_text(json.dumps(content), encoding="utf-8")

    return damage


class TestFailedAudit:
    """What is resolved and built is kept, so that the next build, with another setting, need not do it again."""

    @pytest.mark.parametrize("setting", [{"exclude": ["*.so"]}, {"compatible": ["foo"]}], ids=str)
    def test_of_machine_code(self, setting: dict[str, object], situation: Situation) -> None:
        files: dict[str, str | bytes] = {"foo.py": "", "foo_fast.abi3.so": make_elf(needed=("libpq.so.5",))}
        situation.wheels = [
            make_wheel(situation.tmp / "wheels", "foo", tag="cp39-abi3-manylinux2014_x86_64", files=files)
        ]
        for _ in range(2):
            with pytest.raises(UnfitMachineCodeError, match=r"libpq\.so\.5"):
                situation.build()

        situation.table.update(setting)
        bundle = situation.build()

        assert bundle.distributions == ("foo 1.0",)
        assert situation.resolved == 1

    def test_of_a_record(self, index: Path, bundle_with_state: BundleOf, ui: RecordingUI) -> None:
        make_wheel(index, "top", requires=["foo"])
        with ZipFile(make_wheel(index, "foo"), "a") as wheel:
            wheel.writestr("foo_extra.py", "")
        for _ in range(2):
            with pytest.raises(BrokenWheelError, match=r"Required by: orders -> top 1\.0 -> foo 1\.0\n"):
                bundle_with_state("top")

        assert bundle_with_state("top", compatible=["foo"]).distributions == ("foo 1.0", "top 1.0")
        assert len(REUSED.findall(ui.text)) == 2
        assert "foo 1.0 is accepted as `compatible` names it" in ui.text

        with pytest.raises(BrokenWheelError):
            bundle_with_state("top")

    def test_what_is_missing_is_resolved_again(self, index: Path, bundle_with_state: BundleOf) -> None:
        make_wheel(index, "top", requires=["foo"])
        for _ in range(2):
            with pytest.raises(IncompleteClosureError, match="`foo` was not resolved"):
                bundle_with_state("top", **{"pip-args": ["--no-deps"]})

    def test_a_wheel_that_is_taken_as_it_is_listed_is_resolved_again_without_it(
        self, index: Path, bundle_with_state: BundleOf
    ) -> None:
        make_wheel(index, "foo", tag="cp39-cp39-manylinux2014_x86_64", files={"foo.so": make_elf()})
        assert bundle_with_state("foo", compatible=["foo"]).distributions == ("foo 1.0",)

        with pytest.raises(LambdaBuildError, match=r"tagged cp39-cp39-manylinux2014_x86_64"):
            bundle_with_state("foo")


class TestDamaged:
    @pytest.mark.parametrize(
        "damage",
        [
            lambda saved: saved.write_bytes(b""),
            lambda saved: saved.write_bytes(b"\xff\xfe not a text"),
            lambda saved: saved.write_bytes(saved.read_bytes()[:-20]),
            lambda saved: saved.write_text("5\n", encoding="utf-8"),
            lambda saved: saved.unlink(),
            break_with(key="of another question"),
            break_with(resolved=5),
            break_with(resolved="yesterday"),
            break_with(folders=5),
            break_with(wheels="none"),
            break_with(wheels=[5]),
            break_with(wheels=[{"distribution": "foo 1.0"}]),
            break_with(filename=5),
            break_with(filename="foo\0-1.0-py3-none-any.whl"),
            break_with(filename="../foo-1.0-py3-none-any.whl"),
            break_with(sha256=5),
            break_with(sha256="0" * 64),
            break_with(sha256=""),
            break_with(unheard_of=1),
        ],
        ids=[
            *("empty", "no text", "cut off", "another shape", "gone", "another key"),
            *("date as number", "no date", "folders as number", "wheels as text"),
            *("wheels as numbers", "half a wheel", "filename as number", "a NUL in it", "a path", "hash as number"),
            *("another hash", "no hash"),
            "unknown key",
        ],
    )
    def test_it_is_as_if_there_were_none(self, damage: Callable[[Path], None], situation: Situation) -> None:
        first = situation.build()
        damage(situation.state / "resolution.json")

        assert situation.build() == first

        assert situation.resolved == 2

    def test_it_cannot_have_files_outside_the_store_removed(self, situation: Situation) -> None:
        situation.build()
        victim = situation.tmp / "victim" / "foo-1.0-py3-none-any.whl"
        victim.parent.mkdir()
        victim.write_bytes(b"dear to its owner")
        break_with(sha256=f"{'../' * 12}{victim.parent.relative_to('/')}")(situation.state / "resolution.json")

        situation.build()

        assert victim.is_file()


class TestContent:
    def test_it_is_reused_where_nothing_is_required(self, situation: Situation) -> None:
        situation.wheels, situation.requirements = [], []
        situation.build()
        situation.build()

        assert situation.resolved == 1

    def test_neither_it_nor_the_cache_has_credentials(
        self,
        tmp_path: Path,
        bundle_with_state: BundleOf,
        serve: type[SimpleIndex],
        ui: RecordingUI,
    ) -> None:
        served = tmp_path / "served"
        make_wheel(served, "foo")
        make_sdist(served, "bar")
        make_wheel(served, "direct")
        with serve(served, credentials=("alice-the-user", "s3cr3t%40word")) as index:
            direct = f"direct @ {index.file_url('direct-1.0-py3-none-any.whl')}"
            table: dict[str, object] = {"pip-args": ["--index-url", index.url], "runtime": HERE}
            bundle = bundle_with_state("foo", "bar", direct, **table)
        reused = bundle_with_state("foo", "bar", direct, **table)

        assert reused == bundle
        assert REUSED.search(ui.text)
        state = bundle.directory.parent
        for path in (*state.rglob("*"), *Path(os.environ["HATCH_LAMBDA_CACHE_DIR"]).rglob("*")):
            if path.is_file():
                for secret in (b"alice-the-user", b"s3cr3t"):
                    assert secret not in path.read_bytes(), path

"""Lock files that their own tools export: played by programs that print what the tools print."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import tomli_w

from hatch_lambda.common.errors import ResolutionError
from tests.support.locks import commit, distributions, package, refuse, sha256
from tests.support.packages import make_sdist, make_source_tree, make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hatch_lambda.bundle.files import Bundle
    from tests.support.lock_tools import StandIns
    from tests.support.recording_ui import RecordingUI
    from tests.support.simple_index import SimpleIndex

    MonkeyPatch = pytest.MonkeyPatch
    BundleOf = Callable[..., Bundle]
    Table = dict[str, Any]


def hashed(*files: Path) -> str:
    return " \\\n".join(["", *(f"    --hash=sha256:{sha256(file)}" for file in files)])


def write_poetry_lock(root: Path, *files: Path, name: str = "poetry.lock", **entries: Table) -> None:
    """`files`: of distributions from an index; `entries`: others, by name."""
    packages: dict[tuple[str, str], Table] = {}
    for file in files:
        distribution, version = file.name.removesuffix(".tar.gz").split("-")[:2]
        entry = packages.setdefault((distribution, version), {"name": distribution, "version": version, "files": []})
        entry["files"].append({"file": file.name, "hash": f"sha256:{sha256(file)}"})
    others = [{"name": key, "version": "1.0", "files": [], **entry} for key, entry in entries.items()]
    root.joinpath("pyproject.toml").touch()
    root.joinpath(name).write_text(tomli_w.dumps({"package": [*packages.values(), *others]}), encoding="utf-8")


def write_pipfile_lock(root: Path, pipfile: str = "[packages]\nfoo = '*'\n", **default: Table) -> None:
    root.joinpath("Pipfile").write_text(pipfile, encoding="utf-8")
    content = {"_meta": {"sources": []}, "default": default, "develop": {}}
    root.joinpath("Pipfile.lock").write_text(json.dumps(content), encoding="utf-8")


class TestOfRequirements:
    def test_forks_extras_and_hashes(
        self, bundle_of: BundleOf, project_root: Path, index: Path, stand_ins: StandIns
    ) -> None:
        old, new, sdist = make_wheel(index, "foo"), make_wheel(index, "foo", "2.0"), make_sdist(index, "bar")
        make_wheel(index, "foo", "3.0")
        write_poetry_lock(project_root, old, new, sdist)
        stand_ins.put(
            "poetry",
            'foo==1.0 ; python_version < "3.12"\n'
            'foo==2.0 ; python_version >= "3.12" and platform_machine == "aarch64"\n'
            'foo[x]==2.0 ; python_version >= "3.12" and platform_machine == "x86_64"\n'
            "bar==1.0\n",
        )

        def built(runtime: str, architecture: str) -> set[str]:
            bundle = bundle_of("foo", lock_file="poetry.lock", runtime=runtime, architecture=architecture)
            return distributions(bundle)

        assert built("python3.11", "x86_64") == {"foo 1.0", "bar 1.0"}
        assert built("python3.13", "x86_64") == built("python3.13", "arm64") == {"foo 2.0", "bar 1.0"}

    def test_another_file_of_the_same_name(
        self, bundle_of: BundleOf, project_root: Path, index: Path, stand_ins: StandIns
    ) -> None:
        made = make_wheel(index, "foo")
        write_poetry_lock(project_root, made)
        stand_ins.put("poetry", "foo==1.0\n")
        make_wheel(index, "foo", files={"foo.py": "other\n"})
        with pytest.raises(ResolutionError, match=r"do not match poetry\.lock: foo 1\.0"):
            bundle_of("foo", lock_file="poetry.lock")

    def test_cached_wheels_need_no_index(
        self, bundle_of: BundleOf, project_root: Path, index: Path, stand_ins: StandIns
    ) -> None:
        made = make_wheel(index, "foo")
        write_poetry_lock(project_root, made, name="pdm.lock")
        stand_ins.put("pdm", "foo==1.0\n")
        bundle_of("foo", lock_file="pdm.lock")
        made.unlink()

        assert distributions(bundle_of("foo", lock_file="pdm.lock")) == {"foo 1.0"}

    @pytest.mark.parametrize("prefix", ["", "-e "])
    def test_paths_and_repositories(
        self, bundle_of: BundleOf, project_root: Path, stand_ins: StandIns, prefix: str
    ) -> None:
        wheel = make_wheel(project_root / "wheels", "bar")
        local, repository = project_root / "libs/local", project_root.parent / "repository"
        make_source_tree(local, "local")
        make_source_tree(repository, "remote")
        at = commit(repository)
        write_poetry_lock(
            project_root,
            local={"source": {"type": "directory", "url": "libs/local"}},
            bar={
                "source": {"type": "file", "url": "wheels/bar-1.0-py3-none-any.whl"},
                "files": [{"file": wheel.name, "hash": f"sha256:{sha256(wheel)}"}],
            },
            away={"source": {"type": "directory", "url": "libs/away"}},
        )
        (project_root / "libs/away").mkdir()
        named = "" if prefix else "local @ "
        stand_ins.put(
            "poetry",
            f'{prefix}{named}{local.as_uri()} ; python_version >= "3.8"\n'
            f'{prefix}{(project_root / "libs/away").as_uri()} ; sys_platform == "win32"\n'
            f"bar @ {wheel.as_uri()}\n"
            f'remote @ git+{repository.as_uri()}@{at} ; sys_platform == "linux"\n',
        )

        bundle = bundle_of("local", "bar", "remote", lock_file="poetry.lock")

        assert distributions(bundle) == {"local 1.0", "bar 1.0", "remote 1.0"}

    def test_a_missing_directory(self, bundle_of: BundleOf, project_root: Path, stand_ins: StandIns) -> None:
        write_poetry_lock(project_root, local={"source": {"type": "directory", "url": "../local"}})
        stand_ins.put("poetry", f"local @ {(project_root.parent / 'local').as_uri()}\n")
        message = refuse(bundle_of, "local", lock_file="poetry.lock")
        assert f"local is the directory {project_root.parent / 'local'}, which does not exist" in message

    def test_the_indexes_that_it_names(
        self,
        bundle_of: BundleOf,
        project_root: Path,
        stand_ins: StandIns,
        serve: type[SimpleIndex],
        monkeypatch: MonkeyPatch,
    ) -> None:
        folders = [project_root.parent / name for name in ("first", "second")]
        made, also = make_wheel(folders[0], "foo"), make_wheel(folders[1], "bar")
        write_poetry_lock(project_root, made, also)
        with serve(folders[0]) as first, serve(folders[1]) as second:
            stand_ins.put(
                "poetry",
                f"--index-url https://pypi.org/simple\n--extra-index-url {second.url}\n\nbar==1.0\nfoo==1.0\n",
            )
            monkeypatch.setenv("PIP_INDEX_URL", first.url)  # stands for PyPI
            assert distributions(bundle_of("foo", lock_file="poetry.lock")) == {"foo 1.0", "bar 1.0"}

    def test_only_files_for_another_target(
        self, bundle_of: BundleOf, project_root: Path, index: Path, stand_ins: StandIns
    ) -> None:
        made = make_wheel(index, "foo", tag="cp313-cp313-manylinux_2_17_aarch64")
        write_poetry_lock(project_root, made)
        stand_ins.put("poetry", "foo==1.0\n")
        message = refuse(bundle_of, "foo", lock_file="poetry.lock")
        assert "poetry.lock does not match python3.13 on x86_64" in message
        assert "foo 1.0 has no compatible wheel and no sdist" in message
        assert message.endswith("To lock again:\n  poetry lock")

    def test_what_it_does_not_cover(
        self, bundle_of: BundleOf, project_root: Path, index: Path, stand_ins: StandIns
    ) -> None:
        write_poetry_lock(project_root, make_wheel(index, "foo"))
        stand_ins.put("poetry", "\n")
        message = refuse(bundle_of, "foo>=1", lock_file="poetry.lock")
        assert "orders requires `foo>=1`: it is not locked" in message

    def test_the_named_extras_and_groups(
        self, bundle_of: BundleOf, project_root: Path, index: Path, stand_ins: StandIns
    ) -> None:
        made = make_wheel(index, "foo")
        for name in ("poetry", "pdm"):
            write_poetry_lock(project_root, made, name=f"{name}.lock")
            stand_ins.put(name, "foo==1.0\n")
        table = {"extras": ["api"], "dependency_groups": ["worker"]}

        bundle_of("foo", lock_file="poetry.lock", **table)
        assert stand_ins.calls()[-1].endswith(" --extras=api --with=worker")
        bundle_of("foo", lock_file="pdm.lock", **table)
        assert stand_ins.calls()[-1].endswith(" --group=api --group=worker")
        bundle_of("foo", lock_file="pdm.lock", extras=["api"])
        assert stand_ins.calls()[-1].endswith(" --prod --group=api")
        bundle_of("foo", lock_file="poetry.lock")
        assert not {"--extras", "--with"} & set(stand_ins.calls()[-1].split())


class TestOfAPipfile:
    def test_hashes_without_names(
        self, bundle_of: BundleOf, project_root: Path, index: Path, stand_ins: StandIns
    ) -> None:
        made = [make_wheel(index, "foo", tag=f"py3-none-manylinux_2_17_{machine}") for machine in ("x86_64", "aarch64")]
        sdist, _ = make_sdist(index, "bar"), make_sdist(index, "bar", "1.0.post1")
        write_pipfile_lock(project_root)
        hashes = " ".join(f"--hash=sha256:{sha256(file)}" for file in made)
        stand_ins.put(
            "pipenv",
            f"-i https://pypi.org/simple\nfoo==1.0; python_version >= '3.8' {hashes}\n"
            f"bar==1.0 --hash=sha256:{sha256(sdist)}\nwin==1.0; sys_platform == 'win32'\n",
        )

        bundle = bundle_of(lock_file="Pipfile.lock", architecture="arm64")

        assert distributions(bundle) == {"foo 1.0", "bar 1.0"}
        assert {wheel.filename for wheel in bundle.wheels} >= {"foo-1.0-py3-none-manylinux_2_17_aarch64.whl"}

    def test_another_file(self, bundle_of: BundleOf, project_root: Path, index: Path, stand_ins: StandIns) -> None:
        make_wheel(index, "foo")
        write_pipfile_lock(project_root)
        stand_ins.put("pipenv", f"foo==1.0 --hash=sha256:{'0' * 64}\n")
        with pytest.raises(ResolutionError, match=r"do not match Pipfile\.lock: foo 1\.0"):
            bundle_of(lock_file="Pipfile.lock")

    def test_without_a_hash(self, bundle_of: BundleOf, project_root: Path, index: Path, stand_ins: StandIns) -> None:
        make_wheel(index, "foo")
        write_pipfile_lock(project_root)
        stand_ins.put("pipenv", "foo==1.0\n")
        assert "foo 1.0 has no hash" in refuse(bundle_of, lock_file="Pipfile.lock")

    @pytest.mark.parametrize("unpinned", ["foo", "foo==*", "foo>=1"])
    def test_what_pipenv_has_not_locked(
        self, bundle_of: BundleOf, project_root: Path, stand_ins: StandIns, unpinned: str
    ) -> None:
        write_pipfile_lock(project_root)
        stand_ins.put("pipenv", f"{unpinned}; platform_machine == 'aarch64'\n")
        assert distributions(bundle_of(lock_file="Pipfile.lock")) == set()
        message = refuse(bundle_of, lock_file="Pipfile.lock", architecture="arm64")
        assert "\n- foo has no version, since the machine on which Pipenv locked does not need it: " in message

    def test_names_and_markers_that_the_export_lacks(
        self, bundle_of: BundleOf, project_root: Path, stand_ins: StandIns
    ) -> None:
        make_source_tree(project_root / "libs/local", "local")
        repository = make_source_tree(project_root.parent / "repository", "remote")
        at = commit(repository)
        git = {"git": repository.as_uri(), "ref": at}
        write_pipfile_lock(
            project_root,
            "[packages]\nlocal = {path = './libs/local'}\n",
            local={"path": "./libs/local", "editable": True},
            remote=git,
            windows={**git, "markers": "sys_platform == 'win32'"},
        )
        url = f"git+{repository.as_uri()}@{at}"
        stand_ins.put("pipenv", f"-e ./libs/local\n-e {url}#egg=remote\nwindows @ {url}\n")
        assert distributions(bundle_of(lock_file="Pipfile.lock")) == {"local 1.0", "remote 1.0"}

    def test_what_it_requires_is_required(
        self, bundle_of: BundleOf, project_root: Path, index: Path, stand_ins: StandIns, ui: RecordingUI
    ) -> None:
        made = [make_wheel(index, "foo", requires=["bar"]), make_wheel(index, "bar"), make_wheel(index, "boto3")]
        write_pipfile_lock(project_root, "[packages]\nfoo = '*'\n[worker]\nboto3 = '*'\n")
        stand_ins.put("pipenv", "\n".join(f"{file.name.split('-')[0]}==1.0{hashed(file)}" for file in made))

        bundle = bundle_of(lock_file="Pipfile.lock", dependency_groups=["worker"], provided=["boto3"])

        assert distributions(bundle) == {"foo 1.0", "bar 1.0"}
        assert stand_ins.calls()[-1] == "pipenv requirements --hash --categories=packages,worker"
        assert "nothing that is packaged requires it" not in ui.text


def test_what_poetrys_own_tables_require_is_required(
    bundle_of: BundleOf, project_root: Path, index: Path, stand_ins: StandIns, ui: RecordingUI
) -> None:
    made = [make_wheel(index, "foo", requires=["bar"]), make_wheel(index, "bar"), make_wheel(index, "baz")]
    write_poetry_lock(project_root, *made)
    tables = '[tool.poetry.dependencies]\nfoo = "*"\n[tool.poetry.group.jobs.dependencies]\nbaz = "*"\n'
    (project_root / "pyproject.toml").write_text(tables, encoding="utf-8")
    stand_ins.put("poetry", "foo==1.0\nbar==1.0\nbaz==1.0\n")

    bundle = bundle_of(lock_file="poetry.lock", dependency_groups=["jobs"])

    assert distributions(bundle) == {"foo 1.0", "bar 1.0", "baz 1.0"}
    assert "nothing that is packaged requires it" not in ui.text


class TestOfUv:
    def test_it_is_a_file_of_pep_751(
        self, bundle_of: BundleOf, project_root: Path, wheels: Path, stand_ins: StandIns
    ) -> None:
        packages = [package(make_wheel(wheels, "foo"), root=project_root)]
        lock = {"lock-version": "1.0", "created-by": "uv", "packages": packages}
        (project_root / "uv.lock").write_text("version = 1\n", encoding="utf-8")
        stand_ins.put("uv", tomli_w.dumps(lock))
        assert distributions(bundle_of("foo", lock_file="uv.lock", extras=["api"])) == {"foo 1.0"}
        assert stand_ins.calls() == [
            "uv --version",
            "uv lock --check --offline --quiet",
            "uv export --format pylock.toml --frozen --offline --no-default-groups --quiet --extra api",
        ]

    def test_what_it_cannot_check_offline(
        self, bundle_of: BundleOf, project_root: Path, wheels: Path, stand_ins: StandIns, ui: RecordingUI
    ) -> None:
        packages = [package(make_wheel(wheels, "foo"), root=project_root)]
        lock = tomli_w.dumps({"lock-version": "1.0", "created-by": "uv", "packages": packages})
        (project_root / "uv.lock").touch()
        stand_ins.put("uv", lock, failing="lock", words="error: No interpreter found for Python >=3.19", code=2)
        assert distributions(bundle_of("foo", lock_file="uv.lock")) == {"foo 1.0"}
        assert (
            "Warning: uv.lock: uv cannot check offline whether it is up to date: No interpreter found for Python >=3.19"
        ) in ui.text


class TestTools:
    @pytest.fixture(params=["uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock"])
    def lock(self, request: pytest.FixtureRequest, project_root: Path) -> str:
        name = str(request.param)
        (project_root / name).write_text("{}" if name.startswith("P") else "", encoding="utf-8")
        (project_root / "Pipfile").touch()
        (project_root / "pyproject.toml").touch()
        return name

    @pytest.mark.usefixtures("stand_ins")
    def test_a_missing_one(self, bundle_of: BundleOf, lock: str) -> None:
        message = refuse(bundle_of, lock_file=lock)
        name = "pipenv" if lock.startswith("P") else lock.partition(".")[0]
        assert message.startswith(f"{lock} has to be exported by {name}, which is neither in the build environment")
        assert f'What you can do: add "{name}>=' in message
        assert ('"poetry-plugin-export"' in message) == (name == "poetry")
        assert message.endswith("to `build-system.requires` in pyproject.toml.")

    def test_one_that_is_too_old(self, bundle_of: BundleOf, lock: str, stand_ins: StandIns) -> None:
        name = "pipenv" if lock.startswith("P") else lock.partition(".")[0]
        stand_ins.put(name, version="0.1.2")
        message = refuse(bundle_of, lock_file=lock)
        assert f"or newer; {stand_ins.folder / name} is 0.1.2.\nWhat you can do: add" in message

    def test_one_that_fails(self, bundle_of: BundleOf, lock: str, stand_ins: StandIns) -> None:
        name = "pipenv" if lock.startswith("P") else lock.partition(".")[0]
        words = "error: no idea\nhttps://user:secret@example.org/simple"
        stand_ins.put(name, failing="export|requirements", words=words)
        message = refuse(bundle_of, lock_file=lock)
        assert message.startswith(f"{lock} cannot be exported: `{name} ")
        assert "fails with:\n\n  error: no idea\n  https://" in message
        assert "secret" not in message
        assert "What you can do: lock again, if that is what it says" in message

    def test_an_outdated_lock(self, bundle_of: BundleOf, lock: str, stand_ins: StandIns) -> None:
        name = "pipenv" if lock.startswith("P") else lock.partition(".")[0]
        stand_ins.put(name, failing="export" if name == "poetry" else "lock|verify", words="It is outdated.")
        message = refuse(bundle_of, lock_file=lock)
        assert "fails with:\n\n  It is outdated.\n" in message
        if name != "poetry":
            assert message.startswith(f"{lock} is outdated: `{name} ")
            assert message.endswith(f"To lock again:\n  {name} lock")

    def test_a_missing_lock(self, bundle_of: BundleOf, stand_ins: StandIns) -> None:
        message = refuse(bundle_of, "foo", lock_file="uv.lock")
        assert message == "The lock file uv.lock, set by `lock-file`, does not exist.\n\nTo lock again:\n  uv lock"
        assert stand_ins.calls() == []

    @pytest.mark.parametrize("exported", ["foo==1.0 ; nonsense\n", "./nowhere\n", "foo==1.0.*\n"])
    def test_what_cannot_be_used(
        self, bundle_of: BundleOf, project_root: Path, stand_ins: StandIns, exported: str
    ) -> None:
        write_poetry_lock(project_root)
        stand_ins.put("poetry", exported)
        assert "What poetry exports from poetry.lock cannot be used: " in refuse(bundle_of, lock_file="poetry.lock")


class TestARebuild:
    def test_it_runs_no_tool_until_something_changes(
        self, bundle_with_state: BundleOf, project_root: Path, index: Path, stand_ins: StandIns
    ) -> None:
        made = make_wheel(index, "foo")
        pyproject = project_root / "pyproject.toml"
        text = '[project]\nname = "orders"\n[tool.poetry]\npackage-mode = false\n'
        pyproject.write_text(text, encoding="utf-8")
        write_poetry_lock(project_root, made)
        stand_ins.put("poetry", "foo==1.0\n")

        def runs() -> bool:
            bundle_with_state("foo", lock_file="poetry.lock")
            return bool(stand_ins.calls())

        assert runs()
        assert not runs()
        pyproject.write_text(f"{text}[tool.ruff]\nline-length = 100\n", encoding="utf-8")
        assert not runs()
        pyproject.write_text(text.replace("false", "true"), encoding="utf-8")
        assert runs()
        with (project_root / "poetry.lock").open("a", encoding="utf-8") as lock:
            lock.write("# more\n")
        assert runs()
        assert not runs()

"""What of pip's configuration and of requirements the finder follows, and what it leaves to pip."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import pytest

from hatch_lambda.common.interpreters import Interpreter
from hatch_lambda.common.ui import Reporter
from hatch_lambda.config import pip_configuration
from hatch_lambda.config.request import Request
from hatch_lambda.config.tables import load
from hatch_lambda.resolve.finder import LeftToPip, indexes
from hatch_lambda.resolve.finder.indexes import Indexes, wanted
from hatch_lambda.resolve.finder.needs import Needs
from hatch_lambda.resolve.job import Job
from tests.support.packages import make_wheel
from tests.support.recording_ui import RecordingUI
from tests.support.situation import raising

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.resolve.finder.conftest import Find
    from tests.support.faulty_index import FaultyIndex

    MakeJob: TypeAlias = Callable[..., Job]

PYPI = "https://pypi.org/simple"


@pytest.fixture
def make_job(project_root: Path, tmp_path: Path) -> MakeJob:
    def make(
        *requirements: str, constraints: tuple[str, ...] = (), resolver: Interpreter | None = None, **more: Any
    ) -> Job:
        table = {**more.pop("table", {}), **{key.replace("_", "-"): value for key, value in more.items()}}
        settings = load({"runtime": "python3.13", **table}, project_root, environ={})
        request = Request(
            settings, settings.bundle_directory, subject="orders", requirements=requirements, constraints=constraints
        )
        return Job(request, tmp_path, Reporter(RecordingUI()), resolver=resolver)

    return make


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plainly_configured: None) -> Path:
    """No configuration but what a test writes: of all, of the user, of the environment, and the one that is named."""
    del plainly_configured
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.delenv("PIP_CONFIG_FILE")
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(folder / "all"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "own"))
    monkeypatch.setattr(sys, "prefix", str(folder / "environment"))
    monkeypatch.setattr(pip_configuration, "_ETC", str(folder / "etc"))
    return folder


PLACES = ("etc/pip.conf", "all/pip/pip.conf", ".pip/pip.conf", "own/pip/pip.conf", "environment/pip.conf", "named.conf")


def configure(home: Path, text: str, place: str = "own/pip/pip.conf") -> None:
    path = home / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


class TestAsPipReadsIt:
    """Files and variables at random, read by pip's own parser and by ours."""

    # Prints the configuration files and the values of `pip download` for each case.
    PROGRAM = """
import json, os, sys
from pip._internal.commands import create_command
from pip._internal.configuration import Configuration
from pip._internal.utils import appdirs
folders_of_all = appdirs.site_config_dirs
appdirs.site_config_dirs = lambda name: [*folders_of_all(name)[:-1], os.environ["HOME"] + "/etc"]
for prefix, environment in json.load(sys.stdin):
    os.environ.clear(); os.environ.update(environment); sys.prefix = prefix
    parser = create_command("download").parser
    try:
        values = vars(parser.get_default_values())
    except SystemExit:
        values = None
    files = [file for _, files in Configuration(isolated=False).iter_config_files() for file in files]
    print(json.dumps([[file for file in files if os.path.isfile(file)], values], default=str))
"""
    VALUES: ClassVar[dict[str, list[str]]] = {
        "index-url": ["https://one.example/simple", "https://two.example/simple/", ""],
        "extra-index-url": ["https://a.example/x https://b.example/y", "\n  https://c.example/z\n  https://d.example/w"],
        "timeout": ["7", "0.5", ""],
        "default_timeout": ["9"],
        "retries": ["0", "3", ""],
        "cert": ["/etc/ca.pem", "~/ca.pem", ""],
        "constraint": ["a.txt b.txt", "/c.txt"],
        "Index_URL": ["https://three.example/simple"],
        "--index-url": ["https://four.example/simple"],
        "prefer-binary": ["true", "no"],
        "no-index": ["1"],
        "find-links": ["/somewhere"],
        "pre": ["true"],
        "trusted-host": ["one.example"],
        "format": ["columns"],
        "no-input": ["true"],
        "target": ["/x"],
        "quiet": ["1"],
        "proxy": ["http://p.example"],
        "unheard-of": ["1"],
    }  # fmt: skip

    def a_case(self, chance: random.Random, home: Path) -> dict[str, str]:
        """Write configuration files; returns the variables."""
        for place in PLACES:
            (home / place).unlink(missing_ok=True)
            if chance.random() < 0.5:
                lines = []
                for section in chance.sample(["global", "download", "install", "list", "DEFAULT"], 2):
                    keys = {key.lower().replace("_", "-").lstrip("-"): key for key in self.some(chance)}
                    lines += [f"[{section}]", *(f"{key} = {chance.choice(self.VALUES[key])}" for key in keys.values())]
                configure(home, "\n".join(lines), place)
        variables = {
            f"PIP_{key.upper().lstrip('-').replace('-', '_')}": chance.choice(self.VALUES[key])
            for key in self.some(chance, 1)
        }
        if chance.random() < 0.3:
            variables["PIP_CONFIG_FILE"] = chance.choice([str(home / "named.conf"), str(home / "missing"), os.devnull])
        return variables

    def some(self, chance: random.Random, most: int = 3) -> list[str]:
        # More often those that are followed, as anything else is left to pip.
        keys = list(self.VALUES)
        return chance.sample(keys[:10] if chance.random() < 0.8 else keys, chance.randint(0, most))

    def test_the_finder_reads_what_pip_reads(
        self, home: Path, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        chance, cases = random.Random(15), []
        ours: list[tuple[list[str], dict[str, str], Indexes | None]] = []
        for number in range(200):
            folder = home / str(number)
            folder.mkdir()
            monkeypatch.setenv("HOME", str(folder))
            monkeypatch.setenv("XDG_CONFIG_DIRS", str(folder / "all"))
            monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "own"))
            monkeypatch.setattr(sys, "prefix", str(folder / "environment"))
            monkeypatch.setattr(pip_configuration, "_ETC", str(folder / "etc"))
            environment = {
                **{name: value for name, value in os.environ.items() if not name.startswith("PIP_")},
                **self.a_case(chance, folder),
            }
            cases.append((sys.prefix, environment))
            files = [str(path) for path in pip_configuration.pip_configuration_files(environment)]
            try:
                ours.append((files, indexes._pip_settings(environment), indexes.indexes(make_job(), environment)))
            except LeftToPip:
                ours.append((files, {}, None))
        listed = subprocess.run(
            [sys.executable, "-c", self.PROGRAM], input=json.dumps(cases), capture_output=True, text=True, check=True
        ).stdout.splitlines()
        followed = 0
        defaults = json.loads(listed[next(number for number, (files, *_) in enumerate(ours) if not files)])[1]
        for line, (files, settings, found), (_, environment) in zip(listed, ours, cases, strict=True):
            pips_files, values = json.loads(line)
            assert files == ([] if environment.get("PIP_CONFIG_FILE") == os.devnull else pips_files)
            if found is None:
                continue
            followed += 1
            assert values is not None
            urls = [url.rstrip("/") for url in (values["index_url"], *values["extra_index_urls"])]
            assert found.urls == tuple(dict.fromkeys(urls))
            assert found.timeout == values["timeout"]
            assert found.retries == values["retries"]
            assert found.certificates == values["cert"]
            assert settings.get("constraint", "").split() == values["constraints"]
            for name in ("no_index", "find_links", "pre", "trusted_hosts", "proxy", "format_control", "no_deps"):
                assert values.get(name) == defaults.get(name), (name, settings)
        assert 50 < followed < 180

    def test_what_has_no_effect_is_of_other_commands_or_about_how_pip_runs(self) -> None:
        program = (
            "from pip._internal.commands import create_command\n"
            "options = create_command('download').parser.option_list_all\n"
            "print(*(name for option in options for name in option._long_opts))"
        )
        listed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
        known = {name.removeprefix("--") for name in listed.split()}
        assert known & indexes._WITHOUT_EFFECT <= {
            *("cache-dir", "disable-pip-version-check", "exists-action", "log", "no-cache-dir", "no-color", "no-input"),
            *("no-python-version-warning", "progress-bar", "quiet", "resume-retries", "verbose"),
        }  # fmt: skip
        assert not indexes._FOLLOWED - known


LEFT_TO_PIP = {
    "no-index": "1",
    "find-links": "/wheels",
    "trusted-host": "pypi.org",
    "proxy": "http://proxy.example",
    "client-cert": "/client.pem",
    "keyring-provider": "subprocess",
    "no-binary": ":all:",
    "only-binary": ":all:",
    "pre": "1",
    "all-releases": ":all:",
    "only-final": ":all:",
    "uploaded-prior-to": "2024-01-01",
    "require-hashes": "1",
    "ignore-requires-python": "1",
    "use-deprecated": "legacy-certs",
    "build-constraint": "constraints.txt",
    "config-settings": "a=b",
    "no-build-isolation": "1",
    "isolated": "1",
    "src": "/src",
    "something-of-a-later-pip": "1",
}
LEFT_OF_CONFIGURATION_FILES = {
    **LEFT_TO_PIP,
    "no-deps": "1",
    "use-feature": "fast-deps",
    "require-virtualenv": "1",
    "python": "/usr/bin/python3",
    "requirement": "requirements.txt",
    "platform": "win32",
    "python-version": "3.8",
    "abi": "none",
    "implementation": "pp",
    "dest": "/dest",
}


class TestSettings:
    @pytest.mark.parametrize(("key", "value"), LEFT_TO_PIP.items())
    def test_variables_that_are_left_to_pip(self, make_job: MakeJob, key: str, value: str) -> None:
        with pytest.raises(LeftToPip, match=f"pip's configuration has `{key}`"):
            indexes.indexes(make_job(), {f"PIP_{key.upper().replace('-', '_')}": value})

    @pytest.mark.parametrize("section", ["global", "download"])
    @pytest.mark.parametrize(("key", "value"), LEFT_OF_CONFIGURATION_FILES.items())
    def test_configuration_files_that_are_left_to_pip(
        self, make_job: MakeJob, home: Path, section: str, key: str, value: str
    ) -> None:
        configure(home, f"[{section}]\n{key} = {value}\n")
        with pytest.raises(LeftToPip, match=f"pip's configuration has `{key}`"):
            indexes.indexes(make_job(), {})

    @pytest.mark.parametrize("section", ["install", "wheel", "Global", "list"])
    def test_sections_of_other_commands_are_none_of_ours(self, make_job: MakeJob, home: Path, section: str) -> None:
        configure(home, f"[{section}]\npre = 1\nindex-url = https://x.example\n")
        assert indexes.indexes(make_job(), {}).urls == (PYPI,)

    @pytest.mark.parametrize(
        "name", ["PIP_PYTHON_VERSION", "PIP_TARGET", "PIP_REQUIREMENT", "PIP_QUIET", "PIP_NO_DEPS"]
    )
    def test_variables_that_pip_does_not_get_are_none_of_ours_either(self, make_job: MakeJob, name: str) -> None:
        assert indexes.indexes(make_job(), {name: "1"}).urls == (PYPI,)

    @pytest.mark.parametrize("place", PLACES)
    def test_each_configuration_file_counts(self, make_job: MakeJob, home: Path, place: str) -> None:
        configure(home, "[global]\nindex-url = https://x.example/simple/\n", place)
        environment = {"PIP_CONFIG_FILE": str(home / "named.conf")} if place == "named.conf" else {}
        assert indexes.indexes(make_job(), environment).urls == ("https://x.example/simple",)
        assert indexes.indexes(make_job(), {"PIP_CONFIG_FILE": os.devnull}).urls == (PYPI,)

    def test_that_of_the_user_does_not_count_beside_the_one_that_is_named(self, make_job: MakeJob, home: Path) -> None:
        configure(home, "[global]\nindex-url = https://own.example\n")
        configure(home, "", "named.conf")
        assert indexes.indexes(make_job(), {"PIP_CONFIG_FILE": str(home / "named.conf")}).urls == (PYPI,)
        assert indexes.indexes(make_job(), {"PIP_CONFIG_FILE": str(home / "missing")}).urls == ("https://own.example",)

    @pytest.mark.parametrize(
        "text", ["[global\n", "pre = 1\n", "[global]\npre\n", "[global]\ncert=1\nCert=2\n", "[global]\n\xe9"]
    )
    def test_a_file_that_cannot_be_read_is_left_to_pip(self, make_job: MakeJob, home: Path, text: str) -> None:
        configure(home, "")
        (home / "own/pip/pip.conf").write_bytes(text.encode("latin-1"))
        with pytest.raises(LeftToPip, match="cannot be read"):
            indexes.indexes(make_job(), {})

    def test_a_named_file_is_where_pip_runs(self, make_job: MakeJob) -> None:
        with pytest.raises(LeftToPip, match="`PIP_CONFIG_FILE` is relative"):
            indexes.indexes(make_job(), {"PIP_CONFIG_FILE": "pip.conf"})

    def test_what_is_followed(self, make_job: MakeJob, home: Path, project_root: Path) -> None:
        configure(
            home,
            "[global]\nindex-url = https://one.example/simple/\ntimeout = 60\nno-color = true\nformat = columns\n"
            "[download]\nextra-index-url =\n    https://two.example/simple\n    https://three.example/\n"
            "cert = own.pem\n",
        )
        urls = ("https://one.example/simple", "https://two.example/simple", "https://three.example")
        certificate = str(project_root / "own.pem")
        assert indexes.indexes(make_job(), {"PIP_RETRIES": "1"}) == Indexes(urls, certificate, 60, 1)
        others = {"PIP_EXTRA_INDEX_URL": "https://four.example https://one.example/simple", "PIP_CERT": "~/x.pem"}
        found = indexes.indexes(make_job(), others)
        assert found.urls == ("https://one.example/simple", "https://four.example")
        assert found.certificates == str(home / "x.pem")
        assert found.options == ("--index-url https://one.example/simple", "--extra-index-url https://four.example")

    def test_an_empty_value_is_none(self, make_job: MakeJob, home: Path) -> None:
        configure(home, "[global]\nindex-url = https://one.example\n", "all/pip/pip.conf")
        assert indexes.indexes(make_job(), {"PIP_INDEX_URL": ""}).urls == ("https://one.example",)
        configure(home, "[global]\nindex-url =\nno-index =\n")
        assert indexes.indexes(make_job(), {"PIP_NO_INDEX": ""}).urls == (PYPI,)

    @pytest.mark.parametrize(
        "values",
        [
            *({"PIP_TIMEOUT": value} for value in ("0", "-1", "nan", "inf", "1e9", "soon")),
            *({"PIP_RETRIES": value} for value in ("-1", "1.5", "often")),
            {"PIP_TIMEOUT": "5", "PIP_DEFAULT_TIMEOUT": "6"},
        ],
    )  # fmt: skip
    def test_numbers_that_are_none(self, make_job: MakeJob, values: dict[str, str]) -> None:
        with pytest.raises(LeftToPip, match="no usable numbers"):
            indexes.indexes(make_job(), values)

    def test_prefer_binary_of_pip_against_that_of_the_project(self, make_job: MakeJob) -> None:
        environment = {"PIP_PREFER_BINARY": "1"}
        assert indexes.indexes(make_job(), environment).urls == (PYPI,)
        with pytest.raises(LeftToPip, match="`prefer-binary`"):
            indexes.indexes(make_job(prefer_binary=False), environment)

    def test_variables_of_requests_come_before_pips_own(self, make_job: MakeJob) -> None:
        environment = {"PIP_CERT": "/1", "CURL_CA_BUNDLE": "/2"}
        assert indexes.indexes(make_job(), environment).certificates == "/2"
        assert indexes.indexes(make_job(), {**environment, "REQUESTS_CA_BUNDLE": "/3"}).certificates == "/3"
        assert indexes.indexes(make_job(), {"REQUESTS_CA_BUNDLE": ""}).certificates is None

    @pytest.mark.parametrize("version", ["25.0", "26.0.1", "26.1.dev0"])
    def test_an_older_pip(self, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
        monkeypatch.setattr(indexes, "installed_version", lambda _: version)
        with pytest.raises(LeftToPip, match=f"pip {version} is older than"):
            indexes.indexes(make_job(), {})

    def test_no_pip(self, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(indexes, "installed_version", raising(PackageNotFoundError("pip")))
        with pytest.raises(LeftToPip, match="pip is not installed"):
            indexes.indexes(make_job(), {})

    def test_what_only_pip_can_do(self, make_job: MakeJob) -> None:
        with pytest.raises(LeftToPip, match="`pip-args` is set"):
            indexes.indexes(make_job(pip_args=["--pre"]), {})
        with pytest.raises(LeftToPip, match="is to run it"):
            indexes.indexes(make_job(resolver=Interpreter(Path(sys.executable), (3, 13))), {})


class TestServers:
    @pytest.mark.parametrize(
        ("url", "reason"),
        [
            ("https://me:s3cret@one.example/simple", "has credentials"),
            ("https://token@one.example/simple", "has credentials"),
            ("http://one.example/simple", "is not secure"),
            ("http://192.0.2.1/simple", "is not secure"),
            ("http://127.0.0.1.example/simple", "is not secure"),
            ("file:///simple", "is no plain"),
            ("/simple", "is no plain"),
            ("git+https://one.example/simple", "is no plain"),
            ("https:///simple", "is no plain"),
            ("https://one.example/simple?token=s3cret", "is no plain"),
            ("https://one.example/simple#s3cret", "is no plain"),
            ("https://one.example/a b", "is no plain"),
            ("https://[::1/simple", "malformed"),
        ],
    )
    @pytest.mark.parametrize("variable", ["PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"])
    def test_indexes_that_are_left_to_pip(self, make_job: MakeJob, variable: str, url: str, reason: str) -> None:
        with pytest.raises(LeftToPip, match=rf"{reason}|is no plain") as caught:
            indexes.indexes(make_job(), {variable: url})
        assert "s3cret" not in str(caught.value)
        assert "token" not in str(caught.value)

    @pytest.mark.parametrize(
        "url", ["http://127.0.0.1:80/x", "http://localhost/x", "http://[::1]:8/x", "http://127.9.9.9"]
    )
    def test_without_tls_where_pip_trusts_it(self, make_job: MakeJob, url: str) -> None:
        assert indexes.indexes(make_job(), {"PIP_INDEX_URL": url}).urls == (url,)

    @pytest.mark.parametrize("variable", ["http_proxy", "HTTPS_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"])
    def test_proxies(self, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
        monkeypatch.setenv("NO_PROXY", "pypi.org")
        monkeypatch.setenv("ftp_proxy", "http://proxy.example")
        assert indexes.indexes(make_job(), {}).urls == (PYPI,)
        monkeypatch.setenv(variable, "")
        assert indexes.indexes(make_job(), {}).urls == (PYPI,)
        monkeypatch.setenv(variable, "http://me:s3cret@proxy.example")
        with pytest.raises(LeftToPip, match="a proxy is configured"):
            indexes.indexes(make_job(), {})

    @pytest.mark.parametrize("name", [".netrc", "_netrc", "elsewhere"])
    @pytest.mark.parametrize(
        ("text", "has_login"),
        [
            ("machine pypi.org login me password s3cret", True),
            ("default login me password s3cret", True),
            ("machine other.example login me password s3cret", False),
            ("", False),
            ("machine", True),  # who knows
            ("\xff\xfe", True),
        ],
    )
    def test_netrc(self, make_job: MakeJob, home: Path, name: str, text: str, has_login: bool) -> None:  # noqa: FBT001
        (home / name).write_bytes(text.encode("latin-1"))
        (home / name).chmod(0o600)
        environment = {"NETRC": str(home / name)} if name == "elsewhere" else {}
        if has_login:
            with pytest.raises(LeftToPip, match=r"has credentials for pypi\.org") as caught:
                indexes.indexes(make_job(), environment)
            assert "s3cret" not in str(caught.value)
        else:
            assert indexes.indexes(make_job(), environment).urls == (PYPI,)

    def test_nobody_is_at_home(self, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Path, "home", raising(RuntimeError("Could not determine home directory.")))
        assert indexes.indexes(make_job(), {}).urls == (PYPI,)


class TestRequirements:
    @pytest.mark.parametrize(
        "requirement",
        [
            "foo @ https://one.example/foo-1.0-py3-none-any.whl",
            "https://one.example/foo-1.0-py3-none-any.whl",
            "git+https://one.example/foo",
            "./foo",
            "foo.zip",
            "foo-1.0-py3-none-any.whl",
            "foo.tar.gz[extra]",
            "-e ./foo",
            "foo==1.0 --hash=sha256:" + "0" * 64,
            "foo --config-settings=a=b",
            "--pre",
            "--index-url https://one.example/simple",
            "--extra-index-url=https://one.example/simple",
            "--find-links wheels",
            "-f wheels",
            "--no-index",
            "--no-binary :all:",
            "--only-binary=foo",
            "--prefer-binary",
            "--require-hashes",
            "--trusted-host one.example",
            "--use-feature fast-deps",
            "-r https://one.example/more.txt",
            "-c https://one.example/more.txt",
            "-r missing.txt",
            "-c missing.txt",
            "not a requirement",
            "foo ; no_such == 'x'",
        ],
    )
    def test_requirements_files_that_are_left_to_pip(
        self, make_job: MakeJob, project_root: Path, requirement: str
    ) -> None:
        (project_root / "requirements.txt").write_text(f"bar\n{requirement}\n", encoding="utf-8")
        job = make_job(requirements=["requirements.txt"])
        with pytest.raises(LeftToPip):
            Needs(job.target, wanted(job, {}))

    def test_files_that_include_others(self, make_job: MakeJob, project_root: Path) -> None:
        (project_root / "more").mkdir()
        (project_root / "requirements.txt").write_text(
            "foo>=1  # x\n-r more/a.txt\n--constraint c.txt\n", encoding="utf-8"
        )
        (project_root / "more/a.txt").write_text("bar[x] ; \\\n  python_version > '3'\n-c b.txt\n", encoding="utf-8")
        (project_root / "more/b.txt").write_text("bar<3\n", encoding="utf-8")
        (project_root / "c.txt").write_text("foo<2\n", encoding="utf-8")
        found = wanted(make_job(requirements=["requirements.txt"], constraints=("baz<4",)), {})
        assert [*map(str, found.requirements)] == ["foo>=1", 'bar[x]; python_version > "3"']
        assert [*map(str, found.constraints)] == ["baz<4", "bar<3", "foo<2"]

    @pytest.mark.parametrize(
        "line", ["foo[x]<2", "foo @ https://one.example/foo.whl", "./foo", "foo<2 --hash=sha256:0"]
    )
    def test_constraints_that_are_left_to_pip(self, make_job: MakeJob, project_root: Path, line: str) -> None:
        (project_root / "constraints.txt").write_text(f"{line}\n", encoding="utf-8")
        job = make_job("foo", table={"constraints": ["constraints.txt"]})
        with pytest.raises(LeftToPip):
            Needs(job.target, wanted(job, {}))

    def test_constraints_of_pips_configuration(self, make_job: MakeJob, project_root: Path, home: Path) -> None:
        for name in ("a", "b", "c"):
            (project_root / f"{name}.txt").write_text(f"foo!={ord(name)}\n", encoding="utf-8")
        configure(home, "[global]\nconstraint =\n  a.txt\n  b.txt\n")
        job = make_job("foo", constraints=("foo!=0",))
        assert [*map(str, wanted(job, {}).constraints)] == ["foo!=97", "foo!=98", "foo!=0"]
        environment = {"PIP_CONSTRAINT": f"{project_root / 'c.txt'} {(project_root / 'a.txt').as_uri()}"}
        assert [*map(str, wanted(job, environment).constraints)] == ["foo!=99", "foo!=97", "foo!=0"]
        assert indexes.indexes(job, environment)
        for value in ("https://one.example/c.txt", "missing.txt"):
            with pytest.raises(LeftToPip, match="is to be read"):
                wanted(job, {"PIP_CONSTRAINT": value})

    def test_they_hold(
        self, faulty: FaultyIndex, folder: Path, find_foo: Find, project_root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        del faulty
        make_wheel(folder, "bar", "2.0")
        (project_root / "constraints.txt").write_text("bar<2\n", encoding="utf-8")
        assert "bar-2.0-py3-none-any.whl" in find_foo()
        monkeypatch.setenv("PIP_CONSTRAINT", "constraints.txt")
        assert "bar-1.0-py3-none-any.whl" in find_foo()

"""Credentials of an index, wherever they are written: pip gets them, and nobody else ever sees them."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import sys
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote

import pytest

from tests.support.busy_builds import make_slow_sdist, start_busy_build
from tests.support.elf import make_elf
from tests.support.packages import make_sdist, make_wheel
from tests.support.projects import PACKAGE, Project, write_project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.simple_index import SimpleIndex

HERE = "python{}.{}".format(*sys.version_info)
USER, PASSWORD = "alice-the-user", "s3cr3t%40w%2Ford"
LOGIN = f"{USER}:{unquote(PASSWORD)}"
# Quoted and not, and as they travel. The name is half of what an index asks for, or all of it where it is a token.
SECRETS = (USER, PASSWORD, unquote(PASSWORD), "s3cr3t", base64.b64encode(LOGIN.encode()).decode())


@dataclass(frozen=True)
class Access:
    """What of a project and its environment tells pip of an index, with credentials.

    `ours`: files that their user wrote, secrets and all.
    """

    hook: str = ""
    requirements: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)
    ours: tuple[str, ...] = ()


def _with_file(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


def in_pip_args(url: str, _home: Path) -> Access:
    return Access(hook=f"pip-args = {json.dumps(['--index-url', url])}")


def in_pip_args_with_equals_sign_and_much_said(url: str, _home: Path) -> Access:
    return Access(hook=f"pip-args = {json.dumps([f'--index-url={url}', '-vvv'])}")


def in_find_links(url: str, _home: Path) -> Access:
    pages = [f"{url}/{name}/" for name in ("wheel", "sdist", "needed-to-build")]
    return Access(hook=f"pip-args = {json.dumps(['--no-index', *(f'--find-links={page}' for page in pages)])}")


def in_a_requirements_file(url: str, _home: Path) -> Access:
    return Access(requirements=(f"--index-url {url}",), ours=("requirements.txt",))


def in_pip_index_url(url: str, _home: Path) -> Access:
    return Access(variables={"PIP_INDEX_URL": url})


def in_pip_extra_index_url(url: str, _home: Path) -> Access:
    nothing = url.replace("/simple", "/nothing").replace(f"{USER}:{PASSWORD}@", "")
    return Access(variables={"PIP_EXTRA_INDEX_URL": url, "PIP_INDEX_URL": nothing, "PIP_RETRIES": "0"})


def in_pip_conf(url: str, home: Path) -> Access:
    path = _with_file(home, "pip.conf", f"[global]\nindex-url = {url}\n")
    return Access(variables={"PIP_CONFIG_FILE": str(path), "PIP_INDEX_URL": ""}, ours=(str(path),))


def _without_login(url: str) -> str:
    return url.replace(f"{USER}:{PASSWORD}@", "")


def in_netrc(url: str, home: Path) -> Access:
    path = _with_file(home, ".netrc", f"machine 127.0.0.1 login {USER} password {unquote(PASSWORD)}\n")
    variables = {"HOME": str(home), "PIP_INDEX_URL": _without_login(url)}
    return Access(variables=variables, ours=(str(path),))


def in_a_netrc_of_another_name(url: str, home: Path) -> Access:
    path = _with_file(home, "my-netrc", f"machine 127.0.0.1 login {USER} password {unquote(PASSWORD)}\n")
    return Access(hook=f'pip-args = ["-i", "{_without_login(url)}"]', variables={"NETRC": str(path)}, ours=(str(path),))


def in_a_keyring(url: str, home: Path) -> Access:
    """Pip asks a program of that name on PATH."""
    answers = {"*json*": json.dumps({"username": USER, "password": unquote(PASSWORD)}), "get*": unquote(PASSWORD)}
    cases = "\n".join(f"{pattern}) echo '{answer}' ;;" for pattern, answer in answers.items())
    program = _with_file(home, "bin/keyring", f'#!/bin/sh\ncase "$*" in\n{cases}\nesac\n')
    program.chmod(0o700)
    variables = {
        "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
        "PIP_KEYRING_PROVIDER": "subprocess",
        "PIP_INDEX_URL": url.replace(f":{PASSWORD}", ""),
    }
    return Access(variables=variables, ours=(str(program),))


PLACES = (
    in_pip_args,
    in_pip_args_with_equals_sign_and_much_said,
    in_find_links,
    in_a_requirements_file,
    in_pip_index_url,
    in_pip_extra_index_url,
    in_pip_conf,
    in_netrc,
    in_a_netrc_of_another_name,
    in_a_keyring,
)


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """Wheels, an sdist, and what is needed to build that."""
    folder = tmp_path / "served"
    make_wheel(folder, "wheel", "1.0", requires=["sdist"])
    make_wheel(folder, "wheel", "2.0", requires_python=">=3.15")
    make_sdist(folder, "sdist", build_requires=["needed-to-build"])
    make_wheel(folder, "needed-to-build")
    make_sdist(folder, "unbuildable", build="broken")
    make_wheel(folder, "foreign", tag="cp39-cp39-macosx_11_0_arm64", files={"foreign.so": make_elf("aarch64")})
    make_wheel(folder, "picky", requires=["wheel==7.0"])
    return folder


@pytest.fixture
def protected(served: Path, serve: type[SimpleIndex]) -> Iterator[SimpleIndex]:
    with serve(served, credentials=(USER, PASSWORD)) as index:
        yield index


class Build(Protocol):
    def __call__(self, access: Access, *wanted: str) -> tuple[int, str]: ...


@pytest.fixture
def build(project_root: Path, tmp_path: Path) -> Build:
    """`build(access, "wheel")`: a build at the highest verbosity; gives its exit code and all that it showed.

    Its claim is made for each: there is no secret in that, nor in any file that is there afterwards.
    """

    def run(access: Access, *wanted: str) -> tuple[int, str]:
        project = project_with(project_root, access, *wanted)
        ended = project.run("-t", "lambda", HATCH_VERBOSE="2", **access.variables)
        shown = ended.stdout + ended.stderr
        assert not [line for line in shown.splitlines() if line.startswith("Traceback")]  # pip's own are indented
        assert [secret for secret in SECRETS if secret in shown] == []
        assert_no_secret_in_files(tmp_path, {project_root / name for name in (*access.ours, "pyproject.toml")})
        return ended.returncode, shown

    return run


def project_with(root: Path, access: Access, *wanted: str) -> Project:
    hook = f'[tool.hatch.build.hooks.lambda]\nruntime = "{HERE}"\n{access.hook}\n'
    dependencies = [*wanted, *access.dependencies]
    if access.requirements:
        hook += 'requirements = ["requirements.txt"]\n'
        (root / "requirements.txt").write_text("\n".join([*access.requirements, *wanted, ""]), encoding="utf-8")
        dependencies = []
    hook += "\n[tool.hatch.metadata]\nallow-direct-references = true\n"
    return write_project(root, hook, f"dependencies = {json.dumps(dependencies)}", PACKAGE)


def assert_no_secret_in_files(root: Path, but_for: set[Path]) -> None:
    """But for pip's own cache, and the folder that the index serves from."""
    found, read = [], 0
    for path in root.rglob("*"):
        if path in but_for or not path.is_file() or path.relative_to(root).parts[0] in {"pip-cache", "served"}:
            continue
        for name, content in contents_of(path):
            read += 1
            found += [f"{secret} in {name}" for secret in SECRETS if secret.encode() in content or secret in name]
    assert read
    assert found == []


def contents_of(path: Path) -> Iterator[tuple[str, bytes]]:
    yield str(path), path.read_bytes()
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                yield f"{path}:{name}", archive.read(name)


@pytest.mark.parametrize("place", PLACES, ids=[place.__name__ for place in PLACES])
def test_a_build_works_with_credentials_and_keeps_them(
    place: Callable[[str, Path], Access], protected: SimpleIndex, build: Build, project_root: Path, tmp_path: Path
) -> None:
    access = place(protected.url, tmp_path / "home")

    code, shown = build(access, "wheel")

    assert code == 0, shown
    assert "Looking in " in shown or "Collecting wheel" in shown  # pip was heard
    with zipfile.ZipFile(project_root / "dist" / f"orders-1.0-{HERE}-x86_64.zip") as archive:
        assert {"wheel.py", "sdist.py"} <= set(archive.namelist())
    again = build(access, "wheel")
    assert again[0] == 0
    # An index that cannot be read may be there the next time, so what was resolved without it is not saved.
    assert ("Reusing the resolution from " in again[1]) == ("could not be read" not in again[1])


def test_the_index_of_these_tests_does_ask_for_credentials(protected: SimpleIndex, build: Build) -> None:
    code, shown = build(Access(variables={"PIP_INDEX_URL": _without_login(protected.url)}), "wheel")

    assert code == 1
    assert "401" in shown or "No matching distribution" in shown


@pytest.mark.parametrize("filename", ["wheel-1.0-py3-none-any.whl", "sdist-1.0.tar.gz"])
def test_a_direct_reference_with_credentials_works_and_they_are_kept(
    filename: str, protected: SimpleIndex, build: Build, project_root: Path, tmp_path: Path
) -> None:
    name = filename.partition("-")[0]
    reference = f"{name} @ {protected.file_url(filename)}"
    index = in_pip_index_url(protected.url, tmp_path)

    code, shown = build(Access(requirements=(reference,), variables=index.variables, ours=("requirements.txt",)))

    assert code == 0, shown
    with zipfile.ZipFile(project_root / "dist" / f"orders-1.0-{HERE}-x86_64.zip") as archive:
        assert f"{name}.py" in archive.namelist()


def test_a_direct_reference_with_credentials_is_rejected_as_they_would_be_in_the_metadata(
    protected: SimpleIndex, build: Build, project_root: Path, tmp_path: Path
) -> None:
    reference = f"wheel @ {protected.file_url('wheel-1.0-py3-none-any.whl')}"

    code, shown = build(
        Access(dependencies=(reference,), variables=in_pip_index_url(protected.url, tmp_path).variables)
    )

    assert code == 1
    assert "has credentials in its URL" in shown
    assert not list(project_root.joinpath("dist").iterdir())


# --- Failures ---


def _unreachable(url: str) -> str:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    return f"{url.rpartition(':')[0]}:{port}/simple"


FAILURES: dict[str, tuple[tuple[str, ...], Callable[[str], str], str]] = {
    "no such package": (("nobody-has-this",), lambda url: url, "nobody-has-this"),
    "a conflict": (("wheel==1.0", "picky"), lambda url: url, "picky"),
    "no wheel for the target": (("foreign",), lambda url: url, "No wheel for"),
    "an sdist that cannot be built": (("unbuildable",), lambda url: url, "cannot be built by anyone"),
    "another password": (("wheel",), lambda url: url.replace(PASSWORD, "s3cr3t-but-old"), "401"),
    "an index out of reach": (("wheel",), _unreachable, "127.0.0.1"),
    "a host of no name": (("wheel",), lambda url: url.replace("127.0.0.1", "no-such-host.invalid"), "no-such-host"),
    "a malformed address": (("wheel",), lambda url: url.replace("127.0.0.1:", "127.0.0.1:x"), "wheel"),
}


@pytest.mark.parametrize(
    ("failure", "place"),
    [
        (failure, place)
        for number, failure in enumerate(FAILURES)
        for place in (in_pip_args, (in_a_requirements_file, in_pip_index_url, in_pip_conf)[number % 3])
    ],
)
def test_a_build_that_fails_keeps_them_too(
    failure: str, place: Callable[[str, Path], Access], protected: SimpleIndex, build: Build, tmp_path: Path
) -> None:
    wanted, change, words = FAILURES[failure]
    access = place(change(protected.url), tmp_path / "home")
    access.variables.update(PIP_RETRIES="0", PIP_TIMEOUT="1")

    code, shown = build(access, *wanted)

    assert code == 1, shown
    assert words in shown


def test_a_hash_mismatch_is_reported_without_credentials(protected: SimpleIndex, build: Build, tmp_path: Path) -> None:
    access = in_a_requirements_file(protected.url, tmp_path)

    code, shown = build(access, f"wheel==1.0 --hash=sha256:{'0' * 64}")

    assert code == 1
    assert f"Expected sha256 {'0' * 64}" in shown


@pytest.mark.parametrize(
    "line",
    [
        'requirements = ["{url}/requirements.txt"]',
        'constraints = ["{url}/constraints.txt"]',
        'runtime2 = "{url}"',
        'pip-args = "--index-url {url}"',
        'pip-args = [["--index-url", "{url}"]]',
        'python = "{url}"',
        'architecture = "{url}"',
        'compatible = ["{url}"]',
        'build-directory = ["{url}"]',
        'exclude = ["{url}\\\\"]',
    ],
)
@pytest.mark.usefixtures("python_of_the_runtime")
def test_a_configuration_error_is_reported_without_credentials(line: str, build: Build) -> None:
    url = f"https://{USER}:{PASSWORD}@127.0.0.1:9/simple"

    code, shown = build(Access(hook=line.format(url=url)))

    assert code == 1
    assert f"tool.hatch.build.hooks.lambda.{line.partition(' ')[0]}" in shown


def test_a_malformed_direct_reference_is_reported_without_credentials(build: Build) -> None:
    code, shown = build(
        Access(requirements=(f"wheel @@ https://{USER}:{PASSWORD}@127.0.0.1:9/w.whl",), ours=("requirements.txt",))
    )

    assert code == 1
    assert "wheel @@" in shown


def test_a_malformed_direct_reference_of_the_project_is_reported_without_credentials(build: Build) -> None:
    code, shown = build(Access(), f"wheel @@ https://{USER}:{PASSWORD}@127.0.0.1:9/w.whl")

    assert code == 1
    assert "dependencies" in shown


@pytest.mark.skipif(sys.platform == "win32", reason="signals to process groups")
def test_what_a_killed_build_left_is_gone_after_the_next(
    served: Path, protected: SimpleIndex, project_root: Path, tmp_path: Path
) -> None:
    """Its scratch folder has what pip was given, and so the credentials."""
    make_slow_sdist(served, "slow", "build_wheel")
    access = in_pip_args(protected.url, tmp_path)
    project = project_with(project_root, access, "slow")
    start_busy_build(project, tmp_path).signal(signal.SIGKILL)
    make_sdist(served, "slow")

    project.build()

    assert_no_secret_in_files(tmp_path, {project_root / "pyproject.toml"})


def test_a_reproducible_zip_does_not_depend_on_them(
    served: Path, serve: type[SimpleIndex], build: Build, project_root: Path, tmp_path: Path
) -> None:
    zips = []
    for password in (PASSWORD, "s3cr3t-two"):
        with serve(served, credentials=(USER, password)) as index:
            code, shown = build(in_pip_index_url(index.url, tmp_path), "wheel")
        assert code == 0, shown
        zips.append((project_root / "dist" / f"orders-1.0-{HERE}-x86_64.zip").read_bytes())

    assert zips[0] == zips[1]

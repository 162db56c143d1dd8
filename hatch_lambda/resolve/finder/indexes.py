"""pip's settings and the project's requirements, as far as the finder can follow them."""

from __future__ import annotations

import configparser
import ipaddress
import netrc
import os
import re
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import Version

from hatch_lambda.config import requirements_files
from hatch_lambda.config.pip_configuration import pip_configuration_files
from hatch_lambda.config.requirements_files import CONSTRAINT, REQUIREMENT, Unread
from hatch_lambda.resolve.finder import LeftToPip
from hatch_lambda.resolve.fingerprint import installed_version
from hatch_lambda.resolve.pip.variables import NOT_FOR_US

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from hatch_lambda.resolve.job import Job

OLDEST_PIP = Version("26.1")
"""Older releases explore conflicts in another order, and some judge pre-releases otherwise."""
_PYPI = "https://pypi.org/simple"  # pip's default
_FOLLOWED = frozenset(
    {"index-url", "extra-index-url", "cert", "timeout", "default-timeout", "retries", "constraint", "prefer-binary"}
)
# What these say changes nothing in the choice; with all others, pip may choose otherwise.
_WITHOUT_EFFECT = frozenset(
    {"cache-dir", "disable-pip-version-check", "exists-action", "log", "no-cache-dir", "no-color", "no-input"}
    | {"no-python-version-warning", "progress-bar", "quiet", "resume-retries", "verbose"}
    # of other commands
    | {"break-system-packages", "compile", "format", "no-compile", "no-warn-script-location", "prefix"}
    | {"root-user-action", "target", "user"}
)
_ABOUT_CONNECTIONS = frozenset(
    {"proxy", "no-proxy-env", "client-cert", "trusted-host", "keyring-provider", "use-feature", "use-deprecated"}
)
_NO_OPTIONS = frozenset({"PIP_CONFIG_FILE", "PIP_HELP", "PIP_VERSION"})
_LONGEST_TIMEOUT = 1_000_000
_ARCHIVE = re.compile(r"\.(?:zip|whl|tar|tgz|tbz|tlz|txz|gz|bz2|xz|lzma)$", re.IGNORECASE)


class Indexes(NamedTuple):
    """How the indexes are reached. `timeout`: in seconds. `certificates`: a file or directory."""

    urls: tuple[str, ...]
    certificates: str | None
    timeout: float
    retries: int

    @property
    def options(self) -> tuple[str, ...]:
        """As lines of a requirements file."""
        first, *others = self.urls
        return (f"--index-url {first}", *(f"--extra-index-url {url}" for url in others))


class Wanted(NamedTuple):
    """The project's requirements and constraints, in pip's order."""

    requirements: tuple[Requirement, ...]
    constraints: tuple[Requirement, ...]


def indexes(job: Job, environment: Mapping[str, str] = os.environ) -> Indexes:
    """The indexes that pip would use. Raises `LeftToPip` if pip's configuration has more than indexes."""
    try:
        pip = installed_version("pip")
    except PackageNotFoundError:
        raise LeftToPip("pip is not installed") from None
    if Version(pip) < OLDEST_PIP:
        raise LeftToPip(f"pip {pip} is older than {OLDEST_PIP}")
    if job.resolver:
        raise LeftToPip(f"{job.resolver} is to run it")
    if job.settings.pip_args:
        raise LeftToPip("`pip-args` is set")
    found = _pip_settings(environment)
    if others := sorted(found.keys() - _FOLLOWED - _WITHOUT_EFFECT):
        raise LeftToPip(f"pip's configuration has `{others[0]}`")
    if "prefer-binary" in found and not job.settings.prefer_binary:
        raise LeftToPip("pip's configuration has `prefer-binary`")
    urls = [found.get("index-url", _PYPI), *found.get("extra-index-url", "").split()]
    return _reached(tuple(dict.fromkeys(url.rstrip("/") for url in urls)), job, found, environment)


def servers(urls: Iterable[str], job: Job, environment: Mapping[str, str] = os.environ) -> Indexes:
    """The places of files, reached as pip would reach them. Raises `LeftToPip`."""
    found = _pip_settings(environment)
    if job.settings.pip_args or not _ABOUT_CONNECTIONS.isdisjoint(found):
        raise LeftToPip("pip's configuration is about connections")
    # Each server once: what is checked is the host.
    return _reached(tuple({urlsplit(url).netloc: url for url in urls}.values()), job, found, environment)


def _reached(urls: tuple[str, ...], job: Job, found: Mapping[str, str], environment: Mapping[str, str]) -> Indexes:
    if {"http", "https", "all"} & getproxies().keys():
        raise LeftToPip("a proxy is configured")
    for url in urls:
        _check_index(url, environment)
    # In this order, as requests has it.
    certificates = environment.get("REQUESTS_CA_BUNDLE") or environment.get("CURL_CA_BUNDLE") or found.get("cert")
    if certificates:
        certificates = os.path.join(job.settings.root, os.path.expanduser(certificates))  # noqa: PTH111, PTH118 - any text
    try:
        timeout = float(found.get("timeout") or found.get("default-timeout") or 15)
        retries = int(found.get("retries") or 5)
    except ValueError:
        timeout, retries = 0, 0
    if not 0 < timeout <= _LONGEST_TIMEOUT or retries < 0 or {"timeout", "default-timeout"} <= found.keys():
        raise LeftToPip("pip's configuration has a timeout or retries that are no usable numbers")
    return Indexes(urls, certificates, timeout, retries)


def _pip_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Pip's settings by their long names, as `pip download` reads them: the last value counts, and no empty one."""
    if (named := environment.get("PIP_CONFIG_FILE", "")) and not os.path.isabs(named):  # noqa: PTH117 - any text
        raise LeftToPip("`PIP_CONFIG_FILE` is relative")  # to where pip runs
    sections: dict[str, dict[str, str]] = {"global": {}, "download": {}}
    for path in pip_configuration_files(environment):
        parser = _ConfigurationParser()
        try:
            parser.read_string(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, configparser.Error):
            raise LeftToPip(f"{path} cannot be read") from None
        for section, values in sections.items():
            if parser.has_section(section):
                values.update(parser.items(section))
    sections["environment"] = {
        _normalized(name.removeprefix("PIP_")): value
        for name, value in environment.items()
        if name.startswith("PIP_") and name not in NOT_FOR_US and name not in _NO_OPTIONS
    }
    return {key: value for values in sections.values() for key, value in values.items() if value}


class _ConfigurationParser(configparser.RawConfigParser):
    def optionxform(self, optionstr: str) -> str:
        return _normalized(optionstr)


def _normalized(key: str) -> str:
    return key.lower().replace("_", "-").removeprefix("--")


def _check_index(url: str, environment: Mapping[str, str]) -> None:
    """Raises `LeftToPip` for an index that needs credentials, is no server, or is not trusted by pip."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise LeftToPip("an index has a malformed URL") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or re.search(r"[?#\s]", url):
        raise LeftToPip("an index is no plain http(s) URL")
    if "@" in parts.netloc:
        raise LeftToPip("an index has credentials")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise LeftToPip("an index is not secure")  # pip ignores it
    given = environment.get("NETRC")
    for name in (given,) if given is not None else ("~/.netrc", "~/_netrc"):
        path = Path(os.path.expanduser(name))  # noqa: PTH111 - also where nobody is at home
        try:
            has_login = path.is_file() and bool(netrc.netrc(path).authenticators(parts.hostname))
        except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
            has_login = True
        if has_login:
            raise LeftToPip(f"{path} has credentials for {parts.hostname}")


def is_loopback(host: str) -> bool:
    """What pip trusts without TLS."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def wanted(job: Job, environment: Mapping[str, str] = os.environ) -> Wanted:
    """Names, specifiers, extras and markers. Raises `LeftToPip` if anything else is asked for."""
    settings, request = job.settings, job.request
    constraints_files = [*_pip_settings(environment).get("constraint", "").split(), *map(str, settings.constraints)]
    constraints = [
        *(line for name in constraints_files for line in _lines(name, settings.root, is_constraints=True)),
        *((True, line) for line in request.constraints),
    ]
    lines = [
        *constraints,
        *(line for path in settings.requirements for line in _lines(str(path), settings.root)),
        *((False, line) for line in request.requirements),
    ]
    parsed = [(is_constraint, _requirement(line, is_constraint=is_constraint)) for is_constraint, line in lines]
    return Wanted(*(tuple(each for kind, each in parsed if kind is wanted_kind) for wanted_kind in (False, True)))


def _lines(name: str, root: Path, *, is_constraints: bool = False) -> Iterator[tuple[bool, str]]:
    if re.fullmatch(r"pylock(?:\..+)?\.toml", Path(name).name):
        raise LeftToPip(f"{name} is a lock file")
    for file in requirements_files.walk(name, root, is_constraints=is_constraints):
        if isinstance(file, Unread):
            raise LeftToPip(f"{file.name} is to be read")
        for line in file.lines:
            if line.requirement and not line.options:
                yield file.is_constraints, line.requirement
            elif line.requirement or line.options[0].partition("=")[0] not in {*REQUIREMENT, *CONSTRAINT}:
                raise LeftToPip(f"{file.path.name} has options")


def _requirement(line: str, *, is_constraint: bool) -> Requirement:
    try:
        requirement = Requirement(line)
    except InvalidRequirement:
        raise LeftToPip("a requirement is more than a name, a specifier, extras and a marker") from None
    if _ARCHIVE.search(requirement.name):
        raise LeftToPip(f"{requirement.name} may be a file")
    if is_constraint and requirement.extras:
        raise LeftToPip(f"the constraint on {requirement.name} has extras")
    return requirement

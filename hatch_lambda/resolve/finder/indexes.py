"""pip's settings and the project's requirements, as far as the finder can follow them."""

from __future__ import annotations

import configparser
import ipaddress
import netrc
import os
import re
from collections import defaultdict
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
# What these say changes nothing in the choice; with the others, pip may choose otherwise.
_FOLLOWED = frozenset({"index-url", "extra-index-url", "cert", "timeout", "default-timeout", "retries"})
_WITHOUT_EFFECT = frozenset(
    {"break-system-packages", "cache-dir", "disable-pip-version-check", "exists-action", "log", "no-cache-dir"}
    | {"no-color", "no-input", "no-warn-script-location", "prefer-binary", "progress-bar", "resume-retries"}
    | {"root-user-action", "user"}
)
_ABOUT_CONNECTIONS = frozenset(
    {"proxy", "no-proxy-env", "client-cert", "trusted-host", "keyring-provider", "use-feature", "use-deprecated"}
)
_SECTIONS = ("global", "download")  # those that `pip download` reads
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
    pip = installed_version("pip")
    if Version(pip) < OLDEST_PIP:
        raise LeftToPip(f"pip {pip} is older than {OLDEST_PIP}")
    if job.resolver:
        raise LeftToPip(f"{job.resolver} is to run it")
    if job.settings.pip_args:
        raise LeftToPip("`pip-args` is set")
    found = _pip_settings(environment)
    if others := sorted(found.keys() - _FOLLOWED - _WITHOUT_EFFECT):
        raise LeftToPip(f"pip's configuration has `{others[0]}`")
    urls = [*(found.get("index-url", "").split() or [_PYPI]), *found.get("extra-index-url", "").split()]
    return _reached(tuple(dict.fromkeys(url.rstrip("/") for url in urls)), found, environment)


def servers(urls: Iterable[str], job: Job, environment: Mapping[str, str] = os.environ) -> Indexes:
    """The places of files, reached as pip would reach them. Raises `LeftToPip`."""
    found = _pip_settings(environment)
    if job.settings.pip_args or not _ABOUT_CONNECTIONS.isdisjoint(found):
        raise LeftToPip("pip's configuration is about connections")
    # Each server once: what is checked is the host.
    return _reached(tuple({urlsplit(url).netloc: url for url in urls}.values()), found, environment)


def _reached(urls: tuple[str, ...], found: Mapping[str, str], environment: Mapping[str, str]) -> Indexes:
    if {"http", "https", "all"} & getproxies().keys():
        raise LeftToPip("a proxy is configured")
    for url in urls:
        _check_index(url, environment)
    certificates = found.get("cert") or environment.get("REQUESTS_CA_BUNDLE") or environment.get("CURL_CA_BUNDLE")
    try:
        timeout = float(found.get("timeout") or found.get("default-timeout") or 15)
        retries = int(found.get("retries") or 5)
    except ValueError:
        raise LeftToPip("pip's configuration has a timeout or retries that are no number") from None
    return Indexes(urls, certificates, timeout, retries)


def _pip_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Pip's settings by their long names, as `pip download` reads them."""
    values: defaultdict[str, set[str]] = defaultdict(set)
    given = {
        name.removeprefix("PIP_").lower().replace("_", "-"): value
        for name, value in environment.items()
        if name.startswith("PIP_") and name not in NOT_FOR_US and value
    }
    config_file = given.pop("config-file", None)
    # https://pip.pypa.io/en/stable/topics/configuration/#pip-config-file
    for path in () if config_file == os.devnull else pip_configuration_files(environment):
        parser = configparser.RawConfigParser()
        try:
            parser.read_string(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, configparser.Error):
            raise LeftToPip(f"{path} cannot be read") from None
        for section in parser.sections():
            if section in _SECTIONS:
                for key, value in parser.items(section):
                    if value and key.replace("_", "-") not in given:
                        values[key.replace("_", "-")].add(value)
    if several := sorted(key for key, of_key in values.items() if len(of_key) > 1):
        raise LeftToPip(f"pip's configuration files have several values of `{several[0]}`")
    return {**{key: value for key, (value,) in values.items()}, **given}


def _check_index(url: str, environment: Mapping[str, str]) -> None:
    """Raises `LeftToPip` for an index that needs credentials, is no server, or is not trusted by pip."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise LeftToPip("an index is no plain http(s) URL")
    if "@" in parts.netloc:
        raise LeftToPip("an index has credentials")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise LeftToPip("an index is not secure")  # pip ignores it
    for path in [Path(environment["NETRC"])] if environment.get("NETRC") else _netrc_files():
        try:
            has_login = path.is_file() and bool(netrc.netrc(path).authenticators(parts.hostname))
        except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
            has_login = True
        if has_login:
            raise LeftToPip(f"{path} has credentials for {parts.hostname}")


def _netrc_files() -> tuple[Path, ...]:
    return tuple(Path.home() / name for name in (".netrc", "_netrc"))


def is_loopback(host: str) -> bool:
    """What pip trusts without TLS."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def wanted(job: Job) -> Wanted:
    """Names, specifiers, extras and markers. Raises `LeftToPip` if anything else is asked for."""
    settings, request = job.settings, job.request
    constraints = [
        *(line for path in settings.constraints for line in _lines(path, settings.root, is_constraints=True)),
        *((True, line) for line in request.constraints),
    ]
    lines = [
        *constraints,
        *(line for path in settings.requirements for line in _lines(path, settings.root)),
        *((False, line) for line in request.requirements),
    ]
    parsed = [(is_constraint, _requirement(line, is_constraint=is_constraint)) for is_constraint, line in lines]
    return Wanted(*(tuple(each for kind, each in parsed if kind is wanted_kind) for wanted_kind in (False, True)))


def _lines(path: Path, root: Path, *, is_constraints: bool = False) -> Iterator[tuple[bool, str]]:
    if re.fullmatch(r"pylock(?:\..+)?\.toml", path.name):
        raise LeftToPip(f"{path.name} is a lock file")
    for file in requirements_files.walk(str(path), root, is_constraints=is_constraints):
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

"""Runs one pip command for a target that is not the machine it runs on.

This file is a program: stages 1 and 3 start it by its path, in a process of its own, and write the path of a JSON
request, as JSON, to its standard input. They may do so later, as it takes longest to import pip.
It needs nothing but pip and the standard library, and it is the only code of ours that touches pip's internals. pip
resolves for the interpreter that runs it, also under `--platform` and `--python-version`:

- markers come from the running interpreter (https://github.com/pypa/pip/issues/11664);
- sdists are refused together with `--platform`;
- what the resolver found out is not told by `pip download` (`pip install --report` does tell, and downloads nothing).

So each of these is overridden at one seam. A seam that is not there, or an override that shows no effect, ends the
process with a word on which pip it is: resolving for the wrong machine must not happen in silence.

Where pip takes its time over what cannot matter, or tells late what it has, there are shortcuts. They change nothing of
the result, so a pip that has no seam for one goes without it.

The request: `arguments` for pip, `marker_environment`, `interpreter` (for pip's `get_supported`), `misdeclared` (names
whose wheels are let in whatever their tags say, as a last resort), `early` (a folder for wheels that pip may yet drop),
`report` (where to write what happened), `temporary` (the folder for temporary files).
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import importlib
import json
import logging
import os
import shlex
import sys
import tempfile
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterator

EXIT_UNSUPPORTED_PIP = 70
TEMPORARY_FOLDER = ("TMPDIR", "TEMP", "TMP")
"""The variables that name the folder for temporary files."""
WHEEL_IS_HERE = "hatch-lambda: here is "
"""How a line begins that names a wheel which can be looked at already."""


class SeamError(Exception):
    """Something of pip's that an override stands on is missing or without effect."""

    heard: ClassVar[list[str]] = []
    """pip catches what is raised under it, so what was raised is kept."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.heard.append(message)


class Findings:
    """What is heard at the seams while pip runs."""

    def __init__(self) -> None:
        self.finder: Any = None
        """The one that pip works with, as soon as it has its options."""
        self.resolved: list[dict[str, Any]] | None = None
        self.index_options: list[str] = []
        self.offers: dict[str, dict[str, tuple[str, str | None, bool]]] = {}
        """By project and file name: the fields of an `IndexFile`."""
        self.misfits: set[str] = set()
        self.starved: set[str] = set()
        self.unreachable: list[str] = []

    def as_json(self) -> dict[str, Any]:
        return {
            "resolved": self.resolved,
            "index_options": self.index_options,
            "offers": {name: list(files.values()) for name, files in self.offers.items()},
            "starved": sorted(self.starved),
            "unreachable": self.unreachable,
        }


def seam(owner: object, name: str) -> Any:
    try:
        return getattr(owner, name)
    except AttributeError:
        label = getattr(owner, "__qualname__", None) or getattr(owner, "__name__", repr(owner))
        raise SeamError(f"`{label}.{name}` is not there") from None


def override(owner: object, name: str, replacement: object) -> None:
    """Replace what `seam` has found there."""
    seam(owner, name)
    setattr(owner, name, replacement)


def evaluate_markers_for_target(environment: dict[str, str]) -> None:
    """Give pip's markers the target's environment, except where pip prepares builds: those run here."""
    from pip._internal.build_env import BuildEnvironment
    from pip._vendor.packaging import markers

    of_this_process = seam(markers, "default_environment")
    check_requirements = seam(BuildEnvironment, "check_requirements")
    is_preparing_a_build = False

    def default_environment() -> dict[str, str]:
        return dict(of_this_process() if is_preparing_a_build else environment)

    def check_build_requirements(self: Any, requirements: Any) -> Any:
        nonlocal is_preparing_a_build
        is_preparing_a_build = True
        try:
            return check_requirements(self, requirements)
        finally:
            is_preparing_a_build = False

    override(markers, "default_environment", default_environment)
    for name, module in [*sys.modules.items()]:  # some of pip's have taken it over by its name
        if name.startswith("pip.") and getattr(module, "default_environment", None) is of_this_process:
            override(module, "default_environment", default_environment)
    override(BuildEnvironment, "check_requirements", check_build_requirements)
    # An experiment of pip's that would resolve build requirements in this process, so for the target.
    with contextlib.suppress(ImportError):
        from pip._internal.build_env import InprocessBuildEnvironmentInstaller

        def refuse(*_args: Any, **_kwargs: Any) -> None:
            raise SeamError("`--use-feature=inprocess-build-deps` cannot be used")

        override(InprocessBuildEnvironmentInstaller, "install", refuse)

    for name, value in environment.items():
        if not markers.Marker(f"{name} == '{value}'").evaluate():
            raise SeamError(f"the marker `{name}` does not follow `packaging.markers.default_environment`")


def allow_sdists_for_other_platforms() -> None:
    """Pip refuses, since it would build them for this machine; stages 4 and 5 build them and look at the result."""
    from pip._internal.cli import cmdoptions
    from pip._internal.commands import download

    if seam(download, "cmdoptions") is not cmdoptions:
        raise SeamError("`pip download` does not take `check_dist_restriction` from `cmdoptions`")
    override(cmdoptions, "check_dist_restriction", lambda *_args, **_kwargs: None)


def let_in_misdeclared_wheels(names: frozenset[str]) -> None:
    """Accept wheels of these projects whatever their tags, behind all that fit by their tags."""
    from pip._internal.models.wheel import Wheel
    from pip._vendor.packaging.utils import canonicalize_name

    supported = seam(Wheel, "supported")
    find_most_preferred_tag = seam(Wheel, "find_most_preferred_tag")

    def supported_or_misdeclared(self: Any, tags: Any) -> bool:
        return supported(self, tags) or canonicalize_name(self.name) in names

    def most_preferred_or_last(self: Any, tags: Any, tag_to_priority: Any) -> int:
        try:
            return int(find_most_preferred_tag(self, tags, tag_to_priority))
        except ValueError:
            if canonicalize_name(self.name) in names:
                return len(tags)
            raise

    override(Wheel, "supported", supported_or_misdeclared)
    override(Wheel, "find_most_preferred_tag", most_preferred_or_last)


def select_from_locks_for_target(interpreter: dict[str, Any]) -> None:
    """Pip chooses what a lock among the requirements has by its wheels' tags; where it can do so, by this machine's."""
    with contextlib.suppress(ImportError):
        from pip._internal.utils.compatibility_tags import get_supported
        from pip._vendor.packaging import pylock

        if hasattr(pylock, "sys_tags"):
            override(pylock, "sys_tags", lambda **_: iter(get_supported(**interpreter)))


def note_what_the_index_offers(findings: Findings) -> None:
    """Keep the files that pip looked at, for stage 3 and for stage 7's report."""
    from pip._internal.index.package_finder import LinkEvaluator, PackageFinder
    from pip._internal.models.wheel import Wheel
    from pip._internal.resolution.resolvelib.factory import Factory
    from pip._vendor.packaging.utils import canonicalize_name

    evaluate_link = seam(LinkEvaluator, "evaluate_link")
    find_best_candidate = seam(PackageFinder, "find_best_candidate")
    refuse_direct_wheel = seam(Factory, "_fail_if_link_is_unsupported_wheel")

    def evaluate_and_note(self: Any, link: Any) -> Any:
        result, detail = evaluate_link(self, link)
        if result.name not in {"different_project", "format_invalid"} and not link.is_yanked:
            refused_by_user = result.name == "format_unsupported" and "permitted" in detail
            files = findings.offers.setdefault(canonicalize_name(self.project_name), {})
            files[link.filename] = (link.filename, link.requires_python, refused_by_user)
        if result.name == "platform_mismatch":
            findings.misfits.add(canonicalize_name(self.project_name))
        return result, detail

    def find_and_note(self: Any, project_name: str, *args: Any, **kwargs: Any) -> Any:
        found = find_best_candidate(self, project_name, *args, **kwargs)
        name = canonicalize_name(project_name)
        if not found.applicable_candidates and name in findings.misfits:
            findings.starved.add(name)
        return found

    def refuse_and_note(self: Any, link: Any) -> None:
        try:
            refuse_direct_wheel(self, link)
        except Exception:
            findings.starved.add(canonicalize_name(Wheel(link.filename).name))
            raise

    override(LinkEvaluator, "evaluate_link", evaluate_and_note)
    override(PackageFinder, "find_best_candidate", find_and_note)
    override(Factory, "_fail_if_link_is_unsupported_wheel", refuse_and_note)


def pass_over_wheels_for_others(findings: Findings, misdeclared: frozenset[str]) -> None:
    """Take wheels that cannot fit off an index's pages, before pip makes a link of each and judges that."""
    from pip._internal.index.collector import LinkCollector

    fetch_response = getattr(LinkCollector, "fetch_response", None)
    if fetch_response is None:
        return
    sieve = Sieve(findings, misdeclared)

    def fetch_and_sift(self: Any, location: Any, *args: Any, **kwargs: Any) -> Any:
        page = fetch_response(self, location, *args, **kwargs)
        with contextlib.suppress(AttributeError, KeyError, TypeError, ValueError):  # whatever pip may think of it
            return sieve.sift(page, project=location.url.rstrip("/").rpartition("/")[2])
        return page

    override(LinkCollector, "fetch_response", fetch_and_sift)


class Sieve:
    """What of an index's page (https://packaging.python.org/specifications/simple-repository-api, as JSON) may fit.

    A project has dozens of wheels for each version, for all systems, machines and Pythons, and in all its versions
    thousands. Pip makes a link of each before it judges it; to tell most of them takes no more than the end of a name.
    """

    def __init__(self, findings: Findings, misdeclared: frozenset[str]) -> None:
        self.findings = findings
        self.misdeclared = misdeclared
        self.verdicts: dict[str, bool] = {}

    def sift(self, page: Any, project: str) -> Any:
        """The same page with fewer files; it notes what pip does not get to see."""
        from pip._vendor.packaging.utils import canonicalize_name

        name, finder = canonicalize_name(project), self.findings.finder
        if not page.content_type.lower().startswith("application/vnd.pypi.simple.v1+json"):
            return page
        if name in self.misdeclared or "binary" not in finder.format_control.get_allowed_formats(name):
            return page  # pip has more to say of these
        content = json.loads(page.content)
        kept, offered = [], {}
        for file in content["files"]:
            of_project, _, rest = file["filename"].partition("-")
            if rest.endswith(".whl") and canonicalize_name(of_project) == name and not self.may_fit(rest):
                if not file.get("yanked"):
                    offered[file["filename"]] = (file["filename"], file.get("requires-python") or None, False)
            else:
                kept.append(file)
        if len(kept) < len(content["files"]):
            self.findings.misfits.add(name)
        if offered:
            self.findings.offers.setdefault(name, {}).update(offered)
        return dataclasses.replace(page, content=json.dumps({**content, "files": kept}).encode("utf-8"))

    def may_fit(self, rest: str) -> bool:
        """Judge a wheel by its file name behind its project's."""
        from pip._vendor.packaging.tags import parse_tag

        parts = rest.removesuffix(".whl").split("-")
        if len(parts) not in {4, 5}:  # a version, perhaps a build, three tags
            return True  # pip will say that it is no name for a wheel
        tags = "-".join(parts[-3:])
        if tags not in self.verdicts:
            supported = self.findings.finder.target_python.get_unsorted_tags()
            self.verdicts[tags] = not parse_tag(tags).isdisjoint(supported)
        return self.verdicts[tags]


class UnreachableIndexes(logging.Handler):
    """pip goes on without an index that it cannot reach, and tells only those who listen closely."""

    def __init__(self, findings: Findings) -> None:
        super().__init__(logging.DEBUG)
        self.findings = findings
        logger = logging.getLogger("pip._internal.index.collector")
        logger.setLevel(logging.DEBUG)
        logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message.startswith("Could not fetch URL"):
            self.findings.unreachable.append(message.removesuffix(" - skipping"))


def show_wheels_at_once(folder: str) -> None:
    """Have each wheel below a folder as soon as it is there, and say so; pip saves what it takes in the end.

    Each is in a folder of its own: of two that have one name, pip may drop the one that came first.
    """
    from pip._internal.network import download

    def show(link: Any, path: str) -> None:
        if not link.is_wheel:
            return
        with contextlib.suppress(OSError):  # where a link cannot be made, it will be looked at in the end
            place = os.path.join(tempfile.mkdtemp(dir=folder), link.filename)  # noqa: PTH118
            os.link(path, place)
            sys.stdout.write(f"{WHEEL_IS_HERE}{place}\n")
            sys.stdout.flush()

    if one := getattr(download, "Downloader", None):
        fetch = one.__call__

        def fetch_and_tell(self: Any, link: Any, location: Any) -> Any:
            fetched = fetch(self, link, location)
            show(link, fetched[0])
            return fetched

        override(one, "__call__", fetch_and_tell)

    if many := getattr(download, "BatchDownloader", None):  # until pip 25.1
        fetch_each = many.__call__

        def fetch_each_and_tell(self: Any, links: Any, location: Any) -> Iterator[Any]:
            for link, fetched in fetch_each(self, links, location):
                show(link, fetched[0])
                yield link, fetched

        override(many, "__call__", fetch_each_and_tell)


def save_each_in_a_folder_of_its_own() -> None:
    """Two direct references may end in one file name (`main.zip`), of which pip would save the first alone."""
    from pip._internal.operations.prepare import RequirementPreparer
    from pip._vendor.packaging.utils import canonicalize_name

    save = seam(RequirementPreparer, "save_linked_requirement")

    def save_by_name(self: Any, requirement: Any) -> None:
        folder = seam(self, "download_dir")
        self.download_dir = os.path.join(folder, canonicalize_name(requirement.name))  # noqa: PTH118
        os.makedirs(self.download_dir, exist_ok=True)  # noqa: PTH103
        try:
            save(self, requirement)
        finally:
            self.download_dir = folder

    override(RequirementPreparer, "save_linked_requirement", save_by_name)


def note_what_is_resolved(findings: Findings) -> None:
    from pip._internal.cli.req_command import RequirementCommand

    make_resolver = seam(seam(RequirementCommand, "make_resolver"), "__func__")

    def make_listening_resolver(cls: Any, *args: Any, **kwargs: Any) -> Any:
        resolver = make_resolver(cls, *args, **kwargs)
        if "finder" not in kwargs:
            raise SeamError("`RequirementCommand.make_resolver` is called without `finder`")
        # Requirements files have been read by now, so their options are in the finder too.
        findings.finder = kwargs["finder"]
        findings.index_options = list(index_options(kwargs["finder"]))
        resolve = seam(resolver, "resolve")

        def resolve_and_note(*args: Any, **kwargs: Any) -> Any:
            requirement_set = resolve(*args, **kwargs)
            findings.resolved = [describe(requirement) for requirement in requirement_set.requirements.values()]
            return requirement_set

        resolver.resolve = resolve_and_note
        return resolver

    override(RequirementCommand, "make_resolver", classmethod(make_listening_resolver))


def index_options(finder: Any) -> Iterator[str]:
    """Lines of a requirements file that point another pip at the same places, credentials included."""
    index_urls = list(finder.index_urls)
    if index_urls:
        yield f"--index-url {index_urls[0]}"
        yield from (f"--extra-index-url {url}" for url in index_urls[1:])
    else:
        yield "--no-index"
    yield from (f"--find-links {shlex.quote(place)}" for place in finder.find_links)
    yield from (f"--trusted-host {host}" for host in finder.trusted_hosts)
    if finder.prefer_binary:
        yield "--prefer-binary"


def describe(requirement: Any) -> dict[str, Any]:
    """One chosen distribution: what it is, where it comes from, what it requires."""
    link = requirement.link
    metadata = requirement.get_dist().metadata_dict
    download_info = requirement.download_info.to_dict()
    return {
        "name": metadata["name"],
        "version": metadata["version"],
        "requires": metadata.get("requires_dist", []),
        "extras": sorted(requirement.extras),
        "user_supplied": bool(requirement.user_supplied),
        "direct": bool(requirement.is_direct),
        "url": link.url,
        "filename": link.filename,
        # What `-e` names is cloned already, into the folder that `--src` says, and lies there at its commit.
        "kind": "directory" if requirement.editable else kind_of(link),
        "folder": requirement.source_dir
        if requirement.editable
        else link.file_path
        if link.is_existing_dir()
        else None,
        "commit": download_info.get("vcs_info", {}).get("commit_id"),
        "subdirectory": link.subdirectory_fragment,
        "allowed_hashes": [f"{name}:{value}" for name, values in requirement.hash_options.items() for value in values],
    }


def kind_of(link: Any) -> str:
    if link.is_vcs:
        return "vcs"
    if link.is_existing_dir():
        return "directory"
    return "wheel" if link.is_wheel else "sdist"


def install_overrides(request: dict[str, Any], findings: Findings) -> None:
    evaluate_markers_for_target(request["marker_environment"])
    select_from_locks_for_target(request["interpreter"])
    allow_sdists_for_other_platforms()
    misdeclared = frozenset(request["misdeclared"])
    let_in_misdeclared_wheels(misdeclared)
    note_what_the_index_offers(findings)
    pass_over_wheels_for_others(findings, misdeclared)
    save_each_in_a_folder_of_its_own()
    show_wheels_at_once(request["early"])
    note_what_is_resolved(findings)
    UnreachableIndexes(findings)


def run_pip(arguments: list[str], findings: Findings) -> int:
    from pip._internal.cli.main import main as pip_main

    exit_code = int(pip_main(arguments))
    if SeamError.heard:
        raise SeamError(SeamError.heard[0])
    if exit_code == 0 and findings.resolved is None:
        raise SeamError("`pip download` resolved without `RequirementCommand.make_resolver`")
    return exit_code


def import_pip() -> None:
    """What `install_overrides` and `run_pip` need, so that they find it there. What fails there, they will tell."""
    for name in ("pip._internal.build_env", "pip._internal.cli.main", "pip._internal.commands.download"):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def main() -> int:
    findings = Findings()
    try:
        import_pip()
        line = sys.stdin.readline()
        if not line:
            return 0  # there is nothing to do
        with open(json.loads(line), encoding="utf-8") as file:  # noqa: PTH123
            request = json.load(file)
        os.environ.update(dict.fromkeys(TEMPORARY_FOLDER, request["temporary"]))
        tempfile.tempdir = None  # it may have been asked for already
        install_overrides(request, findings)
        exit_code = run_pip(request["arguments"], findings)
    except (SeamError, ImportError) as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_UNSUPPORTED_PIP
    with open(request["report"], "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(json.dumps(findings.as_json()))  # `json.dump` would do without the encoder in C
    return exit_code


def forget_own_folder() -> None:
    """Started by path, Python puts this file's folder first on `sys.path`; pip must not import our modules from it."""
    folder = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or os.curdir) != folder]  # noqa: PTH100


if __name__ == "__main__":
    # Most of what pip makes lives as long as this process, and to look through it for garbage takes a tenth of its
    # time. So that is done seldom, and of what is there in the end not at all.
    gc.set_threshold(100_000)
    forget_own_folder()
    exit_code = main()
    if hasattr(gc, "freeze"):
        gc.freeze()
    sys.exit(exit_code)

"""What makes pip resolve for the target. A pip that has no seam for one of these cannot be used."""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import sys
from typing import TYPE_CHECKING, Any

from hatch_lambda.resolve.pip.for_target.seams import Findings, SeamError, override, seam

if TYPE_CHECKING:
    from collections.abc import Iterator


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


def save_each_in_a_folder_of_its_own(findings: Findings) -> None:
    """Two direct references may end in one file name (`main.zip`), of which pip would save the first alone.

    What the store has need not be saved.
    """
    from pip._internal.operations.prepare import RequirementPreparer
    from pip._vendor.packaging.utils import canonicalize_name

    save = seam(RequirementPreparer, "save_linked_requirement")

    def save_by_name(self: Any, requirement: Any) -> None:
        if requirement.local_file_path in findings.kept:
            return
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
            findings.resolved = [
                describe(requirement, findings.kept) for requirement in requirement_set.requirements.values()
            ]
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


def describe(requirement: Any, kept: set[str]) -> dict[str, Any]:
    """One chosen distribution: what it is, where it comes from, what it requires."""
    link, path = requirement.link, requirement.local_file_path
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
        "kept": path if path in kept else None,
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

"""Patches that make pip resolve for the target. A pip to which one of them cannot be applied is unsupported."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import shlex
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pip._internal import build_env
from pip._internal.cli import cmdoptions
from pip._internal.cli.req_command import RequirementCommand
from pip._internal.commands import download
from pip._internal.distributions.sdist import SourceDistribution
from pip._internal.exceptions import RequirementsFileParseError
from pip._internal.index.package_finder import LinkEvaluator, PackageFinder
from pip._internal.models.wheel import Wheel
from pip._internal.operations.prepare import RequirementPreparer
from pip._internal.req import req_file
from pip._internal.resolution.resolvelib.factory import Factory
from pip._internal.utils.compatibility_tags import get_supported
from pip._vendor.packaging import markers
from pip._vendor.packaging.utils import canonicalize_name

from hatch_lambda.common.source_trees import unlittered
from hatch_lambda.resolve.pip.for_target.patches import Findings, PatchError, original, patch

pylock: Any = None
with contextlib.suppress(ImportError):  # older releases of pip read no lock files
    pylock = importlib.import_module("pip._vendor.packaging.pylock")

if TYPE_CHECKING:
    from collections.abc import Container, Iterator


def evaluate_markers_for_target(environment: dict[str, str], findings: Findings) -> None:
    """Evaluate markers for the target, except for build requirements: builds run on this machine."""
    of_this_process = original(markers, "default_environment")
    check_requirements = original(build_env.BuildEnvironment, "check_requirements")
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

    patch(markers, "default_environment", default_environment)
    for name, module in [*sys.modules.items()]:  # some modules of pip have imported it by name
        if name.startswith("pip.") and getattr(module, "default_environment", None) is of_this_process:
            patch(module, "default_environment", default_environment)
    patch(build_env.BuildEnvironment, "check_requirements", check_build_requirements)
    # An experimental feature of pip that resolves build requirements in this process, so for the target.
    if in_process := getattr(build_env, "InprocessBuildEnvironmentInstaller", None):

        def refuse(*_args: Any, **_kwargs: Any) -> None:
            raise findings.error("`--use-feature=inprocess-build-deps` is not supported")

        patch(in_process, "install", refuse)

    for name, value in environment.items():
        if not markers.Marker(f"{name} == '{value}'").evaluate():
            raise PatchError(f"the marker `{name}` does not follow `packaging.markers.default_environment`")


def evaluate_markers_of_editables() -> None:
    """Skip `-e ./lib ; python_version < "3.12"` where the marker is false: pip ignores what follows the path."""
    make_line_parser = original(req_file, "get_line_parser")

    def make_parser(finder: Any) -> Any:
        parse_line = make_line_parser(finder)

        def parse_line_with_marker(line: str) -> Any:
            arguments, options = parse_line(line)
            marker = re.search(r"\s;\s*(.+?)(?:\s+-.*)?$", line)
            if options.editables and marker:
                try:
                    applies = markers.Marker(marker[1]).evaluate({"extra": ""})
                except markers.InvalidMarker as error:
                    raise RequirementsFileParseError(f"Invalid marker: {line}\n{error}") from None
                if not applies:
                    options.editables = []
            return arguments, options

        return parse_line_with_marker

    patch(req_file, "get_line_parser", make_parser)


def leave_out_project(root: Path, findings: Findings) -> None:
    """Leave out the project itself where hashes are required: a directory has none, and its own wheel is packaged."""
    get_requirements = original(RequirementCommand, "get_requirements")

    def get_others(self: Any, args: Any, options: Any, *more: Any) -> Any:
        others = []
        for requirement in get_requirements(self, args, options, *more):
            link = requirement.link
            if options.require_hashes and link and link.is_existing_dir() and root.samefile(link.file_path):
                findings.project_extras = sorted(requirement.extras)
            else:
                others.append(requirement)
        return others

    patch(RequirementCommand, "get_requirements", get_others)


def allow_sdists_for_other_platforms() -> None:
    """Lift pip's restriction: pip would build them for this machine, stages 4 and 5 build and check them."""
    if original(download, "cmdoptions") is not cmdoptions:
        raise PatchError("`pip download` does not take `check_dist_restriction` from `cmdoptions`")
    patch(cmdoptions, "check_dist_restriction", lambda *_args, **_kwargs: None)


def ignore_tags_of(names: frozenset[str]) -> None:
    """Accept wheels of these projects whatever their tags, but prefer those with compatible tags."""
    supported = original(Wheel, "supported")
    find_most_preferred_tag = original(Wheel, "find_most_preferred_tag")

    def supported_or_ignored(self: Any, tags: Any) -> bool:
        return supported(self, tags) or canonicalize_name(self.name) in names

    def most_preferred_or_last(self: Any, tags: Any, tag_to_priority: Any) -> int:
        try:
            return int(find_most_preferred_tag(self, tags, tag_to_priority))
        except ValueError:
            if canonicalize_name(self.name) in names:
                return len(tags)
            raise

    patch(Wheel, "supported", supported_or_ignored)
    patch(Wheel, "find_most_preferred_tag", most_preferred_or_last)


def select_from_locks_for_target(interpreter: dict[str, Any]) -> None:
    """Select from a lock file among the requirements by the target's tags; pip does so by this machine's."""
    if hasattr(pylock, "sys_tags"):
        patch(pylock, "sys_tags", lambda **_: iter(get_supported(**interpreter)))


def record_offers(findings: Findings) -> None:
    """Record the files that pip evaluates, for stage 3 and for stage 7's report."""
    evaluate_link = original(LinkEvaluator, "evaluate_link")
    find_best_candidate = original(PackageFinder, "find_best_candidate")
    refuse_direct_wheel = original(Factory, "_fail_if_link_is_unsupported_wheel")

    def evaluate_and_record(self: Any, link: Any) -> Any:
        result, detail = evaluate_link(self, link)
        if result.name not in {"different_project", "format_invalid"} and not link.is_yanked:
            refused_by_user = result.name == "format_unsupported" and "permitted" in detail
            files = findings.offers.setdefault(canonicalize_name(self.project_name), {})
            files[link.filename] = (link.filename, link.requires_python, refused_by_user)
        if result.name == "platform_mismatch":
            findings.incompatible.add(canonicalize_name(self.project_name))
        return result, detail

    def find_and_record(self: Any, project_name: str, *args: Any, **kwargs: Any) -> Any:
        found = find_best_candidate(self, project_name, *args, **kwargs)
        name = canonicalize_name(project_name)
        if not found.applicable_candidates and name in findings.incompatible:
            findings.no_candidates.add(name)
        return found

    def refuse_and_record(self: Any, link: Any) -> None:
        try:
            refuse_direct_wheel(self, link)
        except Exception:
            findings.no_candidates.add(canonicalize_name(Wheel(link.filename).name))
            raise

    patch(LinkEvaluator, "evaluate_link", evaluate_and_record)
    patch(PackageFinder, "find_best_candidate", find_and_record)
    patch(Factory, "_fail_if_link_is_unsupported_wheel", refuse_and_record)


def save_in_separate_folders(findings: Findings) -> None:
    """Save each distribution in its own folder, but not those from the store.

    Of two direct references with the same file name (`main.zip`), pip would save only the first.
    """
    save = original(RequirementPreparer, "save_linked_requirement")

    def save_by_name(self: Any, requirement: Any) -> None:
        if requirement.local_file_path in findings.cached:
            return
        if not hasattr(self, "download_dir"):
            raise findings.error("`RequirementPreparer.download_dir` is missing")
        folder = self.download_dir
        self.download_dir = os.path.join(folder, canonicalize_name(requirement.name))  # noqa: PTH118
        os.makedirs(self.download_dir, exist_ok=True)  # noqa: PTH103
        try:
            save(self, requirement)
        finally:
            self.download_dir = folder

    patch(RequirementPreparer, "save_linked_requirement", save_by_name)


def leave_source_trees_unlittered() -> None:
    """Remove what backends leave in source trees when they make metadata."""
    prepare = original(SourceDistribution, "prepare_distribution_metadata")

    def prepare_unlittered(self: Any, *args: Any, **kwargs: Any) -> None:
        with unlittered(Path(self.req.unpacked_source_directory)):
            prepare(self, *args, **kwargs)

    patch(SourceDistribution, "prepare_distribution_metadata", prepare_unlittered)


def record_resolution(findings: Findings) -> None:
    """Record what pip resolves, and with which index options."""
    make_resolver = original(original(RequirementCommand, "make_resolver"), "__func__")

    def make_recording_resolver(cls: Any, *args: Any, **kwargs: Any) -> Any:
        resolver = make_resolver(cls, *args, **kwargs)
        if "finder" not in kwargs or not hasattr(resolver, "resolve"):
            raise findings.error("`RequirementCommand.make_resolver` has no `finder`, or no `resolve`")
        # Requirements files have been read by now, so the finder has their options, too.
        findings.finder = kwargs["finder"]
        findings.index_options = list(index_options(kwargs["finder"]))
        resolve = resolver.resolve

        def resolve_and_record(roots: Any, *args: Any, **kwargs: Any) -> Any:
            requirement_set = resolve(roots, *args, **kwargs)
            # pip itself forgets it where the version that it chooses is one that another requirement led to.
            requested = {
                canonicalize_name(root.name)
                for root in roots
                if root.name and root.user_supplied and not root.constraint and root.match_markers()
            }
            # Likewise, it keeps the extras of a requirement that was given up.
            extras: defaultdict[str, set[str]] = defaultdict(set)
            for identifier in original(resolver, "_result").mapping:
                name, _, listed = identifier.rstrip("]").partition("[")
                extras[name].update(filter(None, listed.split(",")))
            findings.resolved = [
                describe(each, findings.cached, requested, extras[canonicalize_name(each.name)])
                for each in requirement_set.requirements.values()
            ]
            return requirement_set

        resolver.resolve = resolve_and_record
        return resolver

    patch(RequirementCommand, "make_resolver", classmethod(make_recording_resolver))


def index_options(finder: Any) -> Iterator[str]:
    """Lines of a requirements file with the same index options, credentials included."""
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


def describe(requirement: Any, cached: set[str], requested: Container[str], extras: set[str]) -> dict[str, Any]:
    """One resolved distribution: what it is, where it comes from, what it requires. `requested`: by the user."""
    link, path = requirement.link, requirement.local_file_path
    metadata = requirement.get_dist().metadata_dict
    download_info = requirement.download_info.to_dict()
    return {
        "name": metadata["name"],
        "version": metadata["version"],
        "requires": metadata.get("requires_dist", []),
        "extras": sorted(extras),
        "user_supplied": bool(requirement.user_supplied) or canonicalize_name(metadata["name"]) in requested,
        "direct": bool(requirement.is_direct),
        "url": link.url,
        "filename": link.filename,
        "cached": path if path in cached else None,
        # An editable repository is already checked out at its commit, in the `--src` folder.
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

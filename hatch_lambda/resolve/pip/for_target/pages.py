"""Removes incompatible wheels from index pages: pip would create and evaluate a link for each."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from typing import Any

from pip._internal.index.collector import LinkCollector
from pip._vendor.packaging.tags import parse_tag
from pip._vendor.packaging.utils import canonicalize_name

from hatch_lambda.resolve.pip.for_target.patches import Findings, patch


def skip_incompatible_wheels(findings: Findings, ignore_tags: frozenset[str]) -> None:
    """Remove incompatible wheels from index pages before pip parses them."""
    fetch_response = getattr(LinkCollector, "fetch_response", None)
    if fetch_response is None:
        return
    page_filter = Filter(findings, ignore_tags)

    def fetch_and_filter(self: Any, location: Any, *args: Any, **kwargs: Any) -> Any:
        page = fetch_response(self, location, *args, **kwargs)
        with contextlib.suppress(AttributeError, KeyError, TypeError, ValueError):  # left to pip
            return page_filter.apply(page, project=location.url.rstrip("/").rpartition("/")[2])
        return page

    patch(LinkCollector, "fetch_response", fetch_and_filter)


class Filter:
    """Filters index pages (https://packaging.python.org/specifications/simple-repository-api, JSON only).

    A project may have thousands of wheels in all. pip creates a link for each before it evaluates it; for most of
    them, the end of the file name says enough.
    """

    def __init__(self, findings: Findings, ignore_tags: frozenset[str]) -> None:
        self.findings = findings
        self.ignore_tags = ignore_tags
        self.verdicts: dict[str, bool] = {}

    def apply(self, page: Any, project: str) -> Any:
        """Return the page with fewer files, and record what was removed."""
        name, finder = canonicalize_name(project), self.findings.finder
        if not page.content_type.lower().startswith("application/vnd.pypi.simple.v1+json"):
            return page
        if name in self.ignore_tags or "binary" not in finder.format_control.get_allowed_formats(name):
            return page  # pip decides on these
        content = json.loads(page.content)
        kept, offered = [], {}
        for file in content["files"]:
            of_project, _, rest = file["filename"].partition("-")
            if rest.endswith(".whl") and canonicalize_name(of_project) == name and not self.is_candidate(rest):
                if not file.get("yanked"):
                    offered[file["filename"]] = (file["filename"], file.get("requires-python") or None, False)
            else:
                kept.append(file)
        if len(kept) < len(content["files"]):
            self.findings.incompatible.add(name)
        if offered:
            self.findings.offers.setdefault(name, {}).update(offered)
        return dataclasses.replace(page, content=json.dumps({**content, "files": kept}).encode("utf-8"))

    def is_candidate(self, rest: str) -> bool:
        """Judge a wheel by its file name after the project's name."""
        parts = rest.removesuffix(".whl").split("-")
        if len(parts) not in {4, 5}:  # a version, perhaps a build, three tags
            return True  # pip reports that the name is invalid
        tags = "-".join(parts[-3:])
        if tags not in self.verdicts:
            supported = self.findings.finder.target_python.get_unsorted_tags()
            try:
                self.verdicts[tags] = not parse_tag(tags).isdisjoint(supported)
            except ValueError:  # `pydantic-0.18-py36+-none-any.whl`: pip decides on it
                self.verdicts[tags] = True
        return self.verdicts[tags]

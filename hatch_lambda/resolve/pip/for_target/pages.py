"""A shortcut with the pages of an index: pip gets to see them without what cannot fit."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from typing import Any

from hatch_lambda.resolve.pip.for_target.seams import Findings, override


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

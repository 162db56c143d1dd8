"""Records the pages of indexes that pip cannot read: it goes on without some, and ends with an exception for others."""

from __future__ import annotations

import logging
from json import JSONDecodeError
from typing import TYPE_CHECKING, Any

from pip._internal.index.package_finder import PackageFinder
from pip._vendor.requests.exceptions import TooManyRedirects

from hatch_lambda.resolve.pip.for_target.patches import original, patch

if TYPE_CHECKING:
    from hatch_lambda.resolve.pip.for_target.patches import Findings


def record_unreachable_pages(findings: Findings) -> None:
    """Record the index pages that pip cannot reach: it goes on without them and only logs that at debug level."""

    def record(entry: logging.LogRecord) -> bool:
        if str(entry.msg).startswith("Could not fetch URL") and isinstance(entry.args, tuple):
            link, reason = entry.args[:2]
            findings.unreachable.append((getattr(link, "url", str(link)), str(reason)))
        return True

    logger = logging.getLogger("pip._internal.index.collector")
    logger.setLevel(logging.DEBUG)
    logger.addFilter(record)


def record_broken_pages(findings: Findings) -> None:
    """Record the index pages that end pip with an exception."""
    process_project_url = original(PackageFinder, "process_project_url")

    def process_and_record(self: Any, project_url: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return process_project_url(self, project_url, *args, **kwargs)
        except Exception as error:
            if isinstance(error, TooManyRedirects):
                reason = "it redirects without end"
            elif isinstance(error, JSONDecodeError):
                reason = "its content is not valid JSON"
            elif isinstance(error, UnicodeDecodeError):
                reason = "its content is not UTF-8"
            elif isinstance(error, (AttributeError, LookupError, TypeError)):
                reason = "its content is not that of an index page"
            else:
                reason = type(error).__name__
            findings.unreachable.append((project_url.url, f"{reason} ({error})"))
            raise

    patch(PackageFinder, "process_project_url", process_and_record)

"""Lambda's limits (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html)."""

from __future__ import annotations

UNZIPPED_LIMIT = 262_144_000
"""Bytes, layers included."""

MOST_LAYERS = 5
"""Of a function (https://docs.aws.amazon.com/lambda/latest/dg/chapter-layers.html)."""

DIRECT_UPLOAD_LIMIT = 50 * 1024 * 1024
"""Bytes zipped; larger zips are uploaded through Amazon S3."""

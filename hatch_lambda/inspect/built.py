"""Which distributions of a zip were built from sources, and how: what hatch-lambda has recorded in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_lambda.wheels.build_record import DOCUMENT, BuildRecord, read_document

if TYPE_CHECKING:
    from hatch_lambda.inspect.contents import Contents
    from hatch_lambda.inspect.ownership import Installed


def build_record_of(contents: Contents, found: Installed) -> BuildRecord | None:
    path = f"{found.dist_info}/{DOCUMENT}"
    return read_document(contents.read(path)) if contents.owners.get(path) is found else None

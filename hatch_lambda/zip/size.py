"""Lambda's limit on the unzipped size."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from hatch_lambda.common.errors import TooLargeError
from hatch_lambda.common.limits import UNZIPPED_LIMIT
from hatch_lambda.common.ui import megabytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hatch_lambda.wheels.members import BundleFile

_SHOWN = 10


def check_size(files: Sequence[BundleFile]) -> None:
    """Refuse what Lambda would refuse after the upload. Raises `TooLargeError`."""
    sizes: Counter[str] = Counter()
    for file in files:
        sizes[file.owner] += file.source.size
    total = sum(sizes.values())
    if total <= UNZIPPED_LIMIT:
        return
    largest = sizes.most_common()
    has, limit = megabytes(total), megabytes(UNZIPPED_LIMIT)
    lines = [
        f"The zip would have {has} unzipped ({total:,} bytes); Lambda's limit is {limit}, layers included.",
        "The largest distributions in it:",
        *(f"  {megabytes(size):>9}  {owner}" for owner, size in largest[:_SHOWN]),
        "What you can do: leave out what the function does not need, with `exclude` or fewer dependencies.",
    ]
    raise TooLargeError("\n".join(lines), largest)

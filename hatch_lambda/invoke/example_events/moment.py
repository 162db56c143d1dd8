"""A moment, in the spellings that AWS's services use in events."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone

# English whatever the locale, in which `strftime` writes them.
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()  # noqa: SIM905 - shorter than a list


@dataclass(frozen=True)
class Moment:
    """A moment. `at`: in UTC."""

    at: datetime

    @classmethod
    def now(cls) -> Moment:
        return cls(datetime.now(tz=timezone.utc))

    @property
    def seconds(self) -> int:
        """Since the epoch."""
        return int(self.at.timestamp())

    @property
    def milliseconds(self) -> int:
        """Since the epoch."""
        return self.seconds * 1000 + self.at.microsecond // 1000

    @property
    def iso(self) -> str:
        """`2026-03-14T09:26:53Z`"""
        return f"{self.at:%Y-%m-%dT%H:%M:%SZ}"

    @property
    def iso_milliseconds(self) -> str:
        """`2026-03-14T09:26:53.589Z`"""
        return f"{self.at:%Y-%m-%dT%H:%M:%S}.{self.at.microsecond // 1000:03d}Z"

    @property
    def of_request(self) -> str:
        """`14/Mar/2026:09:26:53 +0000`"""
        return f"{self.at.day:02d}/{_MONTHS[self.at.month - 1]}/{self.at:%Y:%H:%M:%S} +0000"

    @property
    def trace(self) -> str:
        """The root of an X-Ray trace, which has the time in it."""
        return f"Root=1-{self.seconds:08x}-7b1e4f60c2d95a3847e1f0b6"

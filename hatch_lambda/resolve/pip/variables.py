"""pip's environment variables that are not passed on to pip."""

from __future__ import annotations

# All others (indexes, proxies, certificates, caches) apply.
_NOT_FOR_US = {
    "another interpreter or target": "ABI IMPLEMENTATION PLATFORM PYTHON PYTHON_VERSION",
    "another destination": "DEST DESTINATION_DIRECTORY PREFIX ROOT TARGET USER WHEEL_DIR",
    "other work": "DRY_RUN NO_DEPS REPORT REQUIREMENT REQUIRE_VIRTUALENV USE_FEATURE",
    "other output": "QUIET VERBOSE",
}
NOT_FOR_US = frozenset(f"PIP_{name}" for names in _NOT_FOR_US.values() for name in names.split())

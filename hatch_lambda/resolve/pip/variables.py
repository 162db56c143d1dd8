"""pip's environment variables that are not passed on to pip."""

from __future__ import annotations

# They would set another interpreter, target or destination. All others (indexes, proxies, certificates, caches) apply.
NOT_FOR_US = frozenset(
    {
        "PIP_ABI",
        "PIP_DEST",
        "PIP_DESTINATION_DIRECTORY",
        "PIP_DRY_RUN",
        "PIP_IMPLEMENTATION",
        "PIP_NO_DEPS",
        "PIP_PLATFORM",
        "PIP_PREFIX",
        "PIP_PYTHON",
        "PIP_PYTHON_VERSION",
        "PIP_QUIET",
        "PIP_REPORT",
        "PIP_REQUIRE_VIRTUALENV",
        "PIP_REQUIREMENT",
        "PIP_ROOT",
        "PIP_TARGET",
        "PIP_USER",
        "PIP_USE_FEATURE",
        "PIP_VERBOSE",
        "PIP_WHEEL_DIR",
    }
)

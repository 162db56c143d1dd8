"""Which of pip's environment variables do not reach the pip that we start."""

from __future__ import annotations

# Of pip's own environment variables, those that would send it elsewhere than this job wants: another interpreter,
# another target, another destination. All the others (indexes, proxies, certificates, caches) hold.
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

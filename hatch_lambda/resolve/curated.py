"""What is known about distributions by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from packaging.utils import NormalizedName

    from hatch_lambda.config.settings import Settings

BINARY_SIBLINGS = {
    "cx-oracle": "oracledb",
    "psycopg-c": "psycopg-binary",
    "psycopg2": "psycopg2-binary",
    "pycrypto": "pycryptodome",
    "pysqlite3": "pysqlite3-binary",
    "uwsgi": "pyuwsgi",
}
"""Distributions without wheels for Linux, and related ones that have them.

They are suggested, not used: under another name they do not satisfy requirements on the original.
"""
SIBLINGS_WITH_OTHER_MODULES = frozenset({"cx-oracle", "psycopg-c", "uwsgi"})
"""Those of them that only the code, or an extra, that uses them can be changed for."""

COMPATIBLE = frozenset({"pyrsistent", "pyyaml", "sqlalchemy"})
"""Distributions that work on Lambda whatever the tags of their wheels.

Their extensions are optional, and a wheel built without them is still tagged for the platform and Python that built it.
sqlalchemy does so on purpose (https://github.com/zzzeek/sqlalchemy/pull/194); pyyaml:
https://github.com/aws/chalice/issues/1074.
"""

AWS_SDK = canonicalize_name("aws-sdk")
"""What `provided` calls the SDK of the runtime."""
AWS_SDK_PACKAGES = frozenset(map(canonicalize_name, ("boto3", "botocore", "s3transfer")))
AWS_SDK_DEPENDENCIES = frozenset(map(canonicalize_name, ("jmespath", "python-dateutil", "six", "urllib3")))
AWS_SDK_MODULES = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3")
"""https://docs.aws.amazon.com/lambda/latest/dg/python-package.html, and boto3's own metadata."""


def is_listed_as_compatible(name: NormalizedName, settings: Settings) -> bool:
    """Here, or by the user."""
    return name in COMPATIBLE or name in settings.compatible

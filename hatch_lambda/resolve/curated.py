"""What is known about distributions by name."""

from __future__ import annotations

from packaging.utils import canonicalize_name

# Distributions without wheels for Linux, and their siblings on the index that have them. They are named, not taken:
# a sibling has another name, so it does not satisfy those who require the original.
BINARY_SIBLINGS = {
    "cx-oracle": "oracledb",
    "psycopg-c": "psycopg-binary",
    "psycopg2": "psycopg2-binary",
    "pycrypto": "pycryptodome",
    "pysqlite3": "pysqlite3-binary",
    "uwsgi": "pyuwsgi",
}


# Distributions that work on Lambda though the tags of their wheels may say otherwise: their extensions are optional,
# and a wheel made without them is still tagged for the platform and Python that made it. sqlalchemy does so on purpose
# (https://github.com/zzzeek/sqlalchemy/pull/194); pyyaml: https://github.com/aws/chalice/issues/1074.
CURATED = frozenset({"pyrsistent", "pyyaml", "sqlalchemy"})


AWS_SDK = canonicalize_name("aws-sdk")


SDK_ITSELF = frozenset(map(canonicalize_name, ("boto3", "botocore", "s3transfer")))


_WHAT_COMES_WITH_IT = frozenset(map(canonicalize_name, ("jmespath", "python-dateutil", "six", "urllib3")))
"""https://docs.aws.amazon.com/lambda/latest/dg/python-package.html, and boto3's own metadata."""

"""How the bytes of a zip get to Lambda: with the request, or through a bucket; needs the extra `aws`."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from hatch_lambda.common.limits import DIRECT_UPLOAD_LIMIT
from hatch_lambda.common.ui import megabytes
from hatch_lambda.deploy.errors import DeployError
from hatch_lambda.deploy.failures import explained
from hatch_lambda.deploy.settings import TABLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from hatch_lambda.deploy.clients import Clients
    from hatch_lambda.deploy.settings import DeploySettings
    from hatch_lambda.deploy.zips import Zip


def check_way(each: Zip, settings: DeploySettings) -> None:
    """Raise `DeployError` for a zip that only a bucket could take, if there is none."""
    if each.size > DIRECT_UPLOAD_LIMIT and not settings.bucket:
        raise DeployError(
            f"{each.name} has {megabytes(each.size)}, and Lambda takes {megabytes(DIRECT_UPLOAD_LIMIT)} directly; "
            "larger zips go through Amazon S3.\n"
            f"What you can do: set `{TABLE}.bucket` (`--bucket`) to a bucket in the function's region, or make the zip "
            "smaller."
        )


def sent(each: Zip, settings: DeploySettings, clients: Clients, progress: Callable[[str], None]) -> dict[str, Any]:
    """The parameters that tell Lambda where the zip is; what has to be in the bucket is there then."""
    if each.size <= DIRECT_UPLOAD_LIMIT:
        return {"ZipFile": each.path.read_bytes()}
    bucket, key = settings.bucket, _key(each, settings)
    if not _is_there(each, bucket, key, clients):
        progress(f"Uploading {each.name} ({megabytes(each.size)}) to s3://{bucket}/{key}")
        with explained("s3:PutObject", f"s3://{bucket}/{key}"):
            clients.buckets.upload_file(str(each.path), bucket, key, ExtraArgs={"ChecksumAlgorithm": "SHA256"})
    return {"S3Bucket": bucket, "S3Key": key}


def _key(each: Zip, settings: DeploySettings) -> str:
    """One for each content, so that a bucket needs no versions, and one that is there already stays."""
    prefix = f"{settings.prefix.rstrip('/')}/" if settings.prefix else ""
    digest = base64.b64decode(each.code_sha256).hex()
    return f"{prefix}{digest[:32]}/{each.name}"


def _is_there(each: Zip, bucket: str | None, key: str, clients: Clients) -> bool:
    """Whether an earlier, complete upload left it. Objects appear whole; Lambda's answer has the hash to compare."""
    try:
        found = clients.buckets.head_object(Bucket=bucket, Key=key)
    except (ClientError, BotoCoreError):
        return False  # absent, or not to be asked about: the upload says what is wrong
    return bool(found["ContentLength"] == each.size)

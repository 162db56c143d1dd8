"""What can go wrong between here and AWS, in words, with what to do; needs the extra `aws`."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from hatch_lambda.common.redact import redact
from hatch_lambda.deploy.errors import DeployError

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIGN_IN = (
    "sign in again (`aws sso login`, `aws login`), or get new credentials; in CI, let the job assume the role right "
    "before it deploys"
)
_NO_CREDENTIALS = (
    "sign in (`aws sso login`, `aws login`, `aws configure`), name a profile (`profile`, AWS_PROFILE), or set "
    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; in CI, let the job assume a role by OIDC"
)
_CREDENTIALS = (
    "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or the profile (`profile`, AWS_PROFILE); "
    "`aws sts get-caller-identity` shows whether AWS accepts them"
)
_CONNECTION = "check the network, the proxy (HTTPS_PROXY), the region and AWS_ENDPOINT_URL"

# By the names of botocore's exceptions, of which not every release has all: what is wrong, and what to do.
_LOCAL: dict[str, tuple[str, str]] = {
    "NoCredentialsError": (
        "No AWS credentials were found",
        _NO_CREDENTIALS,
    ),
    "PartialCredentialsError": ("The AWS credentials are incomplete", _CREDENTIALS),
    "CredentialRetrievalError": ("AWS credentials could not be had", _SIGN_IN),
    "SSOError": ("The sign-in to AWS is missing or has expired", _SIGN_IN),
    "TokenRetrievalError": ("The sign-in to AWS is missing or has expired", _SIGN_IN),
    "LoginError": ("The sign-in to AWS is missing or has expired", _SIGN_IN),
    "ProfileNotFound": (
        "The AWS configuration has no such profile",
        "`aws configure list-profiles` shows those that there are; it is set by `profile` or AWS_PROFILE",
    ),
    "ConfigParseError": ("The AWS configuration cannot be read", "mend the file (`~/.aws/config`)"),
    "InvalidRegionError": ("The region is not a valid name", "set `region` right"),
    "SSLError": (
        "The connection to AWS is not trusted",
        "if a proxy has a certificate of its own, name that by AWS_CA_BUNDLE",
    ),
    # endpoints, proxies, timeouts, broken connections
    "HTTPClientError": ("AWS could not be reached", _CONNECTION),
    "ConnectionError": ("AWS could not be reached", _CONNECTION),
}
_EXPIRED = ("The AWS credentials have expired", _SIGN_IN)
_NOT_ACCEPTED = ("AWS does not accept the credentials", _CREDENTIALS)
_THROTTLED = (
    "AWS throttles the requests of this account, and retrying did not help",
    "try again later; AWS_MAX_ATTEMPTS sets how often it is tried",
)
_ABSENT_BUCKET = ("There is no such bucket", "create it, or set `bucket` to one that exists, in the function's region")
_OTHER_REGION = ("The bucket is in another region", "set `bucket` to one in the region of the function")
_FULL = (
    "delete versions of functions and layers that nothing uses, or request more (75 GB is the default quota): "
    "https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"
)
_UNSIGNED = (
    "The function accepts only signed code",
    "sign the zip with AWS Signer and deploy what that gives, or take the code signing configuration off the function",
)

# By the codes of AWS's answers.
_REMOTE: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"), _EXPIRED),
    **dict.fromkeys(
        (
            *("UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId", "InvalidToken"),
            *("InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignature"),
            *("MissingAuthenticationToken", "MissingAuthenticationTokenException", "AuthFailure"),
        ),
        _NOT_ACCEPTED,
    ),
    **dict.fromkeys(
        ("RequestExpired", "RequestTimeTooSkewed"),
        ("This machine's clock is not right", "set it: AWS refuses requests that are minutes old or early"),
    ),
    "OptInRequired": ("The account may not use this service or region", "enable it in the account, or set `region`"),
    **dict.fromkeys(
        ("TooManyRequestsException", "Throttling", "ThrottlingException", "SlowDown", "RequestLimitExceeded"),
        _THROTTLED,
    ),
    "CodeStorageExceededException": (
        "The account's storage for code is full",
        _FULL,
    ),
    **dict.fromkeys(
        ("RequestEntityTooLargeException", "RequestTooLargeException", "SerializedRequestEntityTooLargeException"),
        ("The zip is too large for a direct upload", "set `bucket`, and it goes through Amazon S3"),
    ),
    "NoSuchBucket": _ABSENT_BUCKET,
    **dict.fromkeys(("PermanentRedirect", "301", "AuthorizationHeaderMalformed"), _OTHER_REGION),
    **dict.fromkeys(("InvalidCodeSignatureException", "CodeVerificationFailedException"), _UNSIGNED),
    "PreconditionFailedException": (
        "It was changed by somebody else at the same time",
        "make sure that only one deployment runs at a time, and deploy again",
    ),
    "ServiceException": ("AWS had an error of its own", "deploy again; https://health.aws.amazon.com shows outages"),
}
_DENIED = frozenset({"AccessDeniedException", "AccessDenied", "403", "Forbidden", "AllAccessDisabled"})

# Parts of AWS's words on a code that stands for many things.
_INVALID: tuple[tuple[str, str], ...] = (
    (r"Unzipped size", "make the zip smaller: `hatch-lambda inspect ZIP` shows what is in it"),
    (
        r"cannot be assumed by Lambda",
        "let the role's trust policy allow `lambda.amazonaws.com`; a new role takes some seconds",
    ),
    (r"NoSuchBucket", _ABSENT_BUCKET[1]),
    (r"PermanentRedirect|same region|different region", _OTHER_REGION[1]),
    (r"runtime parameter|no longer supported", "build for a newer runtime, which AWS still accepts for functions"),
    (r"KMS", "let this identity and the function's role use the KMS key"),
)


@contextmanager
def explained(action: str, resource: str) -> Iterator[None]:
    """Raise `DeployError` for what boto3 raises. `action`: as IAM calls it, or nothing. `resource`: what it is on."""
    try:
        yield
    except Boto3Error as error:  # of an upload in parts; what AWS said is behind it
        cause = error.__context__
        raise _explanation(cause if isinstance(cause, ClientError) else error, action, resource) from None
    except (BotoCoreError, ClientError) as error:
        raise _explanation(error, action, resource) from None


def code_of(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _explanation(error: Exception, action: str, resource: str) -> DeployError:
    if not isinstance(error, ClientError):
        known = next((_LOCAL[each.__name__] for each in type(error).__mro__ if each.__name__ in _LOCAL), None)
        what, advice = known or ("AWS could not be asked", "see the error above")
        return DeployError(f"{what}: {_first_line(str(error))}\nWhat you can do: {advice}.")
    code = code_of(error)
    words = _first_line(str(error.response.get("Error", {}).get("Message") or ""))
    asked = f" ({action} on {resource})" if action else ""
    if code in _DENIED:
        return DeployError(
            f"AWS denies `{action}` on {resource}: {words or code}\n"
            f"What you can do: allow `{action}` on it in an IAM policy of this identity, or use another identity "
            "(`profile`, AWS_PROFILE); `--dry-run` shows which one it is."
        )
    if code in _REMOTE:
        what, advice = _REMOTE[code]
        # AWS repeats the whole request where the signature is wrong, session token included.
        told = "" if (what, advice) == _NOT_ACCEPTED else f": {words}"
        return DeployError(f"{what}{asked}{told or f': {code}'}\nWhat you can do: {advice}.")
    told = f"AWS refuses {action} on {resource}: {words} ({code})"
    advice = next((advice for pattern, advice in _INVALID if re.search(pattern, words, re.IGNORECASE)), "")
    return DeployError(told + (f"\nWhat you can do: {advice}." if advice else ""))


def _first_line(text: str) -> str:
    return redact(next(iter(text.strip().splitlines()), ""))

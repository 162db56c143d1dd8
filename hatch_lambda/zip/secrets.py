"""Files of a project that are likely to contain secrets: anyone who can read the function can read its zip."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from pathspec import GitIgnoreSpec

from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.common.redact import redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hatch_lambda.wheels.members import BundleFile

_LIKELY = (
    *(".env", ".env.*", "!.env.example", "!.env.sample", "!.env.template", "*.env"),
    *(".git/", ".hg/", ".svn/", ".aws/", ".ssh/", ".gnupg/", ".docker/"),
    *("*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx", "id_rsa", "id_ecdsa", "id_ed25519"),
    *("credentials", "credentials.json", "client_secret*.json", "service-account*.json", "secrets.*", "*.tfstate"),
    *(".netrc", "_netrc", ".pypirc", ".npmrc", "pip.conf", "pip.ini", ".htpasswd", ".git-credentials"),
)
# Code, whatever its name, and the metadata of every project.
_UNLIKELY = re.compile(r".*\.py[ic]?|[^/]+\.dist-info/(?:METADATA|WHEEL|RECORD|entry_points\.txt)")
# Files that may contain the URL of an index with its password.
_MAY_HAVE_URLS = re.compile(r"(?:requirements|constraints).*\.(?:txt|in)|uv\.lock|poetry\.lock|Pipfile(?:\.lock)?")
_MOST_READ = 1024 * 1024


def warnings(files: Iterable[BundleFile]) -> Iterator[str]:
    if likely := likely_secrets(files):
        yield f"these files often hold secrets, and anyone with the zip can read them: {', '.join(likely)}"


def likely_secrets(files: Iterable[BundleFile]) -> tuple[str, ...]:
    """The paths of files with suspicious names, and of requirements files with credentials in a URL."""
    suspects = [file for file in files if not _UNLIKELY.fullmatch(file.path)]
    if not suspects:
        return ()  # as in most projects; compiling these patterns takes time
    likely = GitIgnoreSpec.from_lines(_LIKELY)

    def has_credentials(file: BundleFile) -> bool:
        if not _MAY_HAVE_URLS.fullmatch(PurePosixPath(file.path).name):
            return False
        text = file.source.read()[:_MOST_READ].decode("utf-8", errors="replace")
        return redact(text) != text

    return tuple(file.path for file in suspects if likely.match_file(file.path) or has_credentials(file))


def refuse_credentials_in_metadata(files: Iterable[BundleFile]) -> None:
    """Refuse direct references with credentials, which would be in the zip's metadata. Raises `LambdaBuildError`."""
    for file in files:
        if not file.path.endswith(".dist-info/METADATA"):
            continue
        text = file.source.read().decode("utf-8")
        if redact(text) != text:
            raise LambdaBuildError(
                "A dependency in `[project]` has credentials in its URL. They would be in the project's metadata, "
                "where anyone with the zip or the wheel can read them.\n"
                "Remove them from the URL, and provide them to pip through netrc, keyring or pip's configuration."
            )

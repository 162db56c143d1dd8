"""What pip's output, and that of what pip runs, says about a failure."""

from __future__ import annotations

import re


def error_lines(output: str, limit: int = 12) -> tuple[str, ...]:
    """The lines of a program's output that say why it failed: those with words like `error`, else the last ones.

    If pip quotes what a build backend has printed, the last lines of that.
    """
    whole = [line for line in output.splitlines() if line.strip(" |╰─>│")]
    lines = without_frames(whole) or whole
    marked = [line.strip() for line in lines if _ERROR.search(line) and not _NOISE.search(line)]
    quoted = [line.strip() for block in _QUOTED.findall("\n".join(lines))[-1:] for line in block.splitlines()]
    return tuple(marked[-limit:] or quoted[-limit:] or lines[-limit:])


def resolver_words(output: str, limit: int = 30) -> tuple[str, ...]:
    """The output of pip's resolver from its first error on: the conflicting requirements.

    If a build backend failed, or pip itself, its error and what pip was collecting. Trouble with an index comes before
    the error that follows from it.
    """
    lines = _NO_MATCHES.sub("", output).splitlines()
    first = next((index for index, line in enumerate(lines) if line.startswith(_FAILURE)), len(lines))
    if has_failed_backend(output):
        return (*_at_work(lines[:first]), *error_lines(output))
    if lines[first : first + 1] == ["ERROR: Exception:"]:
        exceptions = [line for line in without_frames(lines[first + 1 :]) if line.strip() and not _NOISE.search(line)]
        return (*_at_work(lines[:first]), *dict.fromkeys(exceptions[-limit:]))
    trouble = dict.fromkeys(_REPEATED.sub("", line) for line in lines[:first] if _INDEX_TROUBLE.match(line))
    words = [line for line in without_frames(lines[first:]) if not _GENERAL_ADVICE.match(line)]
    while words and not words[-1].strip():
        words.pop()
    return (*trouble, *words[:limit]) or error_lines(output)


def has_failed_backend(output: str) -> bool:
    """Whether a build backend failed, in its own process or when it was imported."""
    return any(
        sign in output for sign in ("subprocess-exited-with-error", "backend-unavailable", "BackendUnavailable:")
    )


def is_not_found(name: str, output: str) -> bool:
    """Whether pip has found no version of a project that would do."""
    pattern = rf"No matching distribution found for {spellings_of(name)}(?![\w.-])"
    return re.search(pattern, output, re.IGNORECASE) is not None


def in_conflict(output: str) -> list[str]:
    """The projects that a conflict is about, without those that are required by URL or path."""
    found = [(match["name"], match["direct"]) for match in _IN_CONFLICT.finditer(output)]
    direct = {name for name, is_direct in found if is_direct}
    return [name for name, _ in found if name not in direct]


def spellings_of(name: str) -> str:
    """A pattern for all spellings of a project's name (PEP 503), to be used without regard to case."""
    return "[-_.]+".join(map(re.escape, re.split("[-_.]+", name)))


def without_frames(lines: list[str]) -> list[str]:
    """Lines without those of tracebacks but the exceptions; parts of a traceback are of no use."""
    kept, indentation = [], None
    for line in lines:
        column = len(line) - len(line.lstrip(" +|"))
        if header := _TRACEBACK.match(line):
            indentation = header.end("before")
        elif _FRAME.match(line):  # of a syntax error, which has no header
            indentation = column - 2 if indentation is None else indentation
        elif indentation is None or column <= indentation:
            kept.append(line)
            indentation = None
    return kept


def _at_work(lines: list[str]) -> list[str]:
    """The last distribution that pip collected."""
    return [line.strip() for line in lines if line.lstrip().startswith(("Collecting", "Processing"))][-1:]


_FAILURE = ("ERROR:", "error: incomplete-download")
_TRACEBACK = re.compile(r"(?P<before>[ +|]*)(?:Exception Group )?Traceback \(most recent call last\):")
_FRAME = re.compile(r'[ |]*File ".*", line \d+')
_INDEX_TROUBLE = re.compile(
    r"Discarding |WARNING: (?:Retrying|Skipping page|.*inconsistent|\d\d\d Error|"
    r".*(?:[Cc]redentials|[Cc]onnection|SSL|certificate))"
)
_REPEATED = re.compile(r"Retrying \(.*?\) after ")  # the retries left, which differ in each line
_GENERAL_ADVICE = re.compile(
    r"To fix this you could try to|\d\. (?:loosen|remove)|ERROR: ResolutionImpossible|hint: See above|\[notice\]"
)
_QUOTED = re.compile(r"╰─> \[\d+ lines? of output\]\n(.*?)^\s*\[end of output\]", re.DOTALL | re.MULTILINE)
_IN_CONFLICT = re.compile(
    r"(?:depends on|The user requested) (?P<name>\w[\w.-]*)(?![\w.-])(?P<direct> ?@| \S+ \(from )?"
)
# pip says it also of projects that merely conflict.
_NO_MATCHES = re.compile(
    r"^Additionally, some packages in these conflicts have no matching .*\n(?: +\S+\n)+\n?", re.MULTILINE
)
_ERROR = re.compile(
    r"error|fatal|exception|not found|no such|cannot|could not|unable|refused|failed|Expected \w+ |\bGot ",
    re.IGNORECASE,
)
# What pip wraps around every failed build, whatever the cause.
_NOISE = re.compile(
    r"subprocess-exited-with-error|backend-unavailable|did not run successfully|"
    r"This error originates from a subprocess|Failed to build one or more wheels|ERROR: Failed building wheel|"
    r"Failed to build \S+(?: when .*)?$|metadata-generation-failed|Building wheel for .* error|See above|"
    r"error: subprocess|^\s*raise |^\s*(?:copying|creating|adding|writing|running) |Command '\[|"
    r"finished with status 'error'|"
    r"Encountered error while generating package metadata|"
    r"During handling of the above exception|The above exception was the direct cause|"
    # a compiler's command line, for its flags and file names
    r"^\s*(?:\S*/)?\S*(?:gcc|g\+\+|cc|c\+\+|clang\S*|rustc|ld)\s+-",
    re.IGNORECASE,
)

"""Runs one pip command for a target other than the machine it runs on.

`PROGRAM` runs in its own process: it imports pip, reads a JSON request, patches pip, runs it and writes a report. It
needs nothing but pip and the standard library, and is the only code of ours that imports pip. Its arguments: the path
of the request, and the folder of pip's folder for an interpreter without pip.

pip resolves for the interpreter that runs it, even with `--platform` and `--python-version`:

- markers are evaluated for the running interpreter (https://github.com/pypa/pip/issues/11664);
- sdists are refused together with `--platform`;
- `pip download` does not report what it resolved (`pip install --report` does, but downloads nothing).

`overrides` patches each of these. If something that a patch relies on is missing, or a patch has no effect, the
process exits with `EXIT_UNSUPPORTED_PIP` and says what is missing: pip must never silently resolve for the wrong
machine. `pages` and `cached` only save time; where pip lacks what they patch, it works without them.

The request:
- `arguments`: of pip;
- `marker_environment`, `interpreter`: the target's, the latter as arguments of pip's `get_supported`;
- `ignore_tags`: names of projects whose wheels are accepted whatever their tags, as a last resort;
- `cached_wheels`: the path of a wheel in the store, a format string of `sha256` and `filename`;
- `report`: where to write `Findings`.
"""

from __future__ import annotations

from pathlib import Path

PROGRAM = Path(__file__).with_name("__main__.py")
EXIT_UNSUPPORTED_PIP = 70

"""Runs one pip command for a target that is not the machine it runs on.

This is a program (`PROGRAM`): stages 1 and 3 start it in a process of its own, and write the path of a JSON request, as
JSON, to its standard input. They may do so later, as it takes longest to import pip. It needs nothing but pip and the
standard library, and is the only code of ours that touches pip's internals. pip resolves for the interpreter that runs
it, also under `--platform` and `--python-version`:

- markers come from the running interpreter (https://github.com/pypa/pip/issues/11664);
- sdists are refused together with `--platform`;
- what the resolver found out is not told by `pip download` (`pip install --report` does tell, and downloads nothing).

So each of these is overridden at one seam (`overrides`). A seam that is not there, or an override that shows no effect,
ends the process with a word on which pip it is: resolving for the wrong machine must not happen in silence.

Where pip takes its time over what cannot matter, or tells late what it has, there are `shortcuts`; those with the
`pages` of an index have a file of their own. They change nothing of what is chosen.

The request: `arguments` for pip, `marker_environment`, `interpreter` (for pip's `get_supported`), `misdeclared` (names
whose wheels are let in whatever their tags say, as a last resort), `early` (a folder for wheels that pip may yet drop),
`kept` (the folder of the store's wheels), `report` (where to write what happened), `temporary` (the folder for
temporary files).
"""

from __future__ import annotations

from pathlib import Path

PROGRAM = Path(__file__).with_name("__main__.py")
EXIT_UNSUPPORTED_PIP = 70
TEMPORARY_FOLDER = ("TMPDIR", "TEMP", "TMP")
"""The variables that name the folder for temporary files."""
WHEEL_IS_HERE = "hatch-lambda: here is "
"""How a line begins that names a wheel which can be looked at already."""

"""`python -m hatch_lambda`: the command `hatch-lambda`, where no script of it is on PATH."""

from __future__ import annotations

from hatch_lambda.cli import main

if __name__ == "__main__":
    main(prog_name="python -m hatch_lambda")

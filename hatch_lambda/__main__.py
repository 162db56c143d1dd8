"""`python -m hatch_lambda`: the command `hatch-lambda`, also where its script is not on PATH."""

from __future__ import annotations

from hatch_lambda.cli import main

if __name__ == "__main__":
    main(prog_name="python -m hatch_lambda")

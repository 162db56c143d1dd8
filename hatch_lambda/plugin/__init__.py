"""The adapters to Hatch: its build hook and its build target, both named `lambda`. Hatch is imported nowhere else."""

HOOK = TARGET = "lambda"

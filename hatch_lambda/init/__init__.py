"""Start with hatch-lambda: its tables for a project that is there, or a new project to start from.

`survey` finds out what the project is: runtime, requirements, lock file, and the functions that `templates` declare.
`pyproject` writes that into a pyproject.toml; `trials` try which selection of files has the handlers, and that the
project builds with it; `refusals` has what is left to people; `plan` puts it together. `starter` has the new project.
All but the latter need the extra `init`.
"""

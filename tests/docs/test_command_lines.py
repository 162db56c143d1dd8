"""The commands on the pages: `hatch-lambda` has each, with these options and as many arguments."""

from __future__ import annotations

import re
import shlex

import click
import pytest

from hatch_lambda.cli import main
from tests.support.pages import ROOT, pages, text_of

DOCUMENTS = {
    **{page: text_of(page) for page in pages()},
    **{name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "example_project/README.md")},
}
_ALONE = {"|", "||", "&&", ";", "&", ">", ">>", "2>", "<", "2>&1"}


def command_lines(text: str) -> list[list[str]]:
    """The words after `hatch-lambda` in each command of the blocks for a shell."""
    blocks = re.findall(r"^ *```(?:sh|console|bash|yaml)\b.*?\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    found = []
    for line in lines:
        for rest in re.findall(r"(?:^|[\s;&|(])(?:hatch-lambda|python -m hatch_lambda) ([a-z].*)", line):
            try:
                words = shlex.split(rest, comments=True)
            except ValueError:
                words = rest.split()
            end = next((number for number, word in enumerate(words) if word in _ALONE), len(words))
            found.append(words[:end])
    return found


@pytest.mark.parametrize("document", [name for name, text in DOCUMENTS.items() if command_lines(text)])
def test_each_command_is_one_that_there_is(document: str) -> None:
    for words in command_lines(DOCUMENTS[document]):
        group, context = main, click.Context(main, info_name="hatch-lambda", **main.context_settings)
        name, *arguments = words
        command = group.get_command(context, name)
        assert command, f"{document}: hatch-lambda {name}"
        if isinstance(command, click.Group):
            name, *arguments = arguments
            command = command.get_command(context, name)
            assert command, f"{document}: {words}"
        options = {spelled for option in command.get_params(context) for spelled in option.opts + option.secondary_opts}
        given = {word.partition("=")[0] for word in arguments if re.match(r"--\w|-\w$", word)}
        assert given <= options, f"{document}: {words}"


def test_commands_are_found_in_blocks() -> None:
    text = """
```sh
cd orders && hatch-lambda invoke a.zip \\
  --event '{"id": 7}' > out.json  # as Lambda would
```

    ```console
    $ hatch-lambda inspect a.zip
    ```
"""
    assert command_lines(text) == [["invoke", "a.zip", "--event", '{"id": 7}'], ["inspect", "a.zip"]]

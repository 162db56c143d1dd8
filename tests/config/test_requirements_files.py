"""Requirements files, against pip's own reader where there is one to ask."""

from __future__ import annotations

import codecs
import json
import locale
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.config.requirements_files import RequirementsFile, Unread, decode, values_of, walk

if TYPE_CHECKING:
    from pathlib import Path

ENCODED = {
    "UTF-8": "foo  # ü\n".encode(),
    "UTF-8 with a byte-order mark": codecs.BOM_UTF8 + "foo  # ü\n".encode(),
    "UTF-16, as PowerShell's > writes it": codecs.BOM_UTF16_LE + "foo  # ü\r\n".encode("utf-16-le"),
    "UTF-16 the other way round": codecs.BOM_UTF16_BE + "foo  # ü\n".encode("utf-16-be"),
    "UTF-32": codecs.BOM_UTF32_LE + "foo  # ü\n".encode("utf-32-le"),
    "UTF-32 the other way round": codecs.BOM_UTF32_BE + "foo  # ü\n".encode("utf-32-be"),
    "latin-1 by a PEP 263 line": b"# -*- coding: latin-1 -*-\nfoo  # \xfc\n",
    "latin-1 by the second line": b"# Our packages\n# vim: set fileencoding=latin-1 :\nfoo  # \xfc\n",
}


@pytest.mark.parametrize("content", ENCODED.values(), ids=ENCODED)
def test_it_is_decoded_as_pip_does(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_bytes(content)

    assert decode(content).rstrip().endswith("foo  # ü")
    assert requirements(tmp_path) == ["foo"]


def test_what_is_not_utf_8_is_decoded_by_the_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locale, "getpreferredencoding", lambda **_: "cp1252")

    assert decode(b"foo  # \x80\n") == "foo  # €\n"


def test_a_coding_line_further_down_does_not_count() -> None:
    assert decode("#\n#\n# coding: latin-1 ü\n".encode()).endswith("ü\n")


def requirements(root: Path, name: str = "requirements.txt") -> list[str]:
    files = list(walk(name, root))
    assert all(isinstance(file, RequirementsFile) for file in files), files
    return [line.requirement for file in files if isinstance(file, RequirementsFile) for line in file.lines]


def file_of(root: Path, text: str) -> RequirementsFile:
    (root / "requirements.txt").write_text(text, encoding="utf-8")
    found = next(walk("requirements.txt", root))
    assert isinstance(found, RequirementsFile)
    return found


def included_in(root: Path, text: str) -> list[RequirementsFile | Unread]:
    file_of(root, text)
    return list(walk("requirements.txt", root))[1:]


TEXTS = {
    "comments": "# all\nfoo  # one\n  # two\nbar#egg\n\n",
    "a continuation": "foo \\\n    >=1\nbar\n",
    "a continuation at the end": "foo\nbar\\",
    "a comment ends a continuation": "foo \\\n# no more\nbar\n",
    "a marker": "foo>=1 ; python_version > '3'\n",
    "hashes": "foo==1 \\\n    --hash=sha256:abc \\\n    --hash sha256:def\n",
    "options": "--index-url https://index.example/simple\n--pre\nfoo\n",
    "a variable": "foo @ https://${USER_OF_INDEX}:${NOT_SET}@example.org/foo.whl\n",
    "an editable": "-e ./lib\n--editable=./other\nfoo\n",
    "an editable with a marker": "-e ./lib ; python_version < '3.12'\n",
    "a path": "./lib\n../wheels/foo-1.0-py3-none-any.whl\n",
    "other line ends": "foo\r\nbar\rbaz\x0cqux\n",
}

ASK_PIP = """
import json, os, sys
from pip._internal.req.req_file import parse_requirements
from pip._internal.network.session import PipSession
for folder in sorted(os.listdir(sys.argv[1])):
    found = parse_requirements(os.path.join(sys.argv[1], folder, "requirements.txt"), PipSession())
    print(json.dumps([
        [one.requirement, one.is_editable, one.constraint, (one.options or {}).get("hashes", {})] for one in found
    ]))
"""


@pytest.fixture(scope="module")
def pips_reading(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[list[object]]]:
    """What pip reads of each text, asked once."""
    root = tmp_path_factory.mktemp("texts")
    for number, text in enumerate(TEXTS.values()):
        folder = root / f"{number:02}"
        folder.mkdir()
        (folder / "requirements.txt").write_text(text, encoding="utf-8", newline="")
    environment = {**os.environ, "USER_OF_INDEX": "alice"}
    command = [sys.executable, "-c", ASK_PIP, str(root)]
    asked = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return dict(zip(TEXTS, map(json.loads, asked.stdout.splitlines()), strict=True))


@pytest.mark.parametrize("name", TEXTS)
def test_it_is_read_as_pip_does(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pips_reading: dict[str, list[list[object]]]
) -> None:
    monkeypatch.setenv("USER_OF_INDEX", "alice")
    (tmp_path / "requirements.txt").write_text(TEXTS[name], encoding="utf-8", newline="")
    file = next(walk("requirements.txt", tmp_path))
    assert isinstance(file, RequirementsFile)

    ours = [
        [line.requirement or line.editable, not line.requirement, False, list(values_of(("--hash",), line.options))]
        for line in file.lines
        if line.requirement or line.editable
    ]

    theirs = [
        [requirement.strip(), editable, constraint, [f"{kind}:{value}" for kind in hashes for value in hashes[kind]]]
        for requirement, editable, constraint, hashes in pips_reading[name]
        if isinstance(requirement, str) and isinstance(hashes, dict)
    ]
    assert ours == theirs


def test_lines_are_cut_into_requirement_and_options(tmp_path: Path) -> None:
    file = file_of(tmp_path, "# all\nfoo \\\n  >=1\n\n--pre --hash=x\n")

    assert [(line.requirement, line.options) for line in file.lines] == [
        ("foo   >=1", ()),
        ("", ("--pre", "--hash=x")),
    ]


def test_variables_are_named_whether_they_are_set_or_not(tmp_path: Path) -> None:
    assert file_of(tmp_path, "foo<${BELOW}  # ${NOT_THIS}\n").variables == {"BELOW"}


class TestIncludes:
    @pytest.mark.parametrize(
        "line",
        ["-r more.txt", "-rmore.txt", "--requirement more.txt", "--requirement=more.txt", "--requirem more.txt"],
    )
    def test_they_are_relative_to_the_file_that_includes_them(self, line: str, tmp_path: Path) -> None:
        (tmp_path / "deploy").mkdir()
        (tmp_path / "deploy/requirements.txt").write_text(f"{line}\nfoo\n")
        (tmp_path / "deploy/more.txt").write_text("-c ../constraints.txt\nbar\n")
        (tmp_path / "constraints.txt").write_bytes(codecs.BOM_UTF16_LE + "bar<2\n".encode("utf-16-le"))

        files = list(walk("deploy/requirements.txt", tmp_path))

        assert [
            (str(file.path.relative_to(tmp_path)), file.is_constraints)
            for file in files
            if isinstance(file, RequirementsFile)
        ] == [("deploy/requirements.txt", False), ("deploy/more.txt", False), ("constraints.txt", True)]
        assert requirements(tmp_path, "deploy/requirements.txt") == ["", "foo", "", "bar", "bar<2"]

    def test_a_file_url_is_a_path(self, tmp_path: Path) -> None:
        (tmp_path / "with space.txt").write_text("bar\n")
        (included,) = included_in(tmp_path, f"-r {(tmp_path / 'with space.txt').as_uri()}\n")

        assert isinstance(included, RequirementsFile)
        assert included.path == tmp_path / "with space.txt"

    def test_the_same_file_twice_is_read_twice(self, tmp_path: Path) -> None:
        (tmp_path / "more.txt").write_text("bar\n")

        assert len(included_in(tmp_path, "-r more.txt\n-c more.txt\n")) == 2

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("-r gone.txt\n", "No such file"),
            ("-c folder\n", "directory"),
            ("-r requirements.txt\n", "it includes itself"),
            ("-r broken.txt\n", "can't decode"),
            ("-r unknown.txt\n", "unknown encoding"),
            ("-r a\0b\n", "null "),
            ("-c file://[a\n", "No such file"),
        ],
    )
    def test_one_that_cannot_be_read_is_not_empty(self, text: str, reason: str, tmp_path: Path) -> None:
        (tmp_path / "folder").mkdir()
        (tmp_path / "broken.txt").write_bytes(codecs.BOM_UTF8 + b"\xff\n")
        (tmp_path / "unknown.txt").write_bytes(b"# coding: klingon\nfoo\n")

        (unread,) = included_in(tmp_path, text)

        assert isinstance(unread, Unread)
        assert unread.reason is not None
        assert reason in unread.reason

    def test_one_behind_a_url_is_named(self, tmp_path: Path) -> None:
        assert included_in(tmp_path, "-r https://example.org/more.txt\n") == [
            Unread("https://example.org/more.txt", None)
        ]

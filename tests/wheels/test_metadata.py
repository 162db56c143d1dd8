"""Reading core metadata and entry points."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hatch_lambda.common.errors import BrokenWheelError
from hatch_lambda.wheels.metadata import Metadata, console_scripts, metadata_of
from tests.support.packages import make_wheel

if TYPE_CHECKING:
    from pathlib import Path


class TestMetadata:
    """The fields of METADATA, whatever is wrong with others."""

    def test_fields(self) -> None:
        """Names have any case; a field is repeated, or missing, or goes on in the next line."""
        metadata = Metadata(
            "Metadata-Version: 2.4\nname:  foo \nVersion: 1\nClassifier: A\nClassifier: B\nRequires-Dist: bar >1\n"
            "Requires-Dist: baz\n  ; extra == 'x'\n\nRequires-Dist: no\n"
        )
        assert (metadata.get("Name"), metadata.get("Version"), metadata.get("Summary")) == ("foo", "1", "")
        assert metadata.all("Classifier") == ("A", "B")
        assert metadata.requires == ("bar >1", "baz\n  ; extra == 'x'")

    def test_one_requirement(self) -> None:
        """It is not taken apart into letters."""
        assert Metadata("Requires-Dist: bar\n").requires == ("bar",)

    def test_a_repeated_field(self) -> None:
        """`Name` twice is for the caller to judge."""
        metadata = Metadata("Name: foo\nName: bar\n")
        assert metadata.all("Name") == ("foo", "bar")
        assert metadata.get("Name") == "foo"

    @pytest.mark.parametrize("kind", ["multipart/mixed; boundary=x", "message/rfc822"])
    @pytest.mark.parametrize("newline", ["\n", "\r\n"])
    def test_a_message_of_parts(self, kind: str, newline: str) -> None:
        """No `Content-Type` can make a METADATA unreadable."""
        lines = [f"Content-Type: {kind}", "Name: foo", "", "--x", "", "a", "--x--", ""]
        assert Metadata(newline.join(lines)).get("Name") == "foo"

    @pytest.mark.parametrize("text", ["", "\n", "\n\nName: foo", "foo\nName: foo\n", "\0"])
    def test_no_headers(self, text: str) -> None:
        """Whatever is no header has no fields."""
        assert Metadata(text).all("Name") == ()

    def test_of_a_wheel(self, tmp_path: Path) -> None:
        """A wheel's METADATA is found in its archive."""
        assert metadata_of(make_wheel(tmp_path, "foo", "1.0")).get("Name") == "foo"

    def test_of_a_broken_wheel(self, tmp_path: Path) -> None:
        """What is no archive is refused."""
        wheel = tmp_path / "foo-1.0-py3-none-any.whl"
        wheel.write_bytes(b"PK")
        with pytest.raises(BrokenWheelError, match="its METADATA cannot be read"):
            metadata_of(wheel)


class TestConsoleScripts:
    """The commands in an `entry_points.txt`."""

    def test_names_and_references(self) -> None:
        """Only those of the group; names keep their case, and of two of the same name the last one counts."""
        text = "[gui_scripts]\na = a:b\n[console_scripts]\n# comment\n ; too\n\nFoo = foo.bar:baz [x]\nb=c:d\nb=e:f\n"
        assert console_scripts(text) == {"Foo": "foo.bar:baz [x]", "b": "e:f"}

    @pytest.mark.parametrize("text", ["", "[other]\na = b:c\n"])
    def test_none(self, text: str) -> None:
        """A file without the group has no commands."""
        assert console_scripts(text) == {}

    @pytest.mark.parametrize("text", ["[console_scripts]\nfoo\n", "foo = a:b\n", "[console_scripts\nfoo = a:b\n"])
    def test_a_malformed_line(self, text: str) -> None:
        """A line without `=`, or in no section, is refused."""
        with pytest.raises(ValueError, match=r".+"):
            console_scripts(text)

"""The files of several wheels as one bundle, and their conflicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hatch_lambda.bundle.files import union
from hatch_lambda.common.errors import ConflictingFilesError
from hatch_lambda.common.target import ARCHITECTURES, RUNTIMES, Target
from hatch_lambda.wheels.layout import lay_out
from tests.support.packages import make_wheel

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from hatch_lambda.wheels.members import BundleFile
    from tests.support.packages import Content

TARGET = Target(RUNTIMES["python3.13"], ARCHITECTURES["x86_64"])


def paths(files: Iterable[BundleFile]) -> list[str]:
    return sorted(file.path for file in files if ".dist-info/" not in file.path)


class TestUnion:
    def layouts(self, folder: Path, **contents: Mapping[str, Content]) -> list[tuple[BundleFile, ...]]:
        return [lay_out(make_wheel(folder, name, files=files), TARGET) for name, files in contents.items()]

    def test_it_has_the_files_of_all_sorted_by_path(self, tmp_path: Path) -> None:
        layouts = self.layouts(tmp_path, b={"z.py": "", "google/b.py": ""}, a={"a.py": "", "google/a.py": ""})

        files = union(layouts)

        assert paths(files) == ["a.py", "google/a.py", "google/b.py", "z.py"]
        assert [file.path for file in files] == sorted(file.path for file in files)
        assert union(reversed(layouts)) == files

    def test_two_files_of_one_path_are_a_conflict_that_names_both_and_the_path(self, tmp_path: Path) -> None:
        layouts = self.layouts(tmp_path, jwt={"jwt/api.py": "A"}, pyjwt={"jwt/api.py": "B"})

        with pytest.raises(ConflictingFilesError) as raised:
            union(layouts)

        assert str(raised.value).startswith(
            "jwt 1.0 and pyjwt 1.0 both have a file `jwt/api.py`, with different content"
        )
        assert 'exclude = ["/jwt/api.py"]' in str(raised.value)
        assert "depend on one of the two only" in str(raised.value)

    def test_it_makes_no_difference_which_of_two_equal_files_is_taken(self, tmp_path: Path) -> None:
        layouts = self.layouts(tmp_path, a={"share/LICENSE": "MIT"}, b={"share/LICENSE": "MIT"})

        assert paths(union(layouts)) == ["share/LICENSE"]

    def test_packages_that_are_shared_the_old_way_may_differ_in_how_they_say_so(self, tmp_path: Path) -> None:
        pkgutil = "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"
        pkg_resources = "__import__('pkg_resources').declare_namespace(__name__)\n"
        layouts = self.layouts(tmp_path, a={"ns/__init__.py": pkgutil}, b={"ns/__init__.py": pkg_resources})

        assert paths(union(layouts)) == ["ns/__init__.py"]

    @pytest.mark.parametrize("name", ["ns/__init__.py", "ns/pkgutil.py"])
    def test_a_package_that_is_not_shared_on_both_sides_is_a_conflict(self, name: str, tmp_path: Path) -> None:
        layouts = self.layouts(tmp_path, a={name: "import pkgutil"}, b={name: "VERSION = 1"})

        with pytest.raises(ConflictingFilesError):
            union(layouts)

    def test_a_file_and_a_directory_of_the_same_path_conflict(self, tmp_path: Path) -> None:
        layouts = self.layouts(tmp_path, a={"tools": "a file"}, b={"tools/x.py": ""})

        with pytest.raises(ConflictingFilesError) as raised:
            union(layouts)

        assert "a 1.0" in str(raised.value)
        assert "b 1.0" in str(raised.value)
        assert "`tools`" in str(raised.value)

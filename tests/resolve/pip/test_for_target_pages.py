from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.marks import first_quick
from tests.support.packages import make_sdist, make_wheel
from tests.support.pip_for_target import ask, findings_of, said_by_pip, target_of, without_shortcuts
from tests.support.simple_index import SimpleIndex

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
class TestIndexPages:
    """What is taken off a page before pip looks at it changes nothing but the time that it takes."""

    FOREIGN = ("cp313-cp313-win_amd64", "cp313-cp313-macosx_11_0_arm64", "cp312-cp312-manylinux_2_28_aarch64")
    FITTING = ("cp313-cp313-manylinux_2_28_aarch64.manylinux_2_17_aarch64", "py3-none-any")

    @pytest.fixture
    def files(self, tmp_path: Path) -> Path:
        folder = tmp_path / "files"
        for version in ("1.0", "2.0"):
            for tag in (*self.FOREIGN, *self.FITTING):
                make_wheel(folder, "Native.Code", version, tag=tag, requires_python=">=3.9", requires=["pure"])
        for tag in self.FOREIGN:
            make_wheel(folder, "Native.Code", "3.0", tag=tag)
            make_wheel(folder, "foreign", tag=tag)
            make_wheel(folder, "yanked", tag=tag)
        make_sdist(folder, "native.code", "2.5")
        pure = make_wheel(folder, "pure")
        names = ("9-win_amd64", "9-b-c-d-cp313-cp313-win_amd64", "0.18-py36+-none-any", "0.19-cp313--any")
        for no_name_for_a_wheel in (f"native.code-{rest}.whl" for rest in names):
            (folder / no_name_for_a_wheel).write_bytes(pure.read_bytes())
        return folder

    @pytest.mark.parametrize(
        ("requirements", "options"),
        first_quick(
            [
                (["native-code"], {}),
                (["native-code"], {"arguments": ["--prefer-binary"]}),
                (["native-code==3.0"], {}),
                (["foreign"], {}),
                (["foreign", "native-code"], {"ignore_tags": ["foreign"]}),
                (["native-code"], {"ignore_tags": ["native-code"]}),
                (["native-code"], {"arguments": ["--no-binary=native-code"]}),
                (["native-code<3"], {"arguments": ["--only-binary=:all:"]}),
                (["yanked==1.0"], {}),
                (["yanked==1.0"], {"ignore_tags": ["yanked"]}),
            ],
            quick=2,
        ),
    )
    def test_pip_finds_what_it_finds_with_all_of_the_page(
        self, requirements: list[str], options: dict[str, Any], files: Path, tmp_path: Path
    ) -> None:
        yanked = frozenset({f"Native.Code-2.0-{tag}.whl" for tag in (self.FOREIGN[0], self.FITTING[0])})
        yanked |= {f"yanked-1.0-{tag}.whl" for tag in self.FOREIGN}
        target = target_of("python3.13", "arm64")
        with SimpleIndex(files, as_json=True, yanked=dict.fromkeys(yanked, True)) as index:
            sifted = ask(tmp_path, target, requirements, index_url=index.url, **options)
            unsifted = ask(
                tmp_path, target, requirements, index_url=index.url, program=without_shortcuts(tmp_path), **options
            )

        assert sifted.exit_code == unsifted.exit_code
        assert sifted.files == unsifted.files
        assert findings_of(sifted) == findings_of(unsifted)
        assert said_by_pip(sifted) == said_by_pip(unsifted)

    def test_what_is_taken_off_is_most_of_it(self, files: Path, tmp_path: Path) -> None:
        with SimpleIndex(files, as_json=True) as index:
            answer = ask(
                tmp_path, target_of("python3.13", "arm64"), ["native-code"], index_url=index.url, arguments=["-vvv"]
            )

        assert answer.exit_code == 0, answer.output
        assert "Native.Code-2.0-cp313-cp313-manylinux_2_28_aarch64" in answer.output
        assert "win_amd64" not in answer.output.replace("native.code-9-win_amd64", "").replace(
            "native.code-9-b-c-d-cp313-cp313-win_amd64", ""
        )

    @pytest.mark.parametrize(
        "page", first_quick(["[]", '{"files": [{"url": "x"}]}', '{"files": null}', "{", '{"files": [7]}'])
    )
    def test_a_page_that_makes_no_sense_is_left_to_pip(self, page: str, tmp_path: Path) -> None:
        with SimpleIndex(tmp_path, page=lambda _folder, _name: page) as index:
            sifted = ask(tmp_path, target_of("python3.13", "arm64"), ["native"], index_url=index.url)
            unsifted = ask(
                tmp_path,
                target_of("python3.13", "arm64"),
                ["native"],
                index_url=index.url,
                program=without_shortcuts(tmp_path),
            )

        assert sifted.exit_code == unsifted.exit_code != 0
        assert said_by_pip(sifted)[-1:] == said_by_pip(unsifted)[-1:]

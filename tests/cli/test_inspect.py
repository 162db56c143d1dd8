"""`hatch-lambda inspect`: text, JSON and the check."""

from __future__ import annotations

import json
import py_compile
import struct
import sys
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from hatch_lambda.cli import main
from hatch_lambda.common.target import ARCHITECTURES, RUNTIMES, Target
from hatch_lambda.inspect import survey
from hatch_lambda.inspect.contents import read
from hatch_lambda.inspect.directories import large_directories
from hatch_lambda.inspect.fitness import faults
from hatch_lambda.zip import writer
from tests.support.elf import make_elf
from tests.support.packages import make_wheel
from tests.support.zips import make_zip

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from click.testing import Result

    from hatch_lambda.bundle.files import Bundle


def inspect(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["inspect", *map(str, arguments)])


def as_json(*arguments: object) -> dict[str, Any]:
    result = inspect(*arguments, "--json")
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def fitting(found: Mapping[str, Any]) -> set[str]:
    return {f"{one['runtime']}-{one['architecture']}" for one in found["runs_on"] if one["fits"]}


EVERYWHERE = {f"{runtime}-{architecture}" for runtime in RUNTIMES for architecture in ARCHITECTURES}
PYTHON313 = Target(RUNTIMES["python3.13"], ARCHITECTURES["x86_64"])


@pytest.fixture
def native(tmp_path: Path) -> Path:
    """A wheel for python3.13 on arm64."""
    content = make_elf("aarch64", versions={"libc.so.6": ["GLIBC_2.28"]})
    files: dict[str, str | bytes] = {"fast/__init__.py": "", "fast/core.cpython-313-aarch64-linux-gnu.so": content}
    return make_wheel(tmp_path, "fast", "2.0", tag="cp313-cp313-manylinux_2_28_aarch64", files=files)


@pytest.fixture
def function(tmp_path: Path, native: Path) -> Path:
    app = "def handler(event, context):\n    return 1\n"
    return make_zip(tmp_path / "f.zip", {"app.py": app, "data/x.bin": "x" * 4000}, wheels=[native])


class TestExtensionsOfOtherPythons:
    ELF = make_elf()
    OTHER, OWN = "cpython-311-x86_64-linux-gnu.so", "cpython-313-x86_64-linux-gnu.so"

    def zipped(self, tmp_path: Path, *names: str, app: Mapping[str, str]) -> Path:
        files: dict[str, str | bytes] = {"fast/__init__.py": "", "fast/core.py": ""}
        files |= {f"fast/core.{name}": self.ELF for name in names}
        wheel = make_wheel(tmp_path, "fast", tag="cp313-cp313-manylinux_2_17_x86_64", files=files)
        return make_zip(tmp_path / "f.zip", app, wheels=[wheel])

    def test_those_of_dependencies_are_counted(self, tmp_path: Path) -> None:
        function = self.zipped(tmp_path, self.OTHER, self.OWN, "pyd", app={"app.py": ""})

        text = inspect(function).stdout
        assert "python3.13 on x86_64 never imports 1.4 kB of extension modules in 2 files" in " ".join(text.split())
        found = {(one["runtime"], one["architecture"]): one["never_imported"] for one in as_json(function)["runs_on"]}
        assert found["python3.13", "x86_64"]["files"] == 2
        assert found["python3.13", "x86_64"]["unzipped"] == 2 * len(self.ELF)
        assert found["python3.12", "x86_64"]["files"] == 3

    def test_those_of_the_project_do_not_fit(self, tmp_path: Path) -> None:
        function = self.zipped(tmp_path, self.OTHER, app={})

        assert fitting(as_json(function)) == {"python3.11-x86_64"}
        assert "for other Pythons" not in inspect(function).stdout


class TestText:
    def test_contents(self, function: Path) -> None:
        text = inspect(function).stdout
        assert "f.zip  function, 7 files\n" in text
        assert "Contents  1 distribution\n" in text
        lines = [line.split() for line in text.splitlines()]
        assert ["own", "code", "2", "3.9", "kB"] in [line[:5] for line in lines]
        assert ["fast", "2.0", "5"] in [line[:3] for line in lines]
        assert ["data/", "1", "3.9", "kB"] in [line[:4] for line in lines]
        assert ["Python", "source", "2", "42", "B"] in [line[:5] for line in lines]

    def test_native_code_and_runtimes(self, function: Path) -> None:
        lines = [line.split() for line in inspect(function).stdout.splitlines()]
        assert ["fast", "2.0", "1", "Linux", "aarch64", "glibc", "2.28"] in lines
        assert ["python3.13", "no,", "1", "problem", "yes"] in lines
        assert ["python3.12", "no,", "1", "problem", "no,", "1", "problem"] in lines
        assert "for details: `--runtime python3.8 --architecture x86_64`" in inspect(function).stdout

    def test_pure_python_runs_everywhere(self, tmp_path: Path) -> None:
        text = inspect(make_zip(tmp_path / "f.zip", wheels=[make_wheel(tmp_path, "soup")])).stdout
        assert "Native code" not in text
        assert "Bytecode" not in text
        assert "Handlers" not in text
        assert text.endswith("Runs on\n  every runtime from python3.8, on x86_64 and arm64\n")

    def test_an_empty_zip(self, tmp_path: Path) -> None:
        result = inspect(make_zip(tmp_path / "f.zip"))
        assert result.exit_code == 0
        assert "The archive is empty." in result.stdout

    def test_directory_has_no_zipped_sizes(self, tmp_path: Path) -> None:
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / "app.py").write_text("x = 1")
        text = inspect(tmp_path / "folder").stdout
        assert text.startswith("folder  function, not zipped yet, 1 file\n")
        assert "zipped" not in text.replace("unzipped", "").replace("not zipped yet", "")

    def test_at_most_eight_handlers(self, tmp_path: Path) -> None:
        files = {f"f{n}.py": "def handler(event, context): ..." for n in range(10)}
        text = inspect(make_zip(tmp_path / "f.zip", files)).stdout
        assert "  f7.handler\n  and 2 more\n" in text

    def test_corrupt_native_code(self, tmp_path: Path) -> None:
        lines = inspect(make_zip(tmp_path / "f.zip", {"x.so": b"\x7fELF"})).stdout.splitlines()
        assert ["x.so", "1", "unknown", "(corrupt)"] in [line.split() for line in lines]

    def test_errors_come_before_any_output(self, tmp_path: Path) -> None:
        path = make_zip(tmp_path / "f.zip", {"x.so": make_elf()})
        content = bytearray(path.read_bytes())
        content[60] ^= 1
        path.write_bytes(content)
        result = inspect(path)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "f.zip is corrupt" in result.stderr


class TestLimits:
    @pytest.fixture(autouse=True)
    def _small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("hatch_lambda.common.limits.UNZIPPED_LIMIT", 4000)
        monkeypatch.setattr("hatch_lambda.common.limits.DIRECT_UPLOAD_LIMIT", 1000)

    def test_too_large(self, tmp_path: Path) -> None:
        path = make_zip(tmp_path / "f.zip", {"x": bytes(5000)})
        assert "  exceeds Lambda's limit by 1000 B\n" in inspect(path).stdout
        result = inspect(path, "--runtime", "python3.13")
        assert result.exit_code == 1
        assert "The unzipped size is 4.9 kB (5,000 bytes); Lambda's limit is 3.9 kB, layers included." in result.stderr

    def test_layers_count_towards_the_limit(self, tmp_path: Path) -> None:
        path = make_zip(tmp_path / "f.zip", {"x": bytes(3000)})
        layer = make_zip(tmp_path / "layer.zip", {"python/y.py": bytes(3000)})
        assert inspect(path, "--runtime", "python3.13").exit_code == 0
        result = inspect(path, "--runtime", "python3.13", "--layer", layer)
        assert result.exit_code == 1
        assert any(line.split()[:5] == ["with", "layers", "5.9", "kB", "150%"] for line in result.stdout.splitlines())
        assert as_json(path, "--layer", layer)["unzipped_with_layers"] == 6000

    def test_exceeds_the_direct_upload_limit(self, tmp_path: Path) -> None:
        path = make_zip(tmp_path / "f.zip", {"x": bytes(range(256)) * 5})
        assert "Amazon S3" not in inspect(path).stdout
        path.write_bytes(bytes(2000) + path.read_bytes())
        assert "exceeds the direct-upload limit; upload it through Amazon S3" in inspect(path).stdout


class TestJson:
    def test_function(self, function: Path) -> None:
        found = as_json(function)
        assert (found["format"], found["path"], found["kind"], found["files"]) == (1, str(function), "function", 7)
        assert found["zipped"] == function.stat().st_size
        assert found["limits"] == {"unzipped": 262_144_000, "zipped": 52_428_800}
        assert found["project"] is None
        (distribution,) = found["distributions"]
        assert (distribution["name"], distribution["version"], distribution["files"]) == ("fast", "2.0", 5)
        assert distribution["metadata"] == "fast-2.0.dist-info"
        assert found["unclaimed"]["files"] == 2
        assert distribution["unzipped"] + found["unclaimed"]["unzipped"] == found["unzipped"]
        assert sum(part["unzipped"] for part in found["kinds"]) == found["unzipped"]
        assert sum(part["unzipped"] for part in found["folders"]) == found["unzipped"]
        assert {part["path"] for part in found["folders"]} == {"app.py", "data/", "fast/", "fast-2.0.dist-info/"}
        assert found["machine_code"] == [
            {
                "path": "fast/core.cpython-313-aarch64-linux-gnu.so",
                "distribution": "fast 2.0",
                "format": "ELF",
                "architecture": "aarch64",
                "glibc": "2.28",
                "musl": False,
                "libraries": ["libc.so.6"],
            }
        ]
        assert found["handlers"] == ["app.handler"]
        assert fitting(found) == {"python3.13-arm64"}

    def test_directory_has_no_zipped_sizes(self, tmp_path: Path) -> None:
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / "app.py").write_text("x = 1")
        found = as_json(tmp_path / "folder")
        assert found["zipped"] is None
        assert found["kinds"] == [{"kind": "Python source", "files": 1, "unzipped": 5, "zipped": None}]

    def test_zip_built_by_hatch_lambda(self, index: Path, bundle_of: Callable[..., Bundle], tmp_path: Path) -> None:
        make_wheel(index, "soup", requires=["salt"])
        make_wheel(index, "salt")
        made = writer.write(tmp_path / "f.zip", bundle_of("soup").files)
        found = as_json(made.path)
        assert found["project"] == "soup 1.0"
        assert found["unclaimed"] == {"files": 0, "unzipped": 0, "zipped": 0}
        assert fitting(found) == EVERYWHERE


class TestCheck:
    def test_0_if_compatible(self, function: Path) -> None:
        result = inspect(function, "--runtime", "python3.13", "--architecture", "arm64")
        assert (result.exit_code, result.stderr) == (0, "")

    def test_1_with_reasons_if_not(self, function: Path) -> None:
        result = inspect(function, "--runtime", "python3.13")
        assert result.exit_code == 1
        assert "Runs on" in result.stdout
        assert result.stderr.splitlines() == [
            f"Error: Not everything in the bundle can be loaded by {PYTHON313.description}.",
            "",
            "fast 2.0",
            "  fast/core.cpython-313-aarch64-linux-gnu.so",
            "    needs Linux on aarch64",
            "  but the runtime is Linux on x86_64",
            "  what you can do: use a wheel for python3.13-x86_64, or exclude the file if nothing needs it",
        ]

    def test_json_is_valid_if_the_check_fails(self, function: Path) -> None:
        result = inspect(function, "--runtime", "python3.13", "--json")
        assert result.exit_code == 1
        assert json.loads(result.stdout)["kind"] == "function"

    @pytest.mark.parametrize("arguments", [["--architecture", "arm64"], ["--runtime", "python2.7"]])
    def test_2_for_invalid_targets(self, function: Path, arguments: list[str]) -> None:
        assert inspect(function, *arguments).exit_code == 2

    def test_2_for_too_many_layers(self, function: Path) -> None:
        result = inspect(function, *(["--layer", function] * 6))
        assert result.exit_code == 2
        assert "A function can have 5 layers, not 6." in result.stderr


class TestCompatibility:
    def of(self, path: Path, *layers: Path) -> set[str]:
        return fitting(as_json(path, *(word for layer in layers for word in ("--layer", layer))))

    def why_not(self, path: Path) -> list[tuple[str, str, str]]:
        return [(fault.distribution, fault.path, fault.needs) for fault in faults(read(path), PYTHON313)]

    def test_shared_library_from_a_layer(self, tmp_path: Path) -> None:
        path = make_zip(tmp_path / "f.zip", {"tool.so": make_elf(needed=["libpq.so.5"])})
        layer = make_zip(tmp_path / "layer.zip", {"lib/libpq.so.5": make_elf(), "python/x.py": ""})
        assert self.of(path) == set()
        assert self.why_not(path) == [("own code", "tool.so", "the library libpq.so.5")]
        assert self.of(path, layer) == {name for name in EVERYWHERE if name.endswith("x86_64")}

    def test_no_setting_of_a_build_is_advised(self, tmp_path: Path) -> None:
        files = {"app/native.so": make_elf(needed=("libpq.so.5",)), "other/native.so": make_elf("aarch64")}
        result = inspect(make_zip(tmp_path / "function.zip", files), "--runtime", "python3.13")
        assert (
            "ship it under this name in `lib/` of the zip; if one of your layers has it, inspect them" in result.stderr
        )
        assert "(`hatch-lambda inspect --layer`)" in result.stderr
        assert not {word for word in ("compatible =", "exclude =", "force-include") if word in result.stderr}

    def test_layer_directory_of_one_runtime(self, tmp_path: Path) -> None:
        extension: dict[str, str | bytes] = {
            "fast/__init__.py": "",
            "fast/core.cpython-312-x86_64-linux-gnu.so": make_elf(),
        }
        wheel = make_wheel(tmp_path, "fast", files=extension)
        root = "python/lib/python3.12/site-packages/"
        path = make_zip(tmp_path / "layer.zip", wheels=[wheel], root=root)
        assert self.of(path) == {"python3.12-x86_64"}
        assert self.why_not(path) == [
            ("layer.zip", root, "the runtime python3.12: no other has this directory on `sys.path`")
        ]

    def test_layer_directories_of_several_runtimes(self, tmp_path: Path) -> None:
        files = {
            f"python/lib/python3.{minor}/site-packages/core.cpython-3{minor}-x86_64-linux-gnu.so": make_elf()
            for minor in (12, 13)
        }
        path = make_zip(tmp_path / "layer.zip", files)
        assert self.of(path) == {"python3.12-x86_64", "python3.13-x86_64"}

    def test_faults_have_the_paths_of_the_zip(self, tmp_path: Path, native: Path) -> None:
        path = make_zip(tmp_path / "layer.zip", wheels=[native], root="python/")
        assert [fault[1] for fault in self.why_not(path)] == ["python/fast/core.cpython-313-aarch64-linux-gnu.so"]

    def test_requires_python(self, tmp_path: Path) -> None:
        wheels = [
            make_wheel(tmp_path, "new", requires_python=">=3.13"),
            make_wheel(tmp_path, "odd", requires_python="what?"),
        ]
        path = make_zip(tmp_path / "f.zip", wheels=wheels)
        assert self.of(path) == {
            name for name in EVERYWHERE if name.startswith(("python3.13", "python3.14", "python3.15"))
        }

    def test_broken_machine_code(self, tmp_path: Path) -> None:
        path = make_zip(tmp_path / "f.zip", {"x.so": b"\x7fELF"})
        assert self.why_not(path) == [
            (
                "own code",
                "x.so",
                "to be intact: it has the signature of machine code, but it ends within its first header",
            )
        ]

    def test_files_readable_by_their_owner_only(self, tmp_path: Path) -> None:
        path = make_zip(tmp_path / "f.zip", {"a.py": "", "b.py": "", "c.py": ""}, modes={"a.py": 0o600, "b.py": 0})
        assert self.why_not(path) == [("own code", "a.py", "to be read by its owner: its mode is 0600")]

    def test_modes_in_a_directory_are_not_checked(self, tmp_path: Path) -> None:
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / "a.py").touch(mode=0o600)
        assert self.why_not(tmp_path / "folder") == []

    @pytest.mark.parametrize("name", ["../a.py", "/a.py", "pkg\\a.py"])
    def test_unsafe_paths(self, tmp_path: Path, name: str) -> None:
        assert [fault[1] for fault in self.why_not(make_zip(tmp_path / "f.zip", {name: ""}))] == [name]

    def test_bytecode_without_its_source(self, tmp_path: Path) -> None:
        header = struct.pack("<H", 3531) + b"\r\n" + bytes(12)
        files: dict[str, str | bytes] = {
            "pkg/__init__.py": "",
            "pkg/lone.pyc": header,
            "pkg/both.py": "",
            "pkg/both.pyc": header,
            "pkg/__pycache__/gone.cpython-312.pyc": header,
            "pkg/odd.pyc": "no bytecode",
        }
        assert self.why_not(make_zip(tmp_path / "f.zip", files)) == [
            ("own code", "pkg/lone.pyc", "Python 3.12: it is bytecode without its source"),
            ("own code", "pkg/odd.pyc", "an unknown Python: it is bytecode without its source"),
        ]


class TestBytecode:
    @pytest.mark.parametrize(
        ("mode", "validation"),
        [
            (py_compile.PycInvalidationMode.TIMESTAMP, "by time and size of its source"),
            (py_compile.PycInvalidationMode.CHECKED_HASH, "by hash of its source"),
            (py_compile.PycInvalidationMode.UNCHECKED_HASH, "never (hash-based)"),
        ],
    )
    def test_running_python(self, tmp_path: Path, mode: py_compile.PycInvalidationMode, validation: str) -> None:
        (tmp_path / "x.py").write_text("x = 1\n")
        py_compile.compile(str(tmp_path / "x.py"), cfile=str(tmp_path / "x.pyc"), invalidation_mode=mode)
        path = make_zip(tmp_path / "f.zip", {"x.py": "", "x.pyc": (tmp_path / "x.pyc").read_bytes()})
        python = "{}.{}".format(*sys.version_info)
        (found,) = survey.bytecode(read(path))
        assert (found.python, found.validation, found.portion.files) == (python, validation, 1)
        assert f"  Python {python}" in inspect(path).stdout
        assert as_json(path)["bytecode"][0]["python"] == python

    def test_unknown_python(self, tmp_path: Path) -> None:
        path = make_zip(tmp_path / "f.zip", {"x.py": "", "x.pyc": "", "y.py": "", "y.pyc": b"\1\0\r\n" + bytes(12)})
        assert [(one["python"], one["validated"]) for one in as_json(path)["bytecode"]] == [
            (None, None),
            (None, "by time and size of its source"),
        ]
        assert "an unknown Python" in inspect(path).stdout


class TestKindsAndDirectories:
    def test_each_file_has_one_kind(self, tmp_path: Path) -> None:
        files: dict[str, str | bytes] = {
            "soup/__init__.py": "12",
            "soup/core.so": make_elf(),
            "soup/tests/test_core.py": "123",
            "soup/core.pyi": "1234",
            "soup/table.csv": "12345",
            "soup/README": "123456",
        }
        path = make_zip(tmp_path / "f.zip", wheels=[make_wheel(tmp_path, "soup", files=files)])
        contents = read(path)
        kind = survey.kind_by_path(contents)
        sizes = {part.name: (part.files, part.size) for part in survey.kinds(contents, kind)}
        assert sizes.pop("machine code") == (1, len(make_elf()))
        assert sizes.pop("metadata")[0] == 3
        assert sizes == {"Python source": (1, 2), "tests": (1, 3), "stubs and headers": (1, 4), "data": (2, 11)}

    def test_directories_with_one_subdirectory_are_skipped(self, tmp_path: Path) -> None:
        files = {"a/b/c/x": "x" * 50, "a/b/d/x": "x" * 40, "a/b/e/x": "x", "lone": "x" * 100}
        contents = read(make_zip(tmp_path / "f.zip", files))
        large = large_directories(contents, survey.kind_by_path(contents))
        assert [(node.path, depth) for depth, node in large] == [("a/b", 0), ("a/b/c", 1), ("a/b/d", 1)]

    def test_deep_directories(self, tmp_path: Path) -> None:
        path = make_zip(tmp_path / "f.zip", {"/".join(["d"] * 2_000) + ".py": "x"})
        result = inspect(path)
        assert result.exit_code == 0, result.output
        assert "  d/d/" in result.stdout

    def test_root_of_a_layer_is_skipped(self, tmp_path: Path) -> None:
        contents = read(make_zip(tmp_path / "layer.zip", {"python/a/x": "xx", "python/b.py": "x"}))
        large = large_directories(contents, survey.kind_by_path(contents))
        assert [node.path for _, node in large] == ["python/a"]
        assert {part.name for part in survey.folders(contents)} == {"python/a/", "python/b.py"}


class TestHandlers:
    def of(self, tmp_path: Path, files: Mapping[str, str]) -> list[str]:
        return list(survey.handlers(read(make_zip(tmp_path / "f.zip", files))))

    @pytest.mark.parametrize(
        "source",
        [
            "def handler(event, context): ...",
            "def handler(event, context=None): ...",
            "def handler(event, context, /, clock=None): ...",
            "@decorated\ndef handler(\n    event,\n    context,\n): ...",
            "def handler(e: dict[str, object], _): ...",
            "handler = Mangum(app)",
            "handler: Handler = tools.wrap(app)",
        ],
    )
    def test_what_looks_like_one(self, tmp_path: Path, source: str) -> None:
        assert self.of(tmp_path, {"orders/app.py": source}) == ["orders.app.handler"]

    @pytest.mark.parametrize(
        "source",
        [
            "async def handler(event, context): ...",
            "def handler(event): ...",
            "def handler(event, context, third): ...",
            "def handler(event, context, *, needed): ...",
            "class A:\n    def handler(event, context): ...",
            "def work(left, right): ...",
            "handler = logging.StreamHandler()",
            "handler = None",
            "error_handler = make()",
            "def handler(event, context:",
            "\0def handler(event, context): ...",
        ],
    )
    def test_what_does_not(self, tmp_path: Path, source: str) -> None:
        assert self.of(tmp_path, {"orders/app.py": source}) == []

    def test_the_likeliest_first(self, tmp_path: Path) -> None:
        files = {
            "b/deep.py": "def lambda_handler(event, context): ...",
            "a.py": "def handler(event, context): ...\ndef s3_handler(event, ctx): ...\ndef main(event, context): ...",
            "pkg/__init__.py": "def handler(event, context): ...\nhandler = traced(handler)",
            "tests/test_a.py": "def handler(event, context): ...",
        }
        expected = ["b.deep.lambda_handler", "a.handler", "pkg.handler", "a.s3_handler", "a.main"]
        assert self.of(tmp_path, files) == expected

    def test_dependencies_and_layers_have_none(self, tmp_path: Path) -> None:
        wheel = make_wheel(tmp_path, "soup", files={"soup.py": "def handler(event, context): ..."})
        assert survey.handlers(read(make_zip(tmp_path / "f.zip", {"app.py": ""}, wheels=[wheel]))) == ()
        assert survey.handlers(read(make_zip(tmp_path / "layer.zip", wheels=[wheel], root="python/"))) == ()
        assert survey.handlers(read(make_zip(tmp_path / "own.zip", wheels=[wheel]))) == ("soup.handler",)

"""Where a function runs: its directories, variables and search path."""

from __future__ import annotations

import os
import re
import socket
import stat
import sys
from pathlib import Path
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_LZMA, ZipFile, ZipInfo

import pytest

from hatch_lambda.invoke import Invocation, InvocationError, invoke
from tests.support.functions import APP, answer, failure, run, zipped

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="`hatch-lambda invoke` requires Linux")

RUNNING = "python{}.{}".format(*sys.version_info)


class TestIsolation:
    def test_only_lambdas_variables_and_those_passed_are_set(self, app: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not for functions")
        monkeypatch.setenv("AWS_PROFILE", "production")
        monkeypatch.setenv("PYTHONWARNINGS", "ignore")
        monkeypatch.setenv("SECRET", "secret")
        monkeypatch.setenv("TABLE", "from here")

        seen = answer(app, "app.environment", None, "--env", "A=1=2", "--env", "TABLE", "--env", "EMPTY=")

        base = Path(seen["LAMBDA_TASK_ROOT"]).parent
        assert seen.pop("LC_CTYPE", "C.UTF-8") == "C.UTF-8"  # by the interpreter, where there is no en_US (PEP 538)
        assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0", seen["_X_AMZN_TRACE_ID"])
        assert re.fullmatch(r"127\.0\.0\.1:\d+", seen["AWS_LAMBDA_RUNTIME_API"])
        assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", seen["AWS_LAMBDA_LOG_STREAM_NAME"])
        assert seen["LD_LIBRARY_PATH"].endswith(
            f"{base}/runtime:{base}/runtime/lib:{base}/task:{base}/task/lib:{base}/opt/lib"
        )
        assert seen["PATH"].endswith(f":/usr/local/bin:/usr/bin:/bin:{base}/opt/bin")
        for checked in ("_X_AMZN_TRACE_ID", "AWS_LAMBDA_RUNTIME_API", "AWS_LAMBDA_LOG_STREAM_NAME"):
            del seen[checked]
        del seen["LD_LIBRARY_PATH"], seen["PATH"]
        assert seen == {
            "A": "1=2",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{RUNNING}",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "AWS_LAMBDA_FUNCTION_NAME": "app",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/app",
            "AWS_REGION": "us-east-1",
            "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
            "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
            "EMPTY": "",
            "HOME": f"{base}/home",
            "LAMBDA_RUNTIME_DIR": f"{base}/runtime",
            "LAMBDA_TASK_ROOT": f"{base}/task",
            "LANG": "en_US.UTF-8",
            "PYTHONPATH": f"{base}/runtime",
            "TABLE": "from here",
            "TMPDIR": f"{base}/tmp",
            "TZ": ":UTC",
            "_HANDLER": "app.environment",
        }

    @pytest.mark.parametrize(
        ("variable", "said"),
        [
            ("UNSET", "UNSET is not set in this environment; pass UNSET=VALUE"),
            ("=1", "'=1' is not NAME=VALUE"),
            ("_HANDLER=app.other", "_HANDLER is reserved for the runtime and cannot be set"),
        ],
    )
    def test_invalid_variables(self, variable: str, said: str, app: Path) -> None:
        result = run(app, "app.echo", "--env", variable)

        assert result.exit_code == 2
        assert said in result.stderr

    def test_reserved_variables_are_rejected_from_python_too(self, app: Path) -> None:
        with pytest.raises(InvocationError, match="AWS_LAMBDA_RUNTIME_API"):
            invoke(Invocation(app, "app.echo", environment={"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1"}))

    def test_installed_packages_cannot_be_imported(self, app: Path) -> None:
        # Both are in the environment of the tests, and the last one is not: it shows that looking works.
        assert answer(app, "app.sees", ["pytest", "click", "hatch_lambda", "pip", "json"]) == ["json"]

    def test_it_starts_as_in_lambda(self, app: Path) -> None:
        seen = answer(app, "app.about", None, "--memory", "1024", "--env", "AWS_REGION=eu-central-1")

        task_root = Path(seen["cwd"])
        assert (task_root.name, Path(seen["home"]).name) == ("task", "home")
        assert seen["argv"] == [f"{task_root.parent}/runtime/bootstrap.py"]
        assert seen["stdin"] == ""
        assert seen["arn"] == "arn:aws:lambda:eu-central-1:123456789012:function:app"
        assert 0 < seen["left"] <= 60_000
        assert seen["memory"] == "1024"
        assert "exit()" in seen["exit"]

    @pytest.mark.parametrize("folder", ["$LAMBDA_TASK_ROOT", "$LAMBDA_TASK_ROOT/package", "$LAMBDA_TASK_ROOT/../opt"])
    def test_code_and_layers_are_read_only(self, folder: str, app: Path) -> None:
        assert answer(app, "app.writes", f"{folder}/probe") is False

    def test_the_temporary_directory_is_private_and_removed(self, app: Path, temporary: Path) -> None:
        before = sorted(temporary.iterdir())

        assert answer(app, "app.lists", "$TMPDIR") == []
        assert answer(app, "app.writes", "$TMPDIR/probe") is True
        assert sorted(temporary.iterdir()) == before

    def test_a_file_readable_only_by_its_owner_is_unreadable_as_in_lambda(self, tmp_path: Path) -> None:
        result = run(zipped(tmp_path / "app.zip", {"app.py": APP}, mode=0o600), "app.echo")

        assert "Permission denied" in failure(result)["errorMessage"]


class TestSearchPath:
    def test_the_function_comes_first_then_layers_then_the_runtime(self, app: Path, tmp_path: Path) -> None:
        layer = zipped(tmp_path / "layer.zip", {"python/a.py": "", f"python/lib/{RUNNING}/site-packages/b.py": ""})

        path = answer(app, "app.about", None, "--layer", layer)["path"]

        base = Path(path[0]).parent
        # AWS's own order (bootstrap.py in its base images): site-packages of a layer before its `python`.
        assert path[:4] == [
            f"{base}/task",
            f"{base}/opt/python/lib/{RUNNING}/site-packages",
            f"{base}/opt/python",
            f"{base}/runtime",
        ]
        assert not [entry for entry in path if entry.endswith(("dist-packages", "site-packages"))][1:]

    def test_the_code_wins_over_layers_and_later_layers_over_earlier_ones(self, tmp_path: Path) -> None:
        source = "def handler(*_):\n    import a, b, c, d\n    return [a.X, b.X, c.X, d.X]"
        code = zipped(tmp_path / "code.zip", {"app.py": source, "a.py": "X = 'code'"})
        first = zipped(tmp_path / "1.zip", {f"python/{name}.py": "X = 'first'" for name in "abc"})
        second = zipped(tmp_path / "2.zip", {f"python/{name}.py": "X = 'second'" for name in "bd"})

        found = answer(code, "app.handler", None, "--layer", first, "--layer", second)

        assert found == ["code", "second", "first", "second"]

    def test_a_pth_file_of_the_code_is_read(self, tmp_path: Path) -> None:
        files = {
            "app.py": "import inner\ndef handler(*_): return inner.X",
            "x.pth": "vendored\n",
            "vendored/inner.py": "X = 1",
        }

        assert answer(zipped(tmp_path / "code.zip", files), "app.handler") == 1

    def test_a_custom_pythonpath_replaces_the_layers(self, app: Path) -> None:
        path = answer(app, "app.about", None, "--env", "PYTHONPATH=/own/path")["path"]

        assert [Path(path[0]).name, Path(path[1]).name, path[2]] == ["task", "runtime", "/own/path"]
        assert not [entry for entry in path if "/opt/" in entry]


class TestUnpacking:
    def test_a_directory_works_like_a_zip_and_is_not_changed(self, tmp_path: Path) -> None:
        folder = tmp_path / "function"
        folder.joinpath("package").mkdir(parents=True)
        folder.joinpath("app.py").write_text(APP)
        layer = tmp_path / "layer"
        layer.joinpath("python").mkdir(parents=True)
        layer.joinpath("python", "extra.py").touch()
        modes = {path: path.stat().st_mode for path in (folder, *folder.rglob("*"))}

        assert answer(folder, "app.sees", ["package", "extra"], "--layer", layer) == ["package", "extra"]
        assert {path: path.stat().st_mode for path in (folder, *folder.rglob("*"))} == modes

    def test_links_and_executables_are_preserved(self, tmp_path: Path) -> None:
        source = (
            "import os\ndef handler(*_): return os.readlink('link'), os.access('tool', os.X_OK), open('link').read()"
        )
        code = tmp_path / "code.zip"
        with ZipFile(code, "w") as archive:
            for name, mode, content in (
                ("link", stat.S_IFLNK | 0o777, "tool"),
                ("tool", 0o755, "#!"),
                ("app.py", 0o644, source),
            ):
                entry = ZipInfo(name)
                entry.external_attr = mode << 16
                archive.writestr(entry, content)

        assert answer(code, "app.handler") == ["tool", True, "#!"]

    @pytest.mark.parametrize("name", ["../outside.py", "/outside.py", "a/../../outside.py"])
    def test_an_entry_outside_the_directory_is_rejected(self, name: str, tmp_path: Path, temporary: Path) -> None:
        result = run(zipped(tmp_path / "code.zip", {name: "x"}), "app.handler")

        assert result.exit_code == 1
        assert f"its entry '{name}' has a path outside the directory" in result.stderr
        assert not list(temporary.iterdir())

    def test_a_file_that_is_not_a_zip(self, tmp_path: Path, temporary: Path) -> None:
        file = tmp_path / "code.zip"
        file.write_text("no zip")

        result = run(file, "app.handler")

        assert (result.exit_code, result.stdout) == (1, "")
        assert f"Error: {file} is not a zip file." in result.stderr
        assert not list(temporary.iterdir())

    @pytest.mark.parametrize(
        ("place", "kind"),
        [
            *(("code", kind) for kind in ("FIFO", "device", "socket")),
            *(("layer", kind) for kind in ("FIFO", "device", "socket")),
            *(("in a directory", kind) for kind in ("FIFO", "socket")),
        ],
    )
    def test_what_could_be_read_forever(
        self, place: str, kind: str, app: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        directory = tmp_path / "directory"
        (directory / "a.dist-info").mkdir(parents=True)
        odd = (directory / "a.dist-info" / "WHEEL") if place == "in a directory" else tmp_path / "odd.zip"
        if kind == "FIFO":
            os.mkfifo(odd)
        elif kind == "socket":
            monkeypatch.chdir(odd.parent)
            with socket.socket(socket.AF_UNIX) as server:
                server.bind(odd.name)
        else:
            odd = Path("/dev/zero")
        code = {"code": odd, "layer": app, "in a directory": directory}[place]
        layer = ["--layer", str(odd)] if place == "layer" else []

        result = run(code, "app.echo", *layer)

        assert (result.exit_code, result.stdout) == (1, "")
        assert f"Error: {odd} is neither a file nor a directory." in result.stderr

    @pytest.mark.parametrize("kind", ["LZMA", "BZIP2", "encrypted", "a bomb"])
    @pytest.mark.parametrize("place", ["code", "layer"])
    def test_a_zip_that_lambda_could_not_unpack(self, kind: str, place: str, app: Path, tmp_path: Path) -> None:
        odd = tmp_path / "odd.zip"
        method = {"LZMA": ZIP_LZMA, "BZIP2": ZIP_BZIP2}.get(kind, ZIP_DEFLATED)
        with ZipFile(odd, "w", method) as archive:
            archive.writestr("app.py", APP)
        content = bytearray(odd.read_bytes())
        entry = content.rindex(b"PK\1\2")
        if kind == "encrypted":
            content[entry + 8] |= 1
        if kind == "a bomb":
            content[entry + 24 : entry + 28] = b"\xff\xff\xff\x7f"
        odd.write_bytes(content)

        result = run(odd, "app.echo") if place == "code" else run(app, "app.echo", "--layer", odd)

        assert (result.exit_code, result.stdout) == (1, "")
        assert f"Error: {odd} cannot be read: its entry `app.py` " in result.stderr

    def test_metadata_that_is_damaged(self, tmp_path: Path) -> None:
        code = zipped(tmp_path / "code.zip", {"a.dist-info/WHEEL": "Tag: py3-none-any\n" * 50})
        content = bytearray(code.read_bytes())
        content[60] ^= 0xFF
        code.write_bytes(content)

        result = run(code, "app.echo")

        assert (result.exit_code, result.stdout) == (1, "")
        assert "is corrupt" in result.stderr

"""What a resolution depends on, and what it does not."""

from __future__ import annotations

import codecs
import importlib.metadata
import os
import sys
from typing import TYPE_CHECKING

import pytest

from hatch_lambda.resolve import fingerprint
from tests.support.packages import make_source_tree, make_wheel
from tests.support.situation import REUSED, Situation, age

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def requirement_text(now: Situation) -> Iterator[None]:
    yield
    now.requirements = ["foo>=1"]


def further_requirement(now: Situation) -> Iterator[None]:
    yield
    now.requirements = ["foo", "foo>=1"]


def requirements_file(now: Situation) -> Iterator[None]:
    now.write("requirements.txt", "foo\n")
    now.table["requirements"] = ["requirements.txt"]
    yield
    now.write("requirements.txt", "foo>=1\n")


def another_requirements_file(now: Situation) -> Iterator[None]:
    now.write("requirements.txt", "foo\n")
    yield
    now.table["requirements"] = ["requirements.txt"]


def included(line: str, name: str) -> Callable[[Situation], Iterator[None]]:
    """A file that the requirements file includes, at a path relative to that."""

    def story(now: Situation) -> Iterator[None]:
        now.write("requirements/lambda.txt", f"# the function's\n{line}\nfoo\n")
        now.write(f"requirements/{name}", "foo\n")
        now.table["requirements"] = ["requirements/lambda.txt"]
        yield
        now.write(f"requirements/{name}", "foo<2\n")

    return story


def included_by_what_is_included(now: Situation) -> Iterator[None]:
    now.write("requirements.txt", "-r deep/one.txt\n")
    now.write("deep/one.txt", "-c deeper/two.txt\nfoo\n")
    now.write("deep/deeper/two.txt", "foo<3\n")
    now.table["requirements"] = ["requirements.txt"]
    yield
    now.write("deep/deeper/two.txt", "foo<2\n")


def encoded(encoding: str, mark: bytes, line: str) -> Callable[[Situation], Iterator[None]]:
    """A file that one in another encoding includes."""

    def story(now: Situation) -> Iterator[None]:
        path = now.write("requirements.txt", "")
        path.write_bytes(mark + f"{line}-r more.txt\nfoo  # ü\n".encode(encoding))
        now.write("more.txt", "foo\n")
        now.table["requirements"] = ["requirements.txt"]
        yield
        now.write("more.txt", "foo<2\n")

    return story


def included_file_that_was_missing(now: Situation) -> Iterator[None]:
    now.write("requirements.txt", "-r more.txt\nfoo\n")
    now.table["requirements"] = ["requirements.txt"]
    yield
    now.write("more.txt", "")


def build_constraint_of_the_configuration(now: Situation) -> Iterator[None]:
    constraints = now.write("build.txt", "setuptools<80\n")
    now.setenv("PIP_CONFIG_FILE", now.write("pip.conf", f"[global]\nbuild-constraint = {constraints}\n"))
    yield
    now.write("build.txt", "setuptools<70\n")


def build_constraint_by_variable(now: Situation) -> Iterator[None]:
    now.write("build.txt", "-c more.txt\n")
    now.write("more.txt", "setuptools<80\n")
    now.setenv("PIP_BUILD_CONSTRAINT", "build.txt")
    yield
    now.write("more.txt", "setuptools<70\n")


def constraints_file(now: Situation) -> Iterator[None]:
    now.write("constraints.txt", "foo<3\n")
    now.table["constraints"] = ["constraints.txt"]
    yield
    now.write("constraints.txt", "foo<2\n")


def included_by_a_constraints_file(now: Situation) -> Iterator[None]:
    now.write("constraints.txt", "-c more.txt\n")
    now.write("more.txt", "foo<3\n")
    now.table["constraints"] = ["constraints.txt"]
    yield
    now.write("more.txt", "foo<2\n")


def variable_in_a_requirements_file(now: Situation) -> Iterator[None]:
    # pip puts `${NAME}` in
    now.write("requirements.txt", "foo<${FOO_BELOW}\n")
    now.table["requirements"] = ["requirements.txt"]
    now.setenv("FOO_BELOW", "3")
    yield
    now.setenv("FOO_BELOW", "2")


def setting(key: str, before: object, after: object) -> Callable[[Situation], Iterator[None]]:
    def story(now: Situation) -> Iterator[None]:
        if before is not None:
            now.table[key] = before
        yield
        now.table[key] = after

    return story


def variable(name: str, before: str | None, after: str) -> Callable[[Situation], Iterator[None]]:
    def story(now: Situation) -> Iterator[None]:
        if before is None:
            now.monkeypatch.delenv(name, raising=False)
        else:
            now.setenv(name, before)
        yield
        now.setenv(name, after)

    return story


def content_of_the_configuration(now: Situation) -> Iterator[None]:
    file = now.write("pip.conf", "[global]\nprefer-binary = true\n")
    now.setenv("PIP_CONFIG_FILE", file)
    yield
    now.write("pip.conf", "[global]\nprefer-binary = true\npre = true\n")


def configuration_of_the_user(now: Situation) -> Iterator[None]:
    now.monkeypatch.delenv("PIP_CONFIG_FILE")
    now.setenv("HOME", now.tmp / "home")
    yield
    now.write(str(now.tmp / "home/.pip/pip.conf"), "[global]\npre = true\n")


def configuration_of_the_environment(now: Situation) -> Iterator[None]:
    now.monkeypatch.delenv("PIP_CONFIG_FILE")
    now.monkeypatch.setattr(sys, "prefix", str(now.tmp / "environment"))
    yield
    now.write(str(now.tmp / "environment/pip.conf"), "[global]\npre = true\n")


def named_in_the_configuration(now: Situation) -> Iterator[None]:
    file = now.write("pip.conf", f"[global]\nfind-links =\n    {now.tmp / 'vendor'}\n")
    now.setenv("PIP_CONFIG_FILE", file)
    make_wheel(now.tmp / "vendor", "foo")
    yield
    make_wheel(now.tmp / "vendor", "foo", "2.0")


def constraint_of_the_configuration(now: Situation) -> Iterator[None]:
    constraints = now.write("of-the-company.txt", "foo<3\n")
    now.setenv("PIP_CONFIG_FILE", now.write("pip.conf", f"[install]\nconstraint = {constraints}\n"))
    yield
    now.write("of-the-company.txt", "foo<2.0\n")


def linked_folder(where: str, spelled: str, folder: str) -> Callable[[Situation], Iterator[None]]:
    """A new wheel in a `--find-links` folder below the project's root. `{}` in what is written is its whole path."""

    def story(now: Situation) -> Iterator[None]:
        now.setenv("HOME", now.root)
        make_wheel(now.root / folder, "foo")
        text = spelled.format(now.root / folder)
        if where == "pip-args":
            now.table["pip-args"] = [text] if text.startswith("--find-links=") else ["--find-links", text]
        elif where == "file":
            now.write("requirements/lambda.txt", f"--find-links {text}\nfoo\n")
            now.table["requirements"] = ["requirements/lambda.txt"]
        else:
            now.setenv(where, text)
        yield
        make_wheel(now.root / folder, "foo", "2.0")

    return story


def argument_file(*arguments: str) -> Callable[[Situation], Iterator[None]]:
    def story(now: Situation) -> Iterator[None]:
        now.write("pins.txt", "foo<3\n")
        now.table["pip-args"] = list(arguments)
        yield
        now.write("pins.txt", "foo<2.0\n")

    return story


def constraint_by_variable(now: Situation) -> Iterator[None]:
    now.write("pins.txt", "foo<3\n")
    now.setenv("PIP_CONSTRAINT", "pins.txt")
    yield
    now.write("pins.txt", "foo<2.0\n")


def included_by_the_constraint_of_a_variable(now: Situation) -> Iterator[None]:
    now.setenv("PIP_CONSTRAINT", now.write("pins/all.txt", "-c foo.txt\n"))
    now.write("pins/foo.txt", "foo<3\n")
    yield
    now.write("pins/foo.txt", "foo<2\n")


def source_folder(file: str, spelled: str = "foo @ file://{}") -> Callable[[Situation], Iterator[None]]:
    """A file of a local project that is depended on."""

    def story(now: Situation) -> Iterator[None]:
        tree = make_source_tree(now.tmp / "libs" / "foo", "foo")
        path = now.write(str(tree / file), "X = 1\n")
        if spelled.startswith(("-", ".")):
            now.write("requirements.txt", spelled.format(tree) + "\n")
            now.table["requirements"] = ["requirements.txt"]
        else:
            now.requirements = [spelled.format(tree)]
        yield
        path.write_text("X = 2\n", encoding="utf-8")

    return story


def source_file_made_executable(now: Situation) -> Iterator[None]:
    tree = make_source_tree(now.tmp / "foo", "foo")
    now.requirements = [f"foo @ {tree.as_uri()}"]
    yield
    (tree / "backend.py").chmod(0o755)


def source_file_removed(now: Situation) -> Iterator[None]:
    tree = make_source_tree(now.tmp / "foo", "foo")
    extra = now.write(str(tree / "src/foo/extra.py"), "X = 1\n")
    now.requirements = [f"foo @ {tree.as_uri()}"]
    yield
    extra.unlink()


def local_archive(now: Situation) -> Iterator[None]:
    wheel = make_wheel(now.tmp / "elsewhere", "foo")
    now.requirements = [f"foo @ {wheel.as_uri()}"]
    yield
    make_wheel(now.tmp / "elsewhere", "foo", files={"foo.py": "CHANGED = True\n"})


def version_of(distribution: str) -> Callable[[Situation], Iterator[None]]:
    def story(now: Situation) -> Iterator[None]:
        ask = fingerprint.installed_version
        yield
        now.monkeypatch.setattr(
            fingerprint, "installed_version", lambda name: "99.9" if name == distribution else ask(name)
        )

    return story


def version_of_the_interpreter(now: Situation) -> Iterator[None]:
    yield
    now.monkeypatch.setattr(sys, "version", f"{sys.version} (another build of it)")


def interpreter_to_build_with(now: Situation) -> Iterator[None]:
    yield
    now.table["python"] = sys.executable


MISSES: dict[str, Callable[[Situation], Iterator[None]]] = {
    "the text of a requirement": requirement_text,
    "a further requirement": further_requirement,
    "the requirements file": requirements_file,
    "that there is a requirements file": another_requirements_file,
    "-r": included("-r more.txt", "more.txt"),
    "-r without a space": included("-rmore.txt", "more.txt"),
    "--requirement=": included("--requirement=more.txt", "more.txt"),
    "-r with a comment": included("  -r more.txt  # and more", "more.txt"),
    "-r in quotes": included('-r "much more.txt"', "much more.txt"),
    "-r over two lines": included("-r \\\n    more.txt", "more.txt"),
    "-c": included("-c more.txt", "more.txt"),
    "--constraint": included("--constraint ../more.txt", "../more.txt"),
    "-r of -r": included_by_what_is_included,
    "-r in UTF-16": encoded("utf-16-le", codecs.BOM_UTF16_LE, ""),
    "-r after a byte-order mark": encoded("utf-8", codecs.BOM_UTF8, ""),
    "-r in latin-1": encoded("latin-1", b"", "# coding: latin-1\n"),
    "that there is an included file": included_file_that_was_missing,
    "a constraints file": constraints_file,
    "-c of a constraints file": included_by_a_constraints_file,
    "a variable in a requirements file": variable_in_a_requirements_file,
    "runtime": setting("runtime", "python3.13", "python3.12"),
    "architecture": setting("architecture", "x86_64", "arm64"),
    "on-missing": setting("on-missing", "warn", "error"),
    "prefer-binary": setting("prefer-binary", after=False, before=True),
    "pip-args": setting("pip-args", ["--pre"], ["--pre", "--no-binary=foo"]),
    "python": interpreter_to_build_with,
    **{
        name: variable(name, before, after)
        for name, before, after in (
            ("PIP_INDEX_URL", None, "https://index.example.org/simple"),
            ("PIP_EXTRA_INDEX_URL", "https://a.example.org/simple", "https://b.example.org/simple"),
            ("PIP_FIND_LINKS", None, "https://example.org/wheels"),
            ("PIP_NO_INDEX", "1", "0"),
            ("PIP_PRE", None, "1"),
            ("PIP_NO_BINARY", None, "foo"),
            ("PIP_ONLY_BINARY", None, ":all:"),
            ("PIP_PREFER_BINARY", None, "1"),
            ("PIP_REQUIRE_HASHES", None, "1"),
            ("PIP_NO_BUILD_ISOLATION", None, "0"),
            ("PIP_CONFIG_SETTINGS", None, "a=b"),
            ("CC", None, "gcc-12"),
            ("CFLAGS", "-O2", "-O3"),
            ("CMAKE_ARGS", None, "-DX=1"),
            ("SETUPTOOLS_SCM_PRETEND_VERSION", "1.0", "1.1"),
            ("_PYTHON_HOST_PLATFORM", None, "linux-aarch64"),
            ("PKG_CONFIG_PATH", None, "/opt/lib/pkgconfig"),
            ("HTTPS_PROXY", None, "http://proxy.example:3128"),
        )
    },
    "what pip.conf says": content_of_the_configuration,
    "that there is a pip.conf of the user": configuration_of_the_user,
    "that there is a pip.conf of the environment": configuration_of_the_environment,
    "a file in a folder that pip.conf names": named_in_the_configuration,
    "a constraints file that pip.conf names": constraint_of_the_configuration,
    "a build constraints file that pip.conf names": build_constraint_of_the_configuration,
    "-c of PIP_BUILD_CONSTRAINT": build_constraint_by_variable,
    "--find-links of a whole path": linked_folder("pip-args", "{}", "wheels"),
    "--find-links of a relative path": linked_folder("pip-args", "./wheels", "wheels"),
    "--find-links of a bare name": linked_folder("pip-args", "wheels", "wheels"),
    "--find-links= of a bare name": linked_folder("pip-args", "--find-links=wheels", "wheels"),
    "--find-links of the root": linked_folder("pip-args", ".", "."),
    "--find-links with a space": linked_folder("pip-args", "{}", "my wheels"),
    "--find-links below home": linked_folder("pip-args", "~/wheels", "wheels"),
    "--find-links by URL": linked_folder("pip-args", "file://{}", "wheels"),
    "--find-links in a file": linked_folder("file", "{}", "wheels"),
    "--find-links in a file, relative to that": linked_folder("file", "wheels", "requirements/wheels"),
    "--find-links in a file, in quotes": linked_folder("file", '"{}"', "my wheels"),
    "a file in PIP_FIND_LINKS": linked_folder("PIP_FIND_LINKS", "{}", "wheels"),
    "a file in PIP_FIND_LINKS of a bare name": linked_folder("PIP_FIND_LINKS", "wheels", "wheels"),
    "a file in one of PIP_FIND_LINKS": linked_folder("PIP_FIND_LINKS", "https://example.org/x {}", "wheels"),
    "-c in pip-args": argument_file("-c", "pins.txt"),
    "--constraint= in pip-args": argument_file("--constraint=./pins.txt"),
    "PIP_CONSTRAINT": constraint_by_variable,
    "-c of PIP_CONSTRAINT": included_by_the_constraint_of_a_variable,
    "a source file": source_folder("src/foo/__init__.py"),
    "a new package's source file": source_folder("src/foo/build/__init__.py"),
    "a source file by URL without a space": source_folder("src/foo/__init__.py", "foo@file://{}"),
    "a source file with an extra": source_folder("src/foo/__init__.py", "foo[all] @ file://{}"),
    "a source file with a marker": source_folder("src/foo/__init__.py", 'foo @ file://{} ; python_version > "3"'),
    "a source file of an editable": source_folder("src/foo/__init__.py", "-e {}[all]"),
    "a source file at a relative path": source_folder("src/foo/__init__.py", "../libs/foo"),
    "a source file that became executable": source_file_made_executable,
    "a source file that went": source_file_removed,
    "a wheel by path": local_archive,
    "the version of pip": version_of("pip"),
    "our version": version_of("hatch-lambda"),
    "the version of the interpreter": version_of_the_interpreter,
}


def test_the_version_of_what_is_installed_is_the_one_that_python_tells() -> None:
    installed = {found.name: found.version for found in importlib.metadata.distributions()}

    assert {"hatch-lambda", "pip", "packaging"} <= installed.keys()
    assert {name: fingerprint.installed_version(name) for name in installed} == installed


def of_no_effect(name: str, value: str = "1") -> Callable[[Situation], Iterator[None]]:
    return variable(name, None, value)


def current_folder(now: Situation) -> Iterator[None]:
    yield
    now.monkeypatch.chdir(now.tmp)


def umask(_: Situation) -> Iterator[None]:
    former = os.umask(0o022)
    try:
        yield
        os.umask(0o077)
        yield
    finally:
        os.umask(former)


def code_of_the_project(now: Situation) -> Iterator[None]:
    now.write("orders/app.py", "X = 1\n")
    yield
    now.write("orders/app.py", "X = 2\n")


def unused_requirements(now: Situation) -> Iterator[None]:
    now.write("dev.txt", "foo\n")
    yield
    now.write("dev.txt", "foo<2\n")


def touched_requirements(now: Situation) -> Iterator[None]:
    path = now.write("requirements.txt", "foo\n")
    now.table["requirements"] = ["requirements.txt"]
    yield
    age(path, 1)


def another_order_of_names(now: Situation) -> Iterator[None]:
    now.table["provided"] = ["foo", "Bar_Baz"]
    yield
    now.table["provided"] = ["bar-baz", "foo"]


HITS: dict[str, Callable[[Situation], Iterator[None]]] = {
    **{
        name: of_no_effect(name)
        for name in ("PIP_CACHE_DIR", "PIP_NO_CACHE_DIR", "PIP_TIMEOUT", "PIP_DEFAULT_TIMEOUT", "PIP_RETRIES")
    },
    **{
        name: of_no_effect(name)
        for name in ("PIP_DISABLE_PIP_VERSION_CHECK", "GITHUB_RUN_ID", "PIPX_HOME", "TZ", "LC_ALL", "PYTHONHASHSEED")
    },
    # Of terminals, sessions and CI jobs
    **{
        name: of_no_effect(name)
        for name in ("GPG_TTY", "WT_SESSION", "CODEBUILD_BUILD_ID", "DBUS_SESSION_BUS_ADDRESS", "SOURCE_DATE_EPOCH")
    },
    # Kept from pip, or of another pip that this build runs under
    **{name: of_no_effect(name) for name in ("PIP_QUIET", "PIP_VERBOSE", "PIP_REQUIRE_VIRTUALENV", "PIP_TARGET")},
    "PIP_BUILD_TRACKER": of_no_effect("PIP_BUILD_TRACKER", "/tmp/pip-build-tracker-x1y2"),
    "the current folder": current_folder,
    "the umask": umask,
    "the project's own code": code_of_the_project,
    "a requirements file that is not asked for": unused_requirements,
    "the time of a requirements file": touched_requirements,
    "the order of names": another_order_of_names,
    "bytecode beside sources": source_folder("src/foo/__pycache__/x.cpython-313.pyc"),
    "what an earlier build of sources left": source_folder("build/lib/foo.py"),
    "what a build of sources left in dist": source_folder("dist/foo.whl"),
    "metadata that a build of sources left": source_folder("src/foo.egg-info/PKG-INFO"),
    "git's own files beside sources": source_folder(".git/index"),
}


class TestWhatAResolutionDependsOn:
    @pytest.mark.parametrize("story", MISSES.values(), ids=MISSES)
    def test_it_is_resolved_anew_after_a_change_of(
        self, story: Callable[[Situation], Iterator[None]], situation: Situation
    ) -> None:
        steps = story(situation)
        next(steps)
        situation.build()
        situation.build()
        assert situation.resolved == 1, "nothing has changed yet"

        next(steps, None)
        situation.build()

        assert situation.resolved == 2
        assert len(REUSED.findall(situation.ui.text)) == 1

    @pytest.mark.parametrize("story", HITS.values(), ids=HITS)
    def test_it_is_reused_after_a_change_of(
        self, story: Callable[[Situation], Iterator[None]], situation: Situation
    ) -> None:
        steps = story(situation)
        next(steps)
        situation.build()

        next(steps, None)
        situation.build()
        next(steps, None)

        assert situation.resolved == 1
        assert REUSED.search(situation.ui.text)

"""What holds for whatever comes: hypothesis looks for the archive, wheel, table or URL for which it does not."""

from __future__ import annotations

import dataclasses
import io
import re
import stat
import string
import tempfile
import zipfile
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from packaging.tags import Tag

from hatch_lambda.bundle.assemble import assemble
from hatch_lambda.bundle.files import union
from hatch_lambda.bundle.unpack import unpack
from hatch_lambda.common.errors import BrokenWheelError, ConfigurationError, LambdaBuildError
from hatch_lambda.common.hashing import sha256_of
from hatch_lambda.common.redact import redact
from hatch_lambda.common.target import ARCHITECTURES, RUNTIMES, Target, all_targets
from hatch_lambda.config.settings import FIELDS, HOOK_TABLE
from hatch_lambda.config.tables import load
from hatch_lambda.resolve.fingerprint import fingerprint
from hatch_lambda.wheels.check import check_wheel
from hatch_lambda.wheels.compatibility import judge, wheel_tags
from hatch_lambda.wheels.layout import lay_out
from hatch_lambda.wheels.members import BundleFile, Generated
from hatch_lambda.wheels.store import StoredWheel
from hatch_lambda.zip import writer
from tests.support.packages import make_wheel, metadata, record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Result = TypeVar("Result")

TARGET = Target(RUNTIMES["python3.13"], ARCHITECTURES["x86_64"])
INFO = "foo-1.0.dist-info"
SETTINGS = load({"runtime": "python3.13"}, Path("/nowhere"), environ={})
UNPRUNED = dataclasses.replace(SETTINGS, prune=frozenset())

quick = settings(
    max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
fewer = settings(quick, max_examples=60)


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Where each example has a folder of its own: `Path(tempfile.mkdtemp(dir=folders))`."""
    return tmp_path


def fresh(folder: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=folder))


def outcome(work: Callable[[], Result]) -> Result | LambdaBuildError:
    """What comes of it, or the error that it ends with; any other error is none that may be."""
    try:
        return work()
    except LambdaBuildError as error:
        return error


# --- The archive ---

# A name as file systems take it: no slash, no NUL, nothing that UTF-8 cannot say, none of the two that mean folders.
NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=20).filter(
    lambda name: name not in {".", ".."}
)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
MODES = st.sampled_from([0o644, 0o755])
FILES = st.dictionaries(PATHS, st.tuples(st.binary(max_size=300) | st.just(b"import this\n" * 90), MODES), max_size=8)


def bundle_files(contents: Mapping[str, tuple[bytes, int]]) -> list[BundleFile]:
    return [BundleFile(path, mode, Generated(content), "foo 1.0") for path, (content, mode) in contents.items()]


@pytest.mark.slow
@quick
@given(contents=FILES, level=st.integers(0, 9))
def test_an_archive_reads_back_as_it_was_written(
    contents: dict[str, tuple[bytes, int]], level: int, folders: Path
) -> None:
    made = writer.write(fresh(folders) / "x.zip", bundle_files(contents), level=level)

    with zipfile.ZipFile(made.path) as read:
        entries = read.infolist()
        assert read.testzip() is None
        assert [entry.filename for entry in entries] == sorted(contents)
        for entry in entries:
            content, mode = contents[entry.filename]
            assert read.read(entry) == content
            assert entry.external_attr >> 16 == stat.S_IFREG | mode
            assert entry.date_time == (2020, 2, 2, 0, 0, 0)
    assert made.zipped == made.path.stat().st_size
    assert made.unzipped == sum(len(content) for content, _ in contents.values())


@fewer
@given(contents=FILES, random=st.randoms(use_true_random=False))
def test_an_archive_has_the_same_bytes_in_whatever_order_files_come(
    contents: dict[str, tuple[bytes, int]], random: Any, folders: Path
) -> None:
    folder, files = fresh(folders), bundle_files(contents)
    first = writer.write(folder / "1.zip", files).path.read_bytes()
    random.shuffle(files)

    assert writer.write(folder / "2.zip", files).path.read_bytes() == first


WHEEL_NAMES = st.text(string.ascii_letters + string.digits + "_-.äß注 ", min_size=1, max_size=12).filter(
    lambda name: name not in {".", ".."}
)
WHEEL_PATHS = st.lists(WHEEL_NAMES, min_size=1, max_size=3).map("/".join)


def can_be_unpacked(names: set[str]) -> bool:
    """Whether no name is a folder of another, and none differs from another only in case."""
    every = {name.casefold() for name in names}
    parents = {str(parent).casefold() for name in names for parent in PurePosixPath(name).parents}
    return len(every) == len(names) and not every & parents


@fewer
@given(contents=st.dictionaries(WHEEL_PATHS, st.binary(max_size=300), max_size=6))
def test_a_sound_wheel_arrives_in_bundle_and_archive_as_it_is(contents: dict[str, bytes], folders: Path) -> None:
    assume(can_be_unpacked({*contents, INFO}))
    folder = fresh(folders)
    path = make_wheel(folder, "foo", files=contents)

    check_wheel(path)
    files = union([lay_out(path, TARGET)])
    wheel = StoredWheel("foo", "1.0", path.name, sha256_of(path), path)
    unpack(assemble((wheel,), UNPRUNED, folder / "bundle"), None)
    made = writer.write(folder / "x.zip", files)

    with zipfile.ZipFile(made.path) as read, zipfile.ZipFile(path) as given_wheel:
        names = given_wheel.namelist()
        assert sorted(names) == read.namelist()
        for name in names:
            if name != f"{INFO}/RECORD":
                assert read.read(name) == given_wheel.read(name) == (folder / "bundle" / name).read_bytes()


# --- Wheel file names ---

LIKE_WHEELS = st.one_of(
    st.text(max_size=60),
    st.text(string.ascii_lowercase + string.digits + "-_.+!", max_size=60).map(lambda text: f"{text}.whl"),
    st.builds(
        "{}-{}-{}-{}-{}.whl".format,
        st.sampled_from(["foo", "Foo_Bar", "", "-", "."]),
        st.sampled_from(["1.0", "1!2.0+local", "x", "", "1.0-1", "1.0-x"]),
        st.text(string.ascii_lowercase + "23.", max_size=8),
        st.text(string.ascii_lowercase + "23.", max_size=8),
        st.text(string.ascii_lowercase + "_23.64", max_size=24),
    ),
)


@fewer
@given(filename=LIKE_WHEELS)
def test_a_wheels_name_is_read_or_refused(filename: str) -> None:
    tags = outcome(lambda: wheel_tags(filename))

    if isinstance(tags, LambdaBuildError):
        assert isinstance(tags, BrokenWheelError)
        assert tags.filename == filename
    else:
        assert tags
        assert all(isinstance(tag, Tag) for tag in tags)


@quick
@given(filename=LIKE_WHEELS.filter(lambda name: "/" not in name and "\0" not in name), content=st.binary(max_size=80))
def test_a_wheel_is_judged_or_refused(filename: str, content: bytes, folders: Path) -> None:
    assume(filename not in {"", ".", ".."})
    path = fresh(folders) / filename
    path.write_bytes(content)
    for target in all_targets()[:2]:
        verdict = outcome(lambda: judge(path, target))  # noqa: B023 - called at once
        if isinstance(verdict, LambdaBuildError):
            assert isinstance(verdict, BrokenWheelError)
            assert verdict.filename == filename
        else:
            assert verdict.reason


@quick
@given(
    tags=st.lists(st.sampled_from([*TARGET.tags, Tag("cp39", "cp39", "win32"), Tag("py2", "none", "any")]), min_size=1)
)
def test_a_wheel_fits_by_its_tags_if_one_of_them_does(tags: list[Tag], folders: Path) -> None:
    tag = tags[0]
    path = make_wheel(fresh(folders), "foo", tag=str(tag))

    assert judge(path, TARGET).compatible is (tag in TARGET.tag_set)


# --- Entries of wheels ---

PARTS = st.one_of(
    st.sampled_from(
        [
            *("..", ".", "", "foo", "FOO", "foo.py", "C:", "c:evil", "\\", "..\\x", "/", "//server", "nul", "a:b", "~"),
            *(
                INFO,
                "foo-1.0.data",
                "purelib",
                "platlib",
                "scripts",
                "data",
                "headers",
                "__pycache__",
                "bar-1.dist-info",
            ),
            *("RECORD", "METADATA", "entry_points.txt", "bin", "e\u0301", "\u00e9", "a\u2028b", "%2e%2e"),
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6),
)
SCHEMES = st.sampled_from(["", f"{INFO}/", *(f"foo-1.0.data/{s}/" for s in ("purelib", "platlib", "scripts", "data"))])
ENTRY_NAMES = st.builds("{}{}".format, SCHEMES, st.lists(PARTS, min_size=1, max_size=4).map("/".join)).filter(bool)
KINDS = st.sampled_from([0o100644, 0o100755, 0, 0o120777, 0o40755, 0o10644])


def raw_wheel(folder: Path, entries: list[tuple[str, bytes, int]], entry_points: str | None = None) -> Path:
    files = {
        f"{INFO}/METADATA": metadata("foo", "1.0"),
        f"{INFO}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        **({} if entry_points is None else {f"{INFO}/entry_points.txt": entry_points}),
    }
    path = folder / "foo-1.0-py3-none-any.whl"
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as written:
        for name, text in files.items():
            written.writestr(name, text)
        for name, content, mode in entries:
            entry = zipfile.ZipInfo("x")
            entry.filename, entry.external_attr = name, mode << 16
            written.writestr(entry, content)
        rows: dict[str, str | bytes] = {**files, **{name: content for name, content, _ in entries}}
        written.writestr(f"{INFO}/RECORD", record(rows, f"{INFO}/RECORD"))
    path.write_bytes(stream.getvalue())
    return path


def everything_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Duplicate name")
@settings(quick, max_examples=400)
@example(entries=[("foo-1.0.data/purelib/C:/evil.py", b"", 0o100644)])
@example(entries=[("__pycache__/foo", b"", 0o100644)])
@given(entries=st.lists(st.tuples(ENTRY_NAMES, st.binary(max_size=20), KINDS), max_size=3))
def test_no_entry_of_a_wheel_leaves_the_folder_that_it_is_unpacked_to(
    entries: list[tuple[str, bytes, int]], folders: Path
) -> None:
    """Neither here nor on Windows, where other names lead elsewhere."""
    folder = fresh(folders)
    bundle = folder / "a" / "b" / "bundle"
    try:
        path = raw_wheel(folder, entries)
    except ValueError:
        assume(False)  # noqa: FBT003 - as it is called there
    before = everything_below(folder)
    wheel = StoredWheel("foo", "1.0", path.name, sha256_of(path), path)

    def unpack_checked() -> tuple[BundleFile, ...]:
        files = lay_out(path, TARGET)
        check_wheel(path)
        unpack(assemble((wheel,), UNPRUNED, bundle), None)  # pruning leaves bytecode out
        return files

    files = outcome(unpack_checked)
    if isinstance(files, LambdaBuildError):
        assert not bundle.exists()
    else:
        for file in files:
            assert (PurePosixPath("/x") / file.path).is_relative_to("/x")
            assert (PureWindowsPath("D:/x") / file.path).is_relative_to("D:/x"), file.path
            assert ".." not in re.split(r"[\\/]", file.path)
        assert everything_below(bundle).keys() == {file.path for file in files}
        assert not any(path.is_symlink() for path in bundle.rglob("*"))
    after = {name: content for name, content in everything_below(folder).items() if not name.startswith("a/b/bundle/")}
    assert after == before


@pytest.mark.slow
@settings(quick, max_examples=150)
@given(
    commands=st.dictionaries(
        st.text(max_size=8) | st.sampled_from(["..", ".", "../x", "/x", "a\\b", "C:x", "x\0y", "a b", "-x"]),
        st.text(max_size=12) | st.sampled_from(["foo:main", "foo:main [x]", "foo", "foo:a.b", "foo:main;import os"]),
        max_size=3,
    )
)
def test_no_command_of_a_wheel_is_written_elsewhere_than_to_bin(commands: dict[str, str], folders: Path) -> None:
    folder = fresh(folders)
    text = "[console_scripts]\n" + "\n".join(f"{name} = {reference}" for name, reference in commands.items())
    assume(all(not "\ud800" <= character <= "\udfff" for character in text))
    path = raw_wheel(folder, [], entry_points=text)
    wheel = StoredWheel("foo", "1.0", path.name, sha256_of(path), path)
    before = everything_below(folder)
    bundle = outcome(lambda: unpack(assemble((wheel,), SETTINGS, folder / "bundle"), None))
    if isinstance(bundle, LambdaBuildError):
        assert everything_below(folder) == before
        return
    for script in bundle.files:
        if script.path.startswith(INFO):
            continue
        assert re.fullmatch(r"bin/[^/\\]+", script.path, re.DOTALL)
        assert (PureWindowsPath("D:/x") / script.path).is_relative_to("D:/x/bin")
        assert re.search(r"^from [\w.]+ import \w+$", script.source.read().decode(), re.MULTILINE)
    after = {name: content for name, content in everything_below(folder).items() if not name.startswith("bundle/")}
    assert after == before


@pytest.mark.slow
@settings(quick, max_examples=300)
@given(data=st.data())
def test_a_damaged_wheel_is_refused_or_the_same(data: st.DataObject, folders: Path) -> None:
    """Whatever single byte is another: it is noticed, or makes no difference to any file."""
    folder = fresh(folders)
    path = make_wheel(folder, "foo", files={"foo.py": b"FOO = 1\n" * 30, "foo/data.bin": bytes(range(256))})
    meant = {file.path: (file.source.read(), file.mode) for file in lay_out(path, TARGET)}
    content = bytearray(path.read_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)

    def found() -> dict[str, tuple[bytes, int]]:
        check_wheel(path)
        return {file.path: (file.source.read(), file.mode) for file in lay_out(path, TARGET)}

    files = outcome(found)
    if isinstance(files, LambdaBuildError):
        assert path.name in str(files)
    else:
        assert {name: text for name, (text, _) in files.items()} == {name: text for name, (text, _) in meant.items()}
        assert sum(files[name][1] != mode for name, (_, mode) in meant.items()) <= 1  # the mode stands nowhere twice


# --- Settings ---

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=True),
    st.text(max_size=12),
    st.dates(),
    st.datetimes(),
    st.times(),
    st.sampled_from(
        ["python3.13", "arm64", "error", ".", "..", "/", "~", "~nobody/x", "a\0b", "[", "!", "\\", "**", "x" * 5000]
    ),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=5,
)
KEYS = st.sampled_from([*FIELDS]) | st.text(max_size=10)
FITTING = {
    "runtime": st.sampled_from(sorted(RUNTIMES)),
    "architecture": st.sampled_from(sorted(ARCHITECTURES)),
    "exclude": st.lists(st.text(min_size=1, max_size=8), max_size=3),
    "build-directory": st.text(min_size=1, max_size=12),
    "pip-args": st.lists(st.text(min_size=1, max_size=8), max_size=3),
}


@pytest.mark.slow
@settings(quick, max_examples=400)
@given(table=st.dictionaries(KEYS, VALUES, max_size=6), fitting=st.fixed_dictionaries({}, optional=FITTING))
def test_any_table_becomes_settings_or_faults_that_name_their_keys(
    table: dict[str, Any], fitting: dict[str, Any], folders: Path
) -> None:
    table |= fitting

    loaded = outcome(lambda: load(table, folders, environ={}))

    if isinstance(loaded, LambdaBuildError):
        assert isinstance(loaded, ConfigurationError)
        for fault in loaded.faults:
            assert any(f"`{HOOK_TABLE}.{key}`" in fault for key in [*table, "runtime"]), fault
        unknown = [key for key in table if key not in FIELDS]
        assert all(any(f"`{HOOK_TABLE}.{key}`" in fault for fault in loaded.faults) for key in unknown)
        return
    assert table.keys() <= FIELDS.keys()
    assert loaded.target.runtime.name == table["runtime"]
    assert not loaded.root.is_relative_to(loaded.build_directory)
    assert isinstance(loaded.is_excluded("foo/bar.py"), bool)
    assert isinstance(fingerprint(loaded, ["foo"]), str)


@fewer
@given(value=st.text(max_size=12), variable=st.sampled_from(["RUNTIME", "ARCHITECTURE", "PYTHON"]))
def test_any_environment_becomes_settings_or_a_fault_that_names_the_variable(
    value: str, variable: str, folders: Path
) -> None:
    name = f"HATCH_LAMBDA_{variable}"

    loaded = outcome(lambda: load({"runtime": "python3.13"}, folders, environ={name: value}))

    if isinstance(loaded, LambdaBuildError):
        assert isinstance(loaded, ConfigurationError)
        assert [name in fault for fault in loaded.faults] == [True]


# --- Credentials ---

PROTOCOLS = st.sampled_from(["http", "https", "git+https", "git+ssh", "ftp", "file", "HTTPS", "svn+http"])
# As they may stand in a URL (RFC 3986), and `@`, which users forget to quote.
USERINFO = st.text(string.ascii_letters + string.digits + "-._~!$&'()*+,;=:%@", max_size=12)
BEYOND_ASCII = st.text(st.characters(categories=["L", "N", "S"], exclude_characters="/?#"), max_size=6)
SECRETS = st.builds("{}S3CR3T{}".format, USERINFO | BEYOND_ASCII, USERINFO | BEYOND_ASCII)
HOSTS = st.sampled_from(["pypi.example", "127.0.0.1:8080", "[::1]:8080", "host", "xn--bcher-kva.example"])
PLACES = st.sampled_from(["", "/", "/simple", "/simple/?x=1", "/a@b/c", "#egg=foo", "/x.whl#sha256=0"])
AROUND = st.sampled_from(
    ["", " ", '"', "'", "(", ")", ",", "\n", "<", ">", "=", "-i ", "Looking in indexes: ", "[", "]"]
)


@pytest.mark.slow
@settings(quick, max_examples=500)
@given(
    urls=st.lists(
        st.tuples(AROUND, PROTOCOLS, st.none() | USERINFO.filter(lambda user: "@" not in user), SECRETS, HOSTS, PLACES),
        min_size=1,
        max_size=3,
    )
)
def test_no_password_of_a_url_survives(urls: list[tuple[str, str, str | None, str, str, str]]) -> None:
    text, expected = "", ""
    for around, scheme, user, password, host, place in urls:
        login = password if user is None else f"{user}:{password}"
        text += f"{around}{scheme}://{login}@{host}{place} "
        expected += f"{around}{scheme}://****@{host}{place} "

    redacted = redact(text)

    assert "S3CR3T" not in redacted
    assert redacted == expected
    assert redact(redacted) == redacted


@quick
@given(text=st.text(max_size=60), host=HOSTS, place=PLACES.filter(lambda place: "@" not in place))
def test_where_there_is_no_password_nothing_is_changed(text: str, host: str, place: str) -> None:
    assume("://" not in text)

    assert redact(f"{text} https://{host}{place} {text}") == f"{text} https://{host}{place} {text}"

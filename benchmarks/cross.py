"""Which sdists of the index the cross compiler builds for which target, and whether the results work there.

    nice hatch run python benchmarks/cross.py                       # two to three hours; prints Markdown
    hatch run python benchmarks/cross.py --only wrapt h3 --targets python3.13-arm64

Each distribution is built from its sdist (`--no-binary`), imported and called under an interpreter of the target: on
another processor one of Debian's, under qemu-user. *works*: built with native code, audited, imported and called.
This machine's compilers build nothing, not even for its own processor.
Where a library of the system, Fortran or OpenMP is needed, an error that says so is what is expected.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from packaging.utils import canonicalize_name

from hatch_lambda import PythonPipDependencyBuilder
from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.resolve import compile as stage_4
from hatch_lambda.resolve.closure import MissingDependencyError
from tests.support.debian_python import UnavailableError, interpreter
from tests.support.lambda_runtime import pythons_at_hand

TARGETS = ("python3.13-arm64", "python3.11-arm64", "python3.11-x86_64")


class Case(NamedTuple):
    """A distribution. `call`: code that uses its native part. `needs`: what makes an honest failure right."""

    backend: str
    call: str
    needs: str = ""


SETUPTOOLS, CMAKE, MESON, RUST, OTHER = "setuptools", "scikit-build-core", "meson-python", "Rust", "others"
CASES = {
    "wrapt": Case(SETUPTOOLS, "import wrapt._wrappers; assert wrapt.ObjectProxy(5) + 1 == 6"),
    "crcmod": Case(SETUPTOOLS, "import crcmod._crcfunext, crcmod; assert crcmod.mkCrcFun(0x104C11DB7)(b'a') >= 0"),
    "simplejson": Case(SETUPTOOLS, "import simplejson._speedups, simplejson; assert simplejson.loads('[1]') == [1]"),
    "markupsafe": Case(SETUPTOOLS, "import markupsafe._speedups, markupsafe; assert markupsafe.escape('<') == '&lt;'"),
    "msgpack": Case(SETUPTOOLS, "import msgpack._cmsgpack, msgpack; assert msgpack.unpackb(msgpack.packb(1)) == 1"),
    "regex": Case(SETUPTOOLS, r"import regex; assert regex.findall(r'\p{L}+', 'ab c') == ['ab', 'c']"),
    "pycryptodome": Case(
        SETUPTOOLS, "from Crypto.Cipher import AES; AES.new(bytes(16), AES.MODE_ECB).encrypt(bytes(16))"
    ),
    "psutil": Case(SETUPTOOLS, "import psutil; assert psutil.Process().pid and psutil.virtual_memory().total"),
    "zstandard": Case(SETUPTOOLS, "import zstandard as z; assert z.decompress(z.compress(b'a' * 99)) == b'a' * 99"),
    "lz4": Case(SETUPTOOLS, "import lz4.frame as z; assert z.decompress(z.compress(b'a' * 99)) == b'a' * 99"),
    "xxhash": Case(SETUPTOOLS, "import xxhash; assert xxhash.xxh3_64(b'a').hexdigest()"),
    "bitarray": Case(SETUPTOOLS, "from bitarray import bitarray; assert bitarray('101').count() == 2"),
    "mmh3": Case(SETUPTOOLS, "import mmh3; assert mmh3.hash('foo') == -156908512"),
    "pyahocorasick": Case(
        SETUPTOOLS, "import ahocorasick as a; x = a.Automaton(); x.add_word('a', 1); assert 'a' in x"
    ),
    "hiredis": Case(SETUPTOOLS, "import hiredis; r = hiredis.Reader(); r.feed(b':5\\r\\n'); assert r.gets() == 5"),
    "setproctitle": Case(SETUPTOOLS, "import setproctitle._setproctitle, setproctitle; setproctitle.getproctitle()"),
    "multidict": Case(SETUPTOOLS, "import multidict._multidict, multidict; assert multidict.MultiDict(a=1)['a'] == 1"),
    "httptools": Case(SETUPTOOLS, "import httptools; assert httptools.parse_url(b'http://a/b').path == b'/b'"),
    "coverage": Case(SETUPTOOLS, "import coverage.tracer; coverage.tracer.CTracer()"),
    "ujson": Case(SETUPTOOLS, "import ujson; assert ujson.loads(ujson.dumps({'a': 1.5})) == {'a': 1.5}"),
    "kiwisolver": Case(SETUPTOOLS, "import kiwisolver as k; k.Solver().addConstraint(k.Variable('x') >= 5)"),
    "greenlet": Case(SETUPTOOLS, "import greenlet; assert greenlet.greenlet(lambda: 5).switch() == 5"),
    "frozenlist": Case(OTHER, "import frozenlist._frozenlist, frozenlist; assert frozenlist.FrozenList([1])[0] == 1"),
    "yarl": Case(OTHER, "import yarl._quoting_c, yarl; assert yarl.URL('http://a/ b').path == '/ b'"),
    "propcache": Case(OTHER, "import propcache._helpers_c"),
    "aiohttp": Case(SETUPTOOLS, "import aiohttp._http_parser, aiohttp._http_writer"),
    "pyyaml": Case(SETUPTOOLS, "import yaml; assert yaml.safe_load('a: 1') == {'a': 1}", "pure without libyaml"),
    "sqlalchemy": Case(SETUPTOOLS, "from sqlalchemy.util import OrderedSet; assert 1 in OrderedSet([1])"),
    "immutables": Case(SETUPTOOLS, "import immutables._map, immutables; assert immutables.Map(a=1)['a'] == 1"),
    "tornado": Case(SETUPTOOLS, "import tornado.speedups; assert tornado.speedups.websocket_mask(b'abcd', b'x')"),
    "websockets": Case(SETUPTOOLS, "import websockets.speedups as s; assert s.apply_mask(b'a', b'abcd') == b'\\0'"),
    "brotli": Case(SETUPTOOLS, "import brotli; assert brotli.decompress(brotli.compress(b'a' * 99)) == b'a' * 99"),
    "ciso8601": Case(SETUPTOOLS, "import ciso8601; assert ciso8601.parse_datetime('2026-01-02').day == 2"),
    "murmurhash": Case(SETUPTOOLS, "import murmurhash.mrmr; assert murmurhash.mrmr.hash('a')"),
    "pybase64": Case(SETUPTOOLS, "import pybase64._pybase64, pybase64; assert pybase64.b64encode(b'a') == b'YQ=='"),
    "cbor2": Case(RUST, "import cbor2; assert cbor2.loads(cbor2.dumps([1])) == [1]", "crates.io, and Rust's target"),
    "asyncpg": Case(SETUPTOOLS, "import asyncpg.protocol.protocol, asyncpg.pgproto.pgproto"),
    "fastavro": Case(SETUPTOOLS, "import fastavro._write, fastavro._read"),
    "ephem": Case(SETUPTOOLS, "import ephem; assert ephem.Moon('2026/1/1').phase"),
    "python-rapidjson": Case(SETUPTOOLS, "import rapidjson; assert rapidjson.loads('[1]') == [1]"),
    "editdistance": Case(OTHER, "import editdistance; assert editdistance.eval('ab', 'ac') == 1"),
    "protobuf": Case(SETUPTOOLS, "import google._upb._message"),
    "cymem": Case(SETUPTOOLS, "import cymem.cymem; cymem.cymem.Pool()"),
    "h3": Case(CMAKE, "import h3; assert h3.latlng_to_cell(0, 0, 5)"),
    "rapidfuzz": Case(CMAKE, "import rapidfuzz.fuzz_cpp as f; assert f.ratio('ab', 'ab') == 100"),
    "levenshtein": Case(CMAKE, "import Levenshtein; assert Levenshtein.distance('ab', 'ac') == 1"),
    "contourpy": Case(MESON, "import contourpy; assert contourpy.contour_generator(z=[[0, 1], [1, 2]]).lines(1)"),
    "rpds-py": Case(RUST, "import rpds; assert rpds.HashTrieMap({'a': 1})['a'] == 1", "crates.io, and Rust's target"),
    "jellyfish": Case(
        RUST, "import jellyfish; assert jellyfish.levenshtein_distance('ab', 'ac') == 1", "crates.io, and Rust's target"
    ),
    "bcrypt": Case(
        RUST,
        "import bcrypt; assert bcrypt.checkpw(b'a', bcrypt.hashpw(b'a', bcrypt.gensalt(4)))",
        "crates.io, and Rust's target",
    ),
    "blake3": Case(RUST, "import blake3; assert blake3.blake3(b'a').hexdigest()", "crates.io, and Rust's target"),
    "cffi": Case(SETUPTOOLS, "import _cffi_backend", "ffi.h"),
    "psycopg2": Case(SETUPTOOLS, "import psycopg2", "pg_config"),
    "lxml": Case(SETUPTOOLS, "import lxml.etree", "libxml2"),
    "pillow": Case(OTHER, "import PIL._imaging", "libjpeg"),
    "mysqlclient": Case(SETUPTOOLS, "import MySQLdb", "libmysqlclient"),
    "python-ldap": Case(SETUPTOOLS, "import ldap", "libldap"),
    "pynacl": Case(SETUPTOOLS, "import nacl.bindings", "libsodium's `make check`, cffi"),
}


class Progress:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def status(self, message: str) -> None:
        self.lines.append(message)

    def error(self, message: str) -> None:
        self.lines.append(message)


def main() -> None:
    vars(stage_4)["host_may_serve"] = lambda *_: False
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[*CASES], choices=CASES, metavar="NAME")
    parser.add_argument("--targets", nargs="+", default=TARGETS)
    parser.add_argument("--results", type=Path, help="JSON of what was found already, and what is found")
    options = parser.parse_args()
    found = json.loads(options.results.read_text()) if options.results and options.results.exists() else {}
    for target in options.targets:
        for name in options.only:
            if f"{name} {target}" in found:
                continue
            begun = time.monotonic()
            with tempfile.TemporaryDirectory() as scratch:
                outcome = outcome_of(name, target, Path(scratch))
            found[f"{name} {target}"] = outcome
            print(f"{target} {name}: {outcome} ({time.monotonic() - begun:.0f} s)", file=sys.stderr, flush=True)
            if options.results:
                options.results.write_text(json.dumps(found, indent=1))
    print(f"| distribution | built by | {' | '.join(options.targets)} |\n|---|---|{'---|' * len(options.targets)}")
    for name in options.only:
        outcomes = [found[f"{name} {target}"] for target in options.targets]
        print(f"| {name} | {CASES[name].backend} | {' | '.join(outcomes)} |")
    for target in options.targets:
        plain = [name for name in options.only if not CASES[name].needs]
        counts = Counter(found[f"{name} {target}"] == "works" for name in plain)
        print(f"\n{target}: {counts[True]} of {len(plain)} that need nothing but a compiler work.")


def outcome_of(name: str, target: str, scratch: Path) -> str:
    runtime, _, architecture = target.partition("-")
    (scratch / "requirements.txt").write_text(f"{name}\n")
    bundle, progress = scratch / "bundle", Progress()
    try:
        PythonPipDependencyBuilder().build_dependencies(
            str(bundle),
            str(scratch / "requirements.txt"),
            runtime,
            ui=progress,
            config={"architecture": architecture, "pip-args": [f"--no-binary={name}"]},
        )
    except MissingDependencyError as error:
        (attempts,) = [found.attempts for found in error.missing if found.name == name] or [()]
        attempt = next((each for each in attempts if each.stage == 4), None)  # noqa: PLR2004
        words = f": {attempt.words[-1]}" if attempt and attempt.words and ": " not in attempt.outcome else ""
        return f"{attempt.outcome}{words}" if attempt else "no wheel"
    except LambdaBuildError as error:
        return "refused: " + " ".join(str(error).split())[:160]
    if pure := next((line for line in progress.lines if "in pure Python" in line), None):
        return pure.partition("slower: ")[2] + ", pure"
    if not any("built" in line and canonicalize_name(name) in line for line in progress.lines):
        return "not built"
    try:
        python = python_of(runtime.removeprefix("python"), architecture)
    except UnavailableError as error:
        return f"built, not run: {error}"
    code = f"import sys; sys.path.insert(0, {str(bundle)!r}); {CASES[name].call}"
    ended = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=False)
    return "works" if ended.returncode == 0 else f"fails: {ended.stderr.strip().splitlines()[-1]}"


def python_of(version: str, architecture: str) -> Path:
    is_here = {"x86_64": "x86_64", "arm64": "aarch64"}[architecture] == platform.machine()
    here = pythons_at_hand().get(version) if is_here else None
    return here or interpreter(version, architecture)


if __name__ == "__main__":
    main()

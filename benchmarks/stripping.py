# ruff: noqa: E501 - one line for each call
"""Whether popular distributions work after the set `debug` of `prune`, and what it saves.

    hatch run python benchmarks/stripping.py                  # all, on both architectures
    hatch run python benchmarks/stripping.py numpy scipy      # some of them
    hatch run python benchmarks/stripping.py --architecture arm64

It needs the package index, Linux on x86_64 and a Python 3.13. Each distribution is installed by uv with what it
requires, for python3.13 on Lambda, and imported and called. Then all native code is stripped, and compared for the
loader, and the call is repeated. On arm64 a Python of Debian runs it, under qemu-user, unless there is none.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import platform
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hatch_lambda.common.interpreters import interpreter_to_build_with
from hatch_lambda.wheels.signatures import ELF_SIGNATURE
from hatch_lambda.wheels.strip import find_difference, strip

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tests.support import debian_python

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MB = 1024 * 1024
PLATFORMS = {"x86_64": "x86_64-manylinux_2_34", "arm64": "aarch64-manylinux_2_34"}

# What each does: something that runs its native code.
CALLS: Mapping[str, str] = {
    "numpy": "import numpy; assert abs(numpy.linalg.inv(numpy.eye(50) * 2).sum() - 25) < 1e-9; numpy.fft.fft([1, 2])",
    "scipy": "import scipy.linalg, scipy.optimize as o, scipy.special; scipy.special.gamma(5); "
    "assert abs(o.brentq(lambda x: x * x - 2, 0, 2) - 2 ** .5) < 1e-9; scipy.linalg.svd([[1, 2], [3, 4]])",
    "pandas": "import pandas; assert pandas.DataFrame({'a': [1, 2, 2]}).groupby('a').size()[2] == 2",
    "pyarrow": "import pyarrow as pa, pyarrow.compute as c, pyarrow.parquet as q, io; b = io.BytesIO(); "
    "q.write_table(pa.table({'a': [1, 2]}), b); b.seek(0); assert c.sum(q.read_table(b)['a']).as_py() == 3",
    "rasterio": "import rasterio, numpy; from rasterio.io import MemoryFile; m = MemoryFile(); "
    "d = m.open(driver='GTiff', width=2, height=2, count=1, dtype='uint8'); d.write(numpy.ones((1, 2, 2), 'uint8')); "
    "d.close(); assert m.open().read().sum() == 4",
    "opencv-python-headless": "import cv2, numpy; assert cv2.GaussianBlur(numpy.ones((9, 9)), (3, 3), 0).sum() == 81; "
    "assert cv2.imencode('.png', numpy.zeros((4, 4), 'uint8'))[0]",
    "shapely": "import shapely; assert shapely.box(0, 0, 2, 2).intersection(shapely.box(1, 1, 3, 3)).area == 1",
    "grpcio": "import grpc; s = grpc.server(__import__('concurrent.futures').futures.ThreadPoolExecutor(1)); "
    "assert s.add_insecure_port('127.0.0.1:0'); s.start(); s.stop(0)",
    "lxml": "from lxml import etree; assert etree.fromstring('<a><b/></a>').xpath('count(//b)') == 1",
    "pillow": "from PIL import Image; import io; b = io.BytesIO(); Image.new('RGB', (9, 9)).save(b, 'JPEG'); "
    "b.seek(0); assert Image.open(b).resize((3, 3)).size == (3, 3)",
    "cryptography": "from cryptography.fernet import Fernet as F; f = F(F.generate_key()); "
    "assert f.decrypt(f.encrypt(b'x')) == b'x'; from cryptography.hazmat.primitives.asymmetric import rsa; "
    "rsa.generate_private_key(65537, 2048)",
    "orjson": "import orjson; assert orjson.loads(orjson.dumps({'a': [1.5]})) == {'a': [1.5]}",
    "polars": "import polars as p; assert p.DataFrame({'a': [1, 2]}).lazy().select(p.col('a').sum()).collect()['a'][0] == 3",
    "duckdb": "import duckdb; assert duckdb.connect().execute('select sum(range) from range(10)').fetchone() == (45,)",
    "onnxruntime": "import onnxruntime as o; assert 'CPUExecutionProvider' in o.get_available_providers(); "
    "o.SessionOptions(); o.OrtValue.ortvalue_from_numpy(__import__('numpy').ones(3))",
    "pydantic": "import pydantic; M = pydantic.create_model('M', a=(int, ...)); assert M(a='3').a == 3",
    "psycopg2-binary": "import psycopg2, psycopg2.extensions as e; assert e.parse_dsn('host=a')['host'] == 'a'",
    "psycopg[binary]": "import psycopg; assert psycopg.pq.__impl__ == 'binary'; psycopg.conninfo.conninfo_to_dict('host=a')",
    "scikit-learn": "from sklearn.ensemble import RandomForestClassifier as R; assert R(3).fit([[0], [1]], [0, 1]).predict([[1]])[0] in (0, 1)",
    "scikit-image": "import skimage.filters as f, numpy; assert f.sobel(numpy.eye(9)).max() > 0",
    "matplotlib": "import matplotlib; matplotlib.use('agg'); import matplotlib.pyplot as p, io; p.plot([1, 2]); p.savefig(io.BytesIO())",
    "h5py": "import h5py, io; f = h5py.File(io.BytesIO(), 'w'); f['a'] = [1, 2]; assert f['a'][1] == 2",
    "netcdf4": "import netCDF4; d = netCDF4.Dataset('x', 'w', diskless=True, memory=1024); d.createDimension('a', 2); d.close()",
    "pyproj": "import pyproj; assert pyproj.Transformer.from_crs(4326, 3857).transform(0, 0)[0] == 0",
    "pyogrio": "import pyogrio; assert 'GPKG' in pyogrio.list_drivers()",
    "tokenizers": "from tokenizers import Tokenizer, models; assert Tokenizer(models.WordLevel({'a': 0}, unk_token='a')).encode('a').ids == [0]",
    "safetensors": "import safetensors; assert safetensors.deserialize((2).to_bytes(8, 'little') + b'{}') == []",
    "tiktoken": "import tiktoken; e = tiktoken.Encoding('x', pat_str='.', mergeable_ranks={bytes([i]): i for i in range(256)}, special_tokens={}); assert e.encode('a') == [97]",
    "regex": "import regex; assert regex.fullmatch(r'\\p{L}+', 'ä')",
    "msgpack": "import msgpack; assert msgpack.unpackb(msgpack.packb([1])) == [1]",
    "cffi": "import cffi; f = cffi.FFI(); f.cdef('int abs(int);'); assert f.dlopen(None).abs(-3) == 3",
    "greenlet": "import greenlet; assert greenlet.greenlet(lambda: 3).switch() == 3",
    "gevent": "import gevent; assert gevent.spawn(lambda: 3).get() == 3",
    "sqlalchemy": "import sqlalchemy as s; assert s.create_engine('sqlite://').connect().scalar(s.text('select 3')) == 3",
    "aiohttp": "import aiohttp, asyncio; asyncio.run(aiohttp.ClientSession().close()) if False else aiohttp.http.HttpParser; "
    "import yarl; assert yarl.URL('http://a/b').path == '/b'",
    "uvloop": "import uvloop, asyncio; assert uvloop.run(asyncio.sleep(0, 3)) == 3",
    "httptools": "import httptools; httptools.HttpRequestParser(type('P', (), {})()).feed_data(b'GET / HTTP/1.1\\r\\n\\r\\n')",
    "rpds-py": "import rpds; assert rpds.HashTrieMap({1: 2})[1] == 2",
    "bcrypt": "import bcrypt; assert bcrypt.checkpw(b'x', bcrypt.hashpw(b'x', bcrypt.gensalt(4)))",
    "pynacl": "from nacl.secret import SecretBox as B; b = B(bytes(32)); assert b.decrypt(b.encrypt(b'x')) == b'x'",
    "zstandard": "import zstandard as z; assert z.decompress(z.compress(b'x' * 99)) == b'x' * 99",
    "lz4": "import lz4.frame as f; assert f.decompress(f.compress(b'x' * 99)) == b'x' * 99",
    "brotli": "import brotli as b; assert b.decompress(b.compress(b'x' * 99)) == b'x' * 99",
    "pymupdf": "import pymupdf; d = pymupdf.open(); d.new_page().insert_text((50, 50), 'hello'); assert 'hello' in d[0].get_text()",
    "pikepdf": "import pikepdf, io; p = pikepdf.new(); p.add_blank_page(); p.save(io.BytesIO())",
    "pypdfium2": "import pypdfium2 as p; assert len(p.PdfDocument.new()) == 0",
    "statsmodels": "import statsmodels.api as s, numpy; assert abs(s.OLS([1, 2, 3], [[1], [2], [3]]).fit().params[0] - 1) < 1e-9",
    "xgboost-cpu": "import xgboost, numpy; xgboost.train({}, xgboost.DMatrix(numpy.eye(4), label=[0, 1, 0, 1]), 2)",
    "lightgbm": "import lightgbm as l, numpy; l.train({'verbose': -1}, l.Dataset(numpy.random.rand(50, 2), numpy.arange(50)), 2)",
    "numba": "import numba; assert numba.njit(lambda x: x + 1)(2) == 3",
    "h3": "import h3; assert h3.latlng_to_cell(0, 0, 5)",
    "confluent-kafka": "import confluent_kafka as k; assert k.libversion()[0]; k.Producer({'bootstrap.servers': 'localhost:1'})",
    "pymongo": "import bson; assert bson.has_c() and bson.decode(bson.encode({'a': 1})) == {'a': 1}",
    "asyncpg": "import asyncpg, asyncpg.protocol.protocol",
    "protobuf": "from google.protobuf import struct_pb2 as s; m = s.Struct(); m['a'] = 1; assert s.Struct.FromString(m.SerializeToString()) == m",
    "rapidfuzz": "from rapidfuzz import fuzz; assert fuzz.ratio('a', 'a') == 100",
    "faiss-cpu": "import faiss, numpy; i = faiss.IndexFlatL2(4); i.add(numpy.eye(4, dtype='float32')); assert i.ntotal == 4",
    "av": "import av; assert av.codec.Codec('h264', 'r').name == 'h264'",
    "spacy": "import spacy; assert len(spacy.blank('en')('a b')) == 2",
    "pyyaml": "import yaml; assert yaml.load('a: 1', yaml.CSafeLoader) == {'a': 1}",
    "psutil": "import psutil; assert psutil.Process().memory_info().rss",
    "pycurl": "import pycurl; pycurl.Curl().close(); assert pycurl.version",
    "deltalake": "import deltalake; assert deltalake.rust_core_version()",
    "pyzmq": "import zmq; c = zmq.Context(); c.socket(zmq.PUB).close(); c.term()",
    "selectolax": "from selectolax.lexbor import LexborHTMLParser as P; assert P('<a>x</a>').css_first('a').text() == 'x'",
    "ujson": "import ujson; assert ujson.loads(ujson.dumps([1])) == [1]",
    "soundfile": "import soundfile, io, numpy; soundfile.write(io.BytesIO(), numpy.zeros(9), 8000, format='WAV')",
}


class Row(NamedTuple):
    """One distribution on one architecture. Sizes in bytes, of all native code. `faults`: what went wrong."""

    name: str
    architecture: str
    files: int
    stripped: int
    before: int
    after: int
    kept: Counter[str]
    call: str
    faults: tuple[str, ...] = ()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=[*CALLS], metavar="NAME")
    parser.add_argument("--architecture", choices=[*PLATFORMS], action="append", help="default: both")
    options = parser.parse_args()
    rows = []
    print(
        "| distribution | architecture | files | stripped | before, MB | after, MB | less by | same image | import and call |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name in options.names:
        for architecture in options.architecture or PLATFORMS:
            with tempfile.TemporaryDirectory(prefix="stripping-") as folder:
                row = measured(name, architecture, Path(folder))
            rows.append(row)
            less = f"{1 - row.after / row.before:.0%}" if row.before else "-"
            same = "no: " + "; ".join(row.faults) if row.faults else "yes"
            sizes = f"{row.before / MB:.1f} | {row.after / MB:.1f} | {less}"
            print(
                f"| {name} | {architecture} | {row.files} | {row.stripped} | {sizes} | {same} | {row.call} |",
                flush=True,
            )
            for reason, number in row.kept.items():
                print(f"|   kept {number}: {reason} | | | | | | | | |")
    before, after = sum(row.before for row in rows), sum(row.after for row in rows)
    print(f"\n{len(rows)} bundles, {before / MB:.0f} MB of native code before, {after / MB:.0f} MB after")
    if any(row.faults or row.call.startswith("FAILS") for row in rows):
        sys.exit(1)


def measured(name: str, architecture: str, folder: Path) -> Row:
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    target = ["--target", str(folder), "--python-version", "3.13", "--python-platform", PLATFORMS[architecture]]
    # Copied, as links would lead into uv's cache.
    install = [uv, "pip", "install", "--quiet", "--link-mode", "copy", "--only-binary", ":all:", *target, name]
    installed = subprocess.run(install, capture_output=True, text=True, check=False)
    if installed.returncode:
        return Row(
            name, architecture, 0, 0, 0, 0, Counter(), f"no wheel: {installed.stderr.strip().splitlines()[-1][:80]}"
        )
    call = CALLS.get(name, f"import {name.replace('-', '_')}")
    python = python_for(architecture)
    former = run(python, call, folder) if python else ""
    kept: Counter[str] = Counter()
    faults: list[str] = []
    files = stripped = before = after = 0
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()):
        content = path.read_bytes()
        if not content.startswith(ELF_SIGNATURE):
            continue
        files, before = files + 1, before + len(content)
        try:
            new = strip(content)
        except ValueError as error:
            kept[str(error)] += 1
            new = content
        if difference := find_difference(content, new):
            faults.append(f"{path.name}: {difference}")
        after += len(new)
        if new != content:
            stripped += 1
            path.write_bytes(new)
    called = ""
    if python:
        present = run(python, call, folder)
        called = "ok" if not present else f"fails before, too: {former}" if former else f"FAILS: {present}"
    return Row(name, architecture, files, stripped, before, after, kept, called, tuple(faults))


@functools.cache
def python_for(architecture: str) -> tuple[str, ...]:
    """The command of a Python; empty if there is none."""
    if architecture == platform.machine():
        return (str(interpreter_to_build_with(None, (3, 13)).path),)
    with contextlib.suppress(debian_python.UnavailableError):
        return (str(debian_python.interpreter("3.13", architecture)),)
    return ()


def run(python: Sequence[str], call: str, folder: Path) -> str:
    """The last line of what the call prints if it fails; empty if it works."""
    command = [*python, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(folder)!r}); {call}"]
    with tempfile.TemporaryDirectory() as scratch:
        try:
            ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=scratch, timeout=900)
        except subprocess.TimeoutExpired:
            return "timed out"
    lines = ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"]
    return lines[-1][:100] if ended.returncode else ""


if __name__ == "__main__":
    main()

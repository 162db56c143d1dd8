"""Sdists with C and C++ code that setuptools builds, and setuptools as a wheel for an index without network."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

MODULE = """\
#include <Python.h>

static PyObject *answer(PyObject *self, PyObject *unused) { return PyLong_FromLong(ANSWER); }
static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_NAME", NULL, -1, methods};
PyMODINIT_FUNC PyInit__NAME(void) { return PyModule_Create(&module); }
"""
CXX_MODULE = """\
#include <Python.h>
#include <string>
#include <vector>

static PyObject *answer(PyObject *self, PyObject *unused) {
    std::vector<std::string> words{"forty", "two"};
    std::string text;
    for (const auto &word : words) text += word;
    try { throw std::runtime_error(text); } catch (const std::exception &error) { text = error.what(); }
    return PyUnicode_FromString(text.c_str());
}
static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_NAME", NULL, -1, methods};
PyMODINIT_FUNC PyInit__NAME(void) { return PyModule_Create(&module); }
"""
SETUP = """\
from setuptools import Extension, setup

setup(
    name="NAME",
    version="1.0",
    py_modules=["NAME"],
    ext_modules=[Extension("_NAME", ["_NAME.SUFFIX"], define_macros=[("ANSWER", "42")], optional=OPTIONAL)],
)
"""


def native_files(
    name: str, source: str = MODULE, *, suffix: str = "c", optional: bool = False, setup: str = SETUP
) -> dict[str, str]:
    def filled(text: str) -> str:
        return text.replace("NAME", name).replace("SUFFIX", suffix).replace("OPTIONAL", str(optional))

    return {
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        "pyproject.toml": '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n',
        "setup.py": filled(setup),
        f"{name}.py": "try:\n    from _NAME import answer\nexcept ImportError:\n    answer = None\n".replace(
            "NAME", name
        ),
        f"_{name}.{suffix}": filled(source),
    }


def make_native_sdist(folder: Path, name: str, files: Mapping[str, str]) -> Path:
    """Always with the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-1.0.tar.gz"
    with gzip.GzipFile(path, "wb", mtime=0) as compressed, tarfile.open(fileobj=compressed, mode="w") as archive:
        for filename, text in files.items():
            entry = tarfile.TarInfo(f"{name}-1.0/{filename}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return path


def wheel_of_installed(folder: Path, name: str) -> Path:
    """An installed distribution as the wheel that it was installed from, but for its RECORD's order."""
    found = metadata.distribution(name)
    path = folder / f"{name}-{found.version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file in found.files or ():
            place = Path(str(file.locate()))
            if ".." not in file.parts and file.suffix != ".pyc" and place.is_file():
                archive.write(place, file.as_posix())
    return path

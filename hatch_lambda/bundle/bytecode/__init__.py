"""`compile-bytecode`: a `.pyc` for every module, which saves compiling at a cold start.

The files are hash-based and unchecked (PEP 552): import uses them whatever the modification times of an unpacked zip.
`compile_modules` runs in an interpreter of the runtime's version, chosen by `interpreter`, in as many processes
(`compilers`) as there are cores. `compile_wheels` caches what comes from a wheel in the store, as a zip whose entries
the archive copies.

RECORD stays unchanged: it may omit bytecode (https://packaging.python.org/specifications/recording-installed-packages).
"""

from hatch_lambda.bundle.bytecode.compile_wheels import Bytecode, Uncompiled, compile_bundle

__all__ = ["Bytecode", "Uncompiled", "compile_bundle"]

"""The compiler of a cross build: `zig cc` for the target, without what would leak this machine into its output.

A program of its own, started as `compiler.py CONFIGURATION TOOL ARGUMENT…` by the scripts that a build finds as `cc`,
`ar`, `pkg-config` and so on. It appends each call and its end to a log, as a line of JSON.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

COMPILERS = {"cc": "cc", "c++": "c++"}
ARCHIVERS = ("ar", "ranlib")
DONE_ALREADY = ("strip", "objcopy")
"""Of this machine, they cannot read the target's code, and there are no debug symbols to remove."""

# For the builder's processor, or for another linker: GCC's own options, or those that Clang has no use for here.
_DROPPED = re.compile(
    r"-m(?:arch|tune|cpu)=native|-fuse-ld=.*|-fuse-linker-plugin|-flto(?:=.*)?|-ffat-lto-objects|"
    r"-fprofile-(?:use|generate).*|-static-lib(?:gcc|stdc\+\+)|-mmacosx-version-min=.*|-g\d?|-ggdb\d?|-lpython3.*|"
    r"-Wl,(?:-rpath|-R|--plugin|-O\d|-Bsymbolic-functions|--exclude-libs|--fatal-warnings).*"
)
_DROPPED_WITH_THE_NEXT = frozenset({"-arch", "-isysroot", "--sysroot", "-rpath"})
_FOLDER_OPTIONS = ("-isystem", "-idirafter", "-iquote", "-I", "-L")
_OF_THIS_MACHINE = re.compile(r"/(?:usr/)?(?:local/)?(?:include|lib|lib64)(?:/.*)?|/opt/(?:homebrew|local)/.*")
_LIBRARY = re.compile(r".*\.(?:a|so(?:\.\d+)*|dylib|o)")
_ARM_ARCHITECTURE = re.compile(r"-march=armv8(?:\.\d)?-a((?:\+\w+)*)")
_ALWAYS = ("-fno-sanitize=undefined", "-g0", "-Wno-unused-command-line-argument", "-Wno-date-time")
_LONGEST_WORDS = 20_000

SOURCES = "HATCH_LAMBDA_CROSS_SOURCES"
"""The variable with the directory that the build backend runs in."""


class Refused(Exception):  # noqa: N818 - not an error of this program
    """What the target's compiler cannot do."""


def main() -> NoReturn:
    configuration = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    tool, arguments = sys.argv[2], sys.argv[3:]
    try:
        ended = subprocess.run(  # noqa: S603
            command(tool, arguments, configuration), stderr=subprocess.PIPE, check=False
        )
        code, words = ended.returncode, ended.stderr.decode("utf-8", errors="replace")
    except Refused as error:
        code, words = 1, f"error: {error}\n"
    sys.stderr.write(words)
    entry = {"tool": tool, "arguments": arguments, "exit_code": code, "words": words[:_LONGEST_WORDS]}
    with open(configuration["log"], "ab", buffering=0) as log:  # noqa: PTH123 - one write for each line
        log.write(json.dumps(entry).encode() + b"\n")
    sys.exit(code)


def command(tool: str, arguments: list[str], configuration: dict[str, str]) -> list[str]:
    """Raises `Refused`."""
    zig = configuration["zig"]
    if tool in COMPILERS:
        kept = [*_kept(arguments, configuration)]
        # Without an optimization level, Zig makes a debug build, with checks that need its own runtime library.
        level = [] if any(argument.startswith("-O") for argument in kept) else ["-O2"]
        # Where a build names those of this machine's Python, which are dropped, or none.
        headers = ["-idirafter", configuration["headers"]] if "headers" in configuration else []
        prefix_maps = _prefix_maps(kept, configuration)
        return [zig, tool, "-target", configuration["target"], *level, *kept, *headers, *_ALWAYS, *prefix_maps]
    if tool in ARCHIVERS:
        return [zig, tool, *arguments]
    if tool in DONE_ALREADY:
        return ["true"]
    raise Refused(f"{tool} answers for this machine, not for the target of a cross build")


def _kept(arguments: list[str], configuration: dict[str, str]) -> list[str]:
    kept, rest = [], iter(arguments)
    for argument in rest:
        folder_option = next((option for option in _FOLDER_OPTIONS if argument.startswith(option)), None)
        if argument in _DROPPED_WITH_THE_NEXT:
            next(rest, None)
        elif folder_option:
            folder = argument[len(folder_option) :] or next(rest, "")
            if not _is_of_this_machine(folder, configuration):
                kept += [folder_option, folder]
        elif argument.startswith("-fopenmp") or argument in {"-lgomp", "-lomp"}:
            raise Refused(f"{argument}: the cross compiler has no OpenMP")
        elif match := _ARM_ARCHITECTURE.fullmatch(argument):
            if "aarch64" not in configuration["target"]:
                raise Refused(f"{argument}: the target is not an ARM processor")
            kept.append(f"-mcpu=generic{match[1].replace('+crypto', '+aes+sha2').replace('+simd', '+neon')}")
        elif argument.startswith("/") and _LIBRARY.fullmatch(argument) and _OF_THIS_MACHINE.fullmatch(argument):
            raise Refused(f"{argument} is a library of this machine, which the target does not have")
        elif not _DROPPED.fullmatch(argument):
            kept.append(argument)
    return kept


def _is_of_this_machine(folder: str, configuration: dict[str, str]) -> bool:
    """Headers and libraries of the system, or another Python's headers."""
    path = os.path.abspath(folder)  # noqa: PTH100
    if path == configuration["include"]:
        return False
    return bool(_OF_THIS_MACHINE.fullmatch(path)) or Path(path, "Python.h").exists()


def _prefix_maps(arguments: list[str], configuration: dict[str, str]) -> list[str]:
    """Options by which no path of the build gets into the output: pip's directories have random names."""
    temporary = re.escape(configuration["temporary"])
    texts = (os.getcwd(), *arguments)  # noqa: PTH109
    names = (match[0] for text in texts for match in re.finditer(rf"{temporary}/[^/]+", text))
    folders = dict.fromkeys(names, "/build")
    folders |= {configuration["include"]: "/include", os.environ.get(SOURCES, "/source"): "/source"}
    return [f"-ffile-prefix-map={folder}={name}" for folder, name in folders.items()]


if __name__ == "__main__":
    main()

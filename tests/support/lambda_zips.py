"""Lambda zips for tests of reports and SBOMs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support import zips
from tests.support.elf import make_elf
from tests.support.packages import make_wheel

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.support.packages import Content


def make_zip(path: Path, *wheels: Path, files: Mapping[str, Content] | None = None, below: str = "") -> Path:
    """A zip of unpacked wheels, below a directory if given (`python/` for a layer), and of files."""
    return zips.make_zip(path, files, wheels=wheels, root=below)


def make_shop(folder: Path, name: str = "shop-1.0-python3.13-x86_64.zip") -> Path:
    """A function with directories, tests, native code, data and a chain of requirements."""
    wheels = folder / "wheels"
    engine = make_elf(versions={"libc.so.6": ["GLIBC_2.17"]}) + bytes(400_000)
    numbers: dict[str, Content] = {
        "numbers_kit/__init__.py": "# numbers\n" * 100,
        "numbers_kit/core/engine.cpython-313-x86_64-linux-gnu.so": engine,
        "numbers_kit/core/plan.py": "x = 1\n" * 9_000,
        "numbers_kit/core/steps.py": "y = 2\n" * 7_000,
        "numbers_kit/data/table.bin": bytes(range(256)) * 350,
        "numbers_kit/tests/test_plan.py": "assert True\n" * 4_000,
        "numbers_kit/py.typed": "",
    }
    return make_zip(
        folder / name,
        make_wheel(wheels, "shop", files={"shop/app.py": "def handler(event, context): ...\n"}, requires=["carts>=2"]),
        make_wheel(
            wheels,
            "carts",
            "2.5",
            files={
                "carts/__init__.py": "z = 3\n" * 10_000,
                "carts/store/disk.py": "pass\n" * 6_000,
                "carts/store/net.py": "pass\n" * 5_000,
            },
            requires=["numbers-kit<3", "colours; sys_platform == 'win32'"],
        ),
        make_wheel(wheels, "numbers-kit", "1.4", files=numbers),
    )


HOSTILE = [
    "<script>alert(1)</script>.py",
    '"onmouseover="alert(1).py',
    "'><img src=x onerror=alert(1)>.bin",
    "</style></script><script>alert(2)/x.py",
    "<!--.txt",
    "&lt;b&gt;.txt",
    "${style}.py",
    "evil\u202egnp.exe",
    "line\nbreak.txt",
    "bell\x07.txt",
    "שלום/עולם.py",
    "/".join(["d"] * 2_000) + ".py",
    "n" * 3_000 + ".py",
]


def make_hostile(folder: Path) -> Path:
    """A function with names that would be harmful as HTML."""
    metadata = (
        'Metadata-Version: 2.1\nName: <b>evil</b>\nVersion: 1"><script>alert(4)</script>\nSummary: <i>\n'
        "License: <script>alert(3)</script>\nRequires-Dist: <x>\nRequires-Dist: ok\n\n"
    )
    files = dict.fromkeys(HOSTILE, "x" * 3_000)
    return make_zip(
        folder / "<script>alert(0)<script>.zip",
        files={**files, "evil-1.0.dist-info/METADATA": metadata, "evil-1.0.dist-info/RECORD": '"évil.py",,\n'},
    )

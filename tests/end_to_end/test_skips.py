"""What a machine lacks is a skip with its reason, and a failure in CI."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
SKIPPING = """
import pytest
from pathlib import Path

@pytest.mark.skipif(True, reason="no unzip at hand")
def test_marked(): pass

def test_inside(): pytest.skip("no CPython 3.13 at hand")

def test_what_debian_has(): pytest.skip("no CPython 3.14 at hand: no apt-get and dpkg-deb")
"""


@pytest.mark.slow
@pytest.mark.parametrize(("ci", "code", "counts"), [("", 0, "3 skipped"), ("true", 1, "1 failed, 1 skipped, 1 error")])
def test_skips_for_want_of_a_program_fail_in_ci(ci: str, code: int, counts: str, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        "from tests.support.skips import pytest_runtest_makereport\n", encoding="utf-8"
    )
    (tmp_path / "test_it.py").write_text(SKIPPING, encoding="utf-8")

    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", ".", "test_it.py"],
        cwd=tmp_path,
        env={**os.environ, "CI": ci, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == code, ended.stdout
    assert counts in ended.stdout
    assert ("CI has to provide what other machines may lack" in ended.stdout) == bool(ci)

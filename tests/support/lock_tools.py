"""Stand-ins for the tools whose lock files hatch-lambda has exported: programs that print what the tools print."""

from __future__ import annotations

import os
import sysconfig
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any

from hatch_lambda.config.lock_tools import LOCK_TOOLS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pytest

_PROGRAM = """\
#!/bin/sh
echo "{name} $*" >> "{folder}/calls"
case "$1" in
--version) echo "{name} (version {version})";;
{failing}) cat "{folder}/{name}.words" >&2; exit {code};;
export|requirements) cat "{folder}/{name}.exported";;
esac
"""


@dataclass(frozen=True)
class StandIns:
    """The only tools that there are."""

    folder: Path

    @classmethod
    def alone(cls, folder: Path, monkeypatch: pytest.MonkeyPatch) -> StandIns:
        """Without those of the environment and on PATH."""
        found = metadata.distributions

        def distributions(**options: Any) -> Iterable[metadata.Distribution]:
            return () if options.get("name") in {tool.name for tool in LOCK_TOOLS.values()} else found(**options)

        folder.mkdir()
        monkeypatch.setattr(metadata, "distributions", distributions)
        monkeypatch.setattr(sysconfig, "get_path", lambda _name: str(folder))
        monkeypatch.setenv("PATH", os.pathsep.join(["/usr/bin", "/bin"]))
        return cls(folder)

    def put(
        self,
        name: str,
        exported: str = "",
        *,
        version: str = "9999.0",
        failing: str = "nothing",
        words: str = "",
        code: int = 1,
    ) -> None:
        """`exported`: what it exports. `failing`: the command that fails with `words` and the exit code."""
        self.folder.joinpath(f"{name}.exported").write_text(exported, encoding="utf-8")
        self.folder.joinpath(f"{name}.words").write_text(words, encoding="utf-8")
        program = self.folder / name
        text = _PROGRAM.format(name=name, folder=self.folder, version=version, failing=failing, code=code)
        program.write_text(text, encoding="utf-8")
        program.chmod(0o755)

    def calls(self) -> list[str]:
        """The command lines since the last look."""
        path = self.folder / "calls"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines

"""Where pip's own settings are."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from platformdirs import site_config_path, user_config_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def pip_configuration_files(environment: Mapping[str, str]) -> Iterator[Path]:
    """The configuration files that pip reads (https://pip.pypa.io/en/stable/topics/configuration/)."""
    named = environment.get("PIP_CONFIG_FILE")
    name = "pip.ini" if os.name == "nt" else "pip.conf"
    home = Path.home()
    candidates = [
        *([Path(named)] if named else []),
        *(Path("/etc", name), Path(sys.prefix, name), home / ".pip" / name, home / "pip" / name),
        *(Path(folder, "pip", name) for folder in environment.get("XDG_CONFIG_DIRS", "/etc/xdg").split(os.pathsep)),
        user_config_path("pip", appauthor=False, roaming=True) / name,
        site_config_path("pip", appauthor=False) / name,
    ]
    return (path for path in dict.fromkeys(candidates) if path.is_file())

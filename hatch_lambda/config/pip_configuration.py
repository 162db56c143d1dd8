"""Where pip's own settings are."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from platformdirs import site_config_dir, site_data_dir, user_config_dir, user_data_dir

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_ETC = "/etc"


def pip_configuration_files(environment: Mapping[str, str]) -> Sequence[Path]:
    """The configuration files that pip reads, those that win last.

    https://pip.pypa.io/en/stable/topics/configuration/; `pip._internal.configuration` and `utils.appdirs`
    """
    named = environment.get("PIP_CONFIG_FILE", "")
    if named == os.devnull:
        return ()
    name = "pip.ini" if os.name == "nt" else "pip.conf"
    home = os.path.expanduser("~")  # noqa: PTH111 - also where nobody is at home
    if sys.platform == "darwin":
        of_all = site_data_dir("pip", appauthor=False, multipath=True).split(os.pathsep)
        folder = user_data_dir("pip", appauthor=False, roaming=True)
        own = folder if Path(folder).is_dir() else f"{home}/.config/pip"
    else:
        of_all = site_config_dir("pip", appauthor=False, multipath=True).split(os.pathsep)
        of_all += [] if sys.platform == "win32" else [_ETC]
        own = user_config_dir("pip", appauthor=False, roaming=True)
    of_user = [] if named and Path(named).exists() else [f"{home}/{'pip' if os.name == 'nt' else '.pip'}", own]
    paths = [*(Path(folder, name) for folder in (*of_all, *of_user, sys.prefix)), *([Path(named)] if named else [])]
    return [path for path in paths if path.is_file()]

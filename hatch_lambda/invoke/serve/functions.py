"""The functions that are served, and what happens to them as their code changes."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hatch_lambda.common import tempfiles
from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.common.files import looks_below, looks_of
from hatch_lambda.invoke.execution_environment import SCRATCH
from hatch_lambda.invoke.serve.function import Function

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from hatch_lambda.common.ui import UI
    from hatch_lambda.invoke.invocation import Invocation


class Update(NamedTuple):
    """The names of functions by what has become of them. `errors`: of those that stay as they were."""

    replaced: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    errors: tuple[LambdaBuildError, ...] = ()


class Functions:
    """`by_name`: those that are served. `on_log` gets a function's name and a line of its log."""

    def __init__(self, concurrency: int, on_log: Callable[[str, str], None], ui: UI) -> None:
        self.by_name: Mapping[str, Function] = {}
        self._concurrency = concurrency
        self._on_log = on_log
        self._ui = ui
        self._looks: dict[str, object] = {}
        tempfiles.sweep(Path(tempfile.gettempdir()), SCRATCH)
        self._bytecode = Path(tempfile.mkdtemp(prefix=tempfiles.marked(SCRATCH)))

    def update(self, wanted: Iterable[Invocation]) -> Update:
        """Serve these functions, with the code that they have now. What is unchanged goes on."""
        by_name = {each.function_name: each for each in wanted}
        replaced, errors = [], []
        for name, invocation in by_name.items():
            looks = (invocation, *map(_looks, (invocation.code, *invocation.layers)))
            if self._looks.get(name) == looks:
                continue
            try:
                if name in self.by_name:
                    self.by_name[name].replace(invocation)
                else:
                    self._add(name, invocation)
            except LambdaBuildError as error:
                errors.append(error)
                continue
            replaced.append(name)
            self._looks[name] = looks
        removed = tuple(name for name in self.by_name if name not in by_name)
        gone = [self.by_name[name] for name in removed]
        self.by_name = {name: function for name, function in self.by_name.items() if name not in removed}
        for function in gone:
            del self._looks[function.name]
            function.close()
        return Update(tuple(replaced), removed, tuple(errors))

    def close(self) -> None:
        for function in self.by_name.values():
            function.close()
        tempfiles.remove(self._bytecode)

    def _add(self, name: str, invocation: Invocation) -> None:
        function = Function(
            invocation,
            self._concurrency,
            lambda line: self._on_log(name, line),
            self._ui,
            bytecode=self._bytecode,
        )
        self.by_name = {**self.by_name, name: function}


def _looks(path: Path) -> object:
    """Which tells another content of a zip or directory."""
    return looks_below(path) if path.is_dir() else looks_of(path)

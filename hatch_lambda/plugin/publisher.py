"""The publisher `lambda`: `hatch publish -p lambda`. Hatch itself imports this; a build has no `hatch.publish`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatch.publish.plugin.interface import PublisherInterface

from hatch_lambda.common.errors import LambdaBuildError
from hatch_lambda.common.redact import redact
from hatch_lambda.deploy.extra import deploy
from hatch_lambda.deploy.plan import Display, plan
from hatch_lambda.deploy.settings import load, without_dry_run
from hatch_lambda.deploy.zips import find
from hatch_lambda.plugin.deployable import PUBLISHER, project_in

_INTERRUPTED = 130
# What Hatch adds to the options of any publisher.
_HATCH_OWN_OPTIONS = frozenset({"no_prompt", "initialize_auth"})


class LambdaPublisher(PublisherInterface):
    """Deploys zips to the functions and layers that `[tool.hatch.publish.lambda]` and `-o key=value` name."""

    PLUGIN_NAME = PUBLISHER

    def publish(self, artifacts: list[str], options: dict[str, Any]) -> None:
        try:
            self._deploy(artifacts, [(key, value) for key, value in options.items() if key not in _HATCH_OWN_OPTIONS])
        except LambdaBuildError as error:
            self.app.abort(redact(str(error)))
        except OSError as error:
            self.app.abort(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        except KeyboardInterrupt:
            self.app.abort("Interrupted.", code=_INTERRUPTED)

    def _deploy(self, artifacts: list[str], options: list[tuple[str, str]]) -> None:
        dry_run, given = without_dry_run(options)
        project, _table = project_in(Path(str(self.root)))
        settings = load(self.project_config, given, personal=self.plugin_config)
        todo = plan(find([Path(str(self.root), path) for path in artifacts], project), settings, project)
        deploy(todo, settings, Display(self.app.display_success, self.app.display_waiting), dry_run=dry_run)

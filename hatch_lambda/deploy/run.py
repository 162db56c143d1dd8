"""A plan is carried out: everything is looked at first, then layers go, then functions; needs the extra `aws`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_lambda.common.printable import printable_lines
from hatch_lambda.common.ui import megabytes
from hatch_lambda.deploy import functions, layers, releases
from hatch_lambda.deploy.clients import Clients
from hatch_lambda.deploy.patience import Patience

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hatch_lambda.deploy.functions import Change, Configuration
    from hatch_lambda.deploy.layers import LayerVersion
    from hatch_lambda.deploy.plan import Display, Plan, Step
    from hatch_lambda.deploy.settings import DeploySettings


def deploy(plan: Plan, settings: DeploySettings, display: Display, *, dry_run: bool = False) -> None:
    """Raises `DeployError`, as far as AWS tells before anything is changed."""
    run = _Run(plan, settings, Clients(settings, plan.regions), display)
    if dry_run:
        run.tell()
    else:
        run.carry_out()


class _Run:
    def __init__(self, plan: Plan, settings: DeploySettings, clients: Clients, display: Display) -> None:
        self._plan = plan
        self._settings = settings
        self._clients = clients
        self._display = display

    def _result(self, line: str) -> None:
        self._display.result(printable_lines(line))

    def _progress(self, line: str) -> None:
        self._display.progress(printable_lines(line))

    def tell(self) -> None:
        """Say what would be done, and as whom."""
        identity = self._clients.identity()
        self._result(f"Would deploy {self._plan.description} to {self._clients.region} as {identity}:")
        versions, looked = self._look_at_everything()
        for layer in versions.values():
            self._result(f"{layer.step}: {_would_publish(layer)}")
        for step, (found, change) in looked.items():
            self._result(f"{step}: {self._would(step, found, change)}")

    def carry_out(self) -> None:
        self._progress(f"Deploying {self._plan.description} to {self._clients.region}")
        versions, looked = self._look_at_everything()
        for variant, layer in versions.items():
            if layer.is_new:
                versions[variant] = self._published(layer.step)
            else:
                self._result(f"{layer.step}: up to date (version {layer.version})")
        for step in looked:
            self._result(f"{step}: {', '.join(self._deployed(step, versions))}")

    def _look_at_everything(
        self,
    ) -> tuple[dict[str | None, LayerVersion], dict[Step, tuple[Configuration | None, Change | None]]]:
        """Layers by variant, and each function as it is with what differs, None for one to create."""
        versions = {
            step.zip.variant_name: layers.existing(step, self._settings, self._clients)
            for step in self._plan.steps
            if step.zip.is_layer
        }
        looked: dict[Step, tuple[Configuration | None, Change | None]] = {}
        for step in self._plan.steps:
            if step.zip.is_layer:
                continue
            found = functions.look_up(step, self._clients)
            if found is None:
                functions.check_new(step, self._settings, self._clients)
                looked[step] = None, None
            else:
                used = _used_by(step, versions)
                looked[step] = found, functions.change_of(found, step, self._settings, used)
                self._warn(step, found, versions)
        return versions, looked

    def _warn(self, step: Step, found: Configuration, versions: Mapping[str | None, LayerVersion]) -> None:
        if step.handler and step.handler != found.get("Handler"):
            self._progress(
                f"Warning: the handler of the {step} is `{found.get('Handler')}`, and that of the project "
                f"`{step.handler}`; deploying does not change it"
            )
        missing = [name for name in (step.zip.variant.layers if step.zip.variant else ()) if name not in versions]
        if missing and not found.get("Layers"):
            self._progress(
                f"Warning: the {step} has no layers, and {step.zip.name} was built to be used with "
                f"{', '.join(missing)}; deploy the zips of these, too"
            )

    def _published(self, step: Step) -> LayerVersion:
        made = layers.publish(step, self._settings, self._clients, self._plan.description, self._progress)
        self._result(f"{step}: version {made.version} published ({megabytes(step.zip.size)})")
        return made

    def _deployed(self, step: Step, versions: Mapping[str | None, LayerVersion]) -> list[str]:
        """Do what is to be done to a function, and say it."""
        used = _used_by(step, versions)
        found = functions.look_up(step, self._clients)
        if found is None:
            functions.create(step, self._settings, self._clients, used, self._progress)
            return [f"created ({megabytes(step.zip.size)})", *self._released(step)]
        patience = Patience(self._clients, step.name, self._settings.wait, self._progress)
        found = patience.settled(found)
        change = functions.change_of(found, step, self._settings, used)
        if change.is_empty:
            return ["up to date", *(self._current(step, found) or self._released(step))]
        functions.update(change, step, self._settings, self._clients, self._progress)
        return [*(done for done, _told in change.words(step.zip.size)), *self._released(step)]

    def _released(self, step: Step) -> list[str]:
        """Publish a version and move the alias, if so set."""
        if not (self._settings.alias or self._settings.publish_version):
            return []
        version = releases.publish(step, self._settings, self._clients, self._progress)
        if not self._settings.alias:
            return [f"version {version}"]
        alias = releases.look_up(step, self._settings.alias, self._clients)
        return [f"version {version}", releases.move(step, alias, version, self._clients)]

    def _current(self, step: Step, found: Configuration) -> list[str]:
        """Where the alias is, if there is nothing to publish."""
        if not self._settings.alias:
            return []
        alias = releases.look_up(step, self._settings.alias, self._clients)
        is_current = releases.is_current(step, alias, found, self._clients)
        return [f"version {alias.version}", alias.unmoved] if is_current else []

    def _would(self, step: Step, found: Configuration | None, change: Change | None) -> str:
        """What would be done to a function. `change`: None for one to create."""
        if change and change.is_empty and (current := self._current(step, found)):
            return ", ".join(["up to date", *current])
        words = _would_create(step) if change is None else [told for _done, told in change.words(step.zip.size)]
        if self._settings.alias or self._settings.publish_version:
            words.append("publish a version")
        if self._settings.alias:
            alias = releases.look_up(step, self._settings.alias, self._clients)
            words.append(
                f"move the alias {alias.name} from {alias.version}{alias.note}"
                if alias.version
                else f"create the alias {alias.name}"
            )
        is_empty = change is not None and change.is_empty
        return "; ".join([*(["up to date"] if is_empty else []), *([f"would {', '.join(words)}"] if words else [])])


def _used_by(step: Step, versions: Mapping[str | None, LayerVersion]) -> list[LayerVersion]:
    names = step.zip.variant.layers if step.zip.variant else ()
    return [versions[name] for name in names if name in versions]


def _would_publish(layer: LayerVersion) -> str:
    if layer.is_new:
        return f"would publish a new version ({megabytes(layer.step.zip.size)})"
    return f"up to date (version {layer.version})"


def _would_create(step: Step) -> list[str]:
    target = functions.target_of_new(step)
    return [f"create it for {target.runtime.name} on {target.architecture.name} ({megabytes(step.zip.size)})"]

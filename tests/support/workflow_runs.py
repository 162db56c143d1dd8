"""CI jobs of the example project, run here: their shell steps as they stand, their actions by stand-ins.

What a job is not allowed to know here, it does not know there: an expression, condition or action that is not in these
tables fails the test.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any, TypeAlias

from ruamel.yaml import YAML

if TYPE_CHECKING:
    from collections.abc import Mapping

Yaml: TypeAlias = "dict[str, Any]"


def read_yaml(path: Path) -> Yaml:
    document = YAML(typ="safe").load(path)
    assert isinstance(document, dict)
    return document


@dataclass
class Machine:
    """A runner's machine: a Python, and the programs that it comes with.

    `folder/calls.jsonl` has the calls of those that talk to a service, which none here does: `gh`, `glab`.
    """

    folder: Path
    environment: Mapping[str, str]

    @property
    def calls(self) -> list[list[str]]:
        log = self.folder / "calls.jsonl"
        return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()] if log.exists() else []

    def shell(self, script: str, folder: Path, environment: Mapping[str, str]) -> str:
        """What the script prints, by the command with which both GitHub and GitLab start `bash`."""
        ended = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=folder,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert ended.returncode == 0, f"{script}\n{ended.stdout}"
        return ended.stdout


def make_machine(folder: Path, python: Path, environment: Mapping[str, str]) -> Machine:
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "venv", "--quiet", "--seed", "--python", python, folder / "python"], check=True)
    programs = folder / "programs"
    programs.mkdir()
    for name in ("gh", "glab"):
        program = programs / name
        program.write_text(
            f"#!{folder}/python/bin/python\n"
            "import json, sys\n"
            f"with open({str(folder / 'calls.jsonl')!r}, 'a', encoding='utf-8') as log:\n"
            f"    log.write(json.dumps([{name!r}, *sys.argv[1:]]) + '\\n')\n",
            encoding="utf-8",
        )
        program.chmod(0o755)
    path = os.pathsep.join([str(folder / "python/bin"), str(programs), os.environ["PATH"]])
    return Machine(folder, {**os.environ, **environment, "PATH": path, "CI": "true"})


@dataclass
class WorkflowRun:
    """A run of a GitHub workflow for an event: its jobs, one by one, each in a workspace of its own.

    `contexts`: what expressions may name, as in `{"github.ref_type": "tag"}`. `repository` has the commit `commit`.
    """

    workflow: Yaml
    machine: Machine
    repository: Path
    commit: str
    contexts: dict[str, str]
    folder: Path
    output: list[str] = field(default_factory=list)
    summary: str = ""

    def job(self, name: str, **matrix: str) -> Path:
        """Run a job and give back its workspace."""
        job = self.workflow["jobs"][name]
        assert self._holds(job.get("if", "")), f"{name} is not for this event"
        assert matrix.keys() == job.get("strategy", {}).get("matrix", {}).keys()
        assert all(value in job["strategy"]["matrix"][key] for key, value in matrix.items())
        workspace = self.folder / "-".join([name, *matrix.values()])
        workspace.mkdir()
        self.contexts["github.workspace"] = str(workspace)
        self.contexts |= {f"matrix.{key}": value for key, value in matrix.items()}
        environment = self._filled(job.get("env", {}))
        self.contexts |= {f"env.{key}": value for key, value in environment.items()}
        for step in job["steps"]:
            if self._holds(step.get("if", "")):
                self._step(step, workspace, environment)
        return workspace

    def _step(self, step: Yaml, workspace: Path, environment: dict[str, str]) -> None:
        if "uses" in step:
            action = step["uses"].partition("@")[0]
            self._action(action, self._filled(step.get("with", {})), workspace, environment)
            return
        summary = self.folder / "summary.md"
        summary.write_text("", encoding="utf-8")
        known = {
            "GITHUB_REF_NAME": self.contexts["github.ref_name"],
            "GITHUB_REPOSITORY": self.contexts["github.repository"],
            "GITHUB_STEP_SUMMARY": str(summary),
        }
        variables = {**known, **environment, **self._filled(step.get("env", {}))}
        self.output.append(self.machine.shell(self._fill(step["run"]), workspace, variables))
        self.summary += summary.read_text(encoding="utf-8")

    def _action(self, action: str, inputs: dict[str, str], workspace: Path, environment: dict[str, str]) -> None:
        if action == "actions/checkout":
            target = workspace / inputs.get("path", ".")
            subprocess.run(["git", "clone", "--quiet", "--no-checkout", self.repository, target], check=True)
            command = ["git", "checkout", "--quiet", inputs.get("ref", self.commit)]
            subprocess.run(command, cwd=target, check=True)
        elif action == "actions/setup-python":
            python = self.machine.shell("python --version", workspace, {}).split()[1]
            assert python.startswith(f"{inputs['python-version']}.")
        elif action == "actions/cache":
            assert Path(inputs["path"]).is_relative_to(workspace)
        elif action == "actions/upload-artifact":
            source = workspace / inputs["path"]
            target = self._artifacts / inputs["name"]
            if source.is_dir():
                shutil.copytree(source, target)
            else:
                target.mkdir(parents=True)
                shutil.copy(source, target)
        elif action == "actions/download-artifact":
            self._download(inputs, workspace / inputs.get("path", "."))
        elif action == "actions/attest":
            assert list(workspace.glob(inputs["subject-path"]))
            if "sbom-path" in inputs:
                assert json.loads(workspace.joinpath(inputs["sbom-path"]).read_bytes())["bomFormat"] == "CycloneDX"
            self.output.append(f"attested: {sorted(inputs)}")
        else:
            assert action == "aws-actions/configure-aws-credentials"
            assert inputs["role-to-assume"].startswith("arn:aws:iam::")
            environment["AWS_DEFAULT_REGION"] = inputs["aws-region"]
            environment |= {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "of the role"}

    @property
    def _artifacts(self) -> Path:
        return self.folder / "artifacts"

    def _download(self, inputs: dict[str, str], target: Path) -> None:
        if "name" in inputs:
            shutil.copytree(self._artifacts / inputs["name"], target, dirs_exist_ok=True)
            return
        found = sorted(self._artifacts.glob(inputs["pattern"]))
        assert found
        for artifact in found:
            merged = inputs.get("merge-multiple") == "true"
            shutil.copytree(artifact, target if merged else target / artifact.name, dirs_exist_ok=True)

    def _filled(self, values: Mapping[str, object]) -> dict[str, str]:
        return {
            name: self._fill(str(value).lower() if isinstance(value, bool) else str(value))
            for name, value in values.items()
            if "hashFiles" not in str(value)
        }

    def _fill(self, text: str) -> str:
        return re.sub(r"\$\{\{ (.+?) \}\}", lambda found: self.contexts[found[1]], text)

    def _holds(self, condition: str) -> bool:
        return all(self._is_true(part) for part in condition.split(" && ")) if condition else True

    def _is_true(self, condition: str) -> bool:
        if found := re.fullmatch(r"([\w.]+) (==|!=) '(\w+)'", condition):
            return (self.contexts[found[1]] == found[3]) == (found[2] == "==")
        found = re.fullmatch(r"!([\w.]+)", condition)
        assert found, condition
        return self.contexts[found[1]] == "false"


@dataclass
class PipelineRun:
    """A pipeline of GitLab's, as `WorkflowRun`. `variables`: those that GitLab sets, and the project's own."""

    pipeline: Yaml
    machine: Machine
    repository: Path
    commit: str
    variables: dict[str, str]
    folder: Path

    def job(self, name: str, **matrix: str) -> str:
        """What a job prints; its artifacts are where later jobs find them."""
        job = self.pipeline[name]
        if rules := job.get("rules"):
            assert any(self._holds(rule["if"]) for rule in rules), f"{name} is not for this pipeline"
        for values in job.get("parallel", {}).get("matrix", []):
            assert all(matrix[variable] in values[variable] for variable in values)
        workspace = self.folder / "-".join([name, *matrix.values()])
        subprocess.run(["git", "clone", "--quiet", "--no-checkout", self.repository, workspace], check=True)
        subprocess.run(["git", "checkout", "--quiet", self.commit], cwd=workspace, check=True)
        if self._artifacts.exists():
            shutil.copytree(self._artifacts, workspace, dirs_exist_ok=True)
        variables = {**self.variables, "CI_PROJECT_DIR": str(workspace), **matrix}
        for variable, value in job.get("variables", {}).items():
            variables[variable] = Template(value).substitute(variables)
        for variable in job.get("id_tokens", {}):
            variables[variable] = "the token of the job"
        output = self.machine.shell("\n".join(job["script"]), workspace, variables)
        for pattern in job.get("artifacts", {}).get("paths", []):
            for path in workspace.glob(pattern):
                target = self._artifacts / path.relative_to(workspace)
                if path.is_dir():
                    shutil.copytree(path, target, dirs_exist_ok=True)
                else:
                    shutil.copy(path, target)
        return output

    @property
    def _artifacts(self) -> Path:
        return self.folder / "artifacts"

    def _holds(self, rule: str) -> bool:
        variables = re.findall(r"\$(\w+)", rule)
        assert rule == " && ".join(f"${name}" for name in variables)
        return all(self.variables.get(name) for name in variables)

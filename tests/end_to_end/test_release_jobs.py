"""The example's CI jobs: checked by their schemas and by actionlint, and their shell steps run."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs
from urllib.request import Request, urlopen
from zipfile import ZipFile

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.end_to_end.test_isolated_build import REPOSITORY, run, serving
from tests.support.example_project import EXAMPLE, NOT_SOURCES
from tests.support.lambda_runtime import python_of
from tests.support.pages import blocks
from tests.support.workflow_runs import Machine, PipelineRun, WorkflowRun, make_machine, read_yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WORKFLOW = EXAMPLE / ".github/workflows/release.yml"
PIPELINE = EXAMPLE / ".gitlab-ci.yml"
ARCHITECTURES = ("x86_64", "arm64")


class TestChecks:
    @pytest.mark.slow
    def test_the_workflow_is_what_github_accepts(self) -> None:
        check(program("check-jsonschema"), "--builtin-schema", "vendor.github-workflows", WORKFLOW)

    @pytest.mark.slow
    def test_the_pipeline_is_what_gitlab_accepts(self) -> None:
        schema = ("--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci")
        check(program("check-jsonschema"), *schema, PIPELINE)

    def test_actionlint_finds_nothing(self, tmp_path: Path) -> None:
        check(program("actionlint"), WORKFLOW)
        broken = tmp_path / "broken.yml"
        broken.write_text(WORKFLOW.read_text(encoding="utf-8").replace("matrix.arch", "matrix.march"), encoding="utf-8")
        ended = subprocess.run([program("actionlint"), broken], capture_output=True, text=True, check=False)
        assert ended.returncode == 1
        assert 'property "marchitecture" is not defined' in ended.stdout

    def test_the_page_has_the_jobs_to_copy(self) -> None:
        assert WORKFLOW.read_text(encoding="utf-8") in blocks("how-to/ci.md", "yaml")
        assert PIPELINE.read_text(encoding="utf-8") in blocks("how-to/ci.md", "yaml")

    def test_every_action_is_pinned_to_a_commit(self) -> None:
        steps = [step for job in read_yaml(WORKFLOW)["jobs"].values() for step in job["steps"] if "uses" in step]
        assert len(steps) > 10
        assert [step["uses"] for step in steps if len(step["uses"].partition("@")[2]) != 40] == []

    def test_the_locks_are_those_of_the_architectures_in_the_matrix(self) -> None:
        matrix = read_yaml(WORKFLOW)["jobs"]["zip"]["strategy"]["matrix"]["architecture"]
        (variables,) = read_yaml(PIPELINE)["zip"]["parallel"]["matrix"]
        assert matrix == variables["HATCH_LAMBDA_ARCHITECTURE"] == list(ARCHITECTURES)
        locks = {f"pylock.python313-{architecture}.toml" for architecture in matrix}
        assert {path.name for path in EXAMPLE.glob("pylock.*")} == locks
        assert set(read_yaml(PIPELINE)["zip"]["cache"]["key"]["files"]) == locks

    def test_whoever_signs_or_deploys_runs_no_code_of_dependencies(self) -> None:
        for name, job in read_yaml(WORKFLOW)["jobs"].items():
            commands = " ".join(step.get("run", "") for step in job["steps"])
            if "hatch build" in commands:
                assert job["permissions"] == {"contents": "read"}, name


def check(*command: str | Path) -> None:
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def program(name: str) -> str:
    return str(Path(sys.executable).parent / name)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A runner with the runtime's Python, for which the index has this hatch-lambda."""
    folder = tmp_path_factory.mktemp("runner")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder / "own", cwd=REPOSITORY)
    (wheel,) = folder.glob("own/*.whl")
    return make_machine(folder, python_of("3.13"), serving(wheel))


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example in a repository of its own, where a second commit has changed its code."""
    root = tmp_path_factory.mktemp("repository") / "orders"
    shutil.copytree(EXAMPLE, root, ignore=shutil.ignore_patterns(*NOT_SOURCES))
    git(root, "init", "--quiet", "--initial-branch", "main")
    git(root, "config", "user.name", "Somebody")
    git(root, "config", "user.email", "somebody@example.org")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "Take orders")
    with root.joinpath("orders/app.py").open("a", encoding="utf-8") as app:
        app.write("\nREVISION = 2\n")
    git(root, "commit", "--quiet", "--all", "--message", "Have a revision")
    return root


def git(root: Path, *arguments: str) -> str:
    return run("git", *arguments, cwd=root).strip()


@pytest.fixture
def event(machine: Machine, repository: Path, tmp_path: Path) -> Callable[..., WorkflowRun]:
    """`event("pull_request")`, `event("push", ref_type="tag")`: a run of the workflow for it."""

    def make(event_name: str, ref_type: str = "branch", ref_name: str = "main", fork: str = "false") -> WorkflowRun:
        contexts = {
            "github.event_name": event_name,
            "github.ref_type": ref_type,
            "github.ref_name": ref_name,
            "github.repository": "somebody/orders",
            "github.token": "the token",
            "github.event.pull_request.base.sha": git(repository, "rev-parse", "HEAD~1"),
            "github.event.pull_request.number": "7",
            "github.event.pull_request.head.repo.fork": fork,
            "vars.AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/deploys-orders",
            "vars.AWS_REGION": "eu-central-1",
        }
        commit = git(repository, "rev-parse", "HEAD")
        return WorkflowRun(read_yaml(WORKFLOW), machine, repository, commit, contexts, tmp_path)

    return make


@pytest.mark.index
class TestGitHub:
    """One architecture in each: an isolated build takes some seconds."""

    def test_a_pull_request_gets_a_comment_on_what_it_changes_in_the_zips(
        self, event: Callable[..., WorkflowRun], machine: Machine
    ) -> None:
        pull_request = event("pull_request")
        workspace = pull_request.job("zip", architecture="x86_64")

        made = {path.name for path in workspace.joinpath("dist").iterdir()}
        assert made == {"orders-1.0-python3.13-x86_64.zip", "orders-x86_64.cdx.json"}
        output = "\n".join(pull_request.output)
        assert "pylock.python313-x86_64.toml covers orders for python3.13 on x86_64" in output
        assert "REPORT RequestId:" in output
        assert workspace.joinpath(".hatch/cache/wheels").is_dir()

        workspace = pull_request.job("comment")

        sent = ("gh", "pr", "comment", "7", "--body-file", "comment.md", "--edit-last", "--create-if-none")
        assert machine.calls[-1] == list(sent)
        comment = workspace.joinpath("comment.md").read_text(encoding="utf-8")
        assert comment.startswith("### orders-1.0-python3.13-x86\\_64.zip\n\n")
        assert comment.endswith("</details>\n\n")  # or the heading of the next one would be a part of it
        assert "! orders/app.py (+14 B)" in comment
        assert comment.split() == pull_request.summary.split()

    def test_a_fork_gets_no_comment(self, event: Callable[..., WorkflowRun]) -> None:
        with pytest.raises(AssertionError, match="comment is not for this event"):
            event("pull_request", fork="true").job("comment")

    def test_a_tag_is_attested_released_and_deployed(
        self, event: Callable[..., WorkflowRun], machine: Machine, function: Function
    ) -> None:
        tag = event("push", ref_type="tag", ref_name="v1.0")
        workspace = tag.job("zip", architecture="arm64")

        assert not workspace.joinpath(".hatch/base").exists()
        assert not workspace.joinpath("response.json").exists()

        tag.job("attest", architecture="arm64")
        assert tag.output[-2:] == ["attested: ['subject-path']", "attested: ['sbom-path', 'subject-path']"]

        workspace = tag.job("release")
        files = ("dist/orders-1.0-python3.13-arm64.zip", "dist/orders-arm64.cdx.json")
        assert machine.calls[-1] == ["gh", "release", "create", "v1.0", *files, "--verify-tag", "--generate-notes"]
        with ZipFile(workspace / files[0]) as archive:
            assert b"REVISION = 2" in archive.read("orders/app.py")

        tag.job("deploy")
        assert machine.calls[-1] == ["gh", "attestation", "verify", files[0], "--repo", "somebody/orders"]
        assert function.live() == sha256(workspace / files[0])

    def test_a_tag_of_another_version_stops(self, event: Callable[..., WorkflowRun]) -> None:
        with pytest.raises(AssertionError, match="hatch version"):
            event("push", ref_type="tag", ref_name="v2.0").job("zip", architecture="arm64")


@pytest.mark.index
class TestGitLab:
    @pytest.mark.skipif(not shutil.which("curl"), reason="no curl at hand, which the job's image has")
    def test_a_merge_request_gets_a_comment_on_what_it_changes_in_the_zips(
        self, pipeline: Callable[..., PipelineRun], gitlab: Gitlab
    ) -> None:
        merge_request = pipeline(
            CI_MERGE_REQUEST_IID="7", CI_MERGE_REQUEST_DIFF_BASE_SHA="HEAD~1", COMMENT_TOKEN="the token"
        )
        output = merge_request.job("zip", HATCH_LAMBDA_ARCHITECTURE="x86_64")
        merge_request.job("comment")

        assert "REPORT RequestId:" in output
        assert '"statusCode": 201' in output
        ((path, token, body),) = gitlab.requests
        assert (path, token) == ("/projects/1/merge_requests/7/notes", "the token")
        comment = parse_qs(body)["body"][0]
        assert comment.startswith("### orders-1.0-python3.13-x86\\_64.zip\n\n")
        assert "! orders/app.py (+14 B)" in comment

    def test_there_is_no_comment_without_a_token(self, pipeline: Callable[..., PipelineRun]) -> None:
        with pytest.raises(AssertionError, match="comment is not for this pipeline"):
            pipeline(CI_MERGE_REQUEST_IID="7").job("comment")

    def test_a_tag_is_released_and_deployed(
        self, pipeline: Callable[..., PipelineRun], machine: Machine, function: Function
    ) -> None:
        tag = pipeline(CI_COMMIT_TAG="v1.0")
        output = tag.job("zip", HATCH_LAMBDA_ARCHITECTURE="arm64")
        tag.job("release")

        assert "Bundle for python3.13 on arm64" in output
        files = ("dist/orders-1.0-python3.13-arm64.zip", "dist/orders-arm64.cdx.json")
        options = ("--use-package-registry", "--name", "orders v1.0", "--notes", "")
        assert machine.calls[-1] == ["glab", "release", "create", "v1.0", *files, *options]

        tag.job("deploy")
        assert function.live() == sha256(tag.folder / "deploy" / files[0])


def sha256(path: Path) -> str:
    return base64.b64encode(hashlib.sha256(path.read_bytes()).digest()).decode()


@dataclass
class Function:
    """The function that is deployed to, on AWS on this machine."""

    client: Any

    def live(self) -> str:
        """The hash of the code that callers get."""
        code: str = self.client.get_function_configuration(FunctionName="orders", Qualifier="live")["CodeSha256"]
        return code


@pytest.fixture
def function(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Function]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    urlopen(Request(f"{url}/moto-api/reset", method="POST")).close()  # of what other tests of this process have left
    here = {"AWS_ENDPOINT_URL": url, "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    monkeypatch.setattr(machine, "environment", {**machine.environment, **here})
    keys = {"aws_access_key_id": "AKIAEXAMPLE", "aws_secret_access_key": "of an administrator"}
    session = boto3.Session(region_name="eu-central-1", **keys)
    role = session.client("iam", endpoint_url=url).create_role(RoleName="orders", AssumeRolePolicyDocument="{}")
    client = session.client("lambda", endpoint_url=url)
    client.create_function(
        FunctionName="orders",
        Runtime="python3.13",
        Architectures=["arm64"],
        Handler="orders.app.handler",
        Role=role["Role"]["Arn"],
        Code={"ZipFile": b"the former code"},
    )
    yield Function(client)
    server.stop()


@dataclass
class Gitlab:
    """Its API, as far as a comment needs it: path, token and body of each request."""

    url: str
    requests: list[tuple[str, str, str]]


@pytest.fixture
def gitlab() -> Iterator[Gitlab]:
    requests: list[tuple[str, str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            requests.append((self.path, self.headers["PRIVATE-TOKEN"], body))
            self.send_response(201)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Gitlab(f"http://127.0.0.1:{server.server_port}", requests)
        server.shutdown()
        thread.join()


@pytest.fixture
def pipeline(machine: Machine, repository: Path, tmp_path: Path, gitlab: Gitlab) -> Callable[..., PipelineRun]:
    """`pipeline(CI_COMMIT_TAG="v1.0")`: a pipeline with variables."""

    def make(**variables: str) -> PipelineRun:
        known = {
            "CI_API_V4_URL": gitlab.url,
            "CI_PROJECT_ID": "1",
            "NO_PROXY": "127.0.0.1",
            "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/deploys-orders",
            "AWS_DEFAULT_REGION": "eu-central-1",
            **variables,
        }
        if base := variables.get("CI_MERGE_REQUEST_DIFF_BASE_SHA"):
            known["CI_MERGE_REQUEST_DIFF_BASE_SHA"] = git(repository, "rev-parse", base)
        return PipelineRun(
            read_yaml(PIPELINE), machine, repository, git(repository, "rev-parse", "HEAD"), known, tmp_path
        )

    return make

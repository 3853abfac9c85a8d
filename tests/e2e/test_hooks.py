"""From a CI's call to its effect: asked in Slack in the author's name, approved by others, told back."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.installation import Installation
from sandbox.installation.readiness import bot_is_ready
from sandbox.processes import Child, free_port, start
from sandbox.slack.reports import Message
from tests.e2e.conftest import Chat
from tests.hook_calls import ENVIRON, SECRET, Caller, describe_hooks
from tests.integration.workers.conftest import until

ROOT = Path(__file__).resolve().parents[2]
BOT = "bot"
OPERATION = "service deploy"
PARTS: dict[str, Any] = {
    "engines": 1,
    "own_engine": True,
    "services": {"prod": ["edge-1"]},
    "workers": ("docker",),
}


@pytest.fixture
def service() -> str:
    """The one of the installation; each test deploys a version of its own."""
    return "api"


def is_deployed(installation: Installation, service: str, version: str) -> bool:
    """Whether a container of the service runs that version."""
    label = f'{{"label": ["andock.service={service}", "andock.version={version}"]}}'
    return bool(installation.engine.api.call("GET", "/containers/json", query={"filters": label}))


POLICY = f"""
groups:
  ci: {{users: ["hook:ci"]}}
  ops: {{users: [U0OPS1]}}
  approvers: {{users: [U0OPS1, U0LEAD1, U0LEAD2]}}
rules:
  - name: two people agree to what CI brings to production
    allow: ["{OPERATION}"]
    environments: [prod]
    channels: [C0OPS]
    to: [ci]
    approvals: {{count: 2, from: [approvers], within: 15m}}
  - {{name: ops look, allow: ["*"], to: [ops]}}
"""


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    state = tmp_path_factory.mktemp("hooks")
    with Installation.start(state, policy=POLICY, **PARTS) as running:
        running.slack.set_limits(enabled=False)
        (state / "config" / "hooks.yaml").write_text(describe_hooks())
        yield running


@pytest.fixture(scope="module")
def ci(installation: Installation) -> Iterator[Caller]:
    """A CI, and a second bot beside the first that takes its calls."""
    caller = Caller(free_port())
    env = {**installation.env, **ENVIRON, "ANDOCK_HTTP_PORT": str(caller.port)}
    bot: Child = start([sys.executable, "-m", BOT], log=installation.state / "logs/hooked", env=env, cwd=ROOT)
    bot.wait_ready(lambda: bot_is_ready(caller.port), 30)
    yield caller
    bot.stop()


def wait_asked(installation: Installation, request: str) -> Message:
    return installation.slack.wait(
        "C0OPS", metadata={"request": request}, regex=r"\*Waits for approval\*", timeout=30
    )


def approve(installation: Installation, user: str, message: Message) -> None:
    installation.slack.click(user, message, "Approve", confirm=True, stale=True)


def test_a_call_is_approved_by_two_others_than_its_author_and_its_end_is_read_back(
    installation: Installation, ci: Caller, service: str, chat: Chat
) -> None:
    taken = ci.post(ci.call(service=service, version="v1.0.0", reason="fixes the basket"))
    assert taken.status == 202
    request = taken.said["request"]
    asked = wait_asked(installation, request)
    assert "Asked by `hook:ci` for @ops-1 · fixes the basket · more" in asked.spoken
    assert not is_deployed(installation, service, "v1.0.0")

    approve(installation, "U0OPS1", asked)
    installation.slack.wait(
        "C0OPS", "U0OPS1", ephemeral=True, contains="nobody approves what a hook asked for in their name"
    )
    approve(installation, "U0LEAD1", asked)
    installation.slack.wait("C0OPS", ts=asked.ts, contains="Approved by: @lead-1")
    waiting = ci.look(request).said
    assert (waiting["state"], waiting["environment"]) == ("pending", "prod")
    assert waiting["approvals"] == {"given": 1, "needed": 2}
    assert waiting["description"] == "Waits for 2 approvals from approvers in Slack; given: 1."
    assert not is_deployed(installation, service, "v1.0.0")
    approve(installation, "U0LEAD2", asked)

    installation.slack.wait("C0OPS", ts=asked.ts, regex=r"\*Done\*", timeout=30)
    ended = ci.look(request).said
    assert (ended["state"], ended["approvals"]) == ("success", {"given": 2, "needed": 2})
    assert ended["updated_at"] >= ended["created_at"]
    assert ended["log_url"] == ended["target_url"] == asked.permalink
    assert is_deployed(installation, service, "v1.0.0")
    found = chat.ask("/andock audit search --by hook:ci").spoken
    assert "asked" in found


def test_a_no_in_slack_is_a_failure_for_the_ci(installation: Installation, ci: Caller, service: str) -> None:
    request = ci.post(ci.call(service=service, version="v1.1.0")).said["request"]
    asked = wait_asked(installation, request)

    installation.slack.click("U0LEAD1", asked, "Deny …")
    installation.slack.wait_form("U0LEAD1", title="Deny this plan")
    installation.slack.submit("U0LEAD1", {"text": "not during the sale"})

    installation.slack.wait("C0OPS", ts=asked.ts, regex=r"\*Denied\*", timeout=30)
    ended = ci.look(request).said
    assert (ended["state"], ended["changed"]) == ("failure", "nothing")
    assert ended["description"] == "lead-1 said No: not during the sale"
    assert not is_deployed(installation, service, "v1.1.0")


def test_the_author_takes_it_back_and_the_ci_hears_that_nobody_wants_it(
    installation: Installation, ci: Caller, service: str, chat: Chat
) -> None:
    request = ci.post(ci.call(service=service, version="v1.2.0")).said["request"]
    wait_asked(installation, request)

    chat.ask(f"/andock request withdraw {request}", until="Withdrawn")

    assert ci.look(request).said["state"] == "inactive"


def test_what_cannot_be_planned_is_said_in_the_channel_and_is_a_failure(
    installation: Installation, ci: Caller, service: str
) -> None:
    request = ci.post(ci.call(service=service, version="v9.9.9")).said["request"]

    said = installation.slack.wait("C0OPS", metadata={"request": request}, regex=r"\*Failed\*", timeout=30)

    assert not said.ephemeral
    ended = ci.look(request).said
    assert (ended["state"], ended["changed"]) == ("failure", "nothing")


def test_a_service_that_is_not_there_is_said_at_once(ci: Caller) -> None:
    refused = ci.post(ci.call(service="apj"))

    assert (refused.status, refused.said["error"]) == (404, "target_not_found")
    assert "Did you mean `api`?" in refused.said["message"]


def run_script(ci: Caller, folder: Path, **changes: str) -> subprocess.Popen[str]:
    """The script of docs/hooks.md, as a CI runs it."""
    page = (ROOT / "docs/hooks.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"^```bash\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (folder / "deploy.sh").write_text(script)
    env = {
        "PATH": os.environ["PATH"],
        "ANDOCK_URL": f"http://127.0.0.1:{ci.port}",
        "DEPLOY_HOOK_SECRET": SECRET,
        "VERSION": "v1.2.3",
        "ENVIRONMENT": "prod",
        "AUTHOR": "ops-1@sandbox.invalid",
        "RUN_URL": "https://ci.example/runs/1",
        "NONCE": secrets.token_hex(8),
        "EVERY": "0.2",
        **changes,
    }
    return subprocess.Popen(
        ["bash", folder / "deploy.sh"], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def test_the_script_of_the_documents_waits_for_the_approvals_and_succeeds(
    installation: Installation, ci: Caller, service: str, tmp_path: Path
) -> None:
    with run_script(ci, tmp_path, SERVICE=service, VERSION="v1.2.0") as script:
        assert script.stdout is not None
        pending = next(line for line in script.stdout if " pending: " in line)
        assert "Waits for 2 approvals from approvers in Slack; given: 0." in pending
        asked = wait_asked(installation, pending.split()[0])
        for user in ("U0LEAD1", "U0LEAD2"):
            approve(installation, user, asked)
        said, _ = script.communicate(timeout=60)

    assert script.returncode == 0, said
    assert f"{asked.payload['request']} success: " in said.splitlines()[-1]
    assert until(lambda: is_deployed(installation, service, "v1.2.0"))


def test_the_script_of_the_documents_fails_where_it_is_refused_and_says_why(
    ci: Caller, tmp_path: Path
) -> None:
    with run_script(ci, tmp_path, SERVICE="api", ENVIRONMENT="dev") as script:
        said, _ = script.communicate(timeout=60)

    assert script.returncode == 1
    assert "hook `ci` may not deploy to `dev`" in said

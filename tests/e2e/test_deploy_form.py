"""A deployment put together in a form: from `/deploy` to a service that runs what was chosen."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from sandbox.installation import Installation
from sandbox.installation.services import describe_service
from tests.e2e.conftest import Chat
from tests.integration.workers.conftest import until

TITLE = "Deploy a service"
POLICY = """
groups:
  ops: {users: [U0OPS1]}
  helpers: {users: [U0OPS2]}
rules:
  - {name: helpers bring it to dev, allow: ["service deploy"], environments: [dev], to: [helpers]}
  - {name: ops do it all, allow: ["*"], to: [ops]}
  - {name: everyone reads, allow: ["*"], risk: [read], to: [everyone]}
"""


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    places = {"dev": ("edge-1",), "prod": ("edge-2",)}
    state = tmp_path_factory.mktemp("form")
    with Installation.start(
        state, engines=2, own_engine=True, services=places, policy=POLICY, workers=("docker",)
    ) as running:
        running.slack.set_limits(enabled=False)
        text = describe_service(running.fleet.image_address, places, replicas=1, update={"monitor": "1s"})
        running.write_service(text)
        other = text.replace("  api:\n", "  other:\n")
        (state / "config" / "services" / "other.yaml").write_text(other)
        yield running


def version_on(installation: Installation, engine: str) -> str:
    filters = {"label": ["andock.service=api"]}
    listed = installation.engines[engine].api.call("GET", "/containers/json", query={"filters": filters})
    said = [found["Labels"] for found in listed]
    return ", ".join(labels["andock.version"] or labels["andock.digest"] for labels in said) or "nothing"


def offered(installation: Installation, user: str, typed: str = "") -> list[str]:
    return installation.slack.suggest(user, "Version", typed)


def test_what_is_chosen_in_the_form_is_asked_for_and_done(installation: Installation, chat: Chat) -> None:
    slack, before = installation.slack, f"{time.time():.6f}"
    began = time.monotonic()
    slack.type("U0OPS1", "C0OPS", "/deploy")
    form = slack.wait_form("U0OPS1", title=TITLE)
    assert time.monotonic() - began < 3
    assert "Environment" not in str(form)

    slack.select("U0OPS1", None, "Service", "api")
    assert until(lambda: "Environment" in str(slack.form("U0OPS1")))
    assert until(lambda: "v1.1.0" in offered(installation, "U0OPS1"))
    assert offered(installation, "U0OPS1", "1.1") == ["v1.1.0", "1.1"]
    submitted = slack.submit(
        "U0OPS1", {"Environment": "dev", "Version": "v1.1.0", "reason": "fixes the “basket”"}
    )

    assert submitted.closed, submitted.errors
    asked = slack.wait("C0OPS", "U0OPS1", author="app", after_ts=before, regex=r"\*Done\*", timeout=60)
    assert 'service deploy api v1.1.0 to dev --reason "fixes the \\"basket\\""' in asked.text
    assert version_on(installation, "edge-1") == "v1.1.0"
    assert version_on(installation, "edge-2") == "nothing"
    # what the form asked the registry for was asked silently
    assert "service versions api" in chat.ask("/andock request list").spoken
    told = [message for message in slack.messages("C0OPS", "*") if "request list" not in message.text]
    assert [message for message in told if "service versions" in message.text] == []


def test_the_form_opens_from_a_button_and_takes_a_version_that_was_typed(
    installation: Installation, chat: Chat
) -> None:
    slack, registry = installation.slack, installation.registry
    assert registry is not None
    before = f"{time.time():.6f}"
    listed = chat.ask("/service versions api")
    assert "v1.2.0" in listed.spoken
    slack.click("U0OPS1", listed, "Deploy …")
    slack.wait_form("U0OPS1", title=TITLE)

    digest = registry.digest("team/api", "v1.0.0")
    submitted = slack.submit("U0OPS1", {"Environment": "prod", "Version": digest})

    assert submitted.closed, submitted.errors
    done = slack.wait(
        "C0OPS", "U0OPS1", author="app", after_ts=before, regex=r"\*Done\*.* to prod", timeout=60
    )
    assert "service deploy api sha256:" in done.text
    assert version_on(installation, "edge-2") == digest


@pytest.mark.long
def test_what_runs_is_rolled_back_scaled_and_restarted_in_it(installation: Installation, chat: Chat) -> None:
    slack = installation.slack
    for version in ("v1.1.0", "v1.2.0"):
        chat.ask(f"/deploy api {version} to prod", until=r"\*Done\*|[Nn]o change", timeout=60)
    filled: list[tuple[dict[str, object], str]] = [
        ({"What": "service rollback", "Version": "v1.1.0"}, "service rollback api in prod"),
        ({"What": "service scale", "Replicas": "2"}, "service scale api in prod to 2"),
        ({"What": "service restart"}, "service restart api in prod"),
    ]
    for values, command in filled:
        before = f"{time.time():.6f}"
        slack.type("U0OPS1", "C0OPS", "/deploy api")
        slack.wait_form("U0OPS1", title=TITLE)
        submitted = slack.submit("U0OPS1", {"Environment": "prod", "reason": "as agreed", **values})
        assert submitted.closed, submitted.errors
        done = slack.wait(
            "C0OPS", "U0OPS1", author="app", after_ts=before, regex=r"\*Done\*|Failed", timeout=90
        )
        assert command in done.text
        assert '--reason "as agreed"' in done.text
        assert "*Done*" in done.spoken
    assert version_on(installation, "edge-2") == "v1.1.0, v1.1.0"


def test_only_what_policy_could_allow_is_offered(installation: Installation) -> None:
    slack = installation.slack
    slack.type("U0OPS2", "C0OPS", "/deploy api")
    form = slack.wait_form("U0OPS2", title=TITLE)
    places = next(block for block in form.blocks if block["block_id"] == "environment:api")
    assert [option["value"] for option in places["element"]["options"]] == ["dev"]
    slack.close("U0OPS2")


def test_who_may_deploy_nothing_gets_no_form(installation: Installation, chat: Chat) -> None:
    assert "`VERSION` is missing" in chat.say("/deploy api", user="U0LEAD1")
    assert installation.slack.form("U0LEAD1") is None


def test_a_refusal_is_shown_in_the_form_and_nothing_is_asked(installation: Installation, chat: Chat) -> None:
    slack, running = installation.slack, version_on(installation, "edge-1")
    slack.type("U0OPS1", "C0OPS", "/deploy api")
    slack.wait_form("U0OPS1", title=TITLE)
    chat.ask("/andock halt")
    try:
        refused = slack.submit("U0OPS1", {"Environment": "dev", "Version": "v1.2.0"})
    finally:
        chat.ask("/andock resume --yes")

    assert "halt" in (refused.errors or {})["environment:api"]
    assert not refused.closed
    assert version_on(installation, "edge-1") == running
    slack.close("U0OPS1")

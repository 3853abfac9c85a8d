"""What approvals promise where it is hardest: clicks spread over two bots, and Slack away."""

from __future__ import annotations

import getpass
import json
import re
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.request import urlopen

import pytest

from sandbox.installation import Installation
from sandbox.installation.configuration import default_policy
from tests.e2e.conftest import Chat

# the host may break the glass of what two leads agree to
POLICY = (
    default_policy()
    .replace(
        "channels: [C0OPS, C0PROD]\n    to: [ops]\n", "channels: [C0OPS, C0PROD, cli]\n    to: [ops, host]\n"
    )
    .replace("break_glass: {to: [oncall],", "break_glass: {to: [oncall, host],")
)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Two bots, each with sockets of its own."""
    state = tmp_path_factory.mktemp("pair")
    with Installation.start(state, bots=2, engines=0, workers=("vsphere",), policy=POLICY) as running:
        running.slack.set_limits(enabled=False)
        yield running


@pytest.fixture
def vm(pair: Installation) -> str:
    """A production VM of this test alone, on."""
    name = f"app-{secrets.token_hex(3)}"
    pair.vcenter.control.create_vm(name, folder="prod", power_on=True)
    return name


def power_offs(pair: Installation, vm: str) -> int:
    return pair.vcenter.control.vm(vm).effects.get("powerOff", 0)


def answered(pair: Installation) -> list[int]:
    """How many payloads each bot has answered."""
    pages = [urlopen(f"{url}/metrics", timeout=10).read().decode() for url in pair.andock.bot_urls]  # noqa: S310
    found = [re.search(r"^andock_ack_seconds_count (\S+)", page, re.MULTILINE) for page in pages]
    return [int(float(one[1])) for one in found if one is not None]


@pytest.mark.long
def test_fifty_clicks_spread_over_two_bots_are_one_change(pair: Installation, vm: str) -> None:
    asked = Chat(pair.slack).ask(f"/vm off {vm}", until=r"\*Waits for approval\*")
    before = answered(pair)

    with ThreadPoolExecutor(10) as fingers:
        list(
            fingers.map(
                lambda user: pair.slack.click(user, asked, "Approve", confirm=True, stale=True, force=True),
                ["U0LEAD1", "U0LEAD2"] * 25,
            )
        )

    pair.slack.wait("C0OPS", ts=asked.ts, regex=r"\*Done\*", timeout=30)
    assert power_offs(pair, vm) == 1
    took = [now - then for now, then in zip(answered(pair), before, strict=True)]
    assert sum(took) == 50
    assert min(took) > 0, "one bot took all of them"


def test_with_slack_away_the_host_breaks_the_glass_under_its_own_identity(
    pair: Installation, vm: str
) -> None:
    slack, me = pair.slack, f"cli:{getpass.getuser()}"
    slack.disturb("link_disabled")
    slack.fault("*", "http_error", times=100_000)
    try:
        code, out, err = pair.command("break-glass", f"vm off {vm}", "--reason", "the shop is down", "--json")
    finally:
        slack.clear_faults()
        slack.disturb("link_enabled")

    assert (code, err) == (0, "")
    assert power_offs(pair, vm) == 1
    request = json.loads(out)["request"]
    for channel, user in (("C0PROD", "U0OPS1"), ("D0LEAD1", "U0LEAD1"), ("D0LEAD2", "U0LEAD2")):
        told = slack.wait(channel, user, contains=f"vm off {vm}", regex="broke the glass", timeout=60)
        assert me in told.spoken
        assert "the shop is down" in told.spoken
    records = pair.command("audit", "export", "--format", "jsonl")[1].splitlines()
    broken = [one for one in map(json.loads, records) if one.get("event") == "broke_glass"]
    assert [(one["request"], one["actor"], one["text"]) for one in broken] == [
        (request, f"cli/{me}", "the shop is down")
    ]
    code, _, refused = pair.run(f"request review {request}")
    assert code == 1
    assert "somebody else has to look at it" in refused
    assert "is reviewed" in Chat(slack).ask(f"/andock request review {request}", user="U0LEAD1").spoken

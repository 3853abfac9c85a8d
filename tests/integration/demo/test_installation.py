from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox.demo.conversation import Seat
from sandbox.demo.prompt import Prompt
from sandbox.installation import Installation
from sandbox.processes import ProcessError
from sandbox.slack.client import render


def read_environment(pid: int) -> set[str]:
    return {line.partition("=")[0] for line in Path(f"/proc/{pid}/environ").read_text().split("\0")}


def is_gone(pid: int) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def test_a_command_goes_all_the_way_from_slack_and_from_the_host(installation: Installation) -> None:
    before = installation.engine.inspect("web").started_at
    assert installation.slack.type("U0OPS1", "C0OPS", "/container restart web").acked
    done = installation.slack.wait("C0OPS", "U0OPS1", contains="was restarted and is running")
    assert "Done" in render(done)
    assert installation.engine.inspect("web").started_at != before

    code, output, _ = installation.run("vm list --site lab", "--json")
    assert code == 0
    names = {row[0] for row in json.loads(output)["result"]["outcome"]["table"]["rows"]}
    assert {"web-01", "web-02", "db-01", "prod-db-1"} <= names


def test_the_host_may_ask_as_somebody_in_a_sandbox(installation: Installation) -> None:
    code, _, errors = installation.run("vm off prod-db-1", "--as", "U0OPS1", "--channel", "C0OPS")
    assert code == 1
    assert "production databases are left alone (policy.yaml:" in errors


def test_each_process_holds_only_its_own_credentials(installation: Installation) -> None:
    held = {
        name: read_environment(child.pid) & {"LAB_PASSWORD", "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"}
        for name, child in installation.processes.items()
    }
    assert held == {
        "bot": {"SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"},
        "worker-vsphere": {"LAB_PASSWORD"},
        "worker-docker": {"LAB_PASSWORD"},
        "keeper": {"SLACK_BOT_TOKEN"},
    }


def test_a_killed_process_takes_its_parts_along_and_can_be_started_again(installation: Installation) -> None:
    parts = installation.part_pids("worker-vsphere")
    assert len(parts) == 3  # two RQ workers and the watcher
    (changing,) = installation.part_pids("worker-vsphere", "rq", "change")
    assert changing in parts

    installation.kill("worker-vsphere")
    assert all(is_gone(pid) for pid in parts)
    assert not installation.processes["worker-vsphere"].alive

    installation.restart("worker-vsphere")
    again = installation.part_pids("worker-vsphere")
    assert len(again) == 3
    assert not set(again) & set(parts)
    assert installation.run("vm info web-01")[0] == 0


def test_the_prompt_says_what_is_typed_and_prints_what_appears(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = iter(
        [
            "/vm list web-*",
            "",
            ":as lead-1",
            ":in #prod",
            "vm restart prod-web-1",
            ":click Go ahead",
            ":in @andock",
            "container list",
            ":in #nowhere",
            ":click Nothing",
            "/nosuch",
            ":help",
            ":quit",
        ]
    )
    asked: list[str] = []

    def type_next(prompt: str) -> str:
        asked.append(prompt)
        return next(lines)

    monkeypatch.setattr("builtins.input", type_next)
    before = installation.vcenter.control.vm("prod-web-1").boot_time
    prompt = Prompt(installation.slack)
    prompt.run()
    output = capsys.readouterr().out
    assert asked[0] == "ops-1 #ops> "
    assert prompt.seat == Seat("lead-1", "@andock")
    assert "3 VMs, 3 on." in output
    assert "  @andock vm restart prod-web-1\n" in output
    assert "[Go ahead] [Cancel]" in output
    assert installation.vcenter.control.vm("prod-web-1").boot_time != before
    assert "2 containers on 1 engine" in output
    assert "there are: #ops, #prod" in output
    assert "no button [Nothing] is in sight" in output
    assert "/nosuch is not a valid command" in output
    assert ":as lead-1 " in output


def test_a_folder_holds_one_installation(installation: Installation) -> None:
    with pytest.raises(RuntimeError, match="another installation runs in"):
        Installation.start(installation.state, own_engine=True)
    assert installation.processes["bot"].alive


def test_http_mode_and_two_bots_without_workers(
    tmp_path: Path, leftovers: Callable[[Path], list[str]]
) -> None:
    with Installation.start(
        tmp_path, http_mode=True, bots=2, engines=0, workers=(), keeper=False
    ) as installation:
        assert set(installation.processes) == {"bot", "bot-2"}
        said = installation.slack.type("U0OPS1", "C0OPS", "/vm retsart web-01")
        assert said.attempts[0].via == f"{installation.andock.bot_urls[0]}/slack/events"
        assert "`vm restart`" in str(said.answer)
        refused = installation.slack.type("U0OPS1", "C0OPS", "/vm info web-01")
        assert "worker" in str(refused.answer)
    assert not leftovers(tmp_path)


def test_what_cannot_start_says_why_and_leaves_nothing(
    tmp_path: Path, leftovers: Callable[[Path], list[str]]
) -> None:
    with pytest.raises(ProcessError, match=r"policy\.yaml"):
        Installation.start(tmp_path, engines=0, policy="rules: [{name: x, allow: [nonsense]}]\n")
    assert not leftovers(tmp_path)

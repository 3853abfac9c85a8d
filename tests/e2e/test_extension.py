"""Andock as an extension of the vCenter: what is asked for in Slack is in vCenter's own log."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import vim

from sandbox.installation import Installation
from sandbox.vcenter import Rule
from tests.e2e.conftest import Chat

ROOT = Path(__file__).resolve().parents[2]


def andock(installation: Installation, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "andock", *words],
        cwd=ROOT,
        env={**os.environ, **installation.env},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def service(installation: Installation) -> Iterator[Any]:
    simulator = installation.vcenter
    service = SmartConnect(
        host=simulator.host,
        port=simulator.port,
        user=simulator.user,
        pwd=simulator.password,
        disableSslCertValidation=True,
        httpConnectionTimeout=10,
    )
    yield service
    Disconnect(service)


def events_of(service: Any, vm: str) -> list[str]:
    entity = vim.VirtualMachine(vm, service._stub)
    by = vim.event.EventFilterSpec.ByEntity(entity=entity, recursion="self")
    spec = vim.event.EventFilterSpec(entity=by, eventTypeId=["GeneralUserEvent"])
    return [event.message for event in service.content.eventManager.QueryEvents(spec)]


def test_vcenters_own_log_says_who_asked_once_andock_is_registered(
    installation: Installation, chat: Chat, service: Any
) -> None:
    control = installation.vcenter.control
    vm = control.create_vm(f"logged-{secrets.token_hex(3)}", folder="dev")
    chat.ask(f"/vm on {vm.name}")
    assert events_of(service, vm.id) == []

    made = andock(installation, "vcenter", "register")
    assert made.returncode == 0, made.stderr
    key = next(one.key for one in service.content.extensionManager.extensionList)
    assert made.stdout == f"lab: registered as `{key}`\n"
    said = andock(installation, "vcenter", "register", "--site", "lab").stdout
    assert "up to date" in said
    try:
        answer = chat.ask(f"/vm off {vm.name}")
        request = answer.payload["request"]
        (event,) = events_of(service, vm.id)
        assert "ops-1 asked Andock in chat" in event
        assert request in event
        tasks = [task.info for task in service.content.taskManager.recentTask]
        (mine,) = [one for one in tasks if one.descriptionId == f"{key}.vm.off"]
        assert (mine.state, mine.entity._moId) == ("success", vm.id)
        assert mine.reason.userName == f"ops-1 ({request})"

        control.set_rules([Rule("CreateTask", fault="NoPermission"), Rule("LogUserEvent", drop=True)])
        assert "Done" in chat.ask(f"/vm on {vm.name}").spoken
    finally:
        control.set_rules([])
        gone = andock(installation, "vcenter", "unregister")
    assert gone.stdout == "lab: no longer registered\n"
    assert service.content.extensionManager.FindExtension(key) is None


def test_an_unknown_vcenter_is_named_with_the_nearest(installation: Installation) -> None:
    refused = andock(installation, "vcenter", "register", "--site", "labb")
    assert refused.returncode == 2
    assert "labb" in refused.stderr
    assert "lab" in refused.stderr

"""`andock doctor` against real servers: what is wrong fails its own line, and hides no other."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import vim
from redis import Redis

from bot.manifest import SCOPES
from sandbox.engine import Transport, start_engine
from sandbox.redis_server import RedisServer
from sandbox.registry import start_registry
from sandbox.slack.client import Workspace
from sandbox.vcenter import Rule, Vcenter
from workers.doctor import Finding, Level
from workers.doctor.slack import NEEDED
from workers.vsphere import extension, tagging

ROOT = Path(__file__).resolve().parents[3]
Doctor = Callable[[], dict[str, Finding]]
Write = Callable[..., None]
EDGE = {"url": "unix:///nobody.sock", "environment": "dev"}


@pytest.fixture
def lab(vcenter: Vcenter, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The simulator's entry in sites.yaml."""
    monkeypatch.setenv("LAB_PASSWORD", vcenter.password)
    return {
        "host": vcenter.host,
        "port": vcenter.port,
        "user": vcenter.user,
        "password": {"env": "LAB_PASSWORD"},
        "tls": {"verify": False},
        "environment": "dev",
    }


@contextmanager
def setting(server: RedisServer, name: str, value: str) -> Iterator[None]:
    client = Redis.from_url(server.url)
    before = client.config_get(name)[name]
    client.config_set(name, value)
    yield
    if name == "requirepass":
        client = Redis.from_url(server.url.replace(server.url.split("@")[0], "redis://"))
    client.config_set(name, before)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "andock", "doctor", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


@pytest.mark.parametrize("transport", Transport)
def test_a_healthy_installation_has_no_complaint_but_an_unchecked_certificate(
    doctor: Doctor, write: Write, lab: dict[str, Any], tmp_path: Path, transport: Transport
) -> None:
    engine = start_engine(tmp_path / "engine", transport=transport)
    try:
        write(vcenters={"lab": lab}, engines={"edge-1": {**engine.site, "environment": "dev"}})
        found = doctor()
    finally:
        engine.stop()
    assert {what for what, one in found.items() if one.level is not Level.OK} == {"vcenter lab tls"}
    assert found["vcenter lab tls"].level is Level.WARN
    assert "vCenter" in found["vcenter lab"].detail
    assert "Docker" in found["engine edge-1"].detail
    assert found["sites.yaml"].detail == "instance main, sites lab, edge-1"
    assert {"redis clock", "slack clock", "vcenter lab clock", "engine edge-1 clock"} <= set(found)
    assert all(one.fix for one in found.values() if one.level is not Level.OK)


def test_a_registry_is_asked_with_its_login(
    doctor: Doctor, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = start_registry(tmp_path)
    monkeypatch.setenv("REGISTRY_PASSWORD", registry.password)
    entry = {"user": registry.user, "password": {"env": "REGISTRY_PASSWORD"}, "insecure": True}
    wrong = {**entry, "user": "nobody"}
    engines = {"edge-1": {"url": f"unix://{tmp_path}/nobody.sock", "environment": "dev"}}
    try:
        write(engines=engines, registries={registry.address: entry})
        found = doctor()
        write(engines=engines, registries={registry.address: wrong})
        refused = doctor()[f"registry {registry.address}"]
    finally:
        registry.stop()
    what = f"registry {registry.address}"
    assert found[what].detail == "answers, takes the login of puller"
    assert (found[f"{what} tls"].level, found[what].level) == (Level.WARN, Level.OK)
    assert refused.level is Level.FAIL
    assert "did not accept our login" in refused.detail
    away = doctor()[what]
    assert (away.level, "connection refused" in away.detail) == (Level.FAIL, True)


# --- Redis ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [("appendfsync", "everysec"), ("appendonly", "no"), ("maxmemory-policy", "allkeys-lru")],
)
def test_redis_that_may_forget_fails(doctor: Doctor, own_redis: RedisServer, name: str, value: str) -> None:
    with setting(own_redis, name, value):
        found = doctor()
    complained = {what for what, one in found.items() if one.level is Level.FAIL}
    assert complained == {f"redis {name}", "engine edge-1"}
    assert f"is {value}" in found[f"redis {name}"].detail
    assert f"CONFIG SET {name}" in found[f"redis {name}"].fix


def test_redis_without_a_password_is_a_warning_on_this_machine_only(
    doctor: Doctor, own_redis: RedisServer
) -> None:
    with setting(own_redis, "requirepass", ""):
        found = doctor()
    assert found["redis password"].level is Level.WARN
    assert "requirepass" in found["redis password"].fix


def test_redis_that_the_network_may_enter_fails(
    doctor: Doctor, own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = socket.gethostbyname(socket.gethostname())
    if address.startswith("127."):
        address = "0.0.0.0"
    monkeypatch.setenv("REDIS_URL", own_redis.url.replace("127.0.0.1", address))
    with (
        setting(own_redis, "bind", f"127.0.0.1 {address}" if address != "0.0.0.0" else address),
        setting(own_redis, "protected-mode", "no"),
        setting(own_redis, "requirepass", ""),
    ):
        found = doctor()
    assert found["redis password"].level is Level.FAIL


def test_redis_that_refuses_the_password_fails_without_printing_it(
    doctor: Doctor, own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://:an-old-password@" + own_redis.url.partition("@")[2])
    found = doctor()
    assert found["redis"].level is Level.FAIL
    assert "password" in found["redis"].detail
    assert "an-old-password" not in str(found)


@pytest.mark.parametrize("url", ["redis://:s3cr3t/pass@h:1/0", "http://h", "redis://127.0.0.1:1/0"])
def test_an_address_without_redis_fails(doctor: Doctor, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("REDIS_URL", url)
    found = doctor()
    assert found["redis"].level is Level.FAIL
    assert "s3cr3t" not in str(found)
    assert found["slack bot token"].level is Level.OK


def test_an_account_that_may_not_read_the_configuration_is_asked_what_it_may_say(
    doctor: Doctor, own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Redis.from_url(own_redis.url)
    client.execute_command("ACL", "SETUSER", "andock", "on", ">pass-word", "~*", "&*", "+@all", "-config")
    try:
        monkeypatch.setenv("REDIS_URL", "redis://andock:pass-word@" + own_redis.url.partition("@")[2])
        found = doctor()
    finally:
        client.execute_command("ACL", "DELUSER", "andock")
    assert found["redis appendonly"].level is Level.OK
    assert found["redis maxmemory-policy"].level is Level.OK
    assert found["redis appendfsync"].level is Level.WARN


# --- Slack ------------------------------------------------------------------------------------------------


def test_a_wrong_bot_token_fails(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-wrong-token")
    found = doctor()
    assert found["slack bot token"] == Finding(
        Level.FAIL,
        "slack bot token",
        "Slack says invalid_auth",
        "copy SLACK_BOT_TOKEN anew from the app's pages.",
    )
    assert found["slack app token"].level is Level.OK


def test_swapped_tokens_are_recognised(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    bot, app = os.environ["SLACK_BOT_TOKEN"], os.environ["SLACK_APP_TOKEN"]
    monkeypatch.setenv("SLACK_BOT_TOKEN", app)
    monkeypatch.setenv("SLACK_APP_TOKEN", bot)
    found = doctor()
    assert "swapped?" in found["slack bot token"].fix
    assert "swapped?" in found["slack app token"].fix


def test_missing_scopes_are_named(doctor: Doctor, workspace: Workspace) -> None:
    workspace.set_app(scopes=["chat:write", "commands", "users:read"])
    try:
        found = doctor()
    finally:
        workspace.set_app(scopes=None)
    assert found["slack scopes"].level is Level.FAIL
    assert "usergroups:read" in found["slack scopes"].detail
    assert "chat:write" not in found["slack scopes"].detail


def test_the_manifest_asks_for_every_scope_that_is_missed() -> None:
    assert set(NEEDED) <= set(SCOPES)


def test_http_mode_wants_the_signing_secret(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANDOCK_SLACK_MODE", "http")
    found = doctor()
    assert found["slack signing secret"].level is Level.FAIL
    assert "slack app token" not in found


@pytest.mark.parametrize("kind", ["drop", "http_error"])
def test_slack_away_fails(doctor: Doctor, workspace: Workspace, kind: str) -> None:
    workspace.fault("auth.test", kind)
    try:
        found = doctor()
    finally:
        workspace.clear_faults()
    assert found["slack bot token"].level is Level.FAIL
    assert "was not reached" in found["slack bot token"].detail


def test_a_missing_token_fails(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLACK_BOT_TOKEN")
    assert "SLACK_BOT_TOKEN" in doctor()["slack"].detail


# --- sites ------------------------------------------------------------------------------------------------


def test_a_wrong_vcenter_password_fails_and_is_not_printed(
    doctor: Doctor, write: Write, lab: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_PASSWORD", "not-the-password")
    write(vcenters={"lab": lab})
    found = doctor()
    assert found["vcenter lab"].level is Level.FAIL
    assert "check user and password of vcenters.lab" in found["vcenter lab"].fix
    assert "not-the-password" not in str(found)


def test_a_vcenter_is_tried_once(
    doctor: Doctor, write: Write, lab: dict[str, Any], vcenter: Vcenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_PASSWORD", "not-the-password")
    write(vcenters={"lab": lab})
    vcenter.control.calls()  # counts from here
    doctor()
    assert vcenter.control.calls()["Login"] == 1


def test_a_certificate_that_nobody_vouches_for_fails(
    doctor: Doctor, write: Write, lab: dict[str, Any]
) -> None:
    write(vcenters={"lab": {**lab, "tls": {"verify": True}}})
    found = doctor()
    assert found["vcenter lab"].level is Level.FAIL
    assert "tls.ca" in found["vcenter lab"].fix


def test_an_environment_by_tag_needs_tags_that_can_be_read(
    doctor: Doctor, write: Write, lab: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(vcenters={"lab": {**lab, "environments": [{"tag": "env=prod", "is": "prod"}]}})
    assert doctor()["vcenter lab tags"].level is Level.OK
    monkeypatch.setattr(tagging, "_CIS", "/nowhere")
    found = doctor()
    assert found["vcenter lab tags"].level is Level.FAIL
    assert "env=prod" in found["vcenter lab tags"].detail
    assert found["vcenter lab"].level is Level.OK
    write(vcenters={"lab": lab})
    assert "vcenter lab tags" not in doctor()


def test_sites_that_are_away_fail_and_the_others_are_looked_at(
    doctor: Doctor, write: Write, lab: dict[str, Any], home: Path
) -> None:
    (home / "gone-password").write_text("secret-of-gone")
    (home / "gone-password").chmod(0o644)
    gone = {**lab, "port": 1, "password": {"file": "gone-password"}}
    engines = {
        "edge-1": {"url": f"unix://{home}/nobody.sock", "environment": "dev"},
        "edge-2": {"url": "tcp://127.0.0.1:1", "insecure": True, "environment": "dev"},
    }
    write(vcenters={"gone": gone, "lab": lab}, engines=engines)
    found = doctor()
    assert found["vcenter gone"].level is Level.FAIL
    assert "connection refused" in found["vcenter gone"].detail
    assert found["vcenter gone password"].fix == f"chmod 600 {home}/gone-password"
    assert found["vcenter lab"].level is Level.OK
    assert found["engine edge-1"].level is Level.FAIL
    assert found["engine edge-2"].level is Level.FAIL
    assert found["engine edge-2 tls"].level is Level.WARN


def test_what_hangs_holds_nothing_up(doctor: Doctor, write: Write, lab: dict[str, Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and never answers
        port = silent.getsockname()[1]
        engines = {"edge-1": {"url": f"tcp://127.0.0.1:{port}", "insecure": True, "environment": "dev"}}
        write(vcenters={"mute": {**lab, "port": port}, "lab": lab}, engines=engines)
        before = time.monotonic()
        found = doctor()
    assert time.monotonic() - before < 7
    assert found["vcenter mute"].level is Level.FAIL
    assert found["engine edge-1"].level is Level.FAIL
    assert found["vcenter lab"].level is Level.OK


def test_a_vcenter_that_answers_too_late_fails(
    doctor: Doctor, write: Write, lab: dict[str, Any], vcenter: Vcenter
) -> None:
    vcenter.control.set_rules([Rule(method="Login", delay=8.0)])
    write(vcenters={"lab": lab})
    try:
        found = doctor()
    finally:
        vcenter.control.set_rules([])
    assert found["vcenter lab"].detail == "no answer within 5 s"


# --- files ------------------------------------------------------------------------------------------------


def test_a_mistake_in_sites_yaml_is_named_with_its_line(doctor: Doctor, home: Path) -> None:
    (home / "sites.yaml").write_text(
        "engines:\n  edge-1:\n    url: unix:///x.sock\n    enviroment: dev\n    environment: dev\n"
    )
    found = doctor()
    assert found["sites.yaml"].detail.startswith(f"{home}/sites.yaml:4: ")
    assert found["sites.yaml"].fix == "did you mean `environment`?"
    assert found["policy.yaml"].level is Level.FAIL
    assert found["redis"].level is Level.OK


def test_a_mistake_in_policy_yaml_is_named_with_its_line(doctor: Doctor, home: Path) -> None:
    (home / "policy.yaml").write_text("rules:\n  - name: one\n    allow: ['*']\n    to: [opps]\n")
    found = doctor()
    assert found["policy.yaml"].detail.startswith(f"{home}/policy.yaml:4: there is no group `opps`")


def test_a_mistake_in_a_services_file_is_named_with_its_line(doctor: Doctor, home: Path) -> None:
    (home / "services").mkdir()
    (home / "services" / "api.yaml").write_text("services:\n  api:\n    image: redis\n    tmpfs: /tmp\n")

    finding = doctor()["service api"]

    assert finding.level is Level.FAIL
    assert "api.yaml:4: `tmpfs` is not supported" in finding.detail
    assert finding.fix == "mount a volume there."


def test_a_secret_to_hide_that_cannot_be_read_is_named(doctor: Doctor, write: Write, home: Path) -> None:
    (home / "there").write_text("long-enough")
    known = [{"env": "NOT_HERE"}, {"file": "there"}, {"file": "gone", "processes": ["worker-docker"]}]
    write(engines={"edge-1": EDGE}, redact={"secrets": known})

    found = doctor()["redact"]

    assert found.level is Level.WARN
    assert found.detail.startswith("env NOT_HERE, file gone cannot be read here")


def test_a_secret_too_short_to_be_hidden_is_named_and_not_printed(
    doctor: Doctor, write: Write, home: Path
) -> None:
    (home / "pin").write_text("1z5y\n")
    write(engines={"edge-1": EDGE}, redact={"secrets": [{"file": "pin"}]})

    found = doctor()["redact"]

    assert (found.level, found.detail) == (
        Level.WARN,
        "file pin has fewer than 6 characters, which are not hidden",
    )


def test_what_is_hidden_is_counted(doctor: Doctor, write: Write, home: Path) -> None:
    (home / "there").write_text("long-enough")
    write(engines={"edge-1": EDGE}, redact={"secrets": [{"file": "there"}], "patterns": ["ACME-[0-9]{4}"]})

    assert doctor()["redact"].detail == "1 secrets, 1 patterns besides the built-in ones"


def test_missing_keys_fail(doctor: Doctor, home: Path) -> None:
    (home / "keys" / "bot.key").unlink()
    assert "andock keys init" in doctor()["keys"].fix


def test_a_private_key_that_others_may_read_fails(doctor: Doctor, home: Path) -> None:
    (home / "keys" / "bot.key").chmod(0o640)
    found = doctor()["keys"]
    assert found.level is Level.FAIL
    assert found.fix == f"chmod 600 {home}/keys/bot.key"


def test_a_public_key_that_others_may_write_fails(doctor: Doctor, home: Path) -> None:
    (home / "keys" / "bot.pub").chmod(0o666)
    assert "could forge requests" in doctor()["keys"].detail


# --- the command --------------------------------------------------------------------------------------------


def test_the_command_prints_one_line_a_finding_and_fails(home: Path) -> None:
    ran = run()
    assert ran.returncode == 1
    lines = ran.stdout.splitlines()
    assert all(line.startswith(("ok    ", "warn  ", "FAIL  ")) for line in lines)
    assert [line.partition("edge-1")[0] for line in lines if line.startswith("FAIL")] == ["FAIL  engine "]
    assert "  -> check engines.edge-1 in sites.yaml" in ran.stdout
    assert "Traceback" not in ran.stderr
    for secret in (os.environ["SLACK_BOT_TOKEN"], os.environ["SLACK_APP_TOKEN"]):
        assert secret not in ran.stdout + ran.stderr


def test_the_command_prints_json_and_succeeds(home: Path, write: Write, lab: dict[str, Any]) -> None:
    write(vcenters={"lab": lab})
    ran = run("--json")
    assert ran.returncode == 0, ran.stdout
    body = json.loads(ran.stdout)
    assert body["ok"] is True
    assert {check["level"] for check in body["checks"]} == {"ok", "warn"}
    assert {check["what"] for check in body["checks"]} >= {"redis", "keys", "vcenter lab", "slack bot token"}


# --- privileges in vCenter --------------------------------------------------------------------------------

ALL_OF_VMS = "rules:\n  - {name: all, allow: ['vm *'], to: [everyone]}\n"


@contextmanager
def not_permitted_at_the_root(vcenter: Vcenter) -> Iterator[None]:
    """Nobody has a role on the root folder while the block runs."""
    service = log_in(vcenter)
    manager, root = service.content.authorizationManager, service.content.rootFolder
    permissions = manager.RetrieveEntityPermissions(root, False)
    manager.SetEntityPermissions(root, [])
    try:
        yield
    finally:
        manager.SetEntityPermissions(root, permissions)
        Disconnect(service)


@contextmanager
def registered(vcenter: Vcenter) -> Iterator[None]:
    """Andock is an extension of the vCenter while the block runs."""
    service = log_in(vcenter)
    manager, key = service.content.extensionManager, extension.key_of("main")
    named = vim.Description(label="Andock", summary="x")
    about = {"version": "1", "company": "Andock", "lastHeartbeatTime": datetime.now(UTC)}
    manager.RegisterExtension(vim.Extension(key=key, description=named, **about))
    try:
        yield
    finally:
        manager.UnregisterExtension(key)
        Disconnect(service)


def log_in(vcenter: Vcenter) -> Any:
    return SmartConnect(
        host=vcenter.host,
        port=vcenter.port,
        user=vcenter.user,
        pwd=vcenter.password,
        disableSslCertValidation=True,
        httpConnectionTimeout=10,
    )


@contextmanager
def without(vcenter: Vcenter, *privileges: str) -> Iterator[None]:
    """The account's role lacks these privileges while the block runs."""
    service = log_in(vcenter)
    manager = service.content.authorizationManager
    role = next(one for one in manager.roleList if one.name == "Admin")
    fewer = [name for name in role.privilege if name not in privileges]
    manager.UpdateAuthorizationRole(role.roleId, role.name, fewer)
    try:
        yield
    finally:
        manager.UpdateAuthorizationRole(role.roleId, role.name, role.privilege)
        Disconnect(service)


def test_privileges_that_policys_operations_need_and_the_account_lacks_are_named(
    doctor: Doctor, write: Write, lab: dict[str, Any], home: Path, vcenter: Vcenter
) -> None:
    write(vcenters={"lab": lab})
    (home / "policy.yaml").write_text(ALL_OF_VMS)
    assert doctor()["vcenter lab privileges"].level is Level.OK
    with without(vcenter, "VirtualMachine.Interact.PowerOn", "VirtualMachine.State.CreateSnapshot"):
        found = doctor()["vcenter lab privileges"]
    assert found.level is Level.WARN
    assert "VirtualMachine.Interact.PowerOn (vm clone, vm on)" in found.detail
    assert "CreateSnapshot" not in found.detail  # policy allows nobody a snapshot
    assert "docs/vsphere-role.md" in found.fix


def test_where_andock_is_registered_the_account_must_be_able_to_show_who_asked(
    doctor: Doctor, write: Write, lab: dict[str, Any], vcenter: Vcenter
) -> None:
    write(vcenters={"lab": lab})
    assert "vcenter lab extension" not in doctor()
    with registered(vcenter):
        assert doctor()["vcenter lab extension"].level is Level.OK
        with without(vcenter, "Task.Create", "Global.LogEvent"):
            found = doctor()["vcenter lab extension"]
    assert found.level is Level.WARN
    assert "the account lacks 2 of 5: Global.LogEvent, Task.Create" in found.detail
    assert "andock vcenter unregister" in found.fix


def test_where_policy_allows_reads_alone_no_privilege_is_needed(
    doctor: Doctor, write: Write, lab: dict[str, Any], vcenter: Vcenter
) -> None:
    write(vcenters={"lab": lab})
    with without(vcenter, "VirtualMachine.Interact.PowerOn"):
        found = doctor()["vcenter lab privileges"]
    assert (found.level, found.detail) == (Level.OK, "policy needs none")


def test_a_vcenter_that_does_not_say_what_the_account_may_is_a_warning(
    doctor: Doctor, write: Write, lab: dict[str, Any], vcenter: Vcenter
) -> None:
    write(vcenters={"lab": lab})
    vcenter.control.set_rules([Rule("FetchUserPrivilegeOnEntities", fault="NoPermission")])
    try:
        found = doctor()
    finally:
        vcenter.control.set_rules([])
    assert found["vcenter lab"].level is Level.OK
    assert found["vcenter lab privileges"].level is Level.WARN


# --- what is told in channels -----------------------------------------------------------------------------


def test_alarms_and_events_that_the_account_cannot_see_are_said_with_the_privilege_and_the_place(
    doctor: Doctor, write: Write, lab: dict[str, Any], vcenter: Vcenter
) -> None:
    write(vcenters={"lab": lab}, alarms={"channel": "C0ALARMS"}, events={"channel": "C0ALARMS"})
    assert doctor()["vcenter lab alarms and events"].level is Level.OK
    with not_permitted_at_the_root(vcenter):
        found = doctor()["vcenter lab alarms and events"]
    assert found.level is Level.FAIL
    assert found.detail == (
        "alarms and events are not seen: the account lacks System.View and System.Read on the root folder"
    )
    assert "System.View and System.Read on the root folder, with Propagate to children" in found.fix


def test_where_nothing_is_told_the_root_folder_is_not_asked_about(
    doctor: Doctor, write: Write, lab: dict[str, Any], vcenter: Vcenter
) -> None:
    write(vcenters={"lab": {**lab, "events": {"channel": "C0EVENTS"}}})
    assert doctor()["vcenter lab events"].level is Level.OK
    write(vcenters={"lab": lab})
    assert not [what for what in doctor() if what.startswith(("vcenter lab alarms", "vcenter lab events"))]

"""Containers from chat, on a real engine: what is said is there, and what was planted is shown."""

from __future__ import annotations

import contextlib
import re
import secrets
import struct
import threading
import time
from collections.abc import Mapping
from typing import Any

import docker
import pytest

from config.installation import connect
from sandbox.engine import IMAGE, LABEL, EngineError
from sandbox.engine.images import SAMPLES, build_image
from sandbox.installation import Installation
from tests.e2e.conftest import Chat

MIB = 1024 * 1024
AT_ONCE = 500  # ms from a request's acceptance; what ends by then is posted once
TRIES = 10  # a busy machine may take longer, and then says so after AT_ONCE, not before
# says every word that is written into its fifo, and ends on TERM at once
ECHO = "mkfifo /f; trap 'exit 7' TERM; echo started $0; while :; do read x < /f && echo $x; done"


@pytest.fixture
def name() -> str:
    return f"job-{secrets.token_hex(3)}"


@pytest.fixture
def job(installation: Installation, name: str) -> str:
    """The name of a running container of this test alone."""
    return run(installation, name)


def run(installation: Installation, name: str, **made: Any) -> str:
    installation.engine.run_container(name, ["sh", "-c", ECHO, name], **made)
    return name


def inspect(installation: Installation, name: str) -> Mapping[str, Any]:
    """What the engine itself says."""
    found: Mapping[str, Any] = installation.engine.api.call("GET", f"/containers/{name}/json")
    return found


def tell(installation: Installation, name: str, words: str) -> None:
    """Run a shell's words in it."""
    api = installation.engine.api
    made = api.call("POST", f"/containers/{name}/exec", body={"Cmd": ["sh", "-c", words]})
    api.call("POST", f"/exec/{made['Id']}/start", body={"Detach": True})
    deadline = time.monotonic() + 10
    while api.call("GET", f"/exec/{made['Id']}/json")["Running"]:
        assert time.monotonic() < deadline, words
        time.sleep(0.02)


def await_written(installation: Installation, name: str) -> None:
    """Wait until it has touched /written."""
    deadline = time.monotonic() + 30
    changes = f"/containers/{name}/changes"
    while {"Path": "/written", "Kind": 1} not in (installation.engine.api.call("GET", changes) or ()):
        assert time.monotonic() < deadline, "it has not written its lines"
        time.sleep(0.05)


def await_logged(installation: Installation, name: str, last: str) -> None:
    """Wait until its log ends with this line: the engine writes down what was written a moment later."""
    deadline = time.monotonic() + 30
    with contextlib.closing(docker.APIClient(base_url=installation.engine.api.url)) as client:
        while client.logs(name, tail=1).decode().strip() != last:
            assert time.monotonic() < deadline, f"its log does not end with {last}"
            time.sleep(0.05)


# --- reads ----------------------------------------------------------------------------------------------


def test_a_list_is_narrowed_by_label_state_and_image(
    installation: Installation, chat: Chat, name: str
) -> None:
    run(installation, name, labels={"planted": name})
    run(installation, f"{name}-down", labels={"planted": name})
    installation.engine.api.call("POST", f"/containers/{name}-down/stop")

    both = chat.ask(f"/container list --label planted={name}").spoken
    assert "2 containers on 1 engine, 1 running" in both
    down = chat.ask(f"/container list --label planted={name} --state exited --image *busybox*").spoken
    assert "1 container on 1 engine, 0 running" in down
    assert f"{name}-down" in down
    assert "No container" in chat.ask(f"/container list --label planted={name} --health unhealthy").spoken


def test_info_shows_cgroups_namespaces_and_layers_and_no_secret(
    installation: Installation, chat: Chat, name: str
) -> None:
    run(installation, name, memory=64 * MIB, environment={"API_TOKEN": f"planted-{name}"})
    tell(installation, name, "head -c 100000 /dev/zero > /data")

    said = chat.ask(f"/container info {name}")

    assert "64 MiB" in said.spoken
    assert "pid, net, ipc, uts" in said.spoken
    assert "97.7 KiB (overlay2)" in said.spoken
    assert "API_TOKEN" in said.spoken
    assert f"planted-{name}" not in said.spoken


def test_the_unhealthy_are_found_and_health_is_waited_for(
    installation: Installation, chat: Chat, name: str
) -> None:
    api = installation.engine.api
    for kind in ("web", "sick"):
        build_image(api, f"andock/{kind}:e2e", SAMPLES[kind])
        body = {"Image": f"andock/{kind}:e2e", "Labels": {"planted": name, LABEL: installation.engine.owner}}
        made = api.call("POST", "/containers/create", query={"name": f"{name}-{kind}"}, body=body)
        api.call("POST", f"/containers/{made['Id']}/start")

    assert "is healthy" in chat.ask(f"/container wait {name}-web --until healthy --within 30s").spoken
    deadline = time.monotonic() + 30
    while inspect(installation, f"{name}-sick")["State"]["Health"]["Status"] != "unhealthy":
        assert time.monotonic() < deadline, "it never became unhealthy"
        time.sleep(0.1)

    said = chat.ask(f"/container list --label planted={name} --health unhealthy").spoken
    assert f"{name}-sick" in said
    assert f"{name}-web" not in said
    assert "is running, unhealthy" in chat.ask(f"/container info {name}-sick").spoken


def test_top_shows_a_process_that_was_just_started(chat: Chat, job: str) -> None:
    assert job in chat.ask(f"/container top {job}").spoken


def test_diff_shows_a_file_that_was_just_written(installation: Installation, chat: Chat, job: str) -> None:
    tell(installation, job, f"touch /planted-{job}")

    assert f"+ /planted-{job}" in chat.ask(f"/container diff {job}").spoken


def test_stats_show_figures_and_over_a_while_a_picture(
    installation: Installation, chat: Chat, name: str
) -> None:
    # a shell that holds 8 MiB in a variable
    script = (
        f"x=$(head -c {8 * MIB} /dev/zero | tr '\\0' x); touch /written; trap exit TERM; sleep 300 & wait"
    )
    installation.engine.run_container(name, ["sh", "-c", script], memory=64 * MIB)
    await_written(installation, name)

    now = chat.ask(f"/container stats {name}").spoken
    shown = chat.ask(f"/container stats {name} --for 3s --share")

    used = re.search(rf"{name}\W+[\d.]+ %\W+([\d.]+) MiB\W+64 MiB", now)
    assert used is not None, now
    assert 8 <= float(used[1]) < 64
    over = re.search(rf"{name}\W+[\d.]+ %\W+[\d.]+ %\W+([\d.]+) MiB\W+([\d.]+) MiB\W+64 MiB", shown.spoken)
    assert over is not None, shown.spoken
    assert 8 <= float(over[1]) <= float(over[2]) < 64
    file = installation.slack.wait("C0OPS", "U0OPS1", thread_ts=shown.ts, file=f"{name}.png").files[0]
    picture = installation.slack.read_file(file.id)
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", picture[16:24])
    assert width > 600
    assert height > 400


def test_wait_says_how_it_ended(installation: Installation, chat: Chat, job: str) -> None:
    stopper = threading.Timer(1.0, installation.engine.api.call, ("POST", f"/containers/{job}/stop"))
    stopper.start()

    assert "ended with exit code 7" in chat.ask(f"/container wait {job}").spoken
    stopper.join()


# --- logs -----------------------------------------------------------------------------------------------


def test_a_log_of_fifty_thousand_lines_is_shown_by_its_ends_and_whole_as_a_file(
    installation: Installation, chat: Chat, name: str
) -> None:
    script = f"seq 50000 | sed 's/^/{name} /'; sleep 300"
    installation.engine.run_container(name, ["sh", "-c", script])
    await_logged(installation, name, f"{name} 50000")

    said = chat.ask(f"/container logs {name} --tail 50000 --share").spoken

    assert f"{name} 1\n{name} 2\n" in said
    assert f"{name} 50000" in said
    file = installation.slack.wait("C0OPS", "U0OPS1", file=f"{name}.log").files[0]
    content = installation.slack.read_file(file.id)
    assert content == "".join(f"{name} {number}\n" for number in range(1, 50_001)).encode()


def test_a_long_log_is_printed_whole_on_the_host(installation: Installation, name: str) -> None:
    script = f"seq 3000 | sed 's/^/{name} /'; sleep 300"
    installation.engine.run_container(name, ["sh", "-c", script])
    await_logged(installation, name, f"{name} 3000")

    code, out, _ = installation.run(f"container logs {name} --tail 5000")

    assert code == 0
    assert out.count(f"\n{name} ") == 3000


def test_a_log_is_followed_by_edits_of_one_message_where_there_is_one(
    installation: Installation, chat: Chat, job: str
) -> None:
    refused = chat.ask(f"/container logs {job} --follow 5s").spoken
    assert "add `--share`, or ask me in a direct message" in refused

    writer = threading.Timer(3.0, tell, (installation, job, f"echo planted-{job} > /f"))
    writer.start()
    ended = chat.ask(f"/container logs {job} --follow 8s", channel="D0OPS1", until=r"Done\*.*container logs")
    writer.join()

    assert f"started {job}" in ended.spoken
    assert f"planted-{job}" in ended.spoken
    assert any("to go" in earlier for earlier in ended.earlier)
    assert ended.edits >= 2


# --- changes --------------------------------------------------------------------------------------------


def test_pause_unpause_and_kill_are_seen_on_the_engine(
    installation: Installation, chat: Chat, job: str
) -> None:
    assert "is paused" in chat.ask(f"/container pause {job}").spoken
    assert inspect(installation, job)["State"]["Status"] == "paused"

    assert "is running" in chat.ask(f"/container unpause {job}").spoken
    assert inspect(installation, job)["State"]["Status"] == "running"

    assert "exit code 137" in chat.destroy(f"/container kill {job}").spoken
    assert inspect(installation, job)["State"]["ExitCode"] == 137


def test_rename_is_seen_on_the_engine(installation: Installation, chat: Chat, job: str) -> None:
    before = inspect(installation, job)["Id"]

    assert f"`{job}-old`" in chat.ask(f"/container rename {job} {job}-old").spoken

    assert inspect(installation, f"{job}-old")["Id"] == before


def test_a_rename_into_what_policy_protects_is_denied(
    installation: Installation, chat: Chat, job: str
) -> None:
    assert "Denied" in chat.ask(f"/container rename {job} prod-db-9").spoken
    assert inspect(installation, job)["Name"] == f"/{job}"


def test_update_is_seen_on_the_engine_and_says_before_and_after(
    installation: Installation, chat: Chat, name: str
) -> None:
    run(installation, name, memory=64 * MIB)

    said = chat.ask(f"/container update {name} --memory 96m --cpus 0.5 --pids 40 --restart always").spoken

    assert "memory 64 MiB -> 96 MiB" in said
    host = inspect(installation, name)["HostConfig"]
    assert (host["Memory"], host["NanoCpus"], host["PidsLimit"]) == (96 * MIB, 500_000_000, 40)
    assert host["RestartPolicy"]["Name"] == "always"


def test_remove_shows_what_is_lost_and_the_engine_has_it_no_more(
    installation: Installation, chat: Chat, job: str
) -> None:
    assert "it must be stopped (or `--force` given)" in chat.ask(f"/container remove {job}").spoken
    chat.ask(f"/container stop {job}")
    two = run(installation, f"{job}-2")

    asked = chat.ask(f"/container remove {job} {two} --force")

    assert "Waits for your Go ahead" in asked.spoken
    assert inspect(installation, job)["Id"][:12] in asked.spoken
    assert "Lost: its writable layer of" in asked.spoken
    chat.type_name(asked, until="2 of 2 done")
    for gone in (job, two):
        with pytest.raises(EngineError):
            installation.engine.inspect(gone)


def test_volumes_without_a_name_go_along_when_that_is_asked_for(
    installation: Installation, chat: Chat, name: str
) -> None:
    api, owner = installation.engine.api, installation.engine.owner
    api.call("POST", "/volumes/create", body={"Name": f"{name}-data", "Labels": {LABEL: owner}})
    body = {
        "Image": IMAGE,
        "Cmd": ["true"],
        "Labels": {LABEL: owner},
        "Volumes": {"/cache": {}},
        "HostConfig": {"Binds": [f"{name}-data:/data"]},
    }
    api.call("POST", "/containers/create", query={"name": name}, body=body)
    mounts = inspect(installation, name)["Mounts"]
    (anonymous,) = (mount["Name"] for mount in mounts if mount["Destination"] == "/cache")

    asked = chat.destroy(f"/container remove {name} --volumes")

    assert "is removed" in asked.spoken
    left = {volume["Name"] for volume in api.call("GET", "/volumes")["Volumes"]}
    assert f"{name}-data" in left
    assert anonymous not in left


def test_what_andock_runs_on_is_refused(installation: Installation, chat: Chat, name: str) -> None:
    run(installation, name, labels={"andock.role": "redis"})
    before = inspect(installation, name)["State"]["StartedAt"]

    for command in (
        f"kill {name}", f"remove {name} --force", f"pause {name}", f"rename {name} {name}-2",
        f"update {name} --memory 8m", f"exec {name} planted", "kill --label andock.role=redis",
    ):  # fmt: skip
        assert "Andock itself runs on it" in chat.ask(f"/container {command}").spoken

    state = inspect(installation, name)["State"]
    assert (state["Status"], state["StartedAt"]) == ("running", before)


def test_what_ends_at_once_is_posted_once_without_a_placeholder_before(
    installation: Installation, chat: Chat, job: str
) -> None:
    prefix = f"andock:{installation.sites['instance']}"
    for _ in range(TRIES):
        installation.slack.calls(reset=True)
        assert f"`{job}` was restarted" in chat.ask(f"/container restart {job} --grace 0").spoken
        calls = [call for call in installation.slack.calls() if call.args.get("channel") == "C0OPS"]
        said = [call for call in calls if call.method.startswith("chat.")]
        with connect(installation.redis.url) as redis:
            newest = redis.zrevrange(f"{prefix}:requests", 0, 0)[0].decode()
            accepted, ended = map(int, redis.hmget(f"{prefix}:request:{newest}", "accepted", "ended"))
        assert said[0].at * 1000 >= min(ended, accepted + AT_ONCE), "a placeholder came first"
        if ended - accepted < AT_ONCE:
            assert [call.method for call in said] == ["chat.postMessage"]
            break


def test_a_selector_restarts_each_and_says_so_for_each(
    installation: Installation, chat: Chat, name: str
) -> None:
    before = {
        each: inspect(installation, run(installation, each, labels={"planted": name}))["State"]["StartedAt"]
        for each in (f"{name}-1", f"{name}-2")
    }
    installation.engine.run_container(f"{name}-3", ["true"], labels={"other": name})

    said = chat.ask(f"/container restart --label planted={name} --grace 2 --yes").spoken

    assert "2 of 2 done" in said
    for each, started in before.items():
        assert f"`{each}` was restarted" in said
        assert inspect(installation, each)["State"]["StartedAt"] > started


def test_five_stubborn_ones_are_restarted_at_a_time(
    installation: Installation, chat: Chat, name: str
) -> None:
    for number in range(5):
        command = ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"]
        installation.engine.run_container(f"{name}-{number}", command, labels={"planted": name})

    began = time.monotonic()
    said = chat.ask(f"/container stop {name}-* --grace 3 --yes", timeout=60).spoken

    assert "5 of 5 done" in said
    assert time.monotonic() - began < 12  # one after the other would take 15
    assert inspect(installation, f"{name}-4")["State"]["ExitCode"] == 137


def test_run_makes_what_was_asked_for_and_nothing_that_no_rule_gives(
    installation: Installation, chat: Chat, name: str
) -> None:
    limits = "--memory 32m --cpus 0.2"
    command = f"/container run {IMAGE} --name {name} {limits} --label planted={name} -- sleep 300"
    assert "is running on edge-1" in chat.ask(command).spoken
    made = inspect(installation, name)
    assert (made["Config"]["Labels"]["planted"], made["Config"]["Cmd"]) == (name, ["sleep", "300"])
    host = made["HostConfig"]
    assert (host["Memory"], host["NanoCpus"], host["PidsLimit"]) == (32 * MIB, 200_000_000, 256)

    for power in ("--privileged", "--bind /etc:/x", "--pid host", "--network host", "--cap SYS_ADMIN"):
        refused = chat.ask(f"/container run {IMAGE} --name {name}-2 {limits} {power}").spoken
        assert "is not allowed by `powers:`" in refused
    assert (
        "Image `evil:1` is not allowed" in chat.ask(f"/container run evil:1 --name {name}-2 {limits}").spoken
    )
    with pytest.raises(EngineError):
        installation.engine.inspect(f"{name}-2")

    assert (
        "running" in chat.ask(f"/container run {IMAGE} --name {name}-2 {limits} --uts host -- sleep 9").spoken
    )
    assert inspect(installation, f"{name}-2")["HostConfig"]["UTSMode"] == "host"


def test_exec_says_what_was_planted_and_knows_no_other_command(
    installation: Installation, chat: Chat, job: str
) -> None:
    tell(installation, job, f"echo planted-{job} > /planted")

    said = chat.ask(f"/container exec {job} planted").spoken

    assert "ended with exit code 0" in said
    assert f"planted-{job}" in said
    assert "is not allowed by `exec:`" in chat.ask(f"/container exec {job} 'rm -rf /'").spoken


def test_exec_that_takes_too_long_is_said_to_run_on(chat: Chat, job: str) -> None:
    said = chat.ask(f"/container exec {job} slow").spoken

    assert "Outcome unknown" in said
    assert "was not done after 1 s and runs on there" in said
    assert "begun" in said

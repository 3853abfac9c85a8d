from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from andock.errors import BackendRejectedError, BackendUnavailableError, OpsError
from config.sites import SecretReference, Vcenter, VcenterTls
from sandbox.processes import free_port
from sandbox.vcenter import Vcenter as Simulator
from tests.integration.vsphere.canned import Answer, Canned
from workers.vsphere import PyVmomiVSphere, Sessions, tagging
from workers.vsphere.tagging import NoTagsError, TagService, read_tags

SITE = "lab"


@pytest.fixture
def reading(sessions: Sessions) -> Iterator[TagService]:
    reading = TagService(sessions.account(SITE))
    yield reading
    reading.close()


def test_the_tags_of_all_machines_are_read_by_category_and_name(
    simulator: Simulator, reading: TagService
) -> None:
    first, second = (simulator.control.create_vm(name).id for name in ("tagged-1", "tagged-2"))
    simulator.tags.attach(first, "env=prod")
    simulator.tags.attach(first, "team=shop")
    simulator.tags.attach(second, "env=prod")
    simulator.tags.attach("host-1", "env=prod", kind="HostSystem")
    found = reading.all_tags()
    assert (found[first], found[second]) == (("env=prod", "team=shop"), ("env=prod",))
    assert "host-1" not in found
    assert reading.tags_of([first, "vm-99999"]) == {first: ("env=prod", "team=shop"), "vm-99999": ()}


def test_a_tag_that_is_taken_away_or_deleted_is_gone_at_the_next_look(
    simulator: Simulator, reading: TagService
) -> None:
    vm = simulator.control.create_vm("untagged").id
    simulator.tags.attach(vm, "env=stage")
    simulator.tags.attach(vm, "team=web")
    assert reading.tags_of([vm]) == {vm: ("env=stage", "team=web")}
    simulator.tags.detach(vm, "env=stage")
    assert reading.tags_of([vm]) == {vm: ("team=web",)}
    simulator.tags.delete("team=web")
    assert reading.tags_of([vm]) == {vm: ()}
    assert vm not in reading.all_tags()


def test_more_machines_than_one_call_takes_are_all_read(
    simulator: Simulator, reading: TagService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tagging, "_BATCH", 2)
    vms = [simulator.control.create_vm(f"many-{number}").id for number in range(5)]
    for number, vm in enumerate(vms):
        simulator.tags.attach(vm, f"number={number}")
    wanted = {vm: (f"number={number}",) for number, vm in enumerate(vms)}
    assert reading.tags_of(vms) == wanted
    found = reading.all_tags()
    assert {vm: found[vm] for vm in vms} == wanted


def test_threads_of_one_job_ask_once_what_each_tag_is_called(
    simulator: Simulator, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    vms = [simulator.control.create_vm(f"crew-{number}").id for number in range(8)]
    for number in range(5):
        simulator.tags.create(f"crew={number}")
    asked: list[str] = []
    exchange = TagService._exchange

    def count(service: TagService, method: str, path: str, *more: Any) -> tuple[int, bytes]:
        asked.extend([path] if path.startswith("/tagging/tag/id:") else [])
        return exchange(service, method, path, *more)

    monkeypatch.setattr(TagService, "_exchange", count)
    port = PyVmomiVSphere(sessions)
    known = port.known_tags(SITE)  # as the plan does, in the job's own thread
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda vm: port.attach_tag(SITE, vm, "crew=3"), vms))
    port.close()
    assert len(asked) == len(set(asked)) == len(known)
    assert all("crew=3" in simulator.tags.of(vm) for vm in vms)


def test_a_session_that_is_over_is_made_anew(simulator: Simulator, reading: TagService) -> None:
    vm = simulator.control.create_vm("over").id
    simulator.tags.attach(vm, "env=dev")
    assert reading.tags_of([vm]) == {vm: ("env=dev",)}
    reading._token = "of yesterday"
    assert reading.tags_of([vm]) == {vm: ("env=dev",)}


def tagging_at(port: int) -> TagService:
    """Tagging of whatever listens there."""
    entry = Vcenter(
        host="127.0.0.1",
        port=port,
        user="user",
        password=SecretReference(env="UNUSED"),
        tls=VcenterTls(verify=False),
        environment="dev",
    )
    return TagService(Sessions({SITE: entry}, {SITE: SecretStr("secret")}, Path("/")).account(SITE))


def read_all(service: TagService) -> Mapping[str, tuple[str, ...]]:
    return read_tags(service, lambda service: service.all_tags())


def test_a_vcenter_that_is_away_is_one_sentence() -> None:
    reading = tagging_at(free_port())
    with pytest.raises(BackendUnavailableError, match="connection refused"):
        read_all(reading)
    reading.close()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[int, bytes], TagService]]:
    """Tagging of a vCenter that always answers the same."""
    servers: list[Canned] = []

    def run(status: int, body: bytes) -> TagService:
        servers.append(Canned(tmp_path, lambda *_: Answer(status, body)))
        return tagging_at(servers[-1].port)

    yield run
    for server in servers:
        server.close()


def test_where_no_tagging_is_offered_that_is_said(serve: Callable[[int, bytes], TagService]) -> None:
    with pytest.raises(NoTagsError, match="it offers no tags"):
        read_all(serve(404, b""))


@pytest.mark.parametrize(
    ("status", "body", "error", "said"),
    [
        (503, b"", BackendUnavailableError, "HTTP 503"),
        (401, b"", BackendRejectedError, "it does not accept our login"),
        (200, b"<html>", BackendRejectedError, "cannot be read"),
        (200, b"[]", BackendRejectedError, "cannot be read"),
        (200, b'{"value": 7}', BackendRejectedError, "cannot be read (TypeError"),
    ],
)
def test_tags_that_cannot_be_read_are_one_sentence(
    serve: Callable[[int, bytes], TagService], status: int, body: bytes, error: type[OpsError], said: str
) -> None:
    with pytest.raises(error) as refused:
        read_all(serve(status, body))
    assert said in refused.value.sentence

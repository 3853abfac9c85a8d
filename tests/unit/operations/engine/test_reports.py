from __future__ import annotations

from datetime import timedelta

import pytest

from andock.errors import BackendUnavailableError, UnknownSiteError, UserError
from andock.operations.engine.disk import ENGINE_DISK, DiskParams
from andock.operations.engine.events import ENGINE_EVENTS, EventsParams
from andock.operations.engine.inventory import ENGINE_INFO, ENGINE_LIST, InfoParams, ListParams
from andock.ports.engines import Event
from tests.fakes.fleet import MIB
from tests.unit.operations.fleet import Fleet


def test_a_list_has_versions_storage_and_cgroups(fleet: Fleet) -> None:
    fleet.containers.run("edge-1", "web")
    outcome = fleet.ask(ENGINE_LIST, ListParams())
    assert outcome.summary == "2 engines, 1 running container."
    assert outcome.table is not None
    assert outcome.table.rows[0] == (
        "edge-1", "20.10.24", "1.6.20", "1.1.5", "overlay2", "v1 (cgroupfs)", "1 of 1", "dev",
    )  # fmt: skip


def test_an_engine_that_is_away_is_told_and_the_others_are_listed(fleet: Fleet) -> None:
    fleet.containers.away["edge-1"] = "its certificate has expired; renew it there"
    outcome = fleet.ask(ENGINE_LIST, ListParams())
    assert outcome.notes == ("edge-1 not reached: its certificate has expired; renew it there",)
    assert outcome.table is not None
    assert [row[0] for row in outcome.table.rows] == ["edge-2"]


def test_info_of_the_engine_that_is_meant(fleet: Fleet) -> None:
    by_name = fleet.ask(ENGINE_INFO, InfoParams(name="edge-2"))
    assert by_name == fleet.ask(ENGINE_INFO, InfoParams(), "edge-2")
    assert by_name.summary == "Engine `edge-2`: Docker 20.10.24 on host-1, 0 of 0 containers running."
    fields = dict(by_name.fields)
    assert fields["Versions"] == "containerd 1.6.20, runc 1.1.5, API 1.41"
    assert fields["Storage"] == "overlay2 in /var/lib/docker"
    assert fields["Machine"] == "2 CPUs, 4 GiB memory"
    assert "Swarm" not in fields


def test_which_engine_is_asked_back_and_a_wrong_name_told(fleet: Fleet) -> None:
    with pytest.raises(UserError, match=r"Which engine\? Say one of `edge-1`, `edge-2`"):
        fleet.ask(ENGINE_INFO, InfoParams())
    with pytest.raises(UnknownSiteError, match=r"no site `edge-9`.*Did you mean `edge-"):
        fleet.ask(ENGINE_INFO, InfoParams(name="edge-9"))
    with pytest.raises(UserError, match="name two engines"):
        fleet.ask(ENGINE_INFO, InfoParams(name="edge-1"), "edge-2")
    fleet.containers.away["edge-1"] = "connection refused"
    with pytest.raises(BackendUnavailableError):
        fleet.ask(ENGINE_INFO, InfoParams(name="edge-1"))


def test_disk_by_kind_and_what_each_prune_would_free(fleet: Fleet) -> None:
    fleet.containers.hold_image("edge-1", "named:1", size=4 * MIB)
    fleet.containers.hold_image("edge-1", size=2 * MIB)
    stopped = fleet.containers.run("edge-1", "old")
    fleet.containers.stop("edge-1", stopped, 1)
    fleet.containers.run("edge-1", "web")
    fleet.containers.hold_volume("edge-1", "data", size=8 * MIB)
    outcome = fleet.ask(ENGINE_DISK, DiskParams(name="edge-1"))
    assert outcome.summary == "16 MiB on 1 engine; `engine prune` would free up to 3 MiB."
    assert outcome.table is not None
    assert outcome.table.rows == (
        ("images", "2", "0", "6 MiB", "2 MiB", "6 MiB", "edge-1"),
        ("containers", "2", "1", "2 MiB", "1 MiB", "1 MiB", "edge-1"),
        ("volumes", "1", "0", "8 MiB", "0 B", "0 B", "edge-1"),
        ("build cache", "0", "0", "0 B", "0 B", "0 B", "edge-1"),
    )
    assert dict(outcome.fields)["Largest unused"].startswith(
        "volume `data` on edge-1 (8 MiB), image `named:1`"
    )
    assert [offer.command for offer in outcome.offers] == ["engine prune edge-1"]


def test_disk_of_all_engines_offers_no_prune(fleet: Fleet) -> None:
    fleet.containers.hold_image("edge-1")
    outcome = fleet.ask(ENGINE_DISK, DiskParams())
    assert (outcome.table is not None and len(outcome.table.rows), outcome.offers) == (8, ())


def test_an_engine_that_goes_away_after_it_was_found_takes_no_answer_with_it(fleet: Fleet) -> None:
    fleet.containers.hold_image("edge-2", size=2 * MIB)
    fleet.containers.happened.append(Event("edge-2", fleet.containers.now, "image", "pull", "web:1"))
    disk, events = DiskParams(), EventsParams()
    disks = ENGINE_DISK.find(disk, fleet.reader())
    engines = ENGINE_EVENTS.find(events, fleet.reader())
    fleet.containers.away["edge-1"] = "connection refused"

    freed = ENGINE_DISK.run(disk, fleet.reader(), disks)
    happened = ENGINE_EVENTS.run(events, fleet.reader(), engines)

    assert freed.table is not None
    assert {row[-1] for row in freed.table.rows} == {"edge-2"}
    assert freed.summary.startswith("2 MiB on 1 engine;")
    assert freed.notes[0] == "edge-1 not reached: connection refused"
    assert happened.summary == "1 event on 1 engine in the last 1 h."
    assert happened.notes == ("edge-1 not reached: connection refused",)

    fleet.containers.away["edge-2"] = "connection refused"
    with pytest.raises(BackendUnavailableError):
        ENGINE_DISK.run(disk, fleet.reader(), disks)
    with pytest.raises(BackendUnavailableError):
        ENGINE_EVENTS.run(events, fleet.reader(), engines)


def test_events_of_all_engines_in_the_order_in_which_they_happened(fleet: Fleet) -> None:
    now = fleet.containers.now
    fleet.containers.happened += [
        Event("edge-1", now - timedelta(minutes=2), "container", "die", "web", "exitCode 137"),
        Event("edge-2", now - timedelta(minutes=3), "image", "pull", "web:1"),
        Event("edge-1", now - timedelta(hours=2), "container", "start", "web"),
    ]
    outcome = fleet.ask(ENGINE_EVENTS, EventsParams())
    assert outcome.summary == "2 events on 2 engines in the last 1 h."
    assert outcome.table is not None
    assert [row[1:] for row in outcome.table.rows] == [
        ("image", "pull", "web:1", "", "edge-2"),
        ("container", "die", "web", "exitCode 137", "edge-1"),
    ]
    died = fleet.ask(ENGINE_EVENTS, EventsParams(grep="DIE", since=timedelta(minutes=90)))
    assert died.summary == "1 event with `DIE` on 2 engines in the last 90 min."
    assert fleet.ask(ENGINE_EVENTS, EventsParams(grep="nothing")).table is None


def test_health_checks_hide_no_other_event(fleet: Fleet) -> None:
    now = fleet.containers.now
    fleet.containers.happened += [
        Event("edge-1", now - timedelta(seconds=9 - n), "container", action, "web")
        for n, action in enumerate(("exec_create", "exec_start", "exec_die", "health_status: unhealthy"))
    ]
    outcome = fleet.ask(ENGINE_EVENTS, EventsParams())
    assert outcome.table is not None
    assert [row[2] for row in outcome.table.rows] == ["health_status: unhealthy"]
    assert outcome.notes == (
        "Left out: 3 of health checks and commands in containers; `--grep exec` has them.",
    )
    assert fleet.ask(ENGINE_EVENTS, EventsParams(grep="exec")).summary.startswith("3 events")

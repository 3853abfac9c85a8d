"""Listings as they come over the wire: pages, faults, lost sessions and connections."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from andock.errors import BackendRejectedError, BackendUnavailableError
from config.sites import Vcenter
from sandbox.vcenter import Rule
from sandbox.vcenter import Vcenter as Simulator
from workers.vsphere import PyVmomiVSphere, Sessions, inventory, properties
from workers.vsphere.session import Session
from workers.vsphere.tasks import server_time

SITE = "lab"
RETRIEVE = "RetrievePropertiesEx"


@pytest.fixture
def session(sessions: Sessions) -> Iterator[Session]:
    session = sessions.open(SITE)
    yield session
    session.close()


@pytest.fixture
def vcenter(sessions: Sessions) -> Vcenter:
    return sessions.vcenter(SITE)


def names(session: Session, vcenter: Vcenter) -> list[str]:
    return sorted(row.name for row in session.read(lambda s: inventory.list_rows(s, vcenter)))


def test_a_listing_in_pages_is_the_same_as_in_one(
    simulator: Simulator, session: Session, vcenter: Vcenter
) -> None:
    simulator.control.create_vm("paged", folder="prod/a/b", power_on=True)
    whole = session.read(lambda s: inventory.list_rows(s, vcenter))
    simulator.control.set_page(3)
    simulator.control.calls()
    assert session.read(lambda s: inventory.list_rows(s, vcenter)) == whole
    calls = simulator.control.calls()
    assert calls[RETRIEVE] == 1
    assert calls["ContinueRetrievePropertiesEx"] > 1
    (row,) = [row for row in whole if row.name == "paged"]
    assert (row.path, row.environment) == ("/DC0/vm/prod/a/b/paged", "prod")


def test_calls_do_not_grow_with_the_inventory(
    simulator: Simulator, session: Session, vcenter: Vcenter
) -> None:
    counts = []
    for _ in range(2):
        names(session, vcenter)
        simulator.control.calls()
        names(session, vcenter)
        session.read(inventory.scan_names)
        counts.append(simulator.control.calls())
        for number in range(15):
            simulator.control.create_vm(f"more-{len(counts)}-{number}")
    assert counts[0] == counts[1] == {"CreateContainerView": 2, RETRIEVE: 2, "DestroyView": 2}


def test_the_clock_is_asked_for_once_in_a_while_and_is_never_ahead(
    simulator: Simulator, sessions: Sessions, session: Session
) -> None:
    port = PyVmomiVSphere(sessions)
    simulator.control.calls()
    told = [port.server_time(SITE) for _ in range(20)]
    assert simulator.control.calls()["CurrentTime"] == 1
    assert told == sorted(told)
    assert told[-1] <= server_time(session)
    port.close()


def test_a_session_that_ends_between_two_calls_is_made_anew(
    simulator: Simulator, session: Session, vcenter: Vcenter
) -> None:
    before = names(session, vcenter)
    simulator.control.expire_sessions()
    assert names(session, vcenter) == before
    assert simulator.control.expire_sessions() > 0


def test_a_session_that_ends_within_a_listing_is_made_anew(
    simulator: Simulator, session: Session, vcenter: Vcenter
) -> None:
    before = names(session, vcenter)
    simulator.control.set_rules([Rule(RETRIEVE, count=1, fault="NotAuthenticated")])
    assert names(session, vcenter) == before


def test_a_connection_that_breaks_is_made_anew_once(
    simulator: Simulator, session: Session, vcenter: Vcenter
) -> None:
    before = names(session, vcenter)
    simulator.control.set_rules([Rule(RETRIEVE, count=1, drop=True)])
    assert names(session, vcenter) == before
    simulator.control.set_rules([Rule(RETRIEVE, count=2, drop=True)])
    with pytest.raises(BackendUnavailableError, match="it closed the connection"):
        names(session, vcenter)


def test_a_token_that_vcenter_no_longer_knows_is_said(
    simulator: Simulator, session: Session, vcenter: Vcenter
) -> None:
    simulator.control.set_page(3)
    simulator.control.set_rules([Rule("ContinueRetrievePropertiesEx", fault="InvalidArgument")])
    with pytest.raises(BackendRejectedError, match="it does not accept that"):
        names(session, vcenter)


@pytest.mark.parametrize(
    ("rule", "error", "said"),
    [
        (Rule(RETRIEVE, http=503), BackendUnavailableError, "HTTP 503"),
        (Rule(RETRIEVE, fault="NoPermission"), BackendRejectedError, "lacks"),
        (Rule("CreateContainerView", fault="NoPermission"), BackendRejectedError, "lacks"),
    ],
)
def test_what_goes_wrong_is_one_sentence(
    simulator: Simulator,
    session: Session,
    vcenter: Vcenter,
    rule: Rule,
    error: type[Exception],
    said: str,
) -> None:
    simulator.control.set_rules([rule])
    with pytest.raises(error, match=said):
        names(session, vcenter)
    simulator.control.set_rules([])
    assert names(session, vcenter)


def test_an_answer_that_takes_too_long_is_given_up(
    simulator: Simulator, session: Session, vcenter: Vcenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert names(session, vcenter)
    monkeypatch.setattr(properties, "_PAGE", 0.2)
    simulator.control.set_rules([Rule(RETRIEVE, delay=2.0)])
    started = time.monotonic()
    with pytest.raises(BackendUnavailableError, match="no answer"):
        names(session, vcenter)
    assert time.monotonic() - started < 1.5

"""Locks and freezes in a real Redis: taken once, over by themselves, believed only with a bot's signature."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from andock.added_freezes import AddedFreeze, AddedFreezes
from andock.errors import UserError
from andock.freezes import Freeze
from andock.ledger import Ledger
from andock.locks import Lock, Locks
from andock.messages import Actor
from andock.refusals import LockedError, NotAllowedError
from andock.signing import Signer, Verifier, load_signer
from tests.conftest import untold

OPS = Actor(team="T1", user="U0OPS1", name="ops-1")
LEAD = Actor(team="T1", user="U0LEAD1", name="lead-1")


@pytest.fixture
def locks(ledger: Ledger, verifier: Verifier) -> Locks:
    return Locks(ledger, verifier, untold)


@pytest.fixture
def added(ledger: Ledger, verifier: Verifier) -> AddedFreezes:
    return AddedFreezes(ledger, verifier, untold)


def lock(ledger: Ledger, actor: Actor = OPS, scope: str = "web-01", lasts: float = 60.0) -> Lock:
    now = time.time()
    return Lock(
        instance=ledger.instance,
        scope=scope,
        owner=actor.key,
        name=actor.name,
        reason="new disks",
        since=now,
        until=now + lasts,
    )


def freeze(ledger: Ledger, name: str = "storage", lasts: float = 60.0) -> AddedFreeze:
    made = Freeze.model_validate({"name": name, "from": "2026-01-01T00:00", "to": "2026-01-02T00:00"})
    now = time.time()
    return AddedFreeze(
        instance=ledger.instance, freeze=made, owner=OPS.key, name=OPS.name, at=now, until=now + lasts
    )


def pttl(ledger: Ledger, *parts: str) -> int:
    left = ledger.redis.pttl(ledger.key(*parts))
    assert isinstance(left, int)
    return left


def eventually(condition: object, seconds: float = 10.0) -> None:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# --- locks -----------------------------------------------------------------------------------------------


def test_of_twenty_people_who_take_one_lock_at_once_one_has_it(
    ledger: Ledger, locks: Locks, signer: Signer, verifier: Verifier
) -> None:
    people = [Actor(team="T1", user=f"U0OPS{n}", name=f"ops-{n}") for n in range(20)]

    def take(actor: Actor) -> str:
        try:
            Locks(ledger, verifier, untold).take(lock(ledger, actor), signer)
        except LockedError as error:
            return error.owner
        return "mine"

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(take, people))

    owner = people[answers.index("mine")]
    assert sorted(answers) == sorted([*[owner.name] * 19, "mine"])
    assert [one.owner for one in locks.standing()] == [owner.key]


def test_whoever_comes_second_reads_owner_end_and_reason(
    ledger: Ledger, locks: Locks, signer: Signer
) -> None:
    first = lock(ledger, LEAD)
    locks.take(first, signer)

    with pytest.raises(LockedError) as refused:
        locks.take(lock(ledger, OPS, "WEB-01"), signer)

    sentence = refused.value.sentence
    assert sentence.startswith(f"`web-01` is locked by lead-1 until {first.end} (new disks).")
    assert "`lock release web-01`" in sentence


def test_the_owner_may_take_it_again_for_longer(ledger: Ledger, locks: Locks, signer: Signer) -> None:
    locks.take(lock(ledger), signer)
    longer = lock(ledger, lasts=600)
    locks.take(longer, signer)

    assert locks.standing() == (longer,)


def test_a_lock_is_over_by_itself_and_leaves_nothing_in_redis(
    ledger: Ledger, locks: Locks, signer: Signer
) -> None:
    locks.take(lock(ledger, LEAD, lasts=1), signer)
    assert 0 < pttl(ledger, "lock", "web-01") <= 1000

    eventually(lambda: not locks.standing())
    eventually(lambda: not list(ledger.redis.scan_iter(f"{ledger.prefix}lock*")))
    locks.take(lock(ledger, OPS), signer)
    assert [one.name for one in locks.standing()] == ["ops-1"]


def test_the_owner_releases_it_and_others_only_with_force(
    ledger: Ledger, locks: Locks, signer: Signer
) -> None:
    mine = lock(ledger)
    locks.take(mine, signer)

    with pytest.raises(NotAllowedError, match="only ops-1"):
        locks.release("web-01", LEAD, force=False)
    assert locks.release("Web-01", LEAD, force=True) == mine
    locks.take(mine, signer)
    assert locks.release("web-01", OPS, force=False) == mine
    with pytest.raises(UserError, match="no lock on `web-01`"):
        locks.release("web-01", OPS, force=True)


def test_a_release_wakes_only_whoever_waits_for_this_lock(
    ledger: Ledger, locks: Locks, signer: Signer
) -> None:
    far = time.time() * 1000 + 60_000
    for request, scope in (("ra", "web-01"), ("rb", "web-02")):
        locks.take(lock(ledger, scope=scope), signer)
        ledger.redis.sadd(ledger.key("waiters", lock(ledger, scope=scope).waiters), request)
        ledger.redis.zadd(ledger.key("open"), {request: far})

    locks.release("web-01", OPS, force=False)

    assert ledger.due(10) == ("ra",)
    assert not ledger.redis.exists(ledger.key("waiters", "lock:web-01"))


@pytest.mark.parametrize("how", ["unsigned", "altered", "by another process", "another kind", "no string"])
def test_a_forged_lock_keeps_nobody_off_and_is_logged(
    ledger: Ledger, locks: Locks, signer: Signer, keys: Path, how: str
) -> None:
    true = lock(ledger, LEAD)
    sealed = {
        "unsigned": true.model_dump_json().encode(),
        "altered": signer.sign(true).replace(b"lead-1", b"lead-2"),
        "by another process": load_signer(keys, "worker").sign(true),
        "another kind": signer.sign(freeze(ledger)),
        "no string": b"",
    }[how]
    if sealed:
        ledger.redis.set(ledger.key("lock", "web-01"), sealed)
    else:
        ledger.redis.hset(ledger.key("lock", "web-01"), "a", "b")
    ledger.redis.zadd(ledger.key("locks"), {"web-01": true.until * 1000})

    with capture_logs() as logged:
        assert locks.standing() == ()
    assert [entry["event"] for entry in logged] == ["forged_lock"] * bool(sealed)
    locks.take(lock(ledger, OPS), signer)
    assert [one.name for one in locks.standing()] == ["ops-1"]


def test_a_true_lock_in_anothers_place_or_of_another_installation_counts_for_nothing(
    ledger: Ledger, locks: Locks, signer: Signer
) -> None:
    moved = signer.sign(lock(ledger, LEAD, "db-01"))
    foreign = signer.sign(lock(ledger, LEAD).model_copy(update={"instance": "elsewhere"}))

    for sealed in (moved, foreign):
        ledger.redis.set(ledger.key("lock", "web-01"), sealed)
        ledger.redis.zadd(ledger.key("locks"), {"web-01": time.time() * 1000 + 60_000})
        assert locks.standing() == ()


# --- freezes ---------------------------------------------------------------------------------------------


def test_a_freeze_is_added_once_listed_and_ended(ledger: Ledger, added: AddedFreezes, signer: Signer) -> None:
    storage = freeze(ledger)
    added.add(storage, signer)

    with pytest.raises(UserError, match="There is a freeze `storage` already, added by ops-1"):
        added.add(freeze(ledger, "Storage"), signer)
    assert added.standing() == (storage,)
    assert added.end("STORAGE") == storage
    assert added.standing() == ()
    assert added.end("storage") is None


def test_a_freeze_is_kept_until_its_end_and_no_longer(
    ledger: Ledger, added: AddedFreezes, signer: Signer
) -> None:
    added.add(freeze(ledger, lasts=1), signer)
    assert 0 < pttl(ledger, "freeze", "storage") <= 1000

    eventually(lambda: not list(ledger.redis.scan_iter(f"{ledger.prefix}freeze*")))
    assert added.standing() == ()


def test_a_forged_freeze_stops_nothing_and_is_logged(
    ledger: Ledger, added: AddedFreezes, keys: Path, signer: Signer
) -> None:
    forged = load_signer(keys, "worker").sign(freeze(ledger))
    for sealed in (forged, signer.sign(freeze(ledger, "other")), b"rubbish"):
        ledger.redis.set(ledger.key("freeze", "storage"), sealed)
        ledger.redis.zadd(ledger.key("freezes"), {"storage": time.time() * 1000 + 60_000})
        with capture_logs() as logged:
            assert added.standing() == ()
        assert [entry["event"] for entry in logged] == ["forged_freeze"]
    added.add(freeze(ledger), signer)
    assert len(added.standing()) == 1

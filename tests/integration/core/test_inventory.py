"""The inventory index on a real Redis: what is found, how old it says it is, and who may write it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis

from andock import indexing, inventory
from andock.indexing import IndexLostError, IndexWriter, RowChange
from andock.inventory import Inventory
from andock.ledger import Ledger
from andock.ports.vsphere import PowerState, VmRow
from andock.redaction import Redactor

SITE = "lab"


def make_row(number: int, name: str, *, folder: str = "", **more: object) -> VmRow:
    path = "/".join(part for part in ("/DC0/vm", folder, name) if part)
    row = VmRow(SITE, f"vm-{number}", name, path, PowerState.ON, "dev", "esx-1", f"10.0.0.{number}", True)
    return replace(row, **more)


ROWS = (
    make_row(1, "Web-01", folder="prod", uuid="4211", labels=("env=prod", "team=shop")),
    make_row(2, "web-02", power=PowerState.OFF, oldest_snapshot=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
    make_row(3, "web-1", folder="a"),
    make_row(4, "web-1", folder="b"),
    make_row(5, "Bücher", folder="b", host_id="host-1", tools_version="old"),
)


@pytest.fixture
def writer(ledger: Ledger) -> IndexWriter:
    return IndexWriter(ledger, SITE)


@pytest.fixture
def reader(ledger: Ledger) -> Inventory:
    return Inventory(ledger)


def fill(writer: IndexWriter, rows: Sequence[VmRow] = ROWS, lag: float = 0.0) -> None:
    assert writer.hold()
    writer.fill(rows, lag=lag, tagged=True)


def named(reader: Inventory, name: str) -> list[VmRow]:
    found = reader.named(SITE, name)
    assert found is not None
    return sorted(found.rows, key=lambda row: row.id)


def test_what_was_written_is_read_whole(writer: IndexWriter, reader: Inventory) -> None:
    fill(writer)
    found = reader.rows(SITE)
    assert found is not None
    assert sorted(found.rows, key=lambda row: row.id) == list(ROWS)
    assert reader.names(SITE) == tuple(row.name for row in found.rows)


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        ("web-01", [1]),
        ("WEB-02", [2]),
        ("web-1", [3, 4]),
        ("vm-5", [5]),
        ("/dc0/VM/b/web-1", [4]),
        ("bücher", [5]),
        ("BÜCHER", [5]),
        ("web", []),
        ("", []),
        ("VM-5", []),
    ],
)
def test_a_vm_is_found_by_name_path_or_id_and_several_of_one_name_all_are(
    writer: IndexWriter, reader: Inventory, wanted: str, numbers: list[int]
) -> None:
    fill(writer)
    assert named(reader, wanted) == [row for row in ROWS if int(row.id[3:]) in numbers]


def test_many_are_found_by_id_at_once_and_the_unknown_left_out(
    writer: IndexWriter, reader: Inventory
) -> None:
    fill(writer)

    found = reader.borne(SITE, ["vm-3", "vm-99", "vm-1"])

    assert found is not None
    assert found.rows == (ROWS[2], ROWS[0])


def test_names_are_found_by_their_beginning_in_order_and_not_too_many(
    writer: IndexWriter, reader: Inventory
) -> None:
    fill(writer)
    found = reader.starting(SITE, "WEB-0", most=10)
    assert found is not None
    assert [row.name for row in found.rows] == ["Web-01", "web-02"]
    found = reader.starting(SITE, "", most=3)
    assert found is not None
    assert [row.name for row in found.rows] == ["Bücher", "Web-01", "web-02"]


def test_changes_are_seen_and_leave_no_old_name_behind(writer: IndexWriter, reader: Inventory) -> None:
    fill(writer)
    renamed = replace(ROWS[0], name="shop-01", path="/DC0/vm/prod/shop-01")
    new = make_row(9, "new")
    writer.change(
        [RowChange("vm-1", ROWS[0], renamed), RowChange("vm-9", None, new), RowChange("vm-2", ROWS[1], None)],
        lag=0,
        tagged=True,
    )
    assert named(reader, "shop-01") == [renamed]
    assert named(reader, "new") == [new]
    assert named(reader, "web-01") == named(reader, "web-02") == named(reader, "/DC0/vm/prod/Web-01") == []
    found = reader.starting(SITE, "web", most=10)
    assert found is not None
    assert [row.id for row in found.rows] == ["vm-3", "vm-4"]


def test_many_changes_are_one_change(writer: IndexWriter, reader: Inventory) -> None:
    rows = [make_row(number, f"m-{number:04}") for number in range(1201)]
    fill(writer, rows)
    off = [replace(row, power=PowerState.OFF) for row in rows]
    writer.change(
        [RowChange(row.id, row, new) for row, new in zip(rows, off, strict=True)], lag=0, tagged=True
    )
    found = reader.rows(SITE)
    assert found is not None
    assert len(found.rows) == 1201
    assert {row.power for row in found.rows} == {PowerState.OFF}


def test_it_says_how_old_it_is_and_stale_or_missing_is_nothing_at_all(
    writer: IndexWriter, reader: Inventory
) -> None:
    assert reader.rows(SITE) is None
    assert reader.age(SITE) is None
    fill(writer, lag=12)
    age = reader.age(SITE)
    assert age is not None
    assert 12 <= age < 20
    writer.change([], lag=0, tagged=True)
    age = reader.age(SITE)
    assert age is not None
    assert age < 8
    writer.change([], lag=31, tagged=True)
    assert reader.age(SITE) is reader.rows(SITE) is reader.named(SITE, "web-01") is None
    assert reader.starting(SITE, "web", most=3) is reader.names(SITE) is None


def test_it_says_whether_tags_are_known(writer: IndexWriter, reader: Inventory) -> None:
    fill(writer)
    writer.change([], lag=0, tagged=False)
    found = reader.named(SITE, "web-02")
    assert found is not None
    assert not found.tagged
    writer.change([], lag=0, tagged=True)
    found = reader.rows(SITE)
    assert found is not None
    assert found.tagged


def test_it_says_how_old_the_tags_are(writer: IndexWriter, reader: Inventory) -> None:
    assert writer.hold()
    writer.fill(ROWS, lag=0, tagged=True, tags_lag=7)
    found = reader.named(SITE, "web-02")
    assert found is not None
    assert found.tags_age is not None
    assert 7 <= found.tags_age < 15 > found.age
    writer.change([], lag=0, tagged=True, tags_lag=20)
    found = reader.rows(SITE)
    assert found is not None
    assert found.tags_age is not None
    assert 20 <= found.tags_age < 28


def test_half_a_filling_is_never_read(
    writer: IndexWriter, reader: Inventory, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(writer)
    monkeypatch.setattr(indexing, "_BATCH", 2)
    other = [make_row(number, f"other-{number}") for number in range(6)]
    run, seen = ledger.scripts.run, []

    def look_between(script: str, *args: object) -> object:
        found = run("look", *_look_at(ledger))
        seen.append((script, found[2].count(b"other")))
        return run(script, *args)

    monkeypatch.setattr(ledger.scripts, "run", look_between)
    fill(writer, other)
    assert seen == [("index_hold", 0), *[("index_fill", 0)] * 3, ("index_publish", 0)]
    monkeypatch.undo()
    found = reader.rows(SITE)
    assert found is not None
    assert len(found.rows) == 6


def _look_at(ledger: Ledger) -> tuple[list[str], str, int, str]:
    keys = inventory.keys_of(ledger, SITE)
    return [keys.meta, *keys.contents], inventory.FORMAT, inventory.STALE, "all"


def test_an_empty_site_is_known_to_be_empty(writer: IndexWriter, reader: Inventory) -> None:
    fill(writer)
    fill(writer, ())
    found = reader.rows(SITE)
    assert found is not None
    assert found.rows == ()
    assert named(reader, "web-01") == []


def test_one_writes_and_the_other_stands_by_until_it_is_let(ledger: Ledger) -> None:
    first, second = IndexWriter(ledger, SITE), IndexWriter(ledger, SITE)
    fill(first)
    assert not second.hold()
    with pytest.raises(IndexLostError):
        second.fill(ROWS, lag=0, tagged=True)
    with pytest.raises(IndexLostError):
        second.change([], lag=0, tagged=True)
    first.release()
    assert second.hold()
    assert not first.hold()


def test_whoever_was_silent_for_too_long_has_lost_it_and_cannot_write_old_news(
    ledger: Ledger, reader: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "HOLD", 50)
    first, second = IndexWriter(ledger, SITE), IndexWriter(ledger, SITE)
    fill(first)
    time.sleep(0.1)
    fill(second, ROWS[:1])
    with pytest.raises(IndexLostError):
        first.change([RowChange("vm-2", None, ROWS[1])], lag=0, tagged=True)
    time.sleep(0.1)
    assert first.hold()  # and yet it is not its filling any more
    with pytest.raises(IndexLostError):
        first.change([RowChange("vm-2", None, ROWS[1])], lag=0, tagged=True)
    assert named(reader, "web-02") == []


def test_an_index_of_another_version_or_with_rows_missing_is_none(
    writer: IndexWriter, reader: Inventory, ledger: Ledger, redis: Redis
) -> None:
    fill(writer)
    keys = inventory.keys_of(ledger, SITE)
    redis.hset(keys.meta, "format", "id,name")
    assert reader.rows(SITE) is None
    redis.hset(keys.meta, "format", inventory.FORMAT)
    assert reader.rows(SITE) is not None
    redis.delete(keys.rows)
    assert reader.rows(SITE) is None
    with pytest.raises(IndexLostError):
        writer.change([], lag=0, tagged=True)


@pytest.mark.parametrize("row", [b"{", b"[]", b"7", b'["vm-9"]', b'["a","b"],["c"]', b"\xff\xfe"])
def test_a_row_that_none_of_us_wrote_makes_the_index_none(
    writer: IndexWriter, reader: Inventory, ledger: Ledger, redis: Redis, row: bytes
) -> None:
    fill(writer)
    redis.hset(inventory.keys_of(ledger, SITE).rows, "vm-1", row)
    assert reader.rows(SITE) is None
    assert reader.named(SITE, "web-01") is None
    assert named(reader, "web-02") == [ROWS[1]]


def test_a_secret_in_a_name_or_a_tag_is_not_in_redis(redis: Redis, ledger: Ledger) -> None:
    secret = "s3cr3t-of-somebody"
    own = Ledger(redis, ledger.instance, Redactor([secret]))
    writer, reader = IndexWriter(own, SITE), Inventory(own)
    bearer = make_row(7, f"app-{secret}", labels=(f"token={secret}",))
    fill(writer, [*ROWS, bearer])
    renamed = replace(bearer, name=f"{secret}-2", path=f"/DC0/vm/{secret}/{secret}-2")
    for change in (RowChange("vm-7", bearer, renamed), RowChange("vm-8", None, replace(bearer, id="vm-8"))):
        writer.change([change], lag=0, tagged=True)
    keys = inventory.keys_of(own, SITE)
    stored = [*redis.hvals(keys.rows), *redis.zrange(keys.names, 0, -1), *redis.zrange(keys.paths, 0, -1)]
    assert len(stored) == 3 * (len(ROWS) + 2)
    assert not any(secret.encode() in one for one in stored)
    assert {row.id for row in named(reader, "vm-7")} == {"vm-7"}
    found = reader.starting(SITE, "app-", most=5)
    assert found is not None
    assert [row.id for row in found.rows] == ["vm-8"]


def test_an_index_that_seems_to_come_from_the_future_is_none(writer: IndexWriter, reader: Inventory) -> None:
    fill(writer, lag=-60)
    assert reader.rows(SITE) is None


def test_nothing_of_it_is_kept_for_ever(writer: IndexWriter, ledger: Ledger, redis: Redis) -> None:
    fill(writer)
    writer.change([], lag=0, tagged=True)
    keys = list(redis.scan_iter(f"{ledger.prefix}*"))
    assert len(keys) == 4
    assert all(0 < redis.ttl(key) <= indexing.KEPT for key in keys)


def test_look_ups_among_ten_thousand_are_quick(writer: IndexWriter, reader: Inventory) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [
        make_row(
            number,
            f"m-{number:05}",
            folder=f"f{number % 50}",
            labels=("env=dev",),
            oldest_snapshot=now - timedelta(hours=number) if number % 10 == 0 else None,
        )
        for number in range(10_000)
    ]
    fill(writer, rows)
    spent = []
    for number in range(7, 10_000, 50):
        began = time.perf_counter()
        assert [row.id for row in named(reader, f"M-{number:05}")] == [f"vm-{number}"]
        spent.append(time.perf_counter() - began)
    assert sorted(spent)[100] < 0.05  # far above what the benchmark measures: this machine may be busy

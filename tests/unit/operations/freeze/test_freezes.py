from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import cast

import pytest

from andock.errors import UserError
from andock.operation import Desk
from andock.operations.freeze.freezes import (
    AddParams,
    EndParams,
    ListParams,
    add_freeze,
    end_freeze,
    list_freezes,
)
from andock.ports.records import Guide, Records
from andock.ports.stops import FreezeDraft, FreezeRow
from andock.ports.votes import Votes

ROW = FreezeRow(
    name="storage",
    place="freeze storage (added by ops-1)",
    environments=("prod",),
    zone="UTC",
    begins="Tue 2026-12-01 12:00",
    ends="Tue 2026-12-01 18:00",
    on=True,
    recurs=False,
    reason="failing over",
    added_by="ops-1",
)


@dataclass
class Book:
    """What `Records` and `Stops` say to these operations."""

    rows: tuple[FreezeRow, ...] = ()
    drafts: list[FreezeDraft] = field(default_factory=list)

    @property
    def stops(self) -> Book:
        return self

    def environments(self) -> tuple[str, ...]:
        return ("dev", "prod")

    def freezes(self) -> tuple[FreezeRow, ...]:
        return self.rows

    def add_freeze(self, draft: FreezeDraft) -> FreezeRow:
        self.drafts.append(draft)
        return replace(ROW, name=draft.name, environments=draft.environments, on=not draft.begins)

    def end_freeze(self, name: str) -> FreezeRow:
        return replace(ROW, name=name)


def desk(book: Book) -> Desk:
    return Desk(
        records=cast("Records", book),
        guide=cast("Guide", None),
        votes=cast("Votes", None),
        user="U1",
        name="lead-1",
        now=0.0,
    )


def test_a_freeze_from_now_says_until_when_and_where() -> None:
    book = Book()
    said = add_freeze(AddParams(name="storage", until="18:00", environment=("prod", "prod")), desk(book))
    assert book.drafts == [FreezeDraft("storage", "", "18:00", "UTC", ("prod",), "")]
    assert said.summary == (
        "Freeze `storage` by lead-1: changes in prod are refused until Tue 2026-12-01 18:00 (UTC)."
    )
    assert said.offers[0].command == 'freeze end "storage"'


def test_a_freeze_to_come_says_from_when() -> None:
    said = add_freeze(AddParams(name="fair", from_="x", to="y"), desk(Book()))
    assert "changes everywhere are refused from Tue 2026-12-01 12:00 until" in said.summary


@pytest.mark.parametrize(
    "times", [{}, {"from_": "x"}, {"to": "y"}, {"until": "x", "to": "y"}, {"until": "x", "from_": "y"}]
)
def test_a_window_is_said_in_one_of_two_ways(times: dict[str, str]) -> None:
    with pytest.raises(UserError, match="either `--until TIME`"):
        add_freeze(AddParams.model_validate({"name": "storage", **times}), desk(Book()))


def test_an_unknown_environment_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match="Did you mean `prod`"):
        add_freeze(AddParams(name="storage", until="x", environment=("prd",)), desk(Book()))


def test_the_list_says_what_is_on_what_comes_and_whence_it_is() -> None:
    weekly = replace(
        ROW, name="weekends", place="freeze weekends (policy.yaml:31)", on=False, recurs=True, added_by=""
    )
    over = replace(weekly, name="old", begins="", ends="", recurs=False, environments=())

    said = list_freezes(ListParams(), desk(Book((ROW, weekly, over))))

    assert said.summary == "3 freezes, 1 in force now."
    assert said.table is not None
    assert [row[2] for row in said.table.rows] == [
        "on until Tue 2026-12-01 18:00 (UTC)",
        "from Tue 2026-12-01 12:00 until Tue 2026-12-01 18:00 (UTC), recurs",
        "over",
    ]
    assert [row[4] for row in said.table.rows] == ["ops-1", "policy.yaml:31", "policy.yaml:31"]
    assert list_freezes(ListParams(), desk(Book())).summary == "There are no freezes."


def test_ending_one_says_who_had_added_it() -> None:
    said = end_freeze(EndParams(name="storage"), desk(Book()))
    assert said.summary == "Freeze `storage` is ended by lead-1; changes in prod may go on."
    assert ("Added by", "ops-1") in said.fields

"""The head is given to a channel daily and after each change that is watched, and that is recorded too."""

from __future__ import annotations

from andock.audit import Event
from andock.chain.lines import Head
from tests.integration.recorder.conftest import CHANNEL, Office, until


def heads(office: Office) -> list[Head]:
    return [Head.parse(record.text) for record in office.records(Event.HEAD)]


def test_the_first_head_of_a_day_is_posted_recorded_and_fits(office: Office) -> None:
    office.configure(channel=CHANNEL)
    office.start()
    office.confirmed()

    assert until(lambda: len(heads(office)) == 1)
    (record,) = office.records(Event.HEAD)
    assert record.channel == CHANNEL
    (notice,) = office.notices()
    assert notice.channel == CHANNEL
    assert record.text in notice.text
    proof = office.proof()
    assert proof.posted is not None
    assert proof.posted.head == heads(office)[0]
    macs = {line.seq: line.mac for line in office.lines()}
    assert macs[heads(office)[0].seq] == heads(office)[0].mac


def test_a_change_where_it_is_watched_posts_the_head_again_ten_seconds_later_at_the_earliest(
    office: Office,
) -> None:
    office.configure(channel=CHANNEL, environments=["prod"])
    office.start()
    office.confirmed()
    assert until(lambda: len(heads(office)) == 1)

    for _ in range(3):
        office.confirmed(event=Event.CONCLUDED, environments=("prod",), plan="ab" * 32)

    assert until(lambda: len(heads(office)) == 2, 30)
    first, second = office.records(Event.HEAD)
    assert second.at - first.at >= 10
    assert heads(office)[1].seq >= 5


def test_the_next_recorder_does_not_post_the_days_head_again(office: Office) -> None:
    office.configure(channel=CHANNEL)
    office.start()
    office.confirmed()
    assert until(lambda: len(heads(office)) == 1)
    office.recorders[-1].kill()

    office.start()
    office.confirmed(2)

    assert len(heads(office)) == 1


def test_without_a_channel_no_head_is_posted(office: Office) -> None:
    office.start()
    office.confirmed(event=Event.CONCLUDED, environments=("prod",), plan="ab" * 32)

    assert not heads(office)
    assert not office.notices()

"""Tags on the fake and over a simulated vCenter's REST service."""

from __future__ import annotations

import secrets

import pytest

from andock.errors import BackendUnavailableError, TargetNotFoundError, UnknownSiteError
from tests.contract.worlds import DEAD, LIVE, World


@pytest.fixture
def tag() -> str:
    return f"env=stage-{secrets.token_hex(3)}"


def test_tags_are_read_of_many_at_a_time(world: World, tag: str) -> None:
    one, other, bare = (world.create(f"tagged-{n}") for n in range(3))
    world.tag(one, tag)
    world.tag(one, f"owner=ops {tag}")
    world.tag(other, tag)
    found = world.port.tags_of(LIVE, (one, other, bare))
    assert found == {one: (tag, f"owner=ops {tag}"), other: (tag,), bare: ()}
    assert {tag, f"owner=ops {tag}"} <= set(world.port.known_tags(LIVE))


def test_vms_are_found_by_tag_and_a_site_that_is_away_marks_itself(world: World, tag: str) -> None:
    one, other = world.create("by-tag-1"), world.create("by-tag-2")
    world.create("by-tag-3")
    world.tag(one, tag)
    world.tag(other, tag)
    listing = world.port.tagged_vms(tag)
    assert sorted(listing.rows) == sorted([(LIVE, one), (LIVE, other)])
    assert listing.searched == (LIVE,)
    assert [(away.site, away.why) for away in listing.not_reached] == [(DEAD, "connection refused")]
    assert world.port.tagged_vms("env=nobody", LIVE).rows == ()
    with pytest.raises(UnknownSiteError):
        world.port.tagged_vms(tag, "labb")


def test_a_tag_is_attached_and_taken_away_and_both_may_be_said_twice(world: World, tag: str) -> None:
    vm, other = world.create("attach"), world.create("attach-other")
    world.tag(other, tag)
    for _ in range(2):
        world.port.attach_tag(LIVE, vm, tag)
    assert world.tags(vm) == {tag}
    for _ in range(2):
        world.port.detach_tag(LIVE, vm, tag)
    assert (world.tags(vm), world.tags(other)) == (set(), {tag})


def test_a_tag_that_nobody_made_is_not_found(world: World, tag: str) -> None:
    vm = world.create("no-tag")
    with pytest.raises(TargetNotFoundError, match=r"No tag `env=none` on `lab`"):
        world.port.attach_tag(LIVE, vm, "env=none")


def test_a_site_that_is_away_is_told(world: World) -> None:
    for ask in (lambda: world.port.tags_of(DEAD, ("vm-1",)), lambda: world.port.known_tags(DEAD)):
        with pytest.raises(BackendUnavailableError, match="connection refused"):
            ask()

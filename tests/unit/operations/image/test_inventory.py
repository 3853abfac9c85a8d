from __future__ import annotations

import pytest

from andock.errors import AmbiguousTargetError, BackendUnavailableError, TargetNotFoundError
from andock.operations.image.inventory import IMAGE_HISTORY, IMAGE_INFO, IMAGE_LIST, InfoParams, ListParams
from andock.ports.images import Layer
from tests.unit.operations.fleet import Fleet

DIGEST = "sha256:" + "ab" * 32
WEB = "registry.lab:5000/team/web"


def test_a_list_has_digest_size_and_users_of_every_engine(fleet: Fleet) -> None:
    made = fleet.containers.hold_image("edge-1", f"{WEB}:1", digests=(f"{WEB}@{DIGEST}",))
    container = fleet.containers.run("edge-1", "web")
    fleet.containers.change("edge-1", container, image_id=made)
    nameless = fleet.containers.hold_image("edge-2")
    outcome = fleet.ask(IMAGE_LIST, ListParams())
    assert outcome.summary == "2 images on 2 engines, 1 used by containers."
    assert outcome.table is not None
    assert outcome.table.rows == (
        (f"{WEB}:1", DIGEST[:19], "2 MiB", "2026-01-01 12:00", "1", "edge-1", "dev"),
        (f"{nameless[7:19]} (no name)", nameless[:19], "2 MiB", "2026-01-01 12:00", "", "edge-2", "prod"),
    )


def test_a_list_can_be_of_a_name_of_the_unused_or_empty(fleet: Fleet) -> None:
    fleet.containers.hold_image("edge-1", f"{WEB}:1", f"{WEB}:latest", f"{WEB}:x")
    fleet.containers.hold_image("edge-1", "busybox:1")

    def names(params: ListParams) -> list[str]:
        return [target.name for target, _ in IMAGE_LIST.find(params, fleet.reader()).rows]

    assert names(ListParams(name="*/team/*")) == [f"{WEB}:1"]
    assert names(ListParams(name="BUSY")) == ["busybox:1"]
    assert names(ListParams(unused=True)) == ["busybox:1", f"{WEB}:1"]
    assert (
        fleet.ask(IMAGE_LIST, ListParams(name="nobody")).summary
        == "No image like `nobody` on edge-1, edge-2."
    )


def test_an_engine_that_is_away_is_a_note_and_all_of_them_an_error(fleet: Fleet) -> None:
    fleet.containers.hold_image("edge-1", "web:1")
    fleet.containers.away["edge-2"] = "connection refused"
    assert fleet.ask(IMAGE_LIST, ListParams()).notes == ("edge-2 not reached: connection refused",)
    fleet.containers.away["edge-1"] = "no answer in time"
    with pytest.raises(BackendUnavailableError, match="was not reached"):
        fleet.ask(IMAGE_LIST, ListParams())


@pytest.mark.parametrize(
    "typed", [f"{WEB}:latest", WEB, f"edge-1/{WEB}", f"{WEB}@{DIGEST}", "f00dfeedf00d", "sha256:f00dfeedf00d"]
)
def test_an_image_is_known_by_every_way_to_write_it(fleet: Fleet, typed: str) -> None:
    fleet.containers.hold_image(
        "edge-1", f"{WEB}:latest", digests=(f"{WEB}@{DIGEST}",), id="sha256:" + "f00dfeed" * 8
    )
    outcome = fleet.ask(IMAGE_INFO, InfoParams(image=typed))
    assert outcome.summary == f"`{WEB}:latest` on edge-1: 2 MiB in 1 layer."
    assert dict(outcome.fields)["Digests"] == f"{WEB}@{DIGEST}"
    assert dict(outcome.fields)["Used by"] == "no container"


@pytest.mark.parametrize("typed", ["busybox", "docker.io/library/busybox:latest", "busybox:latest"])
def test_an_image_of_docker_hub_is_known_with_and_without_what_its_name_leaves_out(
    fleet: Fleet, typed: str
) -> None:
    fleet.containers.hold_image("edge-1", "busybox:latest")
    assert fleet.ask(IMAGE_INFO, InfoParams(image=typed)).summary.startswith("`busybox:latest` on edge-1")


def test_an_unknown_image_is_told_with_the_nearest_and_where_it_was_looked_for(fleet: Fleet) -> None:
    fleet.containers.hold_image("edge-1", f"{WEB}:1")
    with pytest.raises(TargetNotFoundError) as caught:
        fleet.ask(IMAGE_INFO, InfoParams(image=f"{WEB}:2"))
    assert caught.value.sentence == (f"No image `{WEB}:2` on `edge-1`, `edge-2`. Did you mean `{WEB}:1`?")


def test_an_image_that_two_engines_have_must_be_said_with_its_engine(fleet: Fleet) -> None:
    for site in ("edge-1", "edge-2"):
        fleet.containers.hold_image(site, "web:1", id="sha256:" + "1" * 64)
    with pytest.raises(AmbiguousTargetError) as caught:
        fleet.ask(IMAGE_INFO, InfoParams(image="web:1"))
    assert caught.value.candidates == ("edge-1/web:1", "edge-2/web:1")
    assert "edge-2" in fleet.ask(IMAGE_INFO, InfoParams(image="edge-2/web:1")).summary


def test_an_image_may_be_on_the_engine_that_is_away(fleet: Fleet) -> None:
    fleet.containers.away["edge-2"] = "connection refused"
    with pytest.raises(BackendUnavailableError, match="and no `web:1` on edge-1"):
        fleet.ask(IMAGE_INFO, InfoParams(image="web:1"))


def test_a_history_has_each_layer_with_size_and_command(fleet: Fleet) -> None:
    layers = (
        Layer('CMD ["httpd"]', 0),
        Layer("mkdir /www", 2048),
        Layer("", 4096, comment="Imported"),
    )
    fleet.containers.hold_image("edge-1", "web:1", history=layers, layers=2)
    outcome = fleet.ask(IMAGE_HISTORY, InfoParams(image="web:1"))
    assert outcome.table is not None
    assert outcome.table.rows == (
        ("3", "", "?", 'CMD ["httpd"]'),
        ("2", "2 KiB", "?", "mkdir /www"),
        ("1", "4 KiB", "?", "Imported"),
    )
    assert "sha256:" in outcome.summary

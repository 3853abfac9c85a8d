"""The tour's containers, images and engines. Each scene looks at the engines themselves for what is so."""

from __future__ import annotations

import re
import secrets

from sandbox.demo.scenes import OPS, Scene, write_moment
from sandbox.demo.stage import Stage
from sandbox.engine import LABEL


def restart_container(stage: Stage) -> None:
    """The engine has another start time."""
    name = stage.installation.containers[0]
    engine = stage.installation.engine
    before = engine.inspect(name).started_at
    stage.ask(OPS, f"/container restart {name}", expect="Done")
    now = engine.inspect(name)
    times = f"was started at {write_moment(now.started_at)}, before that at {write_moment(before)}"
    stage.prove(
        f"engine: {name} is {now.state}, {times}",
        holds=now.state == "running" and now.started_at != before,
    )


def read_logs(stage: Stage) -> None:
    """What the container printed."""
    name = stage.installation.containers[0]
    stage.ask(OPS, f"/container logs {name} --tail 5", expect="GET /health 200")


def look_into_container(stage: Stage) -> None:
    """What the engine made it of, and what it uses of that."""
    name = stage.installation.containers[0]
    answer = stage.ask(OPS, f"/container info {name}", expect="Own namespaces")
    now = stage.installation.engine.inspect(name)
    stage.prove(f"engine: {name} is {now.id[:12]}, {now.state}", holds=now.id[:12] in answer.spoken)
    stage.ask(OPS, f"/container stats {name}", expect=name)


def list_images(stage: Stage) -> None:
    """Every image that the engine has."""
    answer = stage.ask(OPS, "/image list", expect="image")
    held = stage.installation.engine.api.call("GET", "/images/json")
    tags = [tag for image in held for tag in image.get("RepoTags") or ()]
    stage.prove(
        f"engine: {', '.join(tags)}, all in the answer",
        holds=bool(tags) and all(tag in answer.spoken for tag in tags),
    )


def list_networks_and_volumes(stage: Stage) -> None:
    """Also a volume that was made a moment ago, behind Andock's back."""
    engine = stage.installation.engine
    networks = [network["Name"] for network in engine.api.call("GET", "/networks")]
    answer = stage.ask(OPS, "/network list", expect="network")
    stage.prove(
        f"engine: {', '.join(sorted(networks))}, all in the answer",
        holds=bool(networks) and all(name in answer.spoken for name in networks),
    )
    volume = f"cart-{secrets.token_hex(3)}"
    engine.api.call("POST", "/volumes/create", body={"Name": volume, "Labels": {LABEL: engine.owner}})
    answer = stage.ask(OPS, "/volume list", expect="volume")
    stage.prove(f"engine: {volume} was just made, and is in the answer", holds=volume in answer.spoken)


def look_at_engines(stage: Stage) -> None:
    """All of them, however they are reached, and what fills their disks."""
    engines = stage.installation.engines
    answer = stage.ask(OPS, "/engine list", expect=f"{len(engines)} engine")
    for name, engine in engines.items():
        version = engine.api.call("GET", "/version")["Version"]
        way = "mutual TLS" if "tls" in engine.site else "SSH" if "ssh" in engine.site else "a socket"
        stage.prove(
            f"{name}: Docker {version}, which Andock reaches by {way}",
            holds=_has_row(answer.spoken, name, version),
        )
    answer = stage.ask(OPS, "/engine disk", expect="`engine prune` would free")
    for name, engine in engines.items():
        held = engine.api.call("GET", "/system/df")
        images, containers = len(held["Images"] or ()), len(held["Containers"] or ())
        stage.prove(
            f"{name}: {images} images, {containers} containers",
            holds=_has_row(answer.spoken, "images", str(images), name)
            and _has_row(answer.spoken, "containers", str(containers), name),
        )


def _has_row(table: str, first: str, second: str, *more: str) -> bool:
    """Whether a line begins with these two cells and has the others behind them, in this order."""
    pattern = r"\b.*\s".join(re.escape(cell) for cell in (second, *more))
    return re.search(rf"^\s*{re.escape(first)}\s+{pattern}(\s|$)", table, re.MULTILINE) is not None


CONTAINERS = (
    Scene("Restart a container.", restart_container),
    Scene("Read its logs.", read_logs),
    Scene("Look into it: cgroups, namespaces, layers; what it uses.", look_into_container),
    Scene("List images.", list_images),
    Scene("List networks and volumes.", list_networks_and_volumes),
    Scene("Look at the engines, and at what fills their disks.", look_at_engines),
)

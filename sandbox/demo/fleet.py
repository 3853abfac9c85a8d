"""One container's life on the tour: pulled, run, looked into and removed, on an engine behind TLS."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from sandbox.demo.scenes import OPS, Scene
from sandbox.demo.stage import Stage
from sandbox.engine import Engine, EngineError, Transport
from sandbox.registry import Registry

# edge-1 as the machine has it, the others as engines elsewhere are reached
TRANSPORTS = (Transport.UNIX, Transport.TLS, Transport.SSH)
# what `container exec` may run, as sites.yaml has it
COMMANDS: Mapping[str, object] = MappingProxyType({"hostname": {"argv": ["hostname"]}})
SITE = "edge-2"
NAME = "shop"
REPOSITORY, TAG = "team/web", "1"
LIMITS = "--memory 32m --cpus 0.5"
MEMORY, CPUS = 32 * 1024 * 1024, 500_000_000  # bytes, billionths
# serves what the image has, and has written 2.9 MiB before
WORDS = "dd if=/dev/zero of=/www/carts bs=1024 count=3000; exec httpd -f -p 8080 -h /www"
WRITTEN = 3000 * 1024


def pull(stage: Stage) -> None:
    """On every engine, the content that the registry has now."""
    registry = _registry(stage)
    image, digest = _image(registry), registry.digest(REPOSITORY, TAG)
    stage.ask(OPS, f"/image pull {image} --everywhere", expect=digest[:19])
    for name, engine in stage.installation.engines.items():
        held = engine.api.call("GET", f"/images/{quote(image)}/json")["RepoDigests"]
        stage.prove(f"{name}: has {digest[:19]}", holds=any(digest in each for each in held))


def refuse_to_run(stage: Stage) -> None:
    """An image from elsewhere, and a power that no rule gives."""
    wish = f"--name {NAME} {LIMITS} --engine {SITE}"
    image = _image(_registry(stage))
    stage.ask(OPS, f"/container run evil.example/miner:1 {wish}", expect="is not allowed. Allowed are")
    stage.ask(OPS, f"/container run {image} {wish} --privileged", expect="is not allowed by `powers:`")
    stage.prove(f"{SITE}: there is no {NAME}", holds=not _exists(_engine(stage)))


def run(stage: Stage) -> None:
    """With limits, which the kernel keeps."""
    command = f"--name {NAME} {LIMITS} --engine {SITE} -- sh -c '{WORDS}'"
    stage.ask(OPS, f"/container run {_image(_registry(stage))} {command}", expect=f"is running on {SITE}")
    host = _inspect(_engine(stage))["HostConfig"]
    stage.prove(
        f"{SITE}: {NAME} may use {host['Memory']} bytes and {host['NanoCpus'] / 1e9:g} CPUs",
        holds=(host["Memory"], host["NanoCpus"]) == (MEMORY, CPUS),
    )


def execute(stage: Stage) -> None:
    """A command that sites.yaml names, and one that it does not."""
    answer = stage.ask(OPS, f"/container exec {NAME} hostname", expect="ended with exit code 0")
    said = str(_inspect(_engine(stage))["Config"]["Hostname"])
    stage.prove(f"{SITE}: {NAME} is called {said}", holds=said in answer.spoken)
    stage.ask(OPS, f"/container exec {NAME} 'rm -rf /'", expect="is not allowed by `exec:`")


def draw(stage: Stage) -> None:
    """What it uses over a while, as a picture for the channel."""
    answer = stage.ask(OPS, f"/container stats {NAME} --for 5s --share", expect="cpu peak")
    stage.prove_picture(stage.await_file(OPS, answer, f"{NAME}.png"))


def remove(stage: Stage) -> None:
    """What is lost is said before, and the name is typed again."""
    asked = stage.ask(OPS, f"/container remove {NAME} --force", expect="Lost: its writable layer of 2.9 MiB")
    size = _inspect(_engine(stage), size="1")["SizeRw"]
    stage.prove(f"{SITE}: {NAME} is still there and has written {size} bytes", holds=size >= WRITTEN)
    stage.type_name(OPS, asked, NAME, expect="is removed")
    stage.prove(f"{SITE}: {NAME} is gone", holds=not _exists(_engine(stage)))


def _registry(stage: Stage) -> Registry:
    registry = stage.installation.registry
    if registry is None:
        raise RuntimeError("these scenes need a registry")
    return registry


def _image(registry: Registry) -> str:
    return f"{registry.address}/{REPOSITORY}:{TAG}"


def _engine(stage: Stage) -> Engine:
    return stage.installation.engines[SITE]


# Any: the engine's own JSON, of which single values are read.
def _inspect(engine: Engine, **query: str) -> Any:
    return engine.api.call("GET", f"/containers/{NAME}/json", query=query)


def _exists(engine: Engine) -> bool:
    try:
        _inspect(engine)
    except EngineError as error:
        if error.status == HTTPStatus.NOT_FOUND:
            return False
        raise
    return True


FLEET = (
    Scene("Pull an image to every engine, by socket, TLS and SSH; by digest.", pull),
    Scene("Run an image from elsewhere, or with the host's powers: refused.", refuse_to_run),
    Scene("Run a container, within limits.", run),
    Scene("Run a command in it: one that sites.yaml names.", execute),
    Scene("Draw what it uses.", draw),
    Scene("Remove it: what is lost is said, and its name typed again.", remove),
)

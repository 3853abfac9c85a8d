"""The tour's deployments: a version on its way to production, and one that is put back."""

from __future__ import annotations

import urllib.request
from collections.abc import Mapping, Sequence

from sandbox.demo.scenes import LEAD, OPS, OTHER_LEAD, Scene
from sandbox.demo.stage import Stage
from sandbox.installation.services import PORTS, PROD, STAGING, describe_service

PLACES: Mapping[str, Sequence[str]] = {STAGING: ["edge-1"], PROD: ["edge-2", "edge-3"]}


def deploy(stage: Stage) -> None:
    """Pulled by digest, started, healthy."""
    installation = stage.installation
    # one replica and a short look at it, so that the tour goes on
    text = describe_service(installation.fleet.image_address, PLACES, replicas=1, update={"monitor": "1s"})
    installation.write_service(text)
    stage.ask(OPS, "/deploy api v1.0.0 to staging", expect="Done")
    _prove_serving(stage, STAGING, "v1.0.0")


def deploy_to_production(stage: Stage) -> None:
    """Nothing is touched before two leads agreed."""
    asked = stage.ask(OPS, "/deploy api v1.0.0 to prod", expect="Waits for approval")
    stage.click(LEAD, asked, "Approve", expect="Approved by: @lead-1", stays=True)
    stage.prove(
        "engines: nothing runs in prod yet",
        holds=not any(_containers(stage, name) for name in PLACES[PROD]),
    )
    stage.click(OTHER_LEAD, asked, "Approve", expect="Done")
    _prove_serving(stage, PROD, "v1.0.0")


def put_back(stage: Stage) -> None:
    """A version that does not get healthy makes room for the one before it."""
    stage.ask(OPS, "/deploy api v2.0.0-sick to staging", expect="Rolled back")
    _prove_serving(stage, STAGING, "v1.0.0")


def promote(stage: Stage) -> None:
    """What is proven in staging goes on to production, the very same content."""
    stage.ask(OPS, "/deploy api v1.1.0 to staging", expect="Done")
    asked = stage.ask(OPS, "/service promote api to prod", expect="Waits for approval")
    stage.click(LEAD, asked, "Approve", expect="Approved by: @lead-1", stays=True)
    stage.click(OTHER_LEAD, asked, "Approve", expect="Done")
    _prove_serving(stage, PROD, "v1.1.0")
    images = {image for names in PLACES.values() for name in names for image in _containers(stage, name)}
    stage.prove("engines: all three run the same image", holds=len(images) == 1)


def _containers(stage: Stage, engine: str) -> list[str]:
    """The images of the service's running containers."""
    filters = {"label": ["andock.service=api"]}
    listed = stage.installation.engines[engine].api.call(
        "GET", "/containers/json", query={"filters": filters}
    )
    return [str(container["ImageID"]) for container in listed]


def _prove_serving(stage: Stage, environment: str, version: str) -> None:
    """Every container of the environment answers with this version, and there is one on each engine."""
    said = {name: _versions(stage, name) for name in PLACES[environment]}
    stage.prove(
        f"{', '.join(said)}: api answers `{version}`",
        holds=all(found == [version] for found in said.values()),
    )


def _versions(stage: Stage, name: str) -> list[str]:
    engine = stage.installation.engines[name]
    found = []
    for port in PORTS:
        try:
            with urllib.request.urlopen(f"http://{engine.address}:{port}/version", timeout=2) as answer:
                found.append(answer.read().decode().strip())
        except OSError:
            continue
    return found


RELEASES = (
    Scene("Deploy a version to staging.", deploy),
    Scene("Deploy it to production: two leads agree first.", deploy_to_production),
    Scene("Deploy one that does not get healthy: the old one is put back.", put_back),
    Scene("Promote what is proven in staging to production.", promote),
)

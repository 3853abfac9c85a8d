"""An installation with a service: engines and a registry behind gates, and files that say where it runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from andock.ports.registry import ImageName
from andock.ports.services import Check, Place, Service
from config.services import ServiceFiles
from config.sites import load_sites
from sandbox.engine.services import PORT, VERSIONS
from sandbox.installation import Installation
from sandbox.installation.services import PORTS, describe_service
from sandbox.processes import accepts_connections

PLACES = {"staging": ["edge-1"], "prod": ["edge-2", "edge-3"]}


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    state = tmp_path_factory.mktemp("installation")
    with Installation.start(
        state, engines=3, own_engine=True, services=PLACES, gated=True, workers=("docker",)
    ) as running:
        yield running


def test_containers_of_a_service_are_in_its_environment_and_all_else_is_in_dev(
    installation: Installation,
) -> None:
    sites = load_sites(installation.state / "config" / "sites.yaml")
    edge = sites.engines["edge-2"]
    assert edge.environment_of("", ["andock.environment=prod"]) == "prod"
    assert edge.environment_of("", ["andock.environment=staging"]) == "staging"
    assert edge.environment_of("", ["role=web"]) == "dev"
    assert {"staging", "prod", "dev"} <= set(sites.environments)


def test_the_service_says_where_it_runs_and_can_be_said_to_run_otherwise(installation: Installation) -> None:
    address = installation.fleet.image_address
    first = read_api(installation.state)
    assert first.image == ImageName.parse(f"{address}/team/api:v1.0.0")
    assert first.places == {
        "staging": Place("staging", ("edge-1",)),
        "prod": Place("prod", ("edge-2", "edge-3"), after="staging"),
    }
    assert (first.replicas, first.update.order, first.checks) == (
        2,
        "start-first",
        (Check("/ready", PORT, within=10.0),),
    )
    installation.write_service(
        describe_service(
            address,
            {"prod": ["edge-3"]},
            ports="18080-18081",
            update={"parallelism": 3, "failure_action": "pause"},
            environment={"DRAIN": "1"},
        )
    )
    then = read_api(installation.state)
    assert then.ports == ("18080-18081:8080",)
    assert (then.update.parallelism, then.update.failure_action, then.update.monitor) == (3, "pause", 4)
    assert then.environment == {"DRAIN": "1"}
    assert then.places == {"prod": Place("prod", ("edge-3",))}


def read_api(state: Path) -> Service:
    """As Andock reads it."""
    config = state / "config"
    return ServiceFiles(config, load_sites(config / "sites.yaml")).read("api")


def test_every_engine_pulls_a_version_through_the_gate_and_publishes_on_an_address_of_its_own(
    installation: Installation,
) -> None:
    registry, address = installation.registry, installation.fleet.image_address
    assert registry is not None
    for engine in installation.engines.values():
        image = f"{address}/team/api@{registry.digest('team/api', VERSIONS[0])}"
        engine.api.call("POST", "/images/create", query={"fromImage": image}, login=registry.login)
        published = [{"HostIp": "", "HostPort": f"{PORTS[0]}-{PORTS[-1]}"}]
        body = {"Image": image, "HostConfig": {"PortBindings": {f"{PORT}/tcp": published}}}
        engine.api.call("POST", "/containers/create", query={"name": "api-1"}, body=body)
        engine.api.call("POST", "/containers/api-1/start")
        assert accepts_connections(PORTS[0], engine.address)
    assert len({engine.address for engine in installation.engines.values()}) == 3
    assert [call for call in installation.fleet.gates["registry"].calls if "/blobs/" in call]
    for engine in installation.engines.values():
        engine.api.call("DELETE", "/containers/api-1", query={"force": "1"})


def test_andock_speaks_to_engines_through_their_gates(installation: Installation) -> None:
    gates = installation.fleet.gates
    gates["edge-1"].refuse("POST .*/containers/.*/restart", message="no space left on device")
    installation.slack.type("U0OPS1", "C0OPS", "/container restart web")
    said = installation.slack.wait("C0OPS", "U0OPS1", author="app", contains="no space left on device")
    assert "its disk is full" in said.spoken
    assert any("/restart" in call for call in gates["edge-1"].calls)
    assert not any("/restart" in call for call in gates["edge-2"].calls)

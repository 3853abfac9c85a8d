from __future__ import annotations

import pytest

from andock.errors import TargetNotFoundError, UserError
from andock.operation import Outcome, Params, Ports, Read, Reader
from andock.operations.service.inventory import SERVICE_INFO, SERVICE_LIST, InfoParams, ListParams
from andock.ports.container_insight import Limits
from andock.ports.registry import ImageName
from andock.ports.services import Check, HealthCheck, Place, Rollout, SecretRef, Service
from tests.fakes.containers import FakeContainers
from tests.fakes.services import FakeServices
from tests.unit.operations.container.chat import Eye

API = Service(
    "api",
    ImageName("registry.lab:5000", "team/api"),
    command=("serve", "--fast"),
    environment={
        "LOG_LEVEL": "info",
        "TOKEN": SecretRef("env", "API_TOKEN"),
        "CERT": SecretRef("file", "c.pem"),
    },
    ports=("8080-8082:80",),
    volumes=("data:/var/lib/api",),
    networks=("shop",),
    healthcheck=HealthCheck(("CMD", "check", "-q"), interval=5, timeout=0.5, start_period=60, retries=3),
    labels={"team": "shop"},
    replicas=2,
    limits=Limits(memory=256 * 1024**2, cpus=0.5, pids=100, restart="unless-stopped"),
    update=Rollout(2, 10, "start-first", "rollback", 30, 0.5),
    rollback=Rollout(0),
    places={
        "dev": Place("dev", ("edge-1",)),
        "prod": Place("prod", ("edge-2", "far"), after="dev"),
    },
    checks=(Check("/ready", 80),),
    announce="#releases",
)
WEB = Service("web", ImageName.parse("nginx:1.27"), places={"prod": Place("prod", ("edge-2",))})


class Desk:
    """Two engines of one pool, and what a read says of their services."""

    def __init__(self) -> None:
        self.services = FakeServices()
        self.containers = FakeContainers({"edge-1": "dev", "edge-2": "prod"})

    def reader(self, site: str | None = None) -> Reader:
        return Reader(watch=Eye(), site=site, ports=Ports(containers=self.containers, services=self.services))

    def ask(self, operation: Read[Params, object], params: Params, site: str | None = None) -> Outcome:
        found = operation.find(params, self.reader(site))
        if not found.rows:
            return Outcome(summary=found.empty, notes=found.notes)
        return operation.run(params, self.reader(site), found)


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.services.hold(API, WEB)
    return desk


def test_a_list_has_image_environments_and_replicas(desk: Desk) -> None:
    outcome = desk.ask(SERVICE_LIST, ListParams())

    assert outcome.summary == "2 services on 2 engines."
    assert outcome.table is not None
    assert outcome.table.rows == (
        ("api", "registry.lab:5000/team/api", "dev (edge-1), prod (edge-2)", "2"),
        ("web", "nginx:1.27", "prod (edge-2)", "1"),
    )


def test_a_list_is_narrowed_by_name_environment_and_site(desk: Desk) -> None:
    assert desk.ask(SERVICE_LIST, ListParams(name="WE")).summary == "1 service on 1 engine."
    assert desk.ask(SERVICE_LIST, ListParams(environment="dev")).summary == "1 service on 1 engine."
    assert desk.ask(SERVICE_LIST, ListParams(), site="edge-2").summary == "2 services on 1 engine."
    empty = desk.ask(SERVICE_LIST, ListParams(name="db", environment="dev"))
    assert empty.summary == "No service like `db` in dev on edge-1, edge-2."


def test_a_broken_file_hides_no_other_service(desk: Desk) -> None:
    desk.services.broken["db"] = "Service `db` cannot be used as its file is now. services/db.yaml:3: no."

    outcome = desk.ask(SERVICE_LIST, ListParams())

    assert outcome.summary == "2 services on 2 engines."
    assert outcome.notes == ("Service `db` cannot be used as its file is now. services/db.yaml:3: no.",)


def test_policy_judges_a_service_on_each_engine_and_the_rest_is_shown(desk: Desk) -> None:
    found = SERVICE_INFO.find(InfoParams(service="api"), desk.reader())
    assert [target.key for target, _ in found.rows] == ["service:edge-1/api", "service:edge-2/api"]
    assert [target.environment for target, _ in found.rows] == ["dev", "prod"]

    shown = SERVICE_INFO.run(
        InfoParams(service="api"), desk.reader(), type(found)(found.rows[:1], found.notes, found.empty)
    )
    assert dict(shown.fields)["Environments"] == "dev (edge-1)"


def test_info_says_all_of_the_file_and_secrets_by_where_they_lie(desk: Desk) -> None:
    outcome = desk.ask(SERVICE_INFO, InfoParams(service="api"))

    assert outcome.summary == "Service `api`: `registry.lab:5000/team/api` in `dev`, `prod`."
    assert outcome.text.splitlines() == [
        "LOG_LEVEL=info",
        "TOKEN from variable API_TOKEN of the worker",
        "CERT from file c.pem of the worker",
    ]
    assert dict(outcome.fields) == {
        "Version": "named by whoever deploys",
        "Environments": "dev (edge-1), prod (edge-2)",
        "Order": "prod after dev",
        "Replicas": "2 on each engine",
        "Command": "serve --fast",
        "Ports": "`8080-8082:80`",
        "Volumes": "`data:/var/lib/api`",
        "Networks": "`shop`",
        "Health check": "`check -q`, every 5 s, within 0.5 s, 3 failures in a row make it unhealthy, "
        "none count in the first 60 s",
        "Checks": "`/ready` on port 80 within 60 s",
        "Limits": "0.5 CPUs, 256 MiB, 100 processes",
        "Restart": "unless-stopped",
        "Stop": "10 s from TERM to KILL",
        "Update": "2 engines at a time, start-first, watched for 30 s, on failure rollback, 10 s between, "
        "up to 50% may fail",
        "Rollback": "all at once, stop-first, watched for 5 s, on failure pause",
        "Announced in": "#releases",
        "Labels": "`team=shop`",
        "Config": API.config,
    }


def test_info_of_a_plain_service_leaves_out_what_its_file_does_not_say(desk: Desk) -> None:
    fields = dict(desk.ask(SERVICE_INFO, InfoParams(service="web", environment="prod")).fields)

    assert fields["Version"] == "1.27"
    assert fields["Health check"] == "the image's own"
    assert fields["Limits"] == "none"
    assert not {"Order", "Command", "Ports", "Checks", "Labels", "Announced in"} & fields.keys()


def test_info_refuses_what_there_is_not(desk: Desk) -> None:
    with pytest.raises(TargetNotFoundError):
        desk.ask(SERVICE_INFO, InfoParams(service="apu"))
    with pytest.raises(UserError, match="has no environment `dev`; it has: `prod`"):
        desk.ask(SERVICE_INFO, InfoParams(service="web", environment="dev"))
    outcome = desk.ask(SERVICE_INFO, InfoParams(service="web"), site="edge-1")
    assert outcome.summary == "`web` does not run on edge-1."

"""Deployments on real engines, with images of a real registry; the runner's part is played by hand."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from andock.errors import BackendError, Changed, LeaseLostError, NoChangeError, OpsError, TargetNotFoundError
from andock.operation import Done, Mark, NotDone, Plan, Ports, Reader, Step, Writer
from andock.operations.service.deploying import plan_deploy
from andock.operations.service.params import PlaceParams, VersionParams
from andock.operations.service.returning import RollbackParams, plan_rollback
from andock.operations.service.scaling import plan_restart
from andock.operations.service.taking import settle_step, take_step
from andock.ports.container_insight import Limits
from andock.ports.registry import ImageName
from andock.ports.services import Check, HealthCheck, Place, Rollout, Service
from config.sites import Engine as Site
from config.sites import ImageRegistry, SecretReference
from sandbox.engine import LABEL, Engine, start_engine
from sandbox.engine.images import build_image
from sandbox.processes import free_port
from sandbox.registry import Registry, start_registry
from tests.contract.test_service_containers import free_range
from tests.fakes.services import FakeServices
from tests.unit.operations.container.chat import Eye
from workers.containers import DockerContainers, Engines, HttpRegistry

SITES = ("edge-1", "edge-2")
WELL = "HEALTHCHECK --interval=300ms --timeout=5s --retries=2 CMD wget -q -O /dev/null http://127.0.0.1:8080/ready"
SERVE = "exec httpd -f -p 8080 -h /w"


def serving(version: str, *, ready: bool = True) -> str:
    page = "ready" if ready else "unready"
    return f'RUN mkdir /w && echo {version} > /w/{page}\n{WELL}\nCMD ["sh", "-c", "{SERVE}"]\n'


IMAGES = {
    "v1": serving("v1"),
    "v2": serving("v2"),
    "sick": serving("sick", ready=False).replace("exec", "echo no database; exec"),
    "crash": 'CMD ["sh", "-c", "echo begun; sleep 0.3; echo fatal >&2; exit 3"]\n',
    "late": f'{serving("late").partition("CMD [")[0]}CMD ["sh", "-c", "(sleep 2; rm /w/ready) & {SERVE}"]\n',
    "plain": f'RUN mkdir /w && echo plain > /w/ready\nCMD ["sh", "-c", "{SERVE}"]\n',
}


@dataclass
class Dying:
    """A checkpoint behind which the worker dies, before the change that it was for."""

    after: int
    seen: int = 0

    def __call__(self, _mark: Mark) -> None:
        if self.seen == self.after:
            raise LeaseLostError("killed")
        self.seen += 1


@dataclass
class Lab:
    """Two engines, a registry, one service and what a worker has of them."""

    engines: dict[str, Engine]
    registry: Registry
    containers: DockerContainers
    port: HttpRegistry
    services: FakeServices = field(default_factory=FakeServices)
    eye: Eye = field(default_factory=Eye)

    def hold(self, **fields: object) -> Service:
        service = Service(
            name="api",
            image=ImageName.parse(f"{self.registry.address}/team/api:v1"),
            labels={LABEL: self.engines["edge-1"].owner},
            limits=Limits(restart="unless-stopped"),
            stop_grace=1,
            update=Rollout(monitor=1.0),
            rollback=Rollout(monitor=0.2, parallelism=0),
            places={"prod": Place("prod", SITES)},
        )
        self.services.hold(replace(service, **fields))  # type: ignore[arg-type]  each test's own
        return self.services.held["api"]

    def reader(self, request: str) -> Reader:
        return Reader(watch=self.eye, request=request, ports=self._ports)

    def writer(self, request: str, checkpoint: Callable[[Mark], None] = lambda _mark: None) -> Writer:
        return Writer(
            watch=self.eye, request=request, ports=self._ports, checkpoint=checkpoint, mark=Mark(begun_at=0.0)
        )

    @property
    def _ports(self) -> Ports:
        return Ports(containers=self.containers, registry=self.port, services=self.services)

    def plan(self, version: str, request: str) -> Plan:
        return plan_deploy(
            VersionParams(name="api", version=version, environment="prod"), self.reader(request)
        )

    def deploy(self, version: str, request: str) -> None:
        self.take(self.plan(version, request), request)

    def take(self, plan: Plan, request: str) -> None:
        """Steps in order; when one fails, what was begun is put back, the last first."""
        begun: list[Step] = []
        for step in plan.steps:
            begun.append(step)
            try:
                take_step(step, self.writer(request))
            except OpsError:
                for undo in [one.undo for one in reversed(begun) if one.undo]:
                    take_step(undo, self.writer(request))
                raise

    def pull(self, plan: Plan, request: str) -> None:
        """Take the steps that pull."""
        for step in plan.steps:
            if step.action == "pull":
                take_step(step, self.writer(request))

    def on(self, site: str) -> dict[str, tuple[str, str, str]]:
        """By name: version, state and restart policy of each container of the service."""
        ids = self.containers.find_labelled(site, "andock.service=api")
        found = [self.containers.read_container(site, one) for one in ids]
        return {one.name: (one.labels["andock.version"], one.state, one.restart_policy) for one in found}

    def runs(self, version: str, *names: str) -> bool:
        """Whether every engine runs this version, and has nothing else of the service."""
        wanted = dict.fromkeys(names or ("api-1",), (version, "running", "unless-stopped"))
        return all(self.on(site) == wanted for site in SITES)


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Engine]]:
    started = {site: start_engine(tmp_path_factory.mktemp(site), own=True) for site in SITES}
    yield started
    for engine in started.values():
        engine.stop()


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory, engines: dict[str, Engine]) -> Iterator[Registry]:
    registry, engine = start_registry(tmp_path_factory.mktemp("registry")), engines["edge-1"]
    engine.import_busybox()
    for version, dockerfile in IMAGES.items():
        name = f"{registry.address}/team/api:{version}"
        build_image(engine.api, name, dockerfile)
        registry.push(engine, name)
    yield registry
    registry.stop()


@pytest.fixture
def lab(engines: dict[str, Engine], registry: Registry) -> Iterator[Lab]:
    known = {site: Site(url=engine.url, environment="prod") for site, engine in engines.items()}
    site = ImageRegistry(
        user=registry.user,
        password=SecretReference(env="P"),
        insecure=True,
        allow=(f"{registry.address}/team/*",),
    )
    port = HttpRegistry({registry.address: site}, Path("/"), {"P": registry.password})
    containers = DockerContainers(Engines(known, Path("/")), registry=port)
    lab = Lab(engines, registry, containers, port)
    lab.hold()
    yield lab
    containers.close()
    owner = f"{LABEL}={engines['edge-1'].owner}"
    for name, engine in engines.items():
        for one in lab.containers.find_labelled(name, owner):
            lab.containers.remove(name, one, force=True, volumes=True)
        engine.remove_labelled()
    lab.containers.close()


def roll_of(plan: Plan, site: str) -> Step:
    return next(step for step in plan.steps if step.action == "roll" and step.target.site == site)


def undo_of(step: Step) -> Step:
    assert step.undo is not None
    return step.undo


# --- good ones ------------------------------------------------------------------------------------------


def test_versions_come_and_go(lab: Lab) -> None:
    lab.deploy("v1", "r1")
    assert lab.runs("v1")
    lab.deploy("v2", "r2")
    assert lab.runs("v2")
    with pytest.raises(NoChangeError):
        lab.plan("v2", "r3")
    back = plan_rollback(RollbackParams(name="api", environment="prod"), lab.reader("r4"))
    lab.take(back, "r4")
    assert lab.runs("v1")
    lab.take(plan_restart(PlaceParams(name="api", environment="prod"), lab.reader("r5")), "r5")
    assert lab.runs("v1")


def test_two_replicas_share_a_range_of_ports_and_somebody_always_answers(lab: Lab) -> None:
    first = free_range(3)
    lab.hold(
        replicas=2,
        ports=(f"127.0.0.1:{first}-{first + 2}:8080",),
        update=Rollout(order="start-first", monitor=0.5),
        checks=(Check("/ready", 8080),),
        places={"prod": Place("prod", ("edge-1",))},
    )
    lab.deploy("v1", "r1")
    known = {"edge-1": Site(url=lab.engines["edge-1"].url, environment="prod")}
    client = DockerContainers(Engines(known, Path("/")))
    stop, silent = threading.Event(), []

    def answers(container: str) -> bool:
        try:
            return not client.probe("edge-1", container, 8080, "/ready")
        except TargetNotFoundError:
            return False

    def ask() -> None:
        while not stop.is_set():
            if not any(map(answers, client.find_labelled("edge-1", "andock.service=api"))):
                silent.append(time.monotonic())

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        lab.deploy("v2", "r2")
    finally:
        stop.set()
        asking.join()
        client.close()
    assert not silent
    assert {name: found[0] for name, found in lab.on("edge-1").items()} == {"api-1": "v2", "api-2": "v2"}


# --- bad ones -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [pytest.param("stop-first", marks=pytest.mark.long), "start-first"])
@pytest.mark.parametrize(
    ("version", "why"),
    [
        ("sick", r"^`api-1` on edge-\d is unhealthy: .*\nno database"),
        ("crash", r"^`api-1` on edge-\d (ended with|is) .*\nbegun\nfatal"),
        ("late", r"^`api-1` on edge-\d is unhealthy"),
    ],
)
def test_a_bad_version_is_told_and_the_old_one_is_back(lab: Lab, version: str, why: str, order: str) -> None:
    lab.hold(update=Rollout(monitor=0.0, parallelism=0))
    lab.deploy("v1", "r1")
    lab.hold(update=Rollout(order=order, monitor=5.0))  # type: ignore[arg-type]  one of two
    with pytest.raises(BackendError, match=why) as caught:
        lab.deploy(version, "r2")
    assert caught.value.changed is Changed.PARTLY
    assert lab.runs("v1")


@pytest.mark.parametrize("bad", SITES)
def test_what_earlier_engines_did_is_put_back_too(lab: Lab, bad: str) -> None:
    """The last engine fails, or the first: somebody has taken the port there meanwhile."""
    port = free_port()
    lab.deploy("v1", "r1")
    lab.hold(ports=(f"127.0.0.1:{port}:8080",), places={"prod": Place("prod", (bad,))})
    plan = lab.plan("v2", "r2")
    thief = "edge-1" if bad == "edge-2" else "edge-2"
    lab.engines[thief].run_container(
        "thief", ["sleep", "60"], ports={8080: port}, image=f"{lab.registry.address}/team/api:v1"
    )
    with pytest.raises(BackendError, match=r"`edge-\d` refused: .*(address already in use|port is already)"):
        lab.take(plan, "r2")
    assert lab.runs("v1")


def test_a_check_that_does_not_pass_in_time_is_a_failure(lab: Lab) -> None:
    lab.deploy("v1", "r1")
    lab.hold(checks=(Check("/missing", 8080, within=1.0),))
    with pytest.raises(BackendError, match="does not pass its check `/missing` on port 8080: it answers 404"):
        lab.deploy("v2", "r2")
    assert lab.runs("v1")


def test_an_image_without_a_health_check_is_watched_all_the_same(lab: Lab) -> None:
    lab.deploy("plain", "r1")
    assert lab.runs("plain")
    bad = HealthCheck(("CMD-SHELL", "echo never; false"), interval=0.2, timeout=5, retries=1)
    lab.hold(healthcheck=bad)
    with pytest.raises(BackendError, match="is unhealthy: never"):
        lab.deploy("plain", "r2")
    assert lab.runs("plain")


# --- crashes --------------------------------------------------------------------------------------------


def test_a_worker_killed_behind_any_mark_is_taken_up_or_put_back(lab: Lab) -> None:
    lab.hold(update=Rollout(order="start-first", monitor=0.2), places={"prod": Place("prod", ("edge-1",))})
    lab.deploy("v1", "r0")
    for after in range(7):
        request, runs = f"r{after}k", lab.on("edge-1")["api-1"][0]
        plan = lab.plan("v2" if runs == "v1" else "v1", request)
        roll, closing = roll_of(plan, "edge-1"), plan.closing[0]
        lab.pull(plan, request)
        with pytest.raises(LeaseLostError) if after < 6 else contextlib.nullcontext():
            take_step(roll, lab.writer(request, Dying(after)))
        if after % 2:
            take_step(undo_of(roll), lab.writer(request))
        else:
            if isinstance(settle_step(roll, lab.reader(request), Mark(begun_at=0)), NotDone):
                take_step(roll, lab.writer(request))
            take_step(closing, lab.writer(request))
            runs = "v2" if runs == "v1" else "v1"
        assert lab.on("edge-1") == {"api-1": (runs, "running", "unless-stopped")}


@pytest.mark.long
def test_an_engine_that_dies_in_the_middle_is_put_back_when_it_is_there_again(lab: Lab) -> None:
    lab.deploy("v1", "r1")
    plan = lab.plan("late", "r2")
    lab.pull(plan, "r2")
    roll, engine = roll_of(plan, "edge-1"), lab.engines["edge-1"]
    marks: list[Mark] = []

    def kill_in_the_middle(mark: Mark) -> None:
        marks.append(mark)
        if len(marks) == 5:  # the old container is stopped by then
            engine.kill()

    try:
        with pytest.raises(BackendError) as caught:
            take_step(roll, lab.writer("r2", kill_in_the_middle))
        assert caught.value.changed is not Changed.NOTHING
        with pytest.raises(BackendError):
            take_step(undo_of(roll), lab.writer("r2"))
    finally:
        engine.restart()
    take_step(undo_of(roll), lab.writer("r2"))
    assert lab.runs("v1")


@pytest.mark.long
def test_an_engine_that_is_restarted_in_the_middle_is_waited_for(lab: Lab) -> None:
    lab.hold(update=Rollout(monitor=8.0), places={"prod": Place("prod", ("edge-1",))})
    lab.deploy("v1", "r1")
    plan, watching = lab.plan("v2", "r2"), threading.Event()

    @dataclass
    class Watcher(Eye):
        def look(self, *, percent: int | None = None, text: str = "") -> None:  # noqa: ARG002  the Watch's words
            if "watching" in text:
                watching.set()

    lab.eye = Watcher()
    with ThreadPoolExecutor(1) as worker:
        taking = worker.submit(lab.take, plan, "r2")
        assert watching.wait(60)
        lab.engines["edge-1"].restart()
        taking.result()
    assert lab.on("edge-1") == {"api-1": ("v2", "running", "unless-stopped")}


def test_settling_waits_until_it_was_watched_long_enough(lab: Lab) -> None:
    lab.hold(places={"prod": Place("prod", ("edge-1",))})
    plan = lab.plan("plain", "r1")  # it has no health check, of which nobody knows since when it passes
    lab.take(plan, "r1")
    roll = roll_of(plan, "edge-1")
    long = roll.model_copy(update={"args": {**roll.args, "monitor": 600.0}})
    assert isinstance(settle_step(long, lab.reader("r1"), Mark(begun_at=0)), NotDone)
    assert isinstance(settle_step(roll, lab.reader("r1"), Mark(begun_at=0)), Done)

"""Builds what an RQ worker prepares before the fork, and what its horses open after it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from andock.audit import AuditRecord, Event, Journal
from andock.inventory import Inventory
from andock.leases import Leases
from andock.memberships import Roster
from andock.operation import Backend, Ports
from andock.outbox import Outbox
from andock.ports.watch import Watch
from andock.protection import Protection
from andock.rejections import Kind, Rejections
from andock.residents import Residents
from andock.runner import Runner
from andock.signing import Signer, load_signer
from andock.versions import VersionIndex
from config.installation import Installation, connect
from config.own_container import find_container_ids
from config.settings import Settings
from config.sites import Sites, Vcenter
from workers.horse import HorseWorker, make_worker
from workers.jobs import Performer, install
from workers.own import EngineSurroundings, find_own
from workers.standby import Call

log = structlog.get_logger()
OpenPorts = Callable[[Watch], AbstractContextManager[Ports]]


@dataclass(frozen=True)
class Prepared:
    """What a worker's horses need of its backend.

    Attributes:
        open_ports: in a horse, for its job.
        before_fork: in the parent; returns what compares unequal once what horses inherit has changed.
        warm_up: in a horse that has no job yet, until it is called.
    """

    open_ports: OpenPorts
    before_fork: Callable[[], object]
    warm_up: Callable[[Callable[[], bool]], None]


def prepare_worker(
    installation: Installation, settings: Settings, backend: Backend, pool: str, queue: str
) -> HorseWorker:
    """The worker of one queue, with SDK, catalogue and sessions loaded in the parent."""
    names = [name for name in installation.sites.names(backend) if installation.sites.pool_of(name) == pool]
    if backend is Backend.VSPHERE:
        prepared = _prepare_vsphere(installation, settings, names)
    else:
        prepared = _prepare_docker(installation, settings, names)
    runner = make_runner(installation, load_signer(settings.keys_dir, "worker"))
    if backend is Backend.DOCKER:
        surroundings = _make_surroundings(installation, settings, runner.protection)
        runner = replace(runner, surroundings=surroundings)

    def refresh() -> object:
        edition, policy = prepared.before_fork(), installation.policy.current()
        # the runner that horses inherit; each judges by one policy from its start to its end
        install(Performer(replace(runner, policy=policy), prepared.open_ports))
        return edition, policy

    # RQ blocks on its queue for longer than our other clients may wait for an answer
    redis = connect(settings.redis_url.get_secret_value(), timeout=None)
    refresh()

    def warm_up(call: Call) -> None:
        prepared.warm_up(lambda: call.came)
        if not call.came:
            _rehearse_record(runner.journal)

    signal.signal(signal.SIGHUP, lambda _signum, _frame: installation.policy.look_soon())
    return make_worker(
        redis,
        queue,
        refresh,
        Rejections(runner.journal).teller(Kind.JOB),
        warm_up=warm_up,
        clients=(installation.ledger.redis,),
    )


def make_runner(installation: Installation, signer: Signer) -> Runner:
    """The runner over this installation's ledger and policy."""
    ledger, verifier, instance = installation.ledger, installation.verifier, installation.sites.instance
    journal = Journal(ledger, signer, verifier)
    return Runner(
        ledger=ledger,
        leases=Leases(ledger),
        outbox=Outbox(ledger),
        journal=journal,
        roster=Roster(ledger, verifier, Rejections(journal).teller(Kind.MEMBERSHIP)),
        catalogue=installation.catalogue,
        policy=installation.policy.current(),
        protection=find_own(installation.sites.own),
        verifier=verifier,
        instance=instance,
        announce=installation.sites.announce,
    )


def _rehearse_record(journal: Journal) -> None:
    """Seal a record, open it and look for the recorder's word, to no effect: see decision 17."""
    sealed = journal.seal(AuditRecord(event=Event.DECIDED))
    journal.verifier.open(sealed, AuditRecord, by="worker")
    journal.is_silent()


def _make_surroundings(installation: Installation, settings: Settings, own: Protection) -> EngineSurroundings:
    here = find_container_ids()
    log.info("own_containers", here=here, declared=installation.sites.own.containers)
    return EngineSurroundings(
        own=own,
        here=frozenset(here),
        residents=Residents(installation.ledger),
        redis_url=settings.redis_url.get_secret_value(),
        engines=installation.sites.engines,
    )


def read_own_secrets(sites: Sites, pool: str, base: Path) -> Iterator[str]:
    """What the workers of a pool log in to its sites with.

    Raises:
        ConfigError: one of them cannot be read.
    """
    from config.credentials import read_secret  # noqa: PLC0415  only once this process is known to be a worker

    for name in sites.sites_in((pool,)):
        site = sites.site(name)
        if isinstance(site, Vcenter):
            yield read_secret(site.password, of=name, base=base).get_secret_value()
            continue
        if site.tls is not None:
            yield read_secret(site.tls.key, of=f"engines.{name}.tls", base=base).get_secret_value()
        if site.ssh is not None:
            yield read_secret(site.ssh.key, of=f"engines.{name}.ssh", base=base).get_secret_value()
    if pool in sites.pools_of(Backend.DOCKER):
        for address, registry in sites.registries.items():
            if registry.password is not None:
                of = f"registries.{address}"
                yield read_secret(registry.password, of=of, base=base).get_secret_value()


def _prepare_vsphere(installation: Installation, settings: Settings, names: list[str]) -> Prepared:
    from workers.charts import MatplotlibCharts  # noqa: PLC0415
    from workers.vcenters import open_vcenters, tags_decide  # noqa: PLC0415  a Docker worker never reads vCenter's secrets
    from workers.vsphere import PyVmomiVSphere, VcenterTrace, rehearse  # noqa: PLC0415

    sessions = open_vcenters(installation, settings, names)
    index = Inventory(installation.ledger)

    @contextmanager
    def open_ports(watch: Watch) -> Iterator[Ports]:
        by_tags = [name for name in names if tags_decide(installation, name)]
        vsphere = PyVmomiVSphere(sessions, index, by_tags=by_tags, watch=watch)
        trace = VcenterTrace(sessions, installation.sites.instance)
        try:
            yield Ports(vsphere=vsphere, trace=trace, charts=MatplotlibCharts())
        finally:
            trace.close()
            vsphere.close()

    def before_fork() -> object:
        sessions.prepare()
        return sessions.edition

    return Prepared(open_ports, before_fork, lambda enough: sessions.warm_up(enough, rehearse))


def _prepare_docker(installation: Installation, settings: Settings, names: list[str]) -> Prepared:
    from workers.charts import MatplotlibCharts  # noqa: PLC0415
    from workers.containers import DockerContainers, Engines, HttpRegistry  # noqa: PLC0415
    from workers.services import FileServices  # noqa: PLC0415
    from workers.versions import KeepingRegistry  # noqa: PLC0415

    engines = Engines({name: installation.sites.engines[name] for name in names}, settings.config_dir)
    registry = HttpRegistry(installation.sites.registries, settings.config_dir)
    keeping = KeepingRegistry(registry, VersionIndex(installation.ledger))
    services = FileServices(installation.services, names, installation.redactor)

    def before_fork() -> object:
        services.learn()
        registry.prepare()
        engines.prepare()
        return engines.edition

    @contextmanager
    def open_ports(_watch: Watch) -> Iterator[Ports]:
        services.learn()  # a file may have changed since this horse was forked
        containers = DockerContainers(
            engines, installation.sites.allowances, registry=registry, redactor=installation.redactor
        )
        try:
            yield Ports(containers=containers, registry=keeping, charts=MatplotlibCharts(), services=services)
        finally:
            containers.close()

    return Prepared(open_ports, before_fork, engines.warm_up)

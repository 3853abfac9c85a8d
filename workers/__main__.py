"""Starts the workers' processes: `python -m workers vsphere|docker|keeper`, or one part of them alone."""

from __future__ import annotations

import difflib
import importlib
import signal
import sys
import threading
from collections.abc import Sequence
from functools import partial
from types import FrameType

import click
from redis.exceptions import RedisError

from andock.audit import Journal
from andock.chain.lines import FOLDER
from andock.doorbell import queue_name
from andock.errors import ConfigError, OpsError, UnknownSiteError
from andock.operation import Backend
from andock.receipts import RECORDER
from andock.signing import load_audit_key, load_signer
from config.installation import Installation, load_installation, start_process
from config.logs import start_logging
from config.settings import RecorderSettings, Settings, SlackSettings, read_settings
from config.sites import ProcessName
from workers.supervisor import Part, Supervisor

LINES: dict[Backend, ProcessName] = {Backend.VSPHERE: "worker-vsphere", Backend.DOCKER: "worker-docker"}

# Modules that a line's parts need, loaded once, before the fork; only the courier loads Slack's SDK.
MODULES: dict[Backend, tuple[str, ...]] = {
    Backend.VSPHERE: ("workers.performers", "workers.vcenters"),
    Backend.DOCKER: ("workers.performers", "workers.containers", "workers.services", "workers.versions"),
}
KEEPER_MODULES = ("workers.janitor", "workers.recorder")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Andock's workers and its keeper."""


@cli.command()
@click.option("--pool", multiple=True, help="Only these pools' workers (default: all pools of vCenters).")
def vsphere(pool: tuple[str, ...]) -> None:
    """The RQ workers of the vCenters' pools, and their watchers."""
    _supervise_backend(Backend.VSPHERE, pool)


@cli.command()
@click.option("--pool", multiple=True, help="Only these pools' workers (default: all pools of engines).")
def docker(pool: tuple[str, ...]) -> None:
    """The RQ workers of the engines' pools."""
    _supervise_backend(Backend.DOCKER, pool)


@cli.command()
def keeper() -> None:
    """Courier, janitor, and two recorders, of which one stands by."""
    _load(KEEPER_MODULES)
    start_logging(read_settings(Settings).log_level, "keeper")
    parts = [_part(name, name) for name in ("courier", "janitor")]
    parts += [_part(f"recorder-{number}", "recorder") for number in (1, 2)]
    sys.exit(Supervisor(parts, grace=15).run())


@cli.command()
@click.argument("backend", type=click.Choice(["vsphere", "docker"]))
@click.argument("pool")
@click.argument("kind", type=click.Choice(["read", "change", "long"]))
def rq(backend: str, pool: str, kind: str) -> None:
    """One RQ worker on one queue of one pool."""
    from workers.performers import prepare_worker, read_own_secrets  # noqa: PLC0415  the keeper never loads a vendor's SDK

    settings = read_settings(Settings)
    own = partial(read_own_secrets, pool=pool, base=settings.config_dir)
    installation = start_process(settings, LINES[Backend(backend)], own=own)
    queue = queue_name(installation.sites.instance, pool, kind)
    prepare_worker(installation, settings, Backend(backend), pool, queue).work(with_scheduler=False)


@cli.command()
@click.argument("backend", type=click.Choice(["vsphere"]))
@click.argument("pool")
def watch(backend: str, pool: str) -> None:
    """The watcher of one pool: keeps the inventory index current."""
    from workers.performers import read_own_secrets  # noqa: PLC0415  the keeper never loads a vendor's SDK
    from workers.vcenters import watch_pool  # noqa: PLC0415

    settings = read_settings(Settings)
    own = partial(read_own_secrets, pool=pool, base=settings.config_dir)
    installation = start_process(settings, LINES[Backend(backend)], f"{pool}.watcher", own=own)
    sys.exit(0 if watch_pool(installation, settings, pool, _stopped_by_signal()) else 1)


@cli.command()
def courier() -> None:
    """Posts what is due in Slack."""
    from workers.courier import Courier, connect_slack  # noqa: PLC0415  slack_sdk is the courier's alone

    settings = read_settings(SlackSettings)
    installation = start_process(settings, "keeper", "courier")
    slack = connect_slack(settings.slack_bot_token.get_secret_value(), settings.slack_api_url)
    journal = Journal(installation.ledger, load_signer(settings.keys_dir, "courier"), installation.verifier)
    Courier(installation.ledger, journal, installation.verifier, slack).run(_stopped_by_signal())


@cli.command()
def janitor() -> None:
    """Rings again, starts settling, ends what is too late."""
    from workers.janitor import Janitor  # noqa: PLC0415

    settings = read_settings(Settings)
    i = start_process(settings, "keeper", "janitor")
    journal = Journal(i.ledger, load_signer(settings.keys_dir, "janitor"), i.verifier)
    Janitor(i.ledger, i.doorbell, i.catalogue, i.routing, i.verifier, journal).run(_stopped_by_signal())


@cli.command()
def recorder() -> None:
    """Puts the audit record on disk; a second one stands by."""
    from workers.recorder import Recorder  # noqa: PLC0415

    settings = read_settings(RecorderSettings)
    i = start_process(settings, "keeper", "recorder")
    journal = Journal(i.ledger, load_signer(settings.keys_dir, RECORDER), i.verifier)
    key = load_audit_key(settings.keys_dir)
    Recorder(journal, settings.state_dir / FOLDER, key, i.sites.audit).run(_stopped_by_signal())


@cli.command()
@click.argument("what", type=click.Choice(["register", "unregister"]))
@click.option("--site", multiple=True, help="Only this vCenter (default: all).")
def vcenter(what: str, site: tuple[str, ...]) -> None:
    """Make Andock an extension of its vCenters, so that they show who asked; or take that back."""
    from workers.registration import register_all, unregister_all  # noqa: PLC0415  the keeper never loads a vendor's SDK

    settings = read_settings(Settings)
    start_logging("ERROR", "vcenter")
    installation = load_installation(settings)
    vcenters = installation.sites.vcenters
    for name in set(site) - set(vcenters):
        raise UnknownSiteError(name, similar=difflib.get_close_matches(name, vcenters, n=2))
    done = register_all if what == "register" else unregister_all
    sys.exit(0 if done(installation, settings, site) else 1)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def doctor(as_json: bool) -> None:
    """Check configuration, keys, Redis, Slack, sites and clocks; exit code 1 if anything fails."""
    from workers.doctor import examine, print_findings  # noqa: PLC0415  loads every SDK, as no worker may

    start_logging("ERROR", "doctor")
    sys.exit(0 if print_findings(examine(), as_json=as_json) else 1)


def _supervise_backend(backend: Backend, only: tuple[str, ...]) -> None:
    installation = start_process(read_settings(Settings), LINES[backend])
    pools = installation.sites.pools_of(backend)
    unknown = set(only) - set(pools)
    if unknown:
        raise ConfigError(
            f"there is no pool `{unknown.pop()}`.", where="--pool", fix=f"one of: {', '.join(pools)}."
        )
    parts = [
        _part(f"{pool}.{kind}.{number}", "rq", backend.value, pool, kind, serves=pool)
        for pool in only or pools
        for kind, count in installation.sites.pool(pool)
        for number in range(count)
    ]
    if backend is Backend.VSPHERE:
        parts += [_part(f"{pool}.watcher", "watch", backend.value, pool) for pool in only or pools]
    _load(MODULES[backend])
    sys.exit(Supervisor(parts, beat=_Heart(installation)).run())


def _load(modules: Sequence[str]) -> None:
    for module in modules:
        importlib.import_module(module)


def _part(name: str, *words: str, serves: str = "") -> Part:
    """A part that does what `python -m workers WORDS` does."""
    return Part(name, " ".join((sys.executable, "-m", "workers", *words)), partial(main, words), serves)


class _Heart:
    """Says in Redis which pools have a live worker."""

    def __init__(self, installation: Installation) -> None:
        self._ledger = installation.ledger

    def __call__(self, pools: set[str]) -> None:
        try:
            for pool in pools:
                self._ledger.say_alive(pool, 15)
        except RedisError:
            return  # said again in 5 s; the bot hears of Redis' absence by itself


def _stopped_by_signal() -> threading.Event:
    stop = threading.Event()

    def ask_stop(_signum: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, ask_stop)
    signal.signal(signal.SIGINT, ask_stop)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # they have nothing to read again
    return stop


def main(words: Sequence[str] | None = None) -> None:
    """Run a command, by default the process' own; a wrong configuration is one sentence and exit code 2."""
    try:
        cli(words, standalone_mode=True)
    except OpsError as error:
        click.echo(error.sentence, err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()

"""What every process builds first: sites, policy, catalogue and Redis, from one set of settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from andock.catalogue import Catalogue, load_catalogue
from andock.doorbell import Doorbell
from andock.errors import ConfigError
from andock.ledger import Ledger
from andock.redaction import Redactor
from andock.residents import Residents
from andock.routing import Route, Routing
from andock.signing import Verifier, load_verifier
from config.live_policy import LivePolicy
from config.logs import start_logging
from config.own_container import find_container_ids
from config.redactor import make_redactor, name_unread
from config.services import ServiceFiles
from config.settings import Settings
from config.sites import ProcessName, Sites, load_sites

log = structlog.get_logger()

REDIS_TIMEOUT = 2.0  # seconds; "Redis is away" must be said within 3


@dataclass(frozen=True)
class Installation:
    """The checked configuration of one installation, and its ledger."""

    sites: Sites
    policy: LivePolicy
    catalogue: Catalogue
    routing: Routing
    verifier: Verifier
    redis: Redis
    ledger: Ledger
    doorbell: Doorbell
    redactor: Redactor
    services: ServiceFiles


def connect(url: str, *, timeout: float | None = REDIS_TIMEOUT) -> Redis:
    """A Redis client that says at once when Redis is away, instead of repeating what may have been done."""
    return Redis.from_url(
        url,
        socket_timeout=timeout,
        socket_connect_timeout=REDIS_TIMEOUT,
        retry=Retry(NoBackoff(), 0),
        driver_info=None,  # else every connection, one a job, looks up the client's version on the disk
    )


def _nothing(_sites: Sites) -> tuple[str, ...]:
    """The secrets of a process that logs in to no site."""
    return ()


def start_process(
    settings: Settings,
    line: ProcessName,
    part: str = "",
    own: Callable[[Sites], Iterable[str]] = _nothing,
) -> Installation:
    """What a process does first: read what an operator edits, and log from then on, without secrets.

    Args:
        settings: its environment.
        line: the line of the Procfile that it belongs to.
        part: its own name in the log, if it is one of several parts.
        own: reads the secrets with which it logs in to sites.

    Raises:
        ConfigError: the first thing wrong, with file, line and fix.
    """
    installation = load_installation(settings, own)
    start_logging(settings.log_level, part or line, installation.redactor)
    _tell_where(installation.ledger)
    unread = name_unread(installation.sites, line, settings.config_dir)
    if unread:
        log.warning("secrets_not_known", references=unread, fix="andock doctor")
    return installation


def _tell_where(ledger: Ledger) -> None:
    """Let the workers know which container this process runs in, so that nobody stops it through them."""
    ids = find_container_ids()
    try:
        Residents(ledger).tell(ids)
    except RedisError as error:
        log.warning("own_container_not_told", containers=ids, problem=type(error).__name__)


def load_installation(settings: Settings, own: Callable[[Sites], Iterable[str]] = _nothing) -> Installation:
    """Read and check everything an operator edits; `own` as in `start_process`.

    Raises:
        ConfigError: the first thing wrong, with file, line and fix.
    """
    catalogue = load_catalogue()
    sites = load_sites(settings.config_dir / "sites.yaml")
    services = ServiceFiles(settings.config_dir, sites)
    services.load_all()  # only to check them: whoever needs one reads it anew
    policy = LivePolicy(settings.config_dir / "policy.yaml", operations=catalogue, sites=sites)
    redactor = make_redactor(settings, sites, own(sites))
    redis = _connect(settings)
    routes = {name: Route(sites.backend_of(name), sites.pool_of(name)) for name in sites.names()}
    return Installation(
        sites=sites,
        policy=policy,
        catalogue=catalogue,
        routing=Routing(routes),
        verifier=load_verifier(settings.keys_dir),
        redis=redis,
        ledger=Ledger(redis, sites.instance, redactor),
        doorbell=Doorbell(redis, sites.instance, pools_with_long_workers(sites)),
        redactor=redactor,
        services=services,
    )


def _connect(settings: Settings) -> Redis:
    try:
        return connect(settings.redis_url.get_secret_value())
    except ValueError:  # its text may hold a part of the password
        raise ConfigError(
            "is no address that redis-py reads.",
            where="REDIS_URL",
            fix="write redis://:PASSWORD@HOST:PORT/0, rediss://... for TLS, or unix://PATH.",
        ) from None


def pools_with_long_workers(sites: Sites) -> tuple[str, ...]:
    """Pools that keep workers for long operations alone."""
    pools = {sites.pool_of(name) for name in sites.names()}
    return tuple(pool for pool in pools if sites.pool(pool).long)

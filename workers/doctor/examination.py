"""All checks, side by side and each within a limit, so that what hangs holds nothing up."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

from andock.errors import OpsError
from andock.redaction import Redactor
from config.credentials import read_secret
from config.redactor import secrets_of
from config.settings import BotSettings, Settings, SlackSettings, read_settings
from config.sites import SecretReference, Sites
from workers.doctor.configuration import check_keys, check_known, check_policy, check_sites, list_allowed
from workers.doctor.engines import check_engine
from workers.doctor.findings import Finding, censor, fail, fail_with
from workers.doctor.hooks import check_hooks, secrets_of_hooks
from workers.doctor.redis_server import check_redis
from workers.doctor.registries import check_registry
from workers.doctor.services import check_services, name_secrets
from workers.doctor.slack import check_slack
from workers.doctor.vcenters import check_vcenter

WITHIN = 5.0  # seconds for each check that asks another machine

Findings: TypeAlias = tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class _Check:
    what: str
    look: Callable[[], Findings]


def examine() -> Findings:
    """Look at everything that the environment names; takes about `WITHIN` at most, and never raises ours."""
    try:
        settings = read_settings(Settings)
    except OpsError as error:
        return (fail_with("environment", error),)
    sites, about_sites = check_sites(settings.config_dir)
    found = [about_sites, check_policy(settings.config_dir, sites), *check_keys(settings.keys_dir)]
    if sites is not None:
        found += [check_known(sites, settings.config_dir), *check_services(sites, settings.config_dir)]
        found += check_hooks(sites, settings.config_dir)
    redis_url = settings.redis_url.get_secret_value()
    checks = [_Check("redis", lambda: check_redis(redis_url)), _Check("slack", _examine_slack)]
    if sites is not None:
        checks += _checks_of_sites(sites, settings.config_dir)
    found += _look_at_all(checks)
    # values alone: what only looks like one is an example in a fix
    return censor(found, Redactor(_secrets(settings, sites), shapes=()))


def _examine_slack() -> Findings:
    try:
        return check_slack(read_settings(BotSettings))
    except OpsError as error:
        return (fail_with("slack", error),)


def _checks_of_sites(sites: Sites, base: Path) -> list[_Check]:
    checks = []
    for name, vcenter in sites.vcenters.items():
        channels = {"alarms": sites.alarms.channel, "events": sites.events_of(name).channel}
        told = tuple(what for what, channel in channels.items() if channel)
        look = partial(
            check_vcenter, name, vcenter, base, sites.instance, list_allowed(base, sites, name), told
        )
        checks.append(_Check(f"vcenter {name}", look))
    checks += [
        _Check(f"engine {name}", partial(check_engine, name, engine, base))
        for name, engine in sites.engines.items()
    ]
    checks += [
        _Check(f"registry {address}", partial(check_registry, address, registry, base))
        for address, registry in sites.registries.items()
    ]
    return checks


def _look_at_all(checks: list[_Check]) -> list[Finding]:
    """What all checks found, in their order. One that is late is left behind: its thread ends with us."""
    answers: list[queue.SimpleQueue[Findings]] = []
    for check in checks:
        answer: queue.SimpleQueue[Findings] = queue.SimpleQueue()
        threading.Thread(target=_look, args=(check, answer), name=check.what, daemon=True).start()
        answers.append(answer)
    until = time.monotonic() + WITHIN
    found: list[Finding] = []
    for check, answer in zip(checks, answers, strict=True):
        try:
            found += answer.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            fix = "look why it hangs: overloaded, or a firewall that drops packets?"
            found.append(fail(check.what, f"no answer within {WITHIN:g} s", fix))
    return found


def _look(check: _Check, answer: queue.SimpleQueue[Findings]) -> None:
    try:
        answer.put(check.look())
    except Exception as error:  # noqa: BLE001  the boundary: one check's bug hides no other check's finding
        detail = f"internal error: {type(error).__name__} (a bug of the doctor)"
        answer.put((fail(check.what, detail, "report it, with the versions of what it looked at."),))


def _secrets(settings: Settings, sites: Sites | None) -> Iterator[str]:
    """Everything that must not be printed, as far as it can be read."""
    yield settings.redis_url.get_secret_value()
    yield from secrets_of(settings)
    for model in (SlackSettings, BotSettings):
        try:
            yield from secrets_of(read_settings(model))
        except OpsError:
            continue
    references: list[SecretReference] = []
    if sites is not None:
        yield from secrets_of_hooks(sites, settings.config_dir)
        references += [vcenter.password for vcenter in sites.vcenters.values()]
        references += [engine.tls.key for engine in sites.engines.values() if engine.tls is not None]
        references += [engine.ssh.key for engine in sites.engines.values() if engine.ssh is not None]
        references += [known.password for known in sites.registries.values() if known.password is not None]
        references += sites.redact.secrets
        references += name_secrets(sites, settings.config_dir)
    for reference in references:
        try:
            yield read_secret(reference, of="doctor", base=settings.config_dir).get_secret_value()
        except (OpsError, ValueError):
            continue

"""A service's file in words."""

from __future__ import annotations

from collections.abc import Iterable

from andock.naming import count, list_names
from andock.ports.services import Check, HealthCheck, Place, Rollout, SecretRef, Service
from andock.sizes import write_size

_MANY = 50


def write_places(places: Iterable[Place]) -> tuple[str, ...]:
    """`staging (edge-1)`, `prod (edge-2, edge-3)`."""
    return tuple(f"{place.environment} ({', '.join(place.engines)})" for place in places)


def write_variables(service: Service) -> str:
    """Its environment variables, one a line; a secret by where it lies."""
    return "\n".join(
        f"{name} from {'variable' if value.kind == 'env' else 'file'} {value.name} of the worker"
        if isinstance(value, SecretRef)
        else f"{name}={value}"
        for name, value in service.environment.items()
    )


def write_checks(checks: Iterable[Check]) -> str:
    """`/ready` on port 8080 within 60 s."""
    return ", ".join(f"`{check.path}` on port {check.port} within {check.within:g} s" for check in checks)


def list_fields(service: Service, places: Iterable[Place]) -> tuple[tuple[str, str], ...]:
    """What its file says, but for its variables; what it does not say is left out."""
    fields = (
        ("Version", service.image.tag or "named by whoever deploys"),
        ("Environments", ", ".join(write_places(places))),
        ("Order", ", ".join(f"{place.environment} after {place.after}" for place in places if place.after)),
        ("Replicas", f"{service.replicas} on each engine"),
        ("Command", " ".join(service.command)),
        ("Ports", list_names(service.ports, _MANY)),
        ("Volumes", list_names(service.volumes, _MANY)),
        ("Networks", list_names(service.networks, _MANY)),
        ("Health check", _write_health(service.healthcheck)),
        ("Checks", write_checks(service.checks)),
        ("Limits", _write_limits(service)),
        ("Restart", service.limits.restart),
        ("Stop", f"{service.stop_grace} s from TERM to KILL"),
        ("Update", _write_rollout(service.update)),
        ("Rollback", _write_rollout(service.rollback)),
        ("Announced in", service.announce),
        ("Labels", ", ".join(f"`{key}={value}`" for key, value in sorted(service.labels.items()))),
        ("Config", service.config),
    )
    return tuple((label, value) for label, value in fields if value)


def _write_health(check: HealthCheck | None) -> str:
    if check is None:
        return "the image's own"
    if check.test == ("NONE",):
        return "none"
    test = f"`{' '.join(check.test[1:])}`" if check.test else "the image's own"
    said = [test]
    said += [f"every {check.interval:g} s"] if check.interval else []
    said += [f"within {check.timeout:g} s"] if check.timeout else []
    said += [f"{count(check.retries, 'failure')} in a row make it unhealthy"] if check.retries else []
    said += [f"none count in the first {check.start_period:g} s"] if check.start_period else []
    return ", ".join(said)


def _write_limits(service: Service) -> str:
    limits = service.limits
    said = [f"{limits.cpus:g} CPUs"] if limits.cpus else []
    said += [write_size(limits.memory)] if limits.memory else []
    said += [f"{limits.pids} processes"] if limits.pids else []
    return ", ".join(said) or "none"


def _write_rollout(rollout: Rollout) -> str:
    engines = f"{count(rollout.parallelism, 'engine')} at a time" if rollout.parallelism else "all at once"
    said = [
        engines,
        rollout.order,
        f"watched for {rollout.monitor:g} s",
        f"on failure {rollout.failure_action}",
    ]
    said += [f"{rollout.delay:g} s between"] if rollout.delay else []
    said += [f"up to {rollout.max_failure_ratio:.0%} may fail"] if rollout.max_failure_ratio else []
    return ", ".join(said)

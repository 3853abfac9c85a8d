"""Words of the Compose specification that Andock refuses, each with what to do instead."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from andock.errors import ConfigError
from config.documents import Document, Place

_IN_IMAGE = "remove it, and say so in the image."
_POWER = "remove it; Andock gives services nothing of their host but binds and the host's network."
_ALONE = "remove it; Andock rolls out one service at a time."
_LIMIT = "write it under deploy.resources.limits."
_FILE = {
    "build": "let CI build the image, and name it with `image`.",
    "configs": "put the file into the image, or into a volume.",
    "secrets": "write a variable of the service as {env: NAME} or {file: PATH}.",
    "include": "write it out in this file.",
    "models": "remove it.",
}
_SERVICE = {
    "build": _FILE["build"],
    "configs": _FILE["configs"],
    "secrets": _FILE["secrets"],
    "env_file": "write the variables under `environment`.",
    "extends": _FILE["include"],
    "profiles": "remove it; x-andock.environments says where it runs.",
    "depends_on": _ALONE,
    "links": "remove it; services of one network find each other by name.",
    "external_links": "remove it; services of one network find each other by name.",
    "expose": "remove it; within a network all ports can be reached.",
    "container_name": "remove it; containers are named after the service, `api-1`.",
    "scale": "write deploy.replicas.",
    "cpus": _LIMIT,
    "mem_limit": _LIMIT,
    "pids_limit": _LIMIT,
    "tmpfs": "mount a volume there.",
    "pull_policy": "remove it; what is deployed is pulled by its digest.",
    "pull_refresh_after": "remove it; what is deployed is pulled by its digest.",
    "entrypoint": _IN_IMAGE,
    "user": _IN_IMAGE,
    "working_dir": _IN_IMAGE,
    "stop_signal": _IN_IMAGE,
    "label_file": "write the labels under `labels`.",
    "logging": "remove it, and set it for the engine.",
    "dns": "remove it, and set it for the engine.",
    "privileged": _POWER,
    "cap_add": _POWER,
    "devices": _POWER,
    "gpus": _POWER,
    "pid": _POWER,
    "ipc": _POWER,
    "uts": _POWER,
    "userns_mode": _POWER,
    "cgroup": _POWER,
    "security_opt": _POWER,
    "sysctls": _POWER,
    "healthcheck.start_interval": "remove it.",
    "deploy.placement": "remove it; x-andock.environments names the engines.",
    "deploy.endpoint_mode": "remove it; clients reach each engine by its ports.",
    "deploy.labels": "write them under the service's `labels`.",
    "deploy.restart_policy": "write `restart: on-failure` in the service.",
    "deploy.resources.reservations": "remove it; only limits are set.",
}
_OTHERS = (
    "annotations",
    "attach",
    "blkio_config",
    "cap_drop",
    "cgroup_parent",
    "cpu_count",
    "cpu_percent",
    "cpu_period",
    "cpu_quota",
    "cpu_rt_period",
    "cpu_rt_runtime",
    "cpu_shares",
    "cpuset",
    "credential_spec",
    "develop",
    "device_cgroup_rules",
    "dns_opt",
    "dns_search",
    "domainname",
    "extra_hosts",
    "group_add",
    "hostname",
    "init",
    "isolation",
    "mac_address",
    "mem_reservation",
    "mem_swappiness",
    "memswap_limit",
    "models",
    "oom_kill_disable",
    "oom_score_adj",
    "platform",
    "post_start",
    "pre_stop",
    "provider",
    "read_only",
    "runtime",
    "shm_size",
    "stdin_open",
    "storage_opt",
    "tty",
    "ulimits",
    "use_api_socket",
    "volumes_from",
)
UNSUPPORTED: Mapping[str, str] = {**dict.fromkeys(_OTHERS, "remove it."), **_SERVICE}
"""Keys of a service, those inside others with dots, and the way out."""
EXTENSION = "x-andock"


def refuse_unsupported(document: Document) -> None:
    """Let a document pass without words that are known and not supported.

    Raises:
        ConfigError: names the first, its line and the way out.
    """
    _refuse(document, (), document.data, _FILE)
    services = document.data.get("services") if isinstance(document.data, dict) else None
    for name, service in services.items() if isinstance(services, dict) else ():
        _refuse(document, ("services", str(name)), service, UNSUPPORTED)
        networks = service.get("networks") if isinstance(service, dict) else None
        for network, how in networks.items() if isinstance(networks, dict) else ():
            if isinstance(how, dict):
                fixes = dict.fromkeys(how, "remove it; the service's own name is its alias there.")
                _refuse(document, ("services", str(name), "networks", str(network)), how, fixes)


def _refuse(document: Document, place: Place, data: Any, fixes: Mapping[str, str]) -> None:
    for path, fix in fixes.items():
        *outer, key = path.split(".")
        inner = data
        for part in outer:
            inner = inner.get(part) if isinstance(inner, dict) else None
        if isinstance(inner, dict) and key in inner:
            where = document.where((*place, *outer, key))
            raise ConfigError(f"`{path}` is not supported.", where=where, fix=fix)


def without_extensions(document: Document, data: Any, place: Place) -> Any:
    """A mapping without the `x-` keys of others, which mean nothing here, as the specification has it.

    Raises:
        ConfigError: one looks like `x-andock`.
    """
    if not isinstance(data, dict):
        return data
    for key in data:
        if str(key) != EXTENSION and difflib.get_close_matches(str(key), [EXTENSION], cutoff=0.8):
            raise document.unknown((*place, str(key)), "key", str(key), [EXTENSION])
    return {key: value for key, value in data.items() if key == EXTENSION or not str(key).startswith("x-")}

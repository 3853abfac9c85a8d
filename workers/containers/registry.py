"""The `Registry` port: what may be pulled, what a name stands for, and with which login."""

from __future__ import annotations

import difflib
import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests

from andock.errors import BackendRejectedError, BackendUnavailableError, ConfigError, TargetNotFoundError
from andock.ports.registry import ImageName, Resolved, Versions
from andock.refusals import ImageNotAllowedError
from config.credentials import read_secret
from config.sites import ImageRegistry
from workers.containers.distribution import Access, Answer, Login, fetch
from workers.containers.faults import explain
from workers.containers.versions import IMAGES, LISTS, MANIFESTS, list_platforms, read_tags

MOST_TAGS = 1000
_NEAREST = 3


class HttpRegistry:
    """Implements `Registry`, and knows the logins that engines pull with."""

    def __init__(
        self, registries: Mapping[str, ImageRegistry], base: Path, environ: Mapping[str, str] = os.environ
    ) -> None:
        """Opens nothing. `base` and `environ` are where files and variables of sites.yaml are."""
        self._registries = dict(registries)
        self._base = base
        self._environ = environ
        self._logins: dict[str, Login | None] = {}

    def prepare(self) -> None:
        """Read passwords and look for CAs, once. Talks to nobody.

        Raises:
            ConfigError: one is not there.
        """
        for address, registry in self._registries.items():
            self.login(address)
            ca = self._ca(registry)
            if isinstance(ca, str) and not os.access(ca, os.R_OK):
                where = f"registries.{address}.ca"
                raise ConfigError(f"{ca} cannot be read.", where=where, fix="check path and owner.")

    def login(self, address: str) -> Login | None:
        """The login of a registry that sites.yaml names; None where it has none.

        Raises:
            ConfigError: its password is not there.
        """
        registry = self._registries[address]
        if address not in self._logins:
            self._logins[address] = None
            if registry.user is not None and registry.password is not None:
                where = f"registries.{address}"
                secret = read_secret(registry.password, of=where, base=self._base, environ=self._environ)
                self._logins[address] = Login(registry.user, secret.get_secret_value())
        return self._logins[address]

    def check_allowed(self, name: ImageName) -> None:
        """See `Registry`."""
        registry = self._registries.get(name.registry)
        if registry is None or not any(name.fits(pattern) for pattern in _allowed(name.registry, registry)):
            listed = [p for address, known in self._registries.items() for p in _allowed(address, known)]
            raise ImageNotAllowedError(name.familiar, listed)

    def resolve(self, name: ImageName) -> Resolved:
        """See `Registry`."""
        self.check_allowed(name)
        path = f"/v2/{name.repository}/manifests/{name.digest or name.tag}"
        with self._asking(name):
            answer = self._get(name, path, MANIFESTS)
            kind = answer.headers.get("Content-Type", "").partition(";")[0].strip()
            document = answer.document
        kind = kind if kind in (*LISTS, *IMAGES) else str(document.get("mediaType", kind))
        # not what a header claims: this is the content that an engine will insist on
        digest = f"sha256:{hashlib.sha256(answer.body).hexdigest()}"
        if name.digest not in ("", digest):
            raise BackendRejectedError(_title(name), f"what it sent for `{name.familiar}` is something else")
        if kind in LISTS:
            return Resolved(name.at(digest), platforms=tuple(list_platforms(document)))
        if kind not in IMAGES:
            raise BackendRejectedError(_title(name), f"`{name.familiar}` is of a kind that cannot be pulled")
        parts = [document.get("config", {}), *document.get("layers", ())]
        return Resolved(name.at(digest), size=sum(int(part.get("size", 0)) for part in parts))

    def tags(self, name: ImageName) -> tuple[str, ...]:
        """See `Registry`."""
        self.check_allowed(name)
        with self._asking(name):
            return self._list_tags(name)

    def versions(self, name: ImageName, most: int, within: float) -> Versions:
        """See `Registry`."""
        names = self.tags(name)
        get = partial(self._get, name)
        return Versions(read_tags(get, name.repository, names, most=most, within=within), len(names))

    def greet(self, address: str) -> None:
        """Ask a registry whether it lets us in at all, as `andock doctor` does. Raises as `resolve`."""
        name = ImageName(address, "")
        with self._asking(name):
            self._get(name, "/v2/", "application/json")

    def _list_tags(self, name: ImageName) -> tuple[str, ...]:
        found: list[str] = []
        path = f"/v2/{name.repository}/tags/list?n={MOST_TAGS}"
        while path and len(found) < MOST_TAGS:
            answer = self._get(name, path, "application/json")
            found += answer.document.get("tags") or ()
            path = _next_page(answer.headers.get("Link", ""), path)
        return tuple(sorted(found[:MOST_TAGS]))

    @contextmanager
    def _asking(self, name: ImageName) -> Iterator[None]:
        """Around requests about one image: what goes wrong becomes ours."""
        try:
            yield
        except requests.HTTPError as error:
            if error.response.status_code == HTTPStatus.NOT_FOUND and name.repository:
                raise TargetNotFoundError(
                    "image", name.familiar, searched=(name.registry,), similar=self._similar(name)
                ) from error
            raise _refused(name, error.response, logged_in=self.login(name.registry) is not None) from error
        except (requests.RequestException, OSError) as error:
            where = f"registries.{name.registry}"
            raise BackendUnavailableError(_title(name), explain(error, settings=where, of="")) from error
        except ValueError as error:
            raise BackendUnavailableError(_title(name), "what answers there is no registry") from error

    def _similar(self, name: ImageName) -> tuple[str, ...]:
        """Names with the nearest tags that the repository has, if it has any."""
        try:
            tags = self._list_tags(name)
        except (requests.RequestException, OSError, ValueError):
            return ()
        near = difflib.get_close_matches(name.tag, tags, n=_NEAREST, cutoff=0.3) or tags[-_NEAREST:]
        return tuple(ImageName(name.registry, name.repository, tag).familiar for tag in near)

    def _get(self, name: ImageName, path: str, accept: str) -> Answer:
        registry = self._registries[name.registry]
        access = Access(name.registry, self.login(name.registry), self._ca(registry), registry.insecure)
        return fetch(access, path, accept=accept)

    def _ca(self, registry: ImageRegistry) -> str | None:
        return str(self._base / registry.ca) if registry.ca is not None else None


def _next_page(link: str, path: str) -> str:
    found = re.match(r'\s*<([^>]+)>\s*;.*rel="?next"?', link)
    if found is None:
        return ""
    target = urlsplit(urljoin(path, found.group(1)))
    return f"{target.path}?{target.query}"  # the same registry, whatever host it names


def _allowed(address: str, registry: ImageRegistry) -> tuple[str, ...]:
    return registry.allow or (f"{address}/*",)


def _title(name: ImageName) -> str:
    return f"Registry `{name.registry}`"


def _refused(
    name: ImageName, answer: requests.Response, *, logged_in: bool
) -> BackendRejectedError | BackendUnavailableError:
    status = answer.status_code
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        where = f"registries.{name.registry} in sites.yaml"
        why = f"it did not accept our login, see {where}" if logged_in else f"it wants a login, see {where}"
        of_the_image = f"; or `{name.familiar}` may not be seen with it" if name.repository else ""
        return BackendRejectedError(_title(name), why + of_the_image)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return BackendUnavailableError(_title(name), "it takes no more requests of us for now; try later")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return BackendUnavailableError(_title(name), f"it failed with HTTP {status}")
    return BackendRejectedError(_title(name), f"HTTP {status}")

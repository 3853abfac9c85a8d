"""The part of the port about images."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from andock.ports.images import Image, ImageRow, Layer
from andock.ports.registry import ImageName
from andock.ports.sites import Listing
from andock.ports.uses import Use
from andock.ports.watch import Watch
from workers.containers.calls import ask
from workers.containers.engines import EngineClient
from workers.containers.fleet import FleetCalls, Users, users_of
from workers.containers.inventory import read_time
from workers.containers.pulling import pull
from workers.containers.registry import HttpRegistry

_NONE = "<none>"
_SHELL = re.compile(r"^/bin/sh -c (?:#\(nop\) +)?")
# what a build was given: variables of its own (`|2 A=x B=y /bin/sh -c ...`), or of the image (`ENV A=x`)
_GIVEN = re.compile(r"^((?:RUN )?\|\d+ )(.*?)(?= /\S+ -\S*c |$)|^((?:ENV|ARG) )(.*)$", re.DOTALL)
_VALUE = re.compile(r"([A-Za-z_][\w.-]*)=.*?(?=\s[A-Za-z_][\w.-]*=|$)", re.DOTALL)


class ImageCalls(FleetCalls):
    """Implements `Images`."""

    _registry: HttpRegistry | None = None  # knows the logins that images are pulled with

    def list_images(self, site: str | None = None) -> Listing[ImageRow]:
        """See `Images`."""
        listing = self._each(site, self._list_images)
        rows = sorted(listing.rows, key=lambda row: (row.names[:1] or ("~",), row.id, row.site))
        return Listing(tuple(rows), listing.searched, listing.not_reached)

    def read_image(self, site: str, image: str) -> Image:
        """See `Images`."""
        with self._asking_about(site, "image", image) as client:
            found, history = ask(client, f"/images/{image}/json"), ask(client, f"/images/{image}/history")
            used = users_of(client.containers(all=True), _images_of)
        return self._image(site, found, history, used.get(found["Id"], ()))

    def pull_image(self, site: str, name: ImageName, watch: Watch) -> None:
        """See `Images`."""
        login = self._registry.login(name.registry) if self._registry is not None else None
        with self._telling_about(site, "image", name.familiar) as client:
            pull(client, site, name, login, watch, self._redactor)
        if name.tag:
            with self._telling_about(site, "image", name.familiar) as client:
                client.tag(name.pinned, name.path, name.tag)

    def remove_image(self, site: str, reference: str) -> None:
        """See `Images`."""
        with self._telling_about(site, "image", reference) as client:
            client.remove_image(reference)

    def _list_images(self, client: EngineClient, site: str) -> tuple[ImageRow, ...]:
        used = users_of(client.containers(all=True), _images_of)
        return tuple(self._image_row(site, listed, used) for listed in client.images())

    def _image_row(self, site: str, listed: Mapping[str, Any], used: Users) -> ImageRow:
        labels = dict(listed.get("Labels") or {})
        return ImageRow(
            site=site,
            id=listed["Id"],
            names=_known(listed.get("RepoTags")),
            digests=_known(listed.get("RepoDigests")),
            size=listed.get("Size", 0),
            environment=self._environment(site, labels),
            made_at=_at(listed.get("Created", 0)),
            labels=labels,
            used_by=used.get(listed["Id"], ()),
        )

    def _image(
        self,
        site: str,
        found: Mapping[str, Any],
        history: Iterable[Mapping[str, Any]],
        used_by: tuple[Use, ...],
    ) -> Image:
        config: Mapping[str, Any] = found.get("Config") or {}
        labels = dict(config.get("Labels") or {})
        health = (config.get("Healthcheck") or {}).get("Test") or ()
        return Image(
            site=site,
            id=found["Id"],
            names=_known(found.get("RepoTags")),
            digests=_known(found.get("RepoDigests")),
            size=found.get("Size", 0),
            environment=self._environment(site, labels),
            made_at=read_time(found.get("Created", "")),
            labels=labels,
            used_by=used_by,
            platform="/".join(
                part for part in (found.get("Os"), found.get("Architecture"), found.get("Variant")) if part
            ),
            entrypoint=self._redactor.redact(shlex.join(config.get("Entrypoint") or ())),
            command=self._redactor.redact(shlex.join(config.get("Cmd") or ())),
            user=config.get("User", ""),
            folder=config.get("WorkingDir", ""),
            ports=tuple(sorted(config.get("ExposedPorts") or ())),
            volumes=tuple(sorted(config.get("Volumes") or ())),
            variables=tuple(sorted(pair.partition("=")[0] for pair in config.get("Env") or ())),
            health=self._redactor.redact(
                " ".join(part for part in health if part not in {"CMD", "CMD-SHELL"})
            ),
            layers=len((found.get("RootFS") or {}).get("Layers") or ()),
            history=tuple(self._layer(line) for line in history),
        )

    def _layer(self, line: Mapping[str, Any]) -> Layer:
        command = self._redactor.redact(hide_values(_SHELL.sub("", line.get("CreatedBy") or "")))
        return Layer(
            command=" ".join(command.split()),
            size=line.get("Size", 0),
            made_at=_at(line.get("Created", 0)),
            comment=self._redactor.redact(line.get("Comment") or ""),
        )


def hide_values(command: str) -> str:
    """The command that made a layer, without the values of variables that it was given."""

    def hide(found: re.Match[str]) -> str:
        head, given = found.group(1) or found.group(3), found.group(2) or found.group(4) or ""
        return head + _VALUE.sub(r"\1=…", given)

    return _GIVEN.sub(hide, command)


def _at(seconds: int) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds > 0 else None


def _images_of(container: Mapping[str, Any]) -> Iterable[str]:
    yield container.get("ImageID", "")


def _known(names: Iterable[str] | None) -> tuple[str, ...]:
    return tuple(sorted(name for name in names or () if _NONE not in name))

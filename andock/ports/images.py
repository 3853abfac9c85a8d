"""What operations ask of engines about images. A part of the `Containers` port."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from andock.ports.registry import ImageName
from andock.ports.sites import Listing
from andock.ports.uses import Use
from andock.ports.watch import Watch


@dataclass(frozen=True, slots=True)
class ImageRow:
    """One image on one engine."""

    site: str
    id: str  # sha256:..., of its configuration; the same on every engine
    names: tuple[str, ...]  # with their tags, as engines show them; none when it has lost its last one
    digests: tuple[
        str, ...
    ]  # `registry.lab:5000/team/web@sha256:...`; none when it was never pulled or pushed
    size: int  # bytes of all layers, also those that it shares with others
    environment: str
    made_at: datetime | None = None  # aware, UTC
    labels: Mapping[str, str] = field(default_factory=dict)
    used_by: tuple[Use, ...] = ()


@dataclass(frozen=True, slots=True)
class Layer:
    """One line of an image's history, a layer or a change of its settings."""

    command: str  # what made it, without the shell around it
    size: int  # bytes; 0 for settings
    made_at: datetime | None = None
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Image(ImageRow):
    """One image as `image info` and `image history` show it; values of variables are never read."""

    platform: str = ""  # `linux/amd64`
    entrypoint: str = ""
    command: str = ""
    user: str = ""
    folder: str = ""  # that it starts in
    ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()  # names only
    health: str = ""  # the command of its health check
    layers: int = 0  # that hold files
    history: tuple[Layer, ...] = ()  # newest first


class Images(Protocol):
    """Images of the engines. Raises as `Containers`; `TargetNotFoundError` when the image is gone."""

    def list_images(self, site: str | None = None) -> Listing[ImageRow]:
        """All images of one engine or of all, by name, each with the containers that use it.

        Raises:
            UnknownSiteError: no engine has that name.
        """
        ...

    def read_image(self, site: str, image: str) -> Image:
        """Everything of the image with this id."""
        ...

    def pull_image(self, site: str, name: ImageName, watch: Watch) -> None:
        """Let the engine fetch exactly the content of the name's digest, and give it the name's tag.

        Tells how far it is, and stops fetching when `watch` ends it.

        Raises:
            BackendRejectedError: the engine could not; nothing of the image is there then.
        """
        ...

    def remove_image(self, site: str, reference: str) -> None:
        """Take a name away, and with the last one the image; by its id an image that has no name.

        Never by force: the engine refuses while a container uses it.
        """
        ...

"""What the tags of a repository stand for, and when each image was made."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime
from typing import Any, TypeAlias

import requests

from andock.ports.registry import Tag
from workers.containers.distribution import Answer
from workers.containers.inventory import read_time

LISTS = (
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.index.v1+json",
)
IMAGES = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
)
MANIFESTS = ", ".join((*LISTS, *IMAGES))
_AT_ONCE = 8  # requests; registries slow down or refuse those who ask for more
_PREFERRED = "linux/amd64"
_FIRST = datetime(1981, 1, 1, tzinfo=UTC)  # builds that can be repeated say 1970 or 1980
_DIGITS = re.compile(r"(\d+)")
_ANY = "*/*"

Get: TypeAlias = Callable[[str, str], Answer]  # a path, and what is accepted


def read_tags(
    get: Get, repository: str, names: Iterable[str], *, most: int, within: float
) -> tuple[Tag, ...]:
    """The `most` highest of these tags, newest first; one that is gone, or not known in time, is left out."""
    chosen = sorted(names, key=_by_numbers, reverse=True)[:most]
    pool = ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="registry")
    try:
        futures = [pool.submit(_read_tag, get, repository, name) for name in chosen]
        wait(futures, timeout=within)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    known = [future.result() for future in futures if future.done() and not future.cancelled()]
    found = [tag for tag in known if tag is not None]
    # sorting is stable: of the same age, and without a date, the higher comes first
    return tuple(sorted(found, key=lambda tag: tag.made or _FIRST, reverse=True))


def list_platforms(document: Mapping[str, Any]) -> Iterator[str]:
    """Those of a list of manifests, as `linux/arm64/v8`."""
    return (platform for platform, _ in _list_images(document))


def _list_images(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Platform and digest of each image in a list of manifests."""
    for manifest in document.get("manifests", ()):
        platform = manifest.get("platform") or {}
        if platform.get("os", "unknown") != "unknown":  # build records come along as `unknown`
            parts = (platform["os"], platform.get("architecture", ""), platform.get("variant", ""))
            yield "/".join(part for part in parts if part), str(manifest.get("digest", ""))


def _read_tag(get: Get, repository: str, name: str) -> Tag | None:
    try:
        answer = get(f"/v2/{repository}/manifests/{name}", MANIFESTS)
    except (requests.RequestException, OSError, ValueError):
        return None  # removed meanwhile, or not ours to see
    digest = f"sha256:{hashlib.sha256(answer.body).hexdigest()}"
    try:
        return Tag(name, digest, _read_made(get, repository, answer))
    except (requests.RequestException, OSError, ValueError, LookupError, TypeError, AttributeError):
        return Tag(name, digest, None)


def _read_made(get: Get, repository: str, manifest: Answer) -> datetime | None:
    """When it was made, out of the image's own configuration; of a list, one of its images'."""
    document = manifest.document
    images = dict(_list_images(document))
    if images:
        digest = images.get(_PREFERRED) or next(iter(images.values()))
        document = get(f"/v2/{repository}/manifests/{digest}", MANIFESTS).document
    config = get(f"/v2/{repository}/blobs/{document['config']['digest']}", _ANY).document
    made = read_time(config.get("created") or "")
    return made if made is not None and made > _FIRST else None


def _by_numbers(name: str) -> tuple[tuple[bool, int, str], ...]:
    """Orders `v1.9` before `v1.10`, and both after `main`."""
    parts = (part for part in _DIGITS.split(name) if part)
    return tuple((part.isascii() and part.isdecimal(), _number(part), part) for part in parts)


def _number(part: str) -> int:
    return int(part) if part.isascii() and part.isdecimal() else 0

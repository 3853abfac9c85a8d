"""Tags of VMs, hosts and so on, over vCenter's REST service: SOAP does not know them."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from andock.errors import BackendRejectedError
from workers.vsphere.connection import VcenterConnection
from workers.vsphere.faults import VENDOR_ERRORS, is_lost, translate
from workers.vsphere.login import Account
from workers.vsphere.patience import Patience

T = TypeVar("T")
_CIS = "/rest/com/vmware/cis"
_KIND = "VirtualMachine"
_BATCH = 200  # tags or machines that one question names
_NAMES_KEPT = 300.0  # seconds after which a tag's name is asked for again: it may be another
_REFUSED = {401: "it does not accept our login", 403: "Andock's account lacks a privilege for tags"}


class NoTagsError(BackendRejectedError):
    """This vCenter offers no tag service."""

    def __init__(self, site: str) -> None:
        super().__init__(site, "it offers no tags")


@dataclass
class TagNames:
    """What tags and categories of one vCenter are called, and until when that counts; by id.

    Several threads may fill one: at worst they ask twice for the same.
    """

    tags: dict[str, tuple[str, float]] = field(default_factory=dict)  # category=tag
    categories: dict[str, tuple[str, float]] = field(default_factory=dict)


class TagService:
    """The tag service of one vCenter, in a REST session of its own; for one thread.

    Tags are written `category=tag`. vCenter says nothing when they change. Every method raises one of
    `VENDOR_ERRORS` or BackendRejectedError; `read_tags` makes them ours.
    """

    def __init__(
        self, account: Account, patience: Patience | None = None, names: TagNames | None = None
    ) -> None:
        """`patience` limits reads; `names` are those that others know already, and hear of."""
        self.site = account.site
        self.patience = patience or Patience(account.site)
        self._account = account
        self._connection: VcenterConnection | None = None
        self._token = ""
        self._names = names or TagNames()

    def ids(self) -> Mapping[str, str]:
        """The id of every tag, by its name, in alphabetical order."""
        named = {self._name(tag): tag for tag in self._get("/tagging/tag")}
        return {name: named[name] for name in sorted(named) if name}

    def all_tags(self) -> Mapping[str, tuple[str, ...]]:
        """The tags of all VMs that have any, by the VM's id."""
        found: dict[str, list[str]] = {}
        for batch in _batches(self._get("/tagging/tag")):
            for one in self._ask("list-attached-objects-on-tags", {"tag_ids": batch}):
                for thing in one.get("object_ids") or ():
                    if thing["type"] == _KIND:
                        found.setdefault(thing["id"], []).append(one["tag_id"])
        return {vm: tags for vm, ids in found.items() if (tags := self._named(ids))}

    def tags_of(self, vms: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """The tags of each of these VMs."""
        return self.tags_of_things(dict.fromkeys(vms, _KIND))

    def tags_of_things(self, things: Mapping[str, str]) -> Mapping[str, tuple[str, ...]]:
        """The tags of each of these things, whose ids come with vCenter's word for their kind."""
        found: dict[str, tuple[str, ...]] = dict.fromkeys(things, ())
        for batch in _batches(list(things)):
            objects = [{"id": one, "type": things[one]} for one in batch]
            for one in self._ask("list-attached-tags-on-objects", {"object_ids": objects}):
                found[one["object_id"]["id"]] = self._named(one.get("tag_ids") or ())
        return found

    def vms_with(self, tag: str) -> tuple[str, ...]:
        """Ids of the VMs that bear the tag; none if nobody knows it."""
        known = self.ids().get(tag)
        if known is None:
            return ()
        path = f"/tagging/tag-association/id:{known}?~action=list-attached-objects"
        return tuple(one["id"] for one in self._send("POST", path, {}) if one["type"] == _KIND)

    def attach(self, vm: str, tag: str, *, away: bool) -> None:
        """Attach the tag of this id, or take it away; both may be said twice.

        It goes out on a new connection: an old one may be dead, which would look like an answer lost.
        """
        self._drop()
        action = "detach" if away else "attach"
        body = {"object_id": {"id": vm, "type": _KIND}}
        self._send("POST", f"/tagging/tag-association/id:{tag}?~action={action}", body)

    def close(self) -> None:
        """End the REST session; one that cannot be ended ends itself when it has been idle."""
        if self._token:
            with contextlib.suppress(*VENDOR_ERRORS):
                self._exchange("DELETE", "/session", None, self._known)
            self._token = ""
        self._drop()

    def _named(self, tags: Iterable[str]) -> tuple[str, ...]:
        return tuple(sorted(filter(None, map(self._name, tags))))

    def _name(self, tag: str) -> str:
        """The tag as category=tag; empty when it was deleted meanwhile."""
        name, until = self._names.tags.get(tag, ("", 0.0))
        if time.monotonic() > until:
            described = self._send("GET", f"/tagging/tag/id:{tag}", None, missing=True)
            if not described:
                return ""
            name = f"{self._category(described['category_id'])}={described['name']}"
            self._names.tags[tag] = (name, time.monotonic() + _NAMES_KEPT)
        return name

    def _category(self, category: str) -> str:
        name, until = self._names.categories.get(category, ("", 0.0))
        if time.monotonic() > until:
            described = self._send("GET", f"/tagging/category/id:{category}", None, missing=True)
            name = str(described["name"]) if described else "?"
            self._names.categories[category] = (name, time.monotonic() + _NAMES_KEPT)
        return name

    def _get(self, path: str) -> Any:
        return self._send("GET", path, None)

    def _ask(self, action: str, body: Mapping[str, Any]) -> Any:
        return self._send("POST", f"/tagging/tag-association?~action={action}", body)

    @property
    def _known(self) -> Mapping[str, str]:
        return {"vmware-api-session-id": self._token}

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None, *, missing: bool = False) -> Any:
        """One call; after a lost session it goes out again in a new one, because it was not let in.

        Gives an empty list for an empty answer, and with `missing` also for something that is not there.
        """
        if not self._token:
            self._log_in()
        status, answer = self._exchange(method, path, body, self._known)
        if status == http.HTTPStatus.UNAUTHORIZED:
            self._log_in()
            status, answer = self._exchange(method, path, body, self._known)
        if missing and status == http.HTTPStatus.NOT_FOUND:
            return []
        return self._checked(status, answer)

    def _log_in(self) -> None:
        user, password = self._account.vcenter.user, self._account.password.get_secret_value()
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        status, answer = self._exchange("POST", "/session", None, {"Authorization": f"Basic {token}"})
        if status == http.HTTPStatus.NOT_FOUND:
            raise NoTagsError(self.site)
        self._token = str(self._checked(status, answer))

    def _checked(self, status: int, answer: bytes) -> Any:
        if status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
            raise http.client.HTTPException(f"{status} {http.client.responses.get(status, '')}")
        if status not in {http.HTTPStatus.OK, http.HTTPStatus.NO_CONTENT}:
            why = _REFUSED.get(status, f"its tag service answered HTTP {status}")
            raise BackendRejectedError(self.site, why)
        if not answer.strip():  # as after an attach
            return []
        try:
            return json.loads(answer).get("value") or []  # an empty list is left out
        except (ValueError, AttributeError) as error:
            raise BackendRejectedError(self.site, "its tag service cannot be read") from error

    def _exchange(
        self, method: str, path: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        vcenter = self._account.vcenter
        if self._connection is None:
            self._connection = VcenterConnection(
                vcenter.host, vcenter.port, context=self._account.context, patience=self.patience
            )
        sent = None if body is None else json.dumps(body)
        try:
            self._connection.request(
                method, _CIS + path, sent, {"Content-Type": "application/json", **headers}
            )
            response = self._connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException):
            self._drop()
            raise

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def read_tags(service: TagService, call: Callable[[TagService], T]) -> T:
    """Ask the tag service; once more after a lost connection.

    Raises:
        BackendUnavailableError, BackendRejectedError: NoTagsError where there is no such service.
        DeadlineError: the job's time limit passed before the answer came.
    """
    with service.patience.reading():
        try:
            return call(service)
        except VENDOR_ERRORS as error:
            if not is_lost(error):
                raise translate(error, site=service.site) from error
        try:
            return call(service)
        except VENDOR_ERRORS as error:
            raise translate(error, site=service.site) from error


def _batches(items: Sequence[str]) -> Iterator[Sequence[str]]:
    return (items[at : at + _BATCH] for at in range(0, len(items), _BATCH))

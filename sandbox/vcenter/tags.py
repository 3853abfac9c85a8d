"""Tags of a simulated vCenter, made and read over its REST service as an administrator would."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
from collections.abc import Mapping
from typing import Any

_CIS = "/rest/com/vmware/cis"


class Tags:
    """The tag service of one simulator."""

    def __init__(self, host: str, port: int, user: str, password: str, timeout: float = 10.0) -> None:
        self._host, self._port, self._timeout = host, port, timeout
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._session = self._call("POST", "/session", None, {"Authorization": f"Basic {token}"})

    def create(self, tag: str) -> str:
        """Make `category=tag` if it is missing; its id."""
        category, _, name = tag.partition("=")
        known = self._ids()
        if tag in known:
            return known[tag]
        groups = {self._get(f"/tagging/category/id:{one}")["name"]: one for one in self._listed("category")}
        group = groups.get(category) or self._call(
            "POST",
            "/tagging/category",
            {"create_spec": {"name": category, "cardinality": "MULTIPLE", "associable_types": []}},
        )
        made = self._call("POST", "/tagging/tag", {"create_spec": {"name": name, "category_id": group}})
        return str(made)

    def attach(self, vm: str, tag: str, *, kind: str = "VirtualMachine") -> None:
        """Make the tag if it is missing, and attach it to a VM, or to an object of another kind."""
        body = {"object_id": {"id": vm, "type": kind}}
        self._call("POST", f"/tagging/tag-association/id:{self.create(tag)}?~action=attach", body)

    def detach(self, vm: str, tag: str) -> None:
        """Take a tag away from a VM."""
        body = {"object_id": {"id": vm, "type": "VirtualMachine"}}
        self._call("POST", f"/tagging/tag-association/id:{self.create(tag)}?~action=detach", body)

    def delete(self, tag: str) -> None:
        """Let there be no such tag any more."""
        self._call("DELETE", f"/tagging/tag/id:{self.create(tag)}", None)

    def of(self, vm: str) -> set[str]:
        """The tags that a VM bears."""
        body = {"object_id": {"id": vm, "type": "VirtualMachine"}}
        borne = self._call("POST", "/tagging/tag-association?~action=list-attached-tags", body) or []
        return {name for name, known in self._ids().items() if known in borne}

    def _ids(self) -> dict[str, str]:
        tags = [self._get(f"/tagging/tag/id:{one}") for one in self._listed("tag")]
        groups = {one: self._get(f"/tagging/category/id:{one}")["name"] for one in self._listed("category")}
        return {f"{groups[tag['category_id']]}={tag['name']}": tag["id"] for tag in tags}

    def _listed(self, what: str) -> list[str]:
        return self._get(f"/tagging/{what}") or []

    def _get(self, path: str) -> Any:
        return self._call("GET", path, None)

    def _call(
        self, method: str, path: str, body: Mapping[str, Any] | None, headers: Mapping[str, str] | None = None
    ) -> Any:
        context = ssl._create_unverified_context()  # noqa: S323, SLF001  loopback, made-up certificate
        connection = http.client.HTTPSConnection(
            self._host, self._port, timeout=self._timeout, context=context
        )
        known = headers or {"vmware-api-session-id": self._session}
        try:
            connection.request(method, _CIS + path, None if body is None else json.dumps(body), dict(known))
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        if response.status != http.HTTPStatus.OK:
            raise RuntimeError(f"the simulator's tag service refuses {path}: {response.status} {answer!r}")
        return json.loads(answer).get("value") if answer.strip() else None

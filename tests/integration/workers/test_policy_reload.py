"""A worker judges by policy.yaml as it is when a job begins, and lives through a SIGHUP."""

from __future__ import annotations

import os
import secrets
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from andock.catalogue import load_catalogue
from andock.doorbell import Doorbell, queue_name
from andock.ledger import Ledger
from andock.memberships import Membership, Roster
from andock.messages import Actor, Failed, Reply, Request, make_request_id
from andock.signing import load_signer, load_verifier
from config.installation import connect
from sandbox.processes import Child, start
from sandbox.redis_server import RedisServer
from sandbox.vcenter import Inventory, Vcenter, start_vcenter
from tests.conftest import untold
from tests.integration.workers.conftest import ROOT, until

SITES = """
instance: {instance}
vcenters:
  lab: {{host: {host}, port: {port}, user: {user}, password: {{env: LAB_PASSWORD}}, tls: {{verify: false}},
        environment: dev}}
"""
GROUPS = "groups: {ops: {usergroups: [S0OPS]}}\n"
ALLOWED = GROUPS + "rules: [{name: ops read, allow: ['*'], to: [ops]}]\n"
DENIED = GROUPS + "rules: [{name: nobody reads, deny: ['*']}]\n"
BROKEN = GROUPS + "rules: [{name: ops read, alow: ['*']}]\n"


@dataclass
class Post:
    """One RQ worker of an installation, and those who ask it."""

    worker: Child
    ledger: Ledger
    keys: Path
    policy: Path

    @property
    def instance(self) -> str:
        return self.ledger.prefix.split(":")[1]

    def write(self, text: str) -> None:
        beside = self.policy.with_name("beside")
        beside.write_text(text)
        os.utime(beside, (time.time() - 60, time.time() - 60 + len(text)))
        beside.replace(self.policy)

    def ask(self, **known: object) -> str:
        """What becomes of `vm list`: the refusal's rule, or that it was allowed."""
        now = time.time()
        actor = Actor.model_validate({"team": "T1", "user": "U0OPS1", "name": "ops-1", **known})
        request = Request(
            id=make_request_id(), instance=self.instance, operation="vm list", params={},
            command="vm list", actor=actor, channel="C0OPS",
            reply=Reply(channel="C0OPS", private=True), accepted_at=now, not_after=now + 300,
        )  # fmt: skip
        sealed = load_signer(self.keys, "bot").sign(request)
        self.ledger.accept(request, sealed, dedupe=request.id, record=b"a sealed record")
        operation = load_catalogue().get("vm list")
        Doorbell(self.ledger.redis, self.instance).ring("vsphere", operation, request.id, 1)
        assert until(lambda: self._ended(request.id)), self.worker.output()[-2000:]
        entry = self.ledger.read(request.id)
        assert entry is not None
        return entry.result.sentence if isinstance(entry.result, Failed) else "allowed"

    def _ended(self, request: str) -> bool:
        entry = self.ledger.read(request)
        return entry is not None and entry.state.ended

    def know(self, *members: str) -> None:
        snapshot = Membership(
            instance=self.instance, group="S0OPS", members=frozenset(members), at=time.time()
        )
        Roster(self.ledger, load_verifier(self.keys), untold).write(snapshot, load_signer(self.keys, "bot"))


@pytest.fixture(scope="module")
def vcenter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vcenter]:
    simulator = start_vcenter(tmp_path_factory.mktemp("vcenter"), inventory=Inventory(vms=1))
    yield simulator
    simulator.stop()


@pytest.fixture(params=["workers"])
def post(
    request: pytest.FixtureRequest, redis_server: RedisServer, vcenter: Vcenter, keys: Path, tmp_path: Path
) -> Iterator[Post]:
    """Started by the module that a test names; `tests.patient workers` looks at policy.yaml once an hour."""
    instance = f"t{secrets.token_hex(4)}"
    sites = SITES.format(instance=instance, host=vcenter.host, port=vcenter.port, user=vcenter.user)
    (tmp_path / "sites.yaml").write_text(sites)
    (tmp_path / "policy.yaml").write_text(ALLOWED)
    env = {
        **os.environ,
        "REDIS_URL": redis_server.url,
        "ANDOCK_CONFIG_DIR": str(tmp_path),
        "ANDOCK_KEYS_DIR": str(keys),
        "LAB_PASSWORD": vcenter.password,
    }
    argv = [sys.executable, "-m", *request.param.split(), "rq", "vsphere", "vsphere", "read"]
    worker = start(argv, log=tmp_path / "log", cwd=ROOT, env=env)
    redis = connect(redis_server.url)
    name = f"rq:workers:{queue_name(instance, 'vsphere', 'read')}"
    worker.wait_ready(lambda: bool(redis.scard(name)), 20)
    yield Post(worker, Ledger(redis, instance), keys, tmp_path / "policy.yaml")
    worker.stop()
    redis.close()


def test_the_policy_as_it_is_when_the_job_begins_decides(post: Post) -> None:
    known = {"usergroups": ("S0OPS",), "groups_at": time.time()}
    assert post.ask(**known) == "allowed"

    post.write(DENIED)
    assert until(lambda: "nobody reads" in post.ask(**known))

    post.write(BROKEN)
    time.sleep(1.1)  # the worker looks once a second
    assert "nobody reads" in post.ask(**known)
    assert "policy_broken" in post.worker.output()

    post.write(ALLOWED)
    assert until(lambda: post.ask(**known) == "allowed")


@pytest.mark.parametrize("post", ["tests.patient workers"], indirect=True)
def test_a_worker_looks_again_when_it_is_told_to_and_lives_on(post: Post) -> None:
    known = {"usergroups": ("S0OPS",), "groups_at": time.time()}
    post.write(DENIED)
    assert post.ask(**known) == "allowed"

    os.kill(post.worker.pid, signal.SIGHUP)

    assert until(lambda: "nobody reads" in post.ask(**known))
    assert post.worker.alive


def test_the_asker_is_looked_up_again_when_the_job_begins(post: Post) -> None:
    post.know("U0OPS1")
    assert post.ask() == "allowed"

    post.know("U0OPS2")
    assert "no rule matches" in post.ask(usergroups=("S0OPS",), groups_at=time.time() - 60)


def test_a_membership_that_grew_old_on_the_way_allows_nothing_and_says_so(post: Post) -> None:
    said = post.ask(usergroups=("S0OPS",), groups_at=time.time() - 1000)

    assert "; membership as of " in said

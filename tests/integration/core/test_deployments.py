"""Deployments through the real runner and ledger, over engines in memory; a worker killed at every step."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import pytest

from andock.attempt import Attempt
from andock.catalogue import Catalogue
from andock.entries import Entry
from andock.errors import Changed
from andock.messages import Failed, Request, State, Succeeded
from andock.operation import Change, Done, Params, Ports, Step, Writer
from andock.operations.service import hands
from andock.operations.service.deploying import SERVICE_DEPLOY
from andock.operations.service.taking import take_step
from andock.policy import Group, Policy, Rule
from andock.ports.services import Rollout
from andock.runner import Runner
from tests.integration.core.conftest import Accept
from tests.unit.operations.service.stage import IMAGE, V3, Stage

PROD = ("edge-2", "edge-3", "edge-4")
POLICY = Policy(
    groups={"ops": Group(users=frozenset({"U0OPS1"}))},
    rules=(Rule(name="ops", allow=("*",), to=("ops",), line=1),),
)


class Killed(BaseException):
    """Stands for SIGKILL."""


@dataclass
class Scene:
    """A runner over a stage, and what happens in its steps."""

    stage: Stage
    runner: Runner
    accept: Accept

    def deploy(self, version: str = "v2") -> Request:
        params = {"name": "api", "version": version, "environment": "prod"}
        return self.accept("service deploy", params=params, confirmed=True)

    def perform(self, request: Request, number: int = 1) -> Entry:
        ports = Ports(
            containers=self.stage.containers, registry=self.stage.registry, services=self.stage.services
        )
        held = Attempt.claim(self.runner.ledger, request.id, number)
        assert held is not None
        with held:
            try:
                self.runner.perform(held, ports)
            except Killed:
                key = self.runner.ledger.key("request", request.id)
                self.runner.ledger.redis.hset(key, "lease_until", int(time.time() * 1000) - 1)
        entry = self.runner.ledger.read(request.id)
        assert entry is not None
        return entry

    def again(self, request: Request) -> Entry:
        return self.perform(request, self.runner.ledger.ring(request.id, (State.RUNNING,)))

    def versions(self) -> dict[str, str]:
        return {site: self.stage.version_on(site) for site in PROD}

    def is_clean(self) -> bool:
        return all(set(self.stage.on(site)) == {"api-1"} for site in PROD)


@pytest.fixture
def during() -> dict[str, Callable[[Step, Writer], None]]:
    """What happens before a step, by its action."""
    return {}


@pytest.fixture
def scene(
    make_runner: Callable[..., Runner], accept: Accept, during: Mapping[str, Callable[[Step, Writer], None]]
) -> Scene:
    """Version 1 runs on three engines; a failure puts all of them back."""
    stage = Stage()
    stage.change_service(update=Rollout(failure_action="rollback", monitor=0))

    def take(step: Step, ctx: Writer) -> Done:
        if step.action in during:
            during[step.action](step, ctx)
        return take_step(step, ctx)

    operation: Change[Params] = replace(SERVICE_DEPLOY, apply=take)
    scene = Scene(stage, make_runner(Catalogue((operation,)), POLICY), accept)
    assert isinstance(scene.perform(scene.deploy("v1")).result, Succeeded)
    return scene


def test_a_good_one_says_so(scene: Scene) -> None:
    request = scene.deploy()
    entry = scene.perform(request)
    assert isinstance(entry.result, Succeeded)
    outcome = entry.result.outcome
    assert outcome.summary == "`api` v2 (222222222222) is healthy in prod on 3 engines."
    assert outcome.fields[0] == ("Digest", "sha256:" + "2" * 64)
    assert outcome.offers[0].command == "service rollback api in prod"
    assert scene.versions() == dict.fromkeys(PROD, "v2")
    assert scene.is_clean()
    labels = scene.stage.on("edge-2")["api-1"].labels
    assert labels["andock.deployment"] == request.id


def test_a_rerun_is_no_change(scene: Scene) -> None:
    result = scene.perform(scene.deploy("v1")).result
    assert isinstance(result, Failed)
    assert (result.code, result.changed) == ("no_change", Changed.NOTHING)


@pytest.mark.parametrize("bad", PROD)
def test_a_bad_one_puts_every_engine_back(
    scene: Scene, during: dict[str, Callable[[Step, Writer], None]], bad: str
) -> None:
    def sicken(step: Step, _ctx: Writer) -> None:
        scene.stage.containers.dying = 3 if step.target.site == bad else None

    def recover(_step: Step, _ctx: Writer) -> None:
        scene.stage.containers.dying = None

    during |= {"roll": sicken, "restore": recover}
    result = scene.perform(scene.deploy()).result
    assert isinstance(result, Failed)
    assert (result.code, result.changed) == ("rolled_back", Changed.NOTHING)
    assert result.sentence.startswith(f"`api-1` on {bad} ended with exit code 3")
    assert result.outcome is not None
    assert result.outcome.summary.endswith("All engines run what they ran before.")
    assert scene.versions() == dict.fromkeys(PROD, "v1")
    assert scene.is_clean()


@pytest.mark.parametrize("action", ["pull", "roll", "clean"])
@pytest.mark.parametrize(
    "site", [PROD[0], *(pytest.param(site, marks=pytest.mark.long) for site in PROD[1:])]
)
def test_a_worker_killed_in_any_step_is_followed_by_one_that_ends_it(
    scene: Scene, during: dict[str, Callable[[Step, Writer], None]], action: str, site: str
) -> None:
    deaths: list[str] = []

    def die(step: Step, ctx: Writer) -> None:
        if step.target.site == site and not deaths:
            deaths.append(step.action)
            ctx.checkpoint(ctx.mark)
            raise Killed

    during[action] = die
    request = scene.deploy()
    scene.perform(request)
    assert deaths == [action]
    assert isinstance(scene.again(request).result, Succeeded)
    assert scene.versions() == dict.fromkeys(PROD, "v2")
    assert scene.is_clean()


@pytest.mark.parametrize("marks", range(1, 7))
def test_a_worker_killed_behind_any_mark_of_a_roll_is_followed_by_one_that_takes_it_up(
    scene: Scene, during: dict[str, Callable[[Step, Writer], None]], marks: int
) -> None:
    seen: list[str] = []
    take = scene.stage.containers

    def count(step: Step, ctx: Writer) -> None:
        if step.target.site != "edge-3" or seen:
            return
        seen.append(step.action)

        def checkpoint(mark: object) -> None:
            seen.append("mark")
            if len(seen) > marks:
                raise Killed
            ctx.checkpoint(mark)  # type: ignore[arg-type]  as it came

        take_step(step, replace(ctx, checkpoint=checkpoint))

    during["roll"] = count
    request = scene.deploy()
    scene.perform(request)
    assert isinstance(scene.again(request).result, Succeeded)
    assert scene.versions() == dict.fromkeys(PROD, "v2")
    assert scene.is_clean()
    assert take.local_image("edge-3", f"{IMAGE}@{V3}") is None


def test_what_could_not_be_put_back_is_said(
    scene: Scene, during: dict[str, Callable[[Step, Writer], None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hands, "AWAY_SECONDS", 0.0)

    def leave(step: Step, _ctx: Writer) -> None:
        if step.target.site == "edge-3":
            scene.stage.containers.dying = 3

    def go_away(step: Step, _ctx: Writer) -> None:
        scene.stage.containers.dying = None
        if step.target.site == "edge-3":
            scene.stage.containers.away["edge-3"] = "connection refused"

    during |= {"roll": leave, "restore": go_away}
    result = scene.perform(scene.deploy()).result
    assert isinstance(result, Failed)
    assert result.changed is not Changed.NOTHING
    assert result.outcome is not None
    assert result.outcome.summary.endswith("Now edge-2, edge-4 run the old one, edge-3 must be looked at.")
    assert "Not put back: Engine `edge-3` was not reached" in result.sentence

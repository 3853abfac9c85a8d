"""`andock policy check` and `andock policy test`, as a team's CI runs them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from andock.ledger import Ledger
from andock.memberships import Membership, Roster
from andock.signing import load_signer, load_verifier
from sandbox.redis_server import RedisServer
from tests.conftest import untold
from tests.integration.bot.conftest import ROOT

SITES = """
instance: {instance}
vcenters:
  lab: {{host: h, user: u, password: {{env: NOT_SET}}, environment: dev,
        environments: [{{folder: "*/p/*", is: prod}}]}}
"""
POLICY = """
groups:
  ops: {users: [U0OPS1]}
  dba: {usergroups: [S0DBA]}
rules:
  - name: databases, by those who know them
    allow: ["vm *"]
    targets: ["db-*"]
    to: [dba]
    approvals: {count: 1, from: [dba]}
    break_glass: {to: [dba], tell: [C0OPS]}
  - {name: no databases else, deny: ["*"], targets: ["db-*"]}
  - {name: look at prod, allow: ["*"], environments: [prod], to: [ops], confirm: true}
  - {name: ops, allow: ["*"], to: [ops]}
"""
CASES = """
people: {U0DBA1: [S0DBA]}
targets:
  web: {site: lab, environment: prod}
  db-1: {site: lab, environment: dev}
cases:
  - {user: U0OPS1, channel: C0OPS, command: vm off web, targets: [web], expected: confirm, rule: look at prod}
  - {user: U0OPS1, channel: C0OPS, command: vm off db-1, targets: [db-1], expected: deny}
  - {user: U0DBA1, channel: C0OPS, command: vm off db-1, targets: [db-1], expected: approval}
  - {user: U0DBA1, groups: [], channel: C0OPS, command: vm off db-1, targets: [db-1], expected: deny}
  - {user: U0DBA1, channel: C0OPS, command: vm off db-1, targets: [db-1], membership: 20m, expected: deny}
  - {user: U0DBA1, channel: C0OPS, command: vm off db-1, targets: [db-1], membership: 20m, emergency: true,
     expected: break_glass, rule: "databases, by those who know them"}
  - {user: U0OPS1, channel: C0OPS, command: halt, time: 2026-11-24T10:02:00Z, expected: allow, rule: ops}
  - {user: "cli:root", command: halt, expected: deny, rule: none}
"""
Andock = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def andock(tmp_path: Path, ledger: Ledger, redis_server: RedisServer, keys: Path) -> Andock:
    """Runs `andock` beside a policy and cases."""
    (tmp_path / "sites.yaml").write_text(SITES.format(instance=ledger.prefix.split(":")[1]))
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "cases.yaml").write_text(CASES)

    def run(*words: str, **changes: str) -> subprocess.CompletedProcess[str]:
        env = {
            "PATH": os.environ["PATH"],
            "ANDOCK_CONFIG_DIR": str(tmp_path),
            "ANDOCK_KEYS_DIR": str(keys),
            "REDIS_URL": redis_server.url,
            "PYTHONPATH": str(ROOT),
            **changes,
        }
        argv = [sys.executable, "-m", "andock", *words]
        return subprocess.run(
            argv, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False
        )

    return run


def test_cases_that_come_out_as_expected_are_counted(andock: Andock) -> None:
    done = andock("policy", "test", "cases.yaml")

    assert (done.returncode, done.stdout, done.stderr) == (0, "8 cases: none failed\n", "")


def test_cases_that_come_out_otherwise_are_shown_with_the_deciding_rule(
    andock: Andock, tmp_path: Path
) -> None:
    spoilt = CASES.replace("expected: confirm, rule: look at prod", "expected: allow").replace(
        "expected: allow, rule: ops", "expected: allow, rule: look at prod"
    )
    (tmp_path / "cases.yaml").write_text(spoilt)

    done = andock("policy", "test", "cases.yaml")

    assert done.returncode == 1
    first, second, count = done.stdout.splitlines()
    assert first == (
        "cases.yaml:7: `vm off web` by U0OPS1 in C0OPS: "
        "expected allow, got confirm by look at prod (policy.yaml:13)"
    )
    assert second == (
        "cases.yaml:14: `halt` by U0OPS1 in C0OPS: "
        "expected allow by look at prod, got allow by ops (policy.yaml:14)"
    )
    assert count == "8 cases: 2 failed"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("command: halt, time", "command: hatl, time", "cases.yaml:14: There is no operation `hatl`."),
        ("targets: [web]", "targets: [wob]", "cases.yaml:7: there is no target `wob`."),
        (", targets: [web]", "", "cases.yaml:7: `vm off web` is done to something."),
        ("environment: prod}", "environment: prd}", "cases.yaml:4: there is no environment `prd`."),
        (
            "site: lab, environment: prod",
            "site: lub, environment: prod",
            "cases.yaml:4: there is no site `lub`.",
        ),
        ("expected: confirm", "expected: maybe", "cases.yaml:7: `cases.0.expected`"),
        ("rule: look at prod", "rule: look", "cases.yaml:7: there is no rule `look`."),
        ("user: U0OPS1", "usr: U0OPS1", "did you mean `user`?"),
    ],
)
def test_a_mistake_in_the_cases_is_named_with_its_line(
    andock: Andock, tmp_path: Path, old: str, new: str, says: str
) -> None:
    (tmp_path / "cases.yaml").write_text(CASES.replace(old, new, 1))

    done = andock("policy", "test", "cases.yaml")

    assert done.returncode == 2
    assert says in done.stderr
    assert "Fix: " in done.stderr


def test_what_is_to_mend_is_listed_with_file_and_line(andock: Andock, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY + '  - {name: late, deny: ["vm off"], to: [ops]}\n')

    done = andock("policy", "check", REDIS_URL="redis://127.0.0.1:1/0")

    assert done.returncode == 1
    note, dead, count = done.stdout.splitlines()
    assert note.startswith(f"{tmp_path}/policy.yaml:6: note: `databases, by those who know them` asks for 1")
    assert "cannot be known here" in note
    assert dead.startswith(f"{tmp_path}/policy.yaml:15: `late` can never match: ")
    assert count == "5 rules: 1 to mend"


def test_who_is_in_user_groups_is_known_from_the_snapshot(andock: Andock, ledger: Ledger, keys: Path) -> None:
    assert andock("policy", "check").returncode == 0
    roster, signer = Roster(ledger, load_verifier(keys), untold), load_signer(keys, "bot")
    instance = ledger.prefix.split(":")[1]

    def know(*members: str) -> str:
        snapshot = Membership(instance=instance, group="S0DBA", members=frozenset(members), at=time.time())
        roster.write(snapshot, signer)
        return andock("policy", "check").stdout

    assert know("U0DBA1", "U0DBA2") == "4 rules: nothing to mend\n"
    assert "`U0DBA1` may ask, and cannot approve" in know("U0DBA1")


def test_a_policy_that_does_not_load_is_one_sentence(andock: Andock, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY.replace("allow", "alow"))

    done = andock("policy", "check")

    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "did you mean `allow`?" in done.stderr

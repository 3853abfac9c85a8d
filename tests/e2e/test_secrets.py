"""Two dozen secrets are planted in one running installation, each is touched, and none is found anywhere."""

from __future__ import annotations

import base64
import html
import secrets
import string
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from sandbox.engine import IMAGE, EngineError
from sandbox.installation import Installation
from sandbox.vcenter.control import Rule
from tests.e2e.conftest import Chat
from tests.e2e.leaks import find_leaks

ADVICE = "delete the message, and rotate the secret"
PARTIAL = 16_384  # bytes at which Docker cuts a line in two
NAMED = (  # what sites.yaml tells Andock to hide: it is in the environment of every process
    "printed", "escaped", "base64", "wrapped", "hex", "html", "split", "cut", "coloured", "error output",
    "variable", "label", "entrypoint", "call", "task", "machine", "typed",
)  # fmt: skip


def make_secret(signs: str = "") -> str:
    """A secret that no other run has, with some signs in the middle that encoders change."""
    letters = string.ascii_letters + string.digits
    return "".join(secrets.choice(letters) for _ in range(12)) + signs + secrets.token_hex(6)


def make_key() -> str:
    """A private key's shape; its lines are what must not be found."""
    body = base64.b64encode(secrets.token_bytes(900)).decode()
    return "\n".join(
        ["-----BEGIN RSA PRIVATE KEY-----", *textwrap.wrap(body, 64), "-----END RSA PRIVATE KEY-----"]
    )


@dataclass(frozen=True)
class Planted:
    """The secrets by name: those of sites.yaml, and others that only look like one."""

    named: Mapping[str, str]
    file: str
    shaped: Mapping[str, str]
    key: str

    @property
    def everything(self) -> dict[str, str]:
        lines = {f"key line {number}": line for number, line in enumerate(self.key.splitlines()[1:-1])}
        return {**self.named, "file": self.file, **self.shaped, **lines}


def plant() -> Planted:
    odd = {"escaped": "/&= +\"'ö%", "html": "<&>'\"", "base64": "?>~", "wrapped": "ÿ>?"}
    return Planted(
        named={name: make_secret(odd.get(name, "")) for name in NAMED},
        file=make_secret("-"),
        shaped={
            "AWS key": "AKIA" + "".join(secrets.choice(string.ascii_uppercase) for _ in range(16)),
            "AWS secret": make_secret("/+"),
            "Slack token": f"xoxb-{secrets.randbelow(10**12):012}-{secrets.token_hex(12)}",
            "web token": f"eyJhbGciOiJIUzI1NiJ9.eyJ{secrets.token_hex(20)}.{secrets.token_hex(16)}",
            "bearer": secrets.token_hex(20),
            "URL": make_secret("@"),
            "pair": make_secret("$"),
            "pattern": f"ACME-{secrets.token_hex(8).upper()}",
            "typed pair": make_secret("!"),
            "typed token": f"xapp-1-{secrets.token_hex(16)}",
            "typed on the host": make_secret("."),
        },
        key=make_key(),
    )


@pytest.fixture(scope="module")
def planted() -> Planted:
    return plant()


@pytest.fixture(scope="module")
def guarded(planted: Planted, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation of its own, whose sites.yaml names the planted secrets."""
    state: Path = tmp_path_factory.mktemp("guarded")
    variables = {f"PLANTED_{number}": planted.named[name] for number, name in enumerate(NAMED)}
    (state / "config").mkdir()
    (state / "config" / "planted").write_text(planted.file + "\n")
    known = [
        *({"env": name} for name in variables),
        {"file": "planted"},
        {"env": "X", "processes": ["keeper"]},
    ]
    redact = {"secrets": known, "patterns": ["ACME-[0-9A-F]{8,32}"]}
    with Installation.start(
        state, own_engine=True, sites_extra={"redact": redact}, env_extra=variables
    ) as running:
        running.slack.set_limits(enabled=False)
        yield running


@pytest.fixture
def talk(guarded: Installation) -> Chat:
    return Chat(guarded.slack)


def own_secrets(guarded: Installation) -> dict[str, str]:
    """What the processes themselves hold."""
    keys = guarded.state / "keys"
    return {
        "Redis' password": guarded.redis.url.split("@")[0].rpartition(":")[2],
        "vCenter's password": guarded.vcenter.password,
        "the bot token": guarded.slack.bot_token,
        "the app token": guarded.slack.app_token,
        "the signing secret": guarded.slack.signing_secret,
        **{f"key of {path.stem}": path.read_text().strip() for path in keys.glob("*.key")},
    }


# --- where they are touched ------------------------------------------------------------------------------


def wrapped(text: str) -> str:
    return "\n".join(textwrap.wrap(base64.b64encode(text.encode()).decode(), 76))


def run_spy(guarded: Installation, planted: Planted) -> None:
    """A container that prints secrets in every form, in one write or in several."""
    named, shaped, own = planted.named, planted.shaped, own_secrets(guarded)
    lines = [
        f"plain {named['printed']} and {planted.file}",
        f"url {quote(named['escaped'], safe='')} {quote(named['escaped'])}",
        f"base64 {base64.b64encode(('user:' + named['base64'] + ':x').encode()).decode()}",
        wrapped("x" * 50 + named["wrapped"] + "y" * 50),
        f"hex {named['hex'].encode().hex()} {named['hex'].encode().hex().upper()}",
        f"html {html.escape(named['html'])} plain {named['html']}",
        "x" * (PARTIAL - 9) + named["cut"],
        f"{named['coloured'][:9]}\x1b[1m{named['coloured'][9:]}\x1b[0m",
        f"aws {shaped['AWS key']} aws_secret_access_key = {shaped['AWS secret']}",
        f"slack {shaped['Slack token']} {own['the bot token']} {own['the app token']}",
        f"jwt {shaped['web token']} Authorization: Bearer {shaped['bearer']}",
        f"redis://:{shaped['URL']}@db/0 {guarded.redis.url}",
        f"{{'db_password': \"{shaped['pair']}\", 'signing_secret': '{own['the signing secret']}'}}",
        f"pattern {shaped['pattern']} keys {own['key of bot']} {own['key of worker']}",
        planted.key,
    ]
    variables = {f"LINE_{number}": line for number, line in enumerate(lines)}
    halves = {"HALF_1": named["split"][:11], "HALF_2": named["split"][11:], "ERR": named["error output"]}
    script = "; ".join(
        [
            *(f"printf '%s\\n' \"$LINE_{number}\"" for number in range(len(lines))),
            "printf 'split %s' \"$HALF_1\"; sleep 1; printf '%s\\n' \"$HALF_2\"",
            "printf 'err %s\\n' \"$ERR\" >&2; env; echo the end; sleep 600 & wait",
        ]
    )
    guarded.engine.run_container(
        "spy",
        ["sh", "-c", f"trap 'exit 0' TERM; {script}"],
        environment={**variables, **halves, "VARIABLE": named["variable"]},
        labels={"app.password": named["label"], "note": f"see {named['label']}"},
    )


def read_the_spy(talk: Chat) -> str:
    said = [
        talk.ask("/container logs spy --tail 4000", until="lines?", timeout=40).spoken,
        talk.ask("/container logs spy --tail 4000 --share", until="lines?", timeout=40).spoken,
        talk.ask("/container logs spy --grep secret").spoken,
        talk.ask("/container logs spy --tail 8").spoken,  # begins in the middle of what was printed
        talk.ask("/container info spy").spoken,
        talk.ask("/container list").spoken,
    ]
    talk.slack.wait("D0OPS1", "*", file="spy.log", timeout=20)
    return "\n".join(said)


def start_what_cannot_start(guarded: Installation, talk: Chat, planted: Planted) -> str:
    program = f"/bin/{planted.named['entrypoint']}"
    body = {"Image": IMAGE, "Cmd": [program], "Labels": {"andock.sandbox": guarded.engine.owner}}
    made = guarded.engine.api.call("POST", "/containers/create", query={"name": "broken"}, body=body)
    with pytest.raises(EngineError, match=planted.named["entrypoint"]):
        guarded.engine.api.call("POST", f"/containers/{made['Id']}/start")

    return talk.ask("/container start broken", until=r"\*Failed").spoken


def meet_faults_of_vcenter(guarded: Installation, talk: Chat, planted: Planted) -> str:
    control, named = guarded.vcenter.control, planted.named
    control.create_vm("faulty", folder="dev", power_on=True)
    said = []
    for command, rule in (
        ("/vm off faulty", Rule("PowerOffVM_Task", fault="SystemError", message=f"no: {named['call']}")),
        ("/vm off faulty", Rule("PowerOffVM_Task", task_fault="SystemError", message=f"no: {named['task']}")),
        ("/vm off faulty", Rule("PowerOffVM_Task", fault="SystemError", message=guarded.vcenter.password)),
        ("/vm info faulty", Rule("RetrievePropertiesEx", fault="SystemError", message=named["call"])),
    ):
        control.set_rules([rule])
        said.append(talk.ask(command, until="Failed|refused").spoken)
    control.set_rules([])
    return "\n".join(said)


def meet_a_machine_that_bears_one(guarded: Installation, talk: Chat, planted: Planted) -> str:
    state = guarded.vcenter.control.create_vm(f"app-{planted.named['machine']}", folder="dev", power_on=True)
    commands = ("/vm list app-", f"/vm info {state.id}", f"/vm off {state.id}")
    return "\n".join(talk.ask(command).spoken for command in commands)


def type_them(guarded: Installation, talk: Chat, planted: Planted) -> str:
    """Typed in every way in; the answers, and what the host's command printed."""
    typed, shaped = planted.named["typed"], planted.shaped
    mention = f"<@{guarded.slack.bot_user}>"
    hidden = f"{quote(typed)} {base64.b64encode(typed.encode()).decode()}"
    answers = [
        talk.say(f"/vm info {typed}"),
        talk.say(f"/vm off web-01 --reason token={shaped['typed pair']}"),
        talk.say(f"/andock vm info {hidden}"),
        talk.ask(f"{mention} vm info {shaped['typed token']}", until=".").spoken,
        talk.ask(f"vm info password={shaped['typed pair']}", channel="D0OPS1", until=".").spoken,
        *guarded.run(f"vm info {typed}")[1:],
        *guarded.run(f'vm info "{typed}')[1:],  # whose refusal would repeat it
        *guarded.run(f"vm info token={shaped['typed on the host']}")[1:],
    ]
    return "\n".join(answers)


def look_back(guarded: Installation, talk: Chat) -> str:
    """What is told of earlier requests, and the log once more, as the host prints it."""
    said = [
        talk.ask("/andock request list").spoken,
        *guarded.run("request list --all")[1:],
        *guarded.run("container logs spy --tail 4000", "--json")[1:],
        talk.ask("/container restart spy").spoken,
    ]
    return "\n".join(said)


def export_the_record(guarded: Installation) -> str:
    """The whole audit record, in both formats."""
    formats = [guarded.command("audit", "export", "--format", name) for name in ("jsonl", "csv")]
    assert [(code, bool(out)) for code, out, _ in formats] == [(0, True), (0, True)]
    return "\n".join(out + err for _, out, err in formats)


def wait_for_the_end(guarded: Installation) -> None:
    """Until the spy has written all of it."""
    for _ in range(30):
        if "the end" in guarded.run("container logs spy --tail 3", "--json")[1]:
            return
    raise TimeoutError("the spy did not come to its end")


@pytest.mark.long
@pytest.mark.timeout(240)  # some thirty commands, half of them by processes of their own
def test_none_of_the_planted_secrets_is_found_anywhere(
    guarded: Installation, talk: Chat, planted: Planted
) -> None:
    run_spy(guarded, planted)
    wait_for_the_end(guarded)

    said = [
        read_the_spy(talk),
        start_what_cannot_start(guarded, talk, planted),
        meet_faults_of_vcenter(guarded, talk, planted),
        machine := meet_a_machine_that_bears_one(guarded, talk, planted),
        typed := type_them(guarded, talk, planted),
        back := look_back(guarded, talk),
        exported := export_the_record(guarded),
    ]

    everything = {**planted.everything, **own_secrets(guarded)}
    assert {"key of audit", "key of bot", "key of recorder", "key of worker"} <= everything.keys()
    assert find_leaks(guarded, everything, "\n".join(said)) == []
    # and each was met: what was hidden left its mark
    assert len(planted.named) + len(planted.shaped) >= 20
    assert [text.count("[redacted]") > 0 for text in said] == [
        *[True] * 4,
        False,
        *[True] * 2,
    ]
    assert said[2].count("[redacted]") >= 4
    assert "no plan with a secret is stored" in machine
    assert typed.count(ADVICE) == 8
    assert back.count("[redacted]") >= 30
    assert exported.count("vm off faulty") >= 6  # of three requests, in two formats


def test_only_the_process_that_should_know_a_secret_says_that_it_cannot_read_it(
    guarded: Installation,
) -> None:
    said = {log.stem: log.read_text() for log in (guarded.state / "logs").glob("*.log")}

    assert '"references": ["env X"]' in said.pop("keeper")
    assert "secrets_not_known" not in "".join(said.values())

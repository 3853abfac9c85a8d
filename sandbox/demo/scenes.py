"""The tour's machines, policy and record. Each scene looks at vCenter for whether it really happened."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sandbox.demo.conversation import DIRECT, Seat
from sandbox.demo.stage import NotShownError, Stage

OPS = Seat("ops-1", "#ops")
OPS_DIRECT = Seat("ops-1", DIRECT)
LEAD = Seat("lead-1", "#ops")
OTHER_LEAD = Seat("lead-2", "#ops")
LEAD_IN_PROD = Seat("lead-1", "#prod")
GUEST = Seat("guest-1", "#ops")
SLOW_REBOOT = 1.5  # seconds, so that one sees a message at work


@dataclass(frozen=True)
class Scene:
    """One scene; the title says what it shows."""

    title: str
    play: Callable[[Stage], None]


@dataclass(frozen=True)
class Boots:
    """When machines were started last, as vCenter has it."""

    stage: Stage
    names: tuple[str, ...]
    before: tuple[datetime | None, ...]

    @classmethod
    def note(cls, stage: Stage, *names: str) -> Boots:
        """As they are now."""
        return cls(stage, names, _boot_times(stage, names))

    def prove_restarted(self) -> None:
        """All of them have another boot time now."""
        for name, before, now in zip(
            self.names, self.before, _boot_times(self.stage, self.names), strict=True
        ):
            self.stage.prove(
                f"vCenter: {name} was started at {write_moment(now)}, before that at {write_moment(before)}",
                holds=now is not None and now != before,
            )

    def prove_untouched(self) -> None:
        """None of them has."""
        self.stage.prove(
            f"vCenter: {', '.join(self.names)} not touched",
            holds=_boot_times(self.stage, self.names) == self.before,
        )


def _boot_times(stage: Stage, names: tuple[str, ...]) -> tuple[datetime | None, ...]:
    control = stage.installation.vcenter.control
    return tuple(control.vm(name).boot_time for name in names)


def write_moment(moment: datetime | None) -> str:
    """A time of day."""
    return f"{moment:%H:%M:%S}" if moment else "never"


def list_machines(stage: Stage) -> None:
    """Every machine that vCenter has is in the answer."""
    answer = stage.ask(OPS, "/vm list", expect="web-01")
    names = [vm.name for vm in stage.installation.vcenter.control.vms() if not vm.template]
    missing = [name for name in names if name not in answer.spoken]
    stage.prove(
        f"vCenter: {len(names)} machines, all in the answer, which only ops-1 sees",
        holds=not missing and answer.only_for == OPS.user,
    )


def show_machine(stage: Stage) -> None:
    """Facts of one machine."""
    answer = stage.ask(OPS, "/vm info web-01", expect="web-01")
    vm = stage.installation.vcenter.control.vm("web-01")
    stage.prove(f"vCenter: web-01 is on {vm.host}", holds=vm.host in answer.spoken)


def restart_machine(stage: Stage) -> None:
    """A guest reboot that vCenter saw, and one message that was edited until its end."""
    control = stage.installation.vcenter.control
    control.set_guest(control.vm("web-01").id, reboot=SLOW_REBOOT)
    boots = Boots.note(stage, "web-01")
    answer = stage.ask(OPS, "/vm restart web-01", expect="`web-01` restarted")
    boots.prove_restarted()
    if answer.earlier:  # not on a machine so busy that the first post came after the end
        stage.conversation.write(
            f"  -> one message, which said before: {answer.earlier[-1].splitlines()[-1]}"
        )
    now = control.vm("web-01")
    stage.prove(
        "vCenter: the guest was asked once, nothing was cut off",
        holds=now.effects.get("guestReboot") == 1 and not now.effects.get("reset"),
    )


def restart_several(stage: Stage) -> None:
    """Nothing happens before Go ahead."""
    boots = Boots.note(stage, "web-02", "web-03")
    plan = stage.ask(OPS, "/vm restart web-02 web-03", expect="Go ahead")
    boots.prove_untouched()
    stage.click(OPS, plan, "Go ahead", expect="Done")
    boots.prove_restarted()


def change_production(stage: Stage) -> None:
    """A mention instead of a slash command, and a rule that wants a look at the plan."""
    boots = Boots.note(stage, "prod-web-1")
    plan = stage.ask(LEAD_IN_PROD, "@andock vm restart prod-web-1", expect="Go ahead")
    boots.prove_untouched()
    stage.click(LEAD_IN_PROD, plan, "Go ahead", expect="Done")
    boots.prove_restarted()


def approve(stage: Stage) -> None:
    """Nothing happens before two leads agreed; then it does, once."""
    boots = Boots.note(stage, "prod-web-1")
    asked = stage.ask(OPS, "/vm restart prod-web-1", expect="Waits for approval")
    boots.prove_untouched()
    stage.click(LEAD, asked, "Approve", expect="Approved by: @lead-1", stays=True)
    boots.prove_untouched()
    stage.click(OTHER_LEAD, asked, "Approve", expect="Done")
    boots.prove_restarted()


def approve_oneself(stage: Stage) -> None:
    """Not one's own request."""
    boots = Boots.note(stage, "prod-web-1")
    asked = stage.ask(LEAD, "/vm reset prod-web-1", expect="Waits for approval")
    stage.click(LEAD, asked, "Approve", expect="nobody approves their own request", stays=True)
    boots.prove_untouched()
    stage.ask(LEAD, f"/andock request withdraw {asked.payload['request']}", expect="Withdrawn")
    boots.prove_untouched()


def change_after_approval(stage: Stage) -> None:
    """What was approved is not what would be done now."""
    control = stage.installation.vcenter.control
    asked = stage.ask(OPS, "/vm off prod-web-1", expect="Waits for approval")
    stage.click(LEAD, asked, "Approve", expect="Approved by: @lead-1", stays=True)
    meanwhile = stage.ask(LEAD, "/vm suspend prod-web-1", expect="Go ahead")
    stage.click(LEAD, meanwhile, "Go ahead", expect="Done")
    stage.click(OTHER_LEAD, asked, "Approve", expect="power was on and is suspended")
    vm = control.vm("prod-web-1")
    stage.prove(f"vCenter: it is {vm.power}, and was never powered off", holds=not vm.effects.get("powerOff"))
    back = stage.ask(LEAD, "/vm on prod-web-1", expect="Go ahead")
    stage.click(LEAD, back, "Go ahead", expect="Done")


def deny(stage: Stage) -> None:
    """A guest, and an operator before a protected machine."""
    boots = Boots.note(stage, "web-01", "prod-db-1")
    stage.ask(GUEST, "/vm restart web-01", expect="guests never act")
    stage.ask(OPS, "/vm off prod-db-1", expect="production databases are left alone (policy.yaml:")
    boots.prove_untouched()
    power = stage.installation.vcenter.control.vm("prod-db-1").power
    stage.prove(f"vCenter: prod-db-1 is {power}", holds=power == "poweredOn")


def ask_whether(stage: Stage) -> None:
    """The decision and its rule, without doing anything."""
    boots = Boots.note(stage, "prod-web-1")
    stage.ask(OPS, "/andock can-i vm restart prod-web-1", expect="after 2 approvals from leads")
    boots.prove_untouched()


def mistype(stage: Stage) -> None:
    """A suggestion, never a guess that runs."""
    boots = Boots.note(stage, "web-01")
    stage.ask(OPS, "/vm retsart web-01", expect="vm restart")
    boots.prove_untouched()


def halt_and_resume(stage: Stage) -> None:
    """The world stops, and goes on."""
    boots = Boots.note(stage, "web-02")
    stage.ask(LEAD, '/andock halt --reason "storage is failing over"', expect="halted by lead-1")
    stage.ask(OPS, "/vm restart web-02", expect="halt")
    boots.prove_untouched()
    held = stage.ask(LEAD, "/andock resume", expect="storage is failing over")
    stage.click(LEAD, held, "Resume all sites", expect="resumed by lead-1")
    stage.ask(OPS, "/vm restart web-02", expect="Done")
    boots.prove_restarted()


def write_directly(stage: Stage) -> None:
    """The same words without a slash or a mention."""
    stage.ask(OPS_DIRECT, "container list", expect=stage.installation.containers[0])


def verify_record(stage: Stage) -> None:
    """What happened is on disk, and nobody has bent it; one changed byte is found."""
    folder = stage.installation.state / "state" / "audit"
    stage.conversation.write("\n$ andock audit verify")
    code, output, errors = stage.installation.command("audit", "verify")
    stage.conversation.write(output.rstrip() or errors.rstrip())
    stage.prove("the record holds", holds=code == 0)
    with tempfile.TemporaryDirectory() as copy:
        shutil.copytree(folder, copy, dirs_exist_ok=True)
        file = min(Path(copy).glob("*.jsonl"))
        file.write_bytes(file.read_bytes().replace(b"ops-1", b"ops-2", 1))
        stage.conversation.write("\n$ andock audit verify --dir a-copy-with-one-byte-changed")
        code, output, errors = stage.installation.command("audit", "verify", "--dir", copy)
    stage.conversation.write(errors.rstrip() or output.rstrip())
    stage.prove("the change is found", holds=code == 1)


def run_on_host(stage: Stage) -> None:
    """The same way, without Slack."""
    stage.conversation.write('\n$ andock run "vm list web-*"')
    code, output, errors = stage.installation.run("vm list web-*")
    stage.conversation.write(output.rstrip() or errors.rstrip())
    if code or "web-01" not in output:
        raise NotShownError(f"`andock run` ended with exit code {code}")


MACHINES = (
    Scene("List machines. Reads answer only the one who asks.", list_machines),
    Scene("Look at one machine.", show_machine),
    Scene("Restart it. It counts only when vCenter has a new boot time.", restart_machine),
    Scene("Restart several: a plan first, and a button.", restart_several),
)
POLICY = (
    Scene("Change production: a lead, in its channel, after a look at the plan.", change_production),
    Scene("Change production as an operator: two leads agree first.", approve),
    Scene("Approve one's own request: refused.", approve_oneself),
    Scene("Change what was approved: refused, with the difference.", change_after_approval),
    Scene("Ask for what policy denies. The rule is named.", deny),
    Scene("Ask whether one may.", ask_whether),
    Scene("Mistype. There is a suggestion, and nothing runs.", mistype),
    Scene("Halt all changes, and resume them.", halt_and_resume),
    Scene("Write to Andock directly: the same words.", write_directly),
    Scene("Ask on the host instead of in Slack.", run_on_host),
)
RECORD = (Scene("Verify the audit record.", verify_record),)

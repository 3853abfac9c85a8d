"""The tree of all errors that Andock shows to a person; those by which it refuses are in `refusals.py`.

An error carries typed fields and builds its own sentence; call sites pass data. `changed` says what
happened to the target before the error: it, not the class, decides what may be repeated.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import ClassVar


class Changed(StrEnum):
    """What an operation had already done to its targets when it ended in an error."""

    NOTHING = "nothing"
    PARTLY = "partly"
    UNKNOWN = "unknown"


class OpsError(Exception):
    """Base of all errors whose sentence is safe to show in chat."""

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False

    def __init__(self, sentence: str, *, changed: Changed = Changed.NOTHING) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.changed = changed


# --- the asker can mend these -------------------------------------------------------------------------


class UserError(OpsError):
    """The asker can mend it; nothing was changed."""

    code = "user_error"


def nearest_names(similar: Sequence[str]) -> str:
    """The tail of a sentence that offers other names: ` Did you mean `a` or `b`?`, or nothing."""
    if not similar:
        return ""
    return " Did you mean " + " or ".join(f"`{name}`" for name in similar) + "?"


def usage_line(usage: str) -> str:
    """The line below a sentence that shows how the operation is typed, or nothing."""
    return f"\nUsage: `{usage}`" if usage else ""


class ParseError(UserError):
    """The text is no command; `usage` is the line that shows the way."""

    code = "parse_error"

    def __init__(self, problem: str, *, similar: Sequence[str] = (), usage: str = "") -> None:
        super().__init__(problem + nearest_names(similar) + usage_line(usage))
        self.similar = tuple(similar)
        self.usage = usage


class UnknownOperationError(ParseError):
    """No operation has that name."""

    code = "unknown_operation"

    def __init__(self, typed: str, *, similar: Sequence[str] = ()) -> None:
        super().__init__(f"There is no operation `{typed}`.", similar=similar, usage="help")
        self.typed = typed


class InvalidParamsError(ParseError):
    """The operation is known, its parameters are not right."""

    code = "invalid_params"


class UnknownSiteError(UserError):
    """No site has that name; `usage` is the line that shows the way."""

    code = "unknown_site"

    def __init__(self, site: str, *, similar: Sequence[str] = (), usage: str = "") -> None:
        super().__init__(f"There is no site `{site}`.{nearest_names(similar)}{usage_line(usage)}")
        self.site = site
        self.similar = tuple(similar)


class TargetNotFoundError(UserError):
    """Nothing has that name; says where it was looked for."""

    code = "target_not_found"

    def __init__(self, kind: str, name: str, *, searched: Sequence[str], similar: Sequence[str] = ()) -> None:
        where = ", ".join(f"`{site}`" for site in searched) or "no site"
        super().__init__(f"No {kind} `{name}` on {where}.{nearest_names(similar)}")
        self.kind = kind
        self.name = name
        self.similar = tuple(similar)


class AmbiguousTargetError(UserError):
    """Several targets have that name; lists them so that one can be typed exactly."""

    code = "target_ambiguous"

    def __init__(self, kind: str, name: str, candidates: Sequence[str]) -> None:
        listed = "\n".join(f"• `{candidate}`" for candidate in candidates)
        super().__init__(f"`{name}` is the name of {len(candidates)} {kind}s; say which one:\n{listed}")
        self.candidates = tuple(candidates)


class TargetStateError(UserError):
    """The target is not in a state in which this can be done."""

    code = "target_state"

    def __init__(self, target: str, *, actual: str, wanted: str) -> None:
        super().__init__(f"`{target}` is {actual}; it must be {wanted} for this.")


class NoChangeError(UserError):
    """All is as it was asked for, so nothing is to be done."""

    code = "no_change"

    def __init__(self, sentence: str) -> None:
        super().__init__(f"No change: {sentence}")


class NameTakenError(UserError):
    """Another container of the engine has the name."""

    code = "name_taken"

    def __init__(self, name: str, site: str, holder: str) -> None:
        super().__init__(f"`{name}` is taken on {site} by container {holder[:12]}; choose another name.")
        self.name = name


class CancelledError(UserError):
    """A person stopped the request."""

    code = "cancelled"


# --- the other side failed ----------------------------------------------------------------------------


class BackendError(OpsError):
    """A vCenter, a Docker engine, Redis or Slack failed."""

    code = "backend_error"


class BackendUnavailableError(BackendError):
    """Not reached: nothing was changed, it may be tried again."""

    code = "backend_unavailable"
    retryable = True

    def __init__(self, backend: str, why: str) -> None:
        super().__init__(f"{backend} was not reached ({why}); nothing was changed.")
        self.backend = backend
        self.why = why


class RecordNotConfirmedError(BackendUnavailableError):
    """A change does not begin before its record is on disk."""

    code = "not_recorded"

    def __init__(self, record: str, within: float) -> None:
        BackendError.__init__(
            self,
            f"The audit record `{record}` was not confirmed on disk within {within:g} s; nothing was "
            "changed.",
        )
        self.backend = "The recorder"
        self.why = f"record {record} was not confirmed"


class BackendRejectedError(BackendError):
    """The backend answered no."""

    code = "backend_rejected"

    def __init__(self, backend: str, why: str, *, changed: Changed = Changed.NOTHING) -> None:
        super().__init__(f"{backend} refused: {why}.", changed=changed)
        self.backend = backend
        self.why = why


class OutcomeUnknownError(BackendError):
    """Sent, and no answer: never repeated by Andock."""

    code = "outcome_unknown"

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, changed=Changed.UNKNOWN)


class DeadlineError(BackendError):
    """The operation's own time limit passed."""

    code = "deadline"

    def __init__(self, sentence: str, *, changed: Changed) -> None:
        super().__init__(sentence, changed=changed)


class LeaseLostError(BackendError):
    """This attempt no longer owns its request; another one settles it."""

    code = "lease_lost"


# --- the process refuses to start ---------------------------------------------------------------------


class ConfigError(OpsError):
    """A setting or a file is wrong; names the place and the fix."""

    code = "config_error"

    def __init__(self, problem: str, *, where: str, fix: str) -> None:
        super().__init__(f"{where}: {problem} Fix: {fix}")
        self.where = where
        self.fix = fix


class CatalogueError(OpsError):
    """An operation is declared wrongly: a bug in this repository."""

    code = "catalogue_error"


class SignatureError(OpsError):
    """What lies in Redis was not written by the one who may write it."""

    code = "signature"

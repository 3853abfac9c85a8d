"""What Andock itself refuses although it understood: by policy, limits, locks and halts, or to stay safe."""

from __future__ import annotations

from collections.abc import Sequence

from andock.errors import UserError, nearest_names


class NotAllowedError(UserError):
    """Policy refused; always names the rule."""

    code = "not_allowed"

    def __init__(self, reason: str, *, rule: str) -> None:
        super().__init__(f"Not allowed: {reason} (rule: {rule}).")
        self.rule = rule


class TooManyCommandsError(UserError):
    """More commands than are taken from one person or hook, or in one channel, within a minute."""

    code = "too_many_commands"
    retryable = True

    def __init__(self, whose: str, most: int, wait: float) -> None:
        self.wait = max(1, round(wait))  # seconds
        super().__init__(f"Too fast: {whose} {most} commands a minute. Ask again in {self.wait} s.")


class UnknownAuthorError(UserError):
    """A hook asks in the name of somebody whom Slack does not know."""

    code = "unknown_author"

    def __init__(self, author: str) -> None:
        super().__init__(
            f"Slack knows no member `{author}`. `author` is the Slack user id (`U...`) or the e-mail address "
            "of whoever wants it deployed."
        )


class NonceUsedError(UserError):
    """A hook sent a nonce again with other words."""

    code = "nonce_used"

    def __init__(self, nonce: str) -> None:
        super().__init__(f"The nonce `{nonce}` was used for another request. Make a new one for each.")


class NotListedError(UserError):
    """sites.yaml does not allow it; says which part of the file would."""

    code = "not_listed"

    def __init__(self, what: str, *, part: str, similar: Sequence[str] = ()) -> None:
        super().__init__(
            f"{what} is not allowed by `{part}:` in sites.yaml; whoever runs Andock can add it."
            + nearest_names(similar)
        )


class TargetBusyError(UserError):
    """Another request holds the target."""

    code = "target_busy"
    retryable = True

    def __init__(self, target: str, holder: str) -> None:
        super().__init__(f"`{target}` is being changed by request `{holder}`.")
        self.holder = holder


class LockedError(UserError):
    """Somebody else's lock covers a target."""

    code = "locked"
    retryable = True

    def __init__(self, what: str, *, owner: str, until: str, reason: str, advice: str) -> None:
        because = f" ({reason})" if reason else ""
        super().__init__(f"`{what}` is locked by {owner} until {until}{because}. {advice}")
        self.owner = owner


class PlanChangedError(UserError):
    """What was shown is not what would be done now."""

    code = "plan_changed"

    def __init__(self, differences: Sequence[str]) -> None:
        listed = "\n".join(f"• {difference}" for difference in differences)
        super().__init__(f"The plan changed since it was shown; nothing was done:\n{listed}")
        self.differences = tuple(differences)


class ProtectedTargetError(UserError):
    """Andock never stops itself."""

    code = "protected_target"

    def __init__(self, target: str, why: str, *, way_out: str = "Do this by hand.") -> None:
        super().__init__(f"`{target}` is refused: Andock itself runs on it ({why}). {way_out}")


class ImageNotAllowedError(UserError):
    """sites.yaml lets no image of that name be pulled or run."""

    code = "image_not_allowed"

    def __init__(self, image: str, allowed: Sequence[str]) -> None:
        listed = ", ".join(f"`{pattern}`" for pattern in allowed) or "none; sites.yaml has no `registries:`"
        super().__init__(f"Image `{image}` is not allowed. Allowed are: {listed}.")
        self.image = image


class HaltedError(UserError):
    """`halt` is on; changes are refused until `resume`."""

    code = "halted"

    def __init__(self, scope: str, by: str, reason: str) -> None:
        because = f": {reason}" if reason else ""
        super().__init__(f"Changes on {scope} are halted by {by}{because}. `resume` lets them go on.")


class SecretTypedError(UserError):
    """What was typed holds a secret; it is neither stored nor repeated."""

    code = "secret_typed"

    def __init__(self, kinds: Sequence[str]) -> None:
        super().__init__(
            f"This holds what looks like a secret ({', '.join(kinds)}). It was refused and not stored. "
            "Whoever can read your message has it: delete the message, and rotate the secret."
        )
        self.kinds = tuple(kinds)


class SecretInPlanError(UserError):
    """A plan cannot be stored without a secret, so it is not stored."""

    code = "secret_in_plan"

    def __init__(self, kinds: Sequence[str]) -> None:
        super().__init__(
            f"A name, a path or a setting of what would be changed holds a secret ({', '.join(kinds)}), and "
            "no plan with a secret is stored. Nothing was changed."
        )
        self.kinds = tuple(kinds)


class ExpiredError(UserError):
    """The request's time to start has passed."""

    code = "expired"

    def __init__(self, sentence: str = "Too late: the time to start this request has passed.") -> None:
        super().__init__(sentence + " Nothing was changed; ask again if it is still wanted.")

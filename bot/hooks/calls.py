"""What a hook sends, believed only once its signature over the raw bytes was checked."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from pydantic import Field, ValidationError

from andock.operation import Value
from bot.doorkeeper import SKEW, Refusal
from config.hooks import Hook

LARGEST = 16_384  # bytes of a body
_SIGNATURE = re.compile(r"sha256=[0-9a-f]{64}")
_TIME = re.compile(r"\d{1,12}")
_NOBODY = b"the secret of a hook that is not there"
_SHOWN = 60  # characters of a key that a refusal repeats
_UNSIGNED = (
    "Send `X-Andock-Hook: NAME` and `X-Andock-Signature: sha256=HEX`, each once; HEX is the HMAC-SHA256 with "
    "the hook's secret, in small letters."
)
_WRONG = (
    "The hook's name, its secret or what was signed is wrong. Sign the body's bytes exactly as they are sent."
)

Headers = Sequence[tuple[bytes, bytes]]


class DeployCall(Value):
    """The body of `POST /hooks/deploy`."""

    service: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")
    version: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.:@-]{0,199}$", description="a tag")
    environment: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")
    author: str = Field(
        pattern=r"^([UW][A-Z0-9]{2,20}|[^\s@<>|]+@[A-Za-z0-9.-]+)$",
        max_length=254,
        description="Slack user id, or the e-mail address of a member",
    )
    reason: str = Field(default="", max_length=300)
    url: str = Field(default="", pattern=r"^(https?://[!-;=?-{}~]{1,500})?$", description="the run of the CI")
    nonce: str = Field(pattern=r"^[A-Za-z0-9._-]{8,128}$", description="another one for each deployment")
    time: int = Field(description="seconds since the epoch")


def find_hook(headers: Headers, signed: bytes, hooks: Mapping[str, Hook]) -> Hook | Refusal:
    """The hook that signed these bytes."""
    name, signature = _only(headers, b"x-andock-hook"), _only(headers, b"x-andock-signature")
    if not name or not _SIGNATURE.fullmatch(signature):
        return Refusal(HTTPStatus.UNAUTHORIZED, _UNSIGNED)
    hook = hooks.get(name)
    # a name that nobody has takes as long as a wrong signature
    secret = hook.secret.get_secret_value().encode() if hook is not None else _NOBODY
    wanted = "sha256=" + hmac.new(secret, signed, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(wanted, signature) or hook is None:
        return Refusal(HTTPStatus.UNAUTHORIZED, _WRONG)
    return hook


def read_call(body: bytes) -> DeployCall | Refusal:
    """What a signed body asks for, if it was signed in the last five minutes."""
    try:
        call = DeployCall.model_validate_json(body, strict=True)
    except ValidationError as error:
        return Refusal(HTTPStatus.BAD_REQUEST, _explain(error))
    return _check_time(call.time) or call


def question_of(headers: Headers, request: str) -> tuple[bytes, Refusal | None]:
    """The bytes that a question for a request's status is signed over, and whether it is of now."""
    at = _only(headers, b"x-andock-time")
    if not _TIME.fullmatch(at):
        return b"", Refusal(HTTPStatus.UNAUTHORIZED, "Send `X-Andock-Time: SECONDS`, since the epoch, once.")
    return f"GET /hooks/deploy/{request}\n{at}".encode(), _check_time(int(at))


def _check_time(at: int) -> Refusal | None:
    now = time.time()
    if abs(now - at) <= SKEW:
        return None
    said = (
        f"The time {at} is more than {SKEW} s from the bot's, {int(now)}. Sign anew, and look at the clocks."
    )
    return Refusal(HTTPStatus.UNAUTHORIZED, said)


def _only(headers: Headers, name: bytes) -> str:
    """The value of a header that is there exactly once; else empty."""
    values = [value.decode("latin-1") for key, value in headers if key == name]
    return values[0] if len(values) == 1 else ""


def _explain(error: ValidationError) -> str:
    """The first thing wrong, and the way out."""
    errors = error.errors(include_input=False, include_url=False)
    # a misspelt key comes before the one that is missing because of it
    first = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
    if not first["loc"]:
        return f"The body is no JSON object: {first['msg']}."
    key = str(first["loc"][0])[:_SHOWN]
    if first["type"] == "extra_forbidden":
        return f"`{key}` is not known. The keys are: {', '.join(DeployCall.model_fields)}."
    return f"`{key}`: {first['msg']}."

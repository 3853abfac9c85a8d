"""Slack: the tokens and what they are allowed. Plain HTTP: Slack's SDK is the bot's and the courier's."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import IO, Any

from config.settings import BotSettings
from workers.doctor.clocks import judge_skew
from workers.doctor.findings import Finding, fail, ok

WITHIN = 4.0  # seconds for an answer
_LONGEST = 100_000  # bytes of an answer that are read
NEEDED = (
    "app_mentions:read",  # commands by mention
    "channels:history",  # finds its own message again when Slack's answer was lost
    "channels:read",  # may it post in this channel?
    "chat:write",
    "commands",
    "files:write",  # long output
    "groups:history",
    "groups:read",
    "im:history",  # commands by direct message
    "im:read",
    "im:write",  # answers that must stay private
    "usergroups:read",  # groups in policy.yaml
    "users:read",  # guests, bots and strangers never act
)
_FIXES = {
    "not_allowed_token_type": "SLACK_BOT_TOKEN begins with xoxb-, SLACK_APP_TOKEN with xapp-: swapped?",
    "account_inactive": "the app was removed or its installer deactivated; install it again.",
    "token_revoked": "install the app again and take its new token.",
    "token_expired": "install the app again and take its new token.",
    "missing_scope": "give the app-level token the scope connections:write.",
}


@dataclass(frozen=True, slots=True)
class _Answer:
    body: Mapping[str, Any]
    headers: http.client.HTTPMessage


class _NotAnsweredError(Exception):
    """No answer of the Web API; the text is one clause."""


class _StayHere(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: it would carry the token elsewhere."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> None:
        """None: the answer stays an error."""


def check_slack(settings: BotSettings) -> tuple[Finding, ...]:
    """The bot token, its scopes, Slack's clock, and what the chosen mode needs besides."""
    found = _check_bot_token(settings)
    if settings.slack_mode == "http":
        return (*found, _check_signing_secret(settings.slack_signing_secret.get_secret_value()))
    return (*found, _check_app_token(settings))


def _check_bot_token(settings: BotSettings) -> tuple[Finding, ...]:
    what = "slack bot token"
    token = settings.slack_bot_token.get_secret_value()
    try:
        answer = _call(settings.slack_api_url, "auth.test", token)
    except _NotAnsweredError as error:
        return (_not_reached(what, settings.slack_api_url, error),)
    if not answer.body.get("ok"):
        return (_refused(what, "SLACK_BOT_TOKEN", answer),)
    said = f"{answer.body.get('user')} in workspace {answer.body.get('team')} ({answer.body.get('team_id')})"
    found = [ok(what, said)]
    scopes = answer.headers.get("x-oauth-scopes")
    if scopes is not None:
        found.append(_check_scopes({scope.strip() for scope in scopes.split(",")}))
    date = answer.headers.get("date")
    if date is not None:
        # the header has no fractions: on average it is half a second old
        found.append(judge_skew("slack clock", parsedate_to_datetime(date).timestamp() + 0.5 - time.time()))
    return tuple(found)


def _check_scopes(given: set[str]) -> Finding:
    missing = [] if "*" in given else [scope for scope in NEEDED if scope not in given]
    if not missing:
        return ok("slack scopes", f"all {len(NEEDED)} that Andock uses")
    fix = "add them to the app (`andock manifest` prints all) and install it again."
    return fail("slack scopes", f"missing: {', '.join(missing)}", fix)


def _check_app_token(settings: BotSettings) -> Finding:
    what = "slack app token"
    token = settings.slack_app_token.get_secret_value()
    if not token:
        fix = "set SLACK_APP_TOKEN (xapp-...), or ANDOCK_SLACK_MODE=http."
        return fail(what, "is not set, and Socket Mode needs it", fix)
    try:
        # asks for a socket's address and never opens it
        answer = _call(settings.slack_api_url, "apps.connections.open", token)
    except _NotAnsweredError as error:
        return _not_reached(what, settings.slack_api_url, error)
    return (
        ok(what, "may open sockets") if answer.body.get("ok") else _refused(what, "SLACK_APP_TOKEN", answer)
    )


def _check_signing_secret(secret: str) -> Finding:
    what = "slack signing secret"
    if secret:
        return ok(what, "is set; only Slack's next request shows whether it is the right one")
    fix = "set SLACK_SIGNING_SECRET from the app's Basic Information."
    return fail(what, "is not set, and HTTP mode needs it", fix)


def _not_reached(what: str, url: str, error: _NotAnsweredError) -> Finding:
    fix = "check network, proxy and ANDOCK_SLACK_API_URL."
    return fail(what, f"{url} was not reached ({error})", fix)


def _refused(what: str, variable: str, answer: _Answer) -> Finding:
    code = str(answer.body.get("error", "no reason given"))
    return fail(what, f"Slack says {code}", _FIXES.get(code, f"copy {variable} anew from the app's pages."))


def _call(base: str, method: str, token: str) -> _Answer:
    if not base.startswith(("https://", "http://")):
        raise _NotAnsweredError("it is no http address")
    request = urllib.request.Request(  # noqa: S310  the scheme is checked above
        f"{base.rstrip('/')}/{method}", data=b"", headers={"Authorization": f"Bearer {token}"}, method="POST"
    )
    try:
        with urllib.request.build_opener(_StayHere()).open(request, timeout=WITHIN) as response:
            body = json.loads(response.read(_LONGEST))
            headers = response.headers
    except urllib.error.HTTPError as error:
        raise _NotAnsweredError(f"HTTP {error.code}") from error
    except urllib.error.URLError as error:
        reason = error.reason
        raise _NotAnsweredError(getattr(reason, "strerror", None) or str(reason)) from error
    except (OSError, http.client.HTTPException) as error:
        raise _NotAnsweredError(str(error) or type(error).__name__) from error
    except ValueError as error:
        raise _NotAnsweredError("its answer is not Slack's") from error
    if not isinstance(body, dict):
        raise _NotAnsweredError("its answer is not Slack's")
    return _Answer(body, headers)

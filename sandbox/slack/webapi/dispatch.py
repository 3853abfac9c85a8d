"""One Web API call from request to answer: faults, token, scopes, arguments, rate, effect."""

import asyncio
import json
from urllib.parse import parse_qsl

from aiohttp import web

from sandbox.slack.faults import Fault
from sandbox.slack.parts import Parts
from sandbox.slack.webapi import basics, chat, conversations, files, members, views
from sandbox.slack.webapi.method import Answer, Args, Method
from sandbox.slack.wire import ApiError, Json, RateLimitedError

METHODS: dict[str, Method] = {
    method.name: method
    for family in (basics, chat, conversations, files, members, views)
    for method in family.METHODS
}


class WebApi:
    """Answers `/api/<method>`."""

    def __init__(self, parts: Parts) -> None:
        """Declare every method's tier, so that limits can be listed and changed."""
        self.parts = parts
        for method in METHODS.values():
            if method.per_minute is not None:
                parts.rates.declare(method.name, method.per_minute)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """The aiohttp handler."""
        name = request.match_info["method"]
        method = METHODS.get(name)
        if method is None:
            self.parts.journal.record(name, 200, "unknown_method", {})
            return web.json_response({"ok": False, "error": "unknown_method", "req_method": name})
        fault = self.parts.faults.take(name)
        args, answer = Args({}), None
        try:
            args, is_json = await _read_args(request)
            if fault is None or fault.when == "after" or fault.kind == "delay":
                if fault and fault.kind == "delay" and fault.when == "before":
                    await asyncio.sleep(fault.seconds)
                answer = await self._call(method, args, request, is_json=is_json)
        except ApiError as refusal:
            answer = Answer(200, refusal.body())
        except RateLimitedError as limit:
            answer = _limit(limit.retry_after)
        answer = await self._spoil(fault, answer, request)
        self._record(name, args, answer)
        return web.json_response(answer.body, status=answer.status or 500, headers=answer.headers)

    async def _call(self, method: Method, args: Args, request: web.Request, *, is_json: bool) -> Answer:
        given = self._authorise(method, args, request)
        if method.per_minute is not None:
            self.parts.rates.spend(method.name)
        if is_json and not method.takes_json:
            args = Args({})
        for name in method.required:
            if args.raw.get(name) in (None, "", []):
                raise ApiError("missing_argument", f"[ERROR] missing required field: {name}")
        body = await method.handler(self.parts, args)
        return Answer(
            200, body, {"X-OAuth-Scopes": given, "X-Accepted-OAuth-Scopes": ",".join(method.scopes)}
        )

    def _authorise(self, method: Method, args: Args, request: web.Request) -> str:
        header = request.headers.get("Authorization", "")
        token = header.removeprefix("Bearer ").strip() or args.string("token")
        identity, app = self.parts.identity, self.parts.app
        if not token:
            raise ApiError("not_authed")
        if token not in (identity.bot_token, identity.app_token):
            raise ApiError("invalid_auth")
        if app.token_problem:
            raise ApiError(app.token_problem)
        if (token == identity.app_token) != (method.token == "app"):
            raise ApiError("not_allowed_token_type")
        if app.scopes is None or method.token == "app":
            return "*"
        given = ",".join(sorted(app.scopes))
        if method.scopes and not app.scopes & set(method.scopes):
            raise ApiError("missing_scope", extra={"needed": ",".join(method.scopes), "provided": given})
        return given

    async def _spoil(self, fault: Fault | None, answer: Answer | None, request: web.Request) -> Answer:
        """Do to the answer what was ordered; `answer` is None when the call must not take effect."""
        if fault is None and answer is not None:
            return answer
        match fault.kind if fault else "":
            case "delay" if fault and answer:
                if fault.when == "after":
                    await asyncio.sleep(fault.seconds)
                return answer
            case "ratelimited" if fault:
                return _limit(fault.retry_after)
            case "http_error" if fault:
                return Answer(fault.status, {"ok": False, "error": "internal_error"})
            case "error" if fault:
                return Answer(200, {"ok": False, "error": fault.error})
            case _:
                if request.transport is not None:
                    request.transport.close()
                return Answer(0, {})

    def _record(self, name: str, args: Args, answer: Answer) -> None:
        shown: Json = {key: value for key, value in args.raw.items() if key != "token"}
        self.parts.journal.record(name, answer.status, str(answer.body.get("error", "")), shown)


def _limit(retry_after: int) -> Answer:
    return Answer(429, {"ok": False, "error": "ratelimited"}, {"Retry-After": str(retry_after)})


async def _read_args(request: web.Request) -> tuple[Args, bool]:
    """Arguments of the query and the body together, and whether the body was JSON."""
    raw: Json = dict(request.query)
    kind = request.content_type
    body = b"" if kind == "multipart/form-data" else await request.read()
    if kind == "application/json" and body.strip():
        try:
            value = json.loads(body)
        except ValueError as exc:
            raise ApiError("invalid_json") from exc
        if not isinstance(value, dict):
            raise ApiError("json_not_object")
        return Args(raw | value), True
    if kind == "application/x-www-form-urlencoded":
        raw |= dict(parse_qsl(body.decode(), keep_blank_values=True))
    elif kind == "multipart/form-data":
        raw |= {key: value for key, value in (await request.post()).items() if isinstance(value, str)}
    elif body.strip() and kind != "application/json":
        raise ApiError("invalid_post_type")
    return Args(raw), False

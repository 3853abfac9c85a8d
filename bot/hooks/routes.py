"""`/hooks/deploy` over HTTP: every answer is JSON, every refusal says the way out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from andock.errors import OpsError, ParseError, TargetNotFoundError, UserError
from andock.refusals import (
    NotAllowedError,
    SecretTypedError,
    TooManyCommandsError,
    UnknownAuthorError,
)
from bot.doorkeeper import Refusal, read_body
from bot.hooks.calls import LARGEST, find_hook, question_of, read_call
from bot.hooks.desk import HookDesk
from bot.metrics import Metrics
from config.hooks import Hook

log = structlog.get_logger()
PATH = "/hooks/deploy"
PATIENCE = 10.0  # seconds; a CI waits longer than Slack does
AGAIN = 5  # seconds after which what failed on our side may be asked again


@dataclass(frozen=True)
class HookRoutes:
    """The HTTP side of the hooks; without hooks there is none."""

    hooks: Mapping[str, Hook]
    desk: HookDesk
    metrics: Metrics

    def routes(self) -> list[Route]:
        """What the bot's application answers besides."""
        if not self.hooks:
            return []
        return [
            Route(PATH, self._deploy, methods=["POST"]),
            Route(PATH + "/{request}", self._status, methods=["GET"]),
        ]

    async def _deploy(self, request: Request) -> Response:
        body = await read_body(request, LARGEST)
        if isinstance(body, Refusal):
            return self._refuse(body)
        hook = find_hook(request.scope["headers"], body, self.hooks)
        if isinstance(hook, Refusal):
            return self._refuse(hook)
        call = read_call(body)
        if isinstance(call, Refusal):
            return self._refuse(call)

        async def take() -> Response:
            taken = await self.desk.take(hook, call, body)
            self.metrics.taken()
            log.info("hook_taken", hook=hook.name, request=taken.request, new=taken.new)
            address = f"{PATH}/{taken.request}"
            return JSONResponse(
                {"request": taken.request, "status_url": address},
                HTTPStatus.ACCEPTED if taken.new else HTTPStatus.OK,
                {"Location": address},
            )

        return await self._answer(take)

    async def _status(self, request: Request) -> Response:
        wanted, headers = str(request.path_params["request"]), request.scope["headers"]
        signed, late = question_of(headers, wanted)
        hook = late or find_hook(headers, signed, self.hooks)
        if isinstance(hook, Refusal):
            return self._refuse(hook)

        async def look() -> Response:
            status = await self.desk.look(hook, wanted)
            if status is None:
                said = f"Hook `{hook.name}` has asked for no request of that id within the last 30 days."
                return self._refuse(Refusal(HTTPStatus.NOT_FOUND, said))
            return JSONResponse(status.model_dump(mode="json"), headers={"Cache-Control": "no-store"})

        return await self._answer(look)

    async def _answer(self, work: Callable[[], Awaitable[Response]]) -> Response:
        """The answer, or the refusal that an error is; never a traceback."""
        try:
            async with asyncio.timeout(PATIENCE):
                return await work()
        except OpsError as error:
            return self._refuse(
                Refusal(_status_of(error), error.sentence), error.code, getattr(error, "wait", AGAIN)
            )
        except (SlackApiError, aiohttp.ClientError, TimeoutError) as error:
            log.warning("hook_failed", error=type(error).__name__)
            said = (
                "Slack or Redis did not answer in time. Send the same again: the nonce makes it one request."
            )
            return self._refuse(Refusal(HTTPStatus.SERVICE_UNAVAILABLE, said))
        except Exception:
            # the process' outermost boundary: the caller hears of it, and the next call still works
            log.exception("internal_error")
            said = (
                "Internal error; the bot's log has the details. Sent again, the nonce makes it one request."
            )
            return self._refuse(Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, said))

    def _refuse(self, refusal: Refusal, code: str = "", wait: int = AGAIN) -> Response:
        status = HTTPStatus(refusal.status)
        code = code or status.name.lower()
        self.metrics.refused(code)
        log.warning("hook_refused", status=refusal.status, code=code)
        later = status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
        return JSONResponse(
            {"error": code, "message": refusal.reason},
            status,
            {"Retry-After": str(wait)} if later else None,
        )


def _status_of(error: OpsError) -> HTTPStatus:
    match error:
        case NotAllowedError():
            return HTTPStatus.FORBIDDEN
        case TooManyCommandsError():
            return HTTPStatus.TOO_MANY_REQUESTS
        case ParseError() | SecretTypedError() | UnknownAuthorError():
            return HTTPStatus.BAD_REQUEST
        case TargetNotFoundError():
            return HTTPStatus.NOT_FOUND
        case UserError():
            return HTTPStatus.CONFLICT
        case _:
            return HTTPStatus.SERVICE_UNAVAILABLE

"""JSON lines on stderr, each with the request id where there is one; never a body, never a secret."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import structlog

from andock.redaction import SHAPES_ONLY, Redactor

log = structlog.get_logger()


def start_logging(level: str, process: str, redactor: Redactor = SHAPES_ONLY) -> None:
    """Route structlog, the libraries' loggers and what nobody catches to one JSON stream without secrets."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        # by the chain and not by a bound variable: a thread starts without those
        lambda _logger, _method, line: {"process": process, **line},
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.ExceptionRenderer(
            # without values: local variables hold secrets and what people typed
            structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        ),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _Hider(redactor),
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # these log request bodies or a line per request at INFO
    for chatty in (
        "slack_bolt",
        "slack_sdk",
        "rq",
        "rq.worker",
        "urllib3",
        "docker",
        "uvicorn.access",
        "asyncio",
    ):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLevelName(level)))
    sys.excepthook = _log_crash
    threading.excepthook = _log_thread


class _Hider:
    """Hides secrets in every text of a line; the last to see it before it becomes JSON."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor

    def __call__(self, _logger: object, _method: str, line: structlog.typing.EventDict) -> Mapping[str, Any]:
        """The line, as a new one if there was anything to hide."""
        plain = {name: _plain(value) for name, value in line.items()}
        # one look at all texts together, since nearly every line holds nothing
        if not self._redactor.find("\n".join(_texts(plain))):
            return plain
        return {name: self._hide(value) for name, value in plain.items()}

    def _hide(self, value: Any) -> Any:
        match value:
            case str():
                return self._redactor.redact(value)
            case dict():
                return {name: self._hide(inner) for name, inner in value.items()}
            case list():
                return [self._hide(inner) for inner in value]
            case _:
                return value


def _plain(value: Any) -> Any:
    """As JSON has it; what JSON does not know is shown as Python shows it."""
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return str(value)
        case dict():
            return {str(name): _plain(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_plain(inner) for inner in value]
        case _:
            return repr(value)


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for inner in value.values():
                yield from _texts(inner)
        case list():
            for inner in value:
                yield from _texts(inner)


def _log_crash(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    """Instead of Python's own words on stderr, which nothing hides secrets in."""
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    log.critical("crashed", exc_info=(kind, error, trace))


def _log_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not issubclass(args.exc_type, SystemExit):
        log.critical("thread_crashed", exc_info=(args.exc_type, args.exc_value, args.exc_traceback))

"""Structured logs: one JSON object a line on standard error, without tokens, secrets, bodies or full phone numbers."""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

import structlog

HIDDEN: Final = "[hidden]"
SECRET_KEYS: Final = re.compile(
    r"(?i:authorization|tokens?|secrets?|passwords?|cookies?|api[_-]?keys?)$|(?i:^|[_-])(?i:body|text)$|[a-z](?:Body|Text)$"
)
JWT: Final = re.compile(r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*")
BEARER: Final = re.compile(r"\b(Bearer)\s+\S+", re.IGNORECASE)
PHONE: Final = re.compile(r"(?<![^\W_])(?<![.-])\+?[0-9]{4,11}([0-9]{4})(?![^\W_]|[.-]\w)")
"""8 to 15 digits on their own. Other numbers of that length are cut as well: better an id too few than a phone too many."""

WEBHOOK_SECRET: Final = re.compile(r"(/webhooks/wpp-connect/)(?!health/?(?:\s|$)).+", re.IGNORECASE)
"""To the end of the line: the path is logged unescaped, so a secret may hold slashes and blanks."""


def scrubbed(text: str) -> str:
    """A text without tokens and webhook secrets, phone numbers cut to their last four digits."""
    text = JWT.sub(HIDDEN, text)
    text = BEARER.sub(rf"\1 {HIDDEN}", text)
    text = WEBHOOK_SECRET.sub(rf"\1{HIDDEN}", text)
    return PHONE.sub(r"****\1", text)


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return scrubbed(value)
    if isinstance(value, Mapping):
        return {key: HIDDEN if SECRET_KEYS.search(str(key)) else _clean(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(each) for each in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return scrubbed(repr(value))  # the renderer would write the same, only later


def redact(_logger: object, _method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Clean every value of a log entry; what is under a secret's name is hidden whole."""
    return {key: HIDDEN if SECRET_KEYS.search(key) else _clean(value) for key, value in entry.items()}


def configure_logs(level: str) -> None:
    """Set up logging for a process of this program; libraries' warnings come out the same way."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            redact,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.format_exc_info,
                redact,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ]
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)

"""Problems: every error as RFC 9457 application/problem+json, in English and Chinese."""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from litestar import Request, Response
from litestar.exceptions import (
    ClientException,
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)
from litestar.exceptions.http_exceptions import RequestEntityTooLarge

from feiqian.instruments.limits import OverLimit
from feiqian.kernel.errors import Broken, FeiqianError, Malformed, NotFound, Refused
from feiqian.kernel.ids import show
from feiqian.kernel.logs import logger, request_id

MEDIA_TYPE = "application/problem+json"
CATALOGUE = "/v1/errors#"

log = logger("web")


class MethodNotAllowed(Refused):
    """This address does not answer that method. See the API description."""

    code, status, zh = "method_not_allowed", 405, "该地址不支持此方法，请查看接口文档。"


class TooLarge(Refused):
    """The body is too large. Send less at once."""

    code, status, zh = "too_large", 413, "请求体过大，请减少一次提交的内容。"


class UnsupportedMediaType(Refused):
    """Bodies are JSON. Send Content-Type: application/json."""

    code, status, zh = (
        "unsupported_media_type",
        415,
        "请求体须为 JSON，请设置 Content-Type: application/json。",
    )


class FieldFault(msgspec.Struct, frozen=True):
    """One field that cannot be read, and why."""

    param: str
    detail: str


class Problem(msgspec.Struct, frozen=True):
    """What went wrong, for programs (code, param, facts) and for people (both languages)."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    message_en: str
    message_zh: str
    retryable: bool
    request_id: str
    param: str | None = None
    payment: str | None = None
    facts: dict[str, Any] = {}
    errors: list[FieldFault] = []


_JSON = msgspec.json.Encoder()


class Asker(NamedTuple):
    """Who hears an answer. is_merchant: has no business with what a customer spent elsewhere."""

    language: str
    request_id: str
    is_merchant: bool = False


def problem(
    error: FeiqianError,
    asker: Asker,
    payment: UUID | None = None,
    faults: list[FieldFault] | None = None,
) -> Problem:
    """The public form of an error. payment: the refused payment that remembers it."""
    if isinstance(error, Broken) or (asker.is_merchant and isinstance(error, OverLimit)):
        error = type(error)(error.param)  # without its facts
    return Problem(
        type=CATALOGUE + error.code,
        title=error.text(asker.language),
        status=error.status,
        detail=error.message(asker.language),
        code=error.code,
        message_en=error.message("en"),
        message_zh=error.message("zh"),
        retryable=error.retryable,
        request_id=asker.request_id,
        param=error.param,
        payment=None if payment is None else show("pay", payment),
        facts=error.facts,
        errors=faults or [],
    )


def encode(shown: Problem) -> bytes:
    """The bytes of a problem."""
    return _JSON.encode(shown)


def language_of(request: Request[Any, Any, Any]) -> str:
    """'zh' when Chinese is what the caller would rather read, else 'en'."""
    wanted = request.headers.get("accept-language", "")
    first = wanted.split(",")[0].strip().lower()
    return "zh" if first.startswith("zh") else "en"


def asker_of(request: Request[Any, Any, Any], *, is_merchant: bool = False) -> Asker:
    """Who asks, as far as answers differ by it."""
    return Asker(language_of(request), request_id.get() or "", is_merchant)


def on_error(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Any error as a problem; what we did not foresee is logged whole and told as broken, without a trace."""
    known, faults = _known(error)
    if isinstance(known, Broken):
        log.error("broken", error_code=known.code, facts=known.facts, exc_info=error)
        known = Broken()
    headers = {}
    if known.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if known.status == 503:
        headers["Retry-After"] = "1"
    if isinstance(error, MethodNotAllowedException):
        named = (error.headers or {}).get("allow", "").split(", ")
        headers["Allow"] = ", ".join(sorted(set(named) - {"OPTIONS", ""}))
    body = encode(problem(known, asker_of(request), faults=faults))
    return Response(body, status_code=known.status, media_type=MEDIA_TYPE, headers=headers)


def _known(error: Exception) -> tuple[FeiqianError, list[FieldFault]]:
    if isinstance(error, Malformed) and error.param:
        return error, [FieldFault(error.param, str(error.facts.get("reason", "")))]
    if isinstance(error, FeiqianError):
        return error, []
    if isinstance(error, ValidationException):
        faults = [_fault(each) for each in error.extra or [] if isinstance(each, dict)]
        first = faults[0] if faults else None
        return Malformed(first.param if first else None, **_reason(first, error)), faults
    if isinstance(error, NotFoundException):
        return NotFound(), []
    if isinstance(error, MethodNotAllowedException):
        return MethodNotAllowed(), []
    if isinstance(error, RequestEntityTooLarge):
        return TooLarge(), []
    if isinstance(error, HTTPException) and error.status_code == 415:
        return UnsupportedMediaType(), []
    if isinstance(error, ClientException):
        return Malformed(reason=str(error.detail)[:200]), []
    return Broken(), []


def _reason(first: FieldFault | None, error: ValidationException) -> dict[str, str]:
    return {"reason": first.detail if first else str(error.detail)[:200]}


def _fault(raw: dict[str, Any]) -> FieldFault:
    return FieldFault(str(raw.get("key") or raw.get("source") or ""), str(raw.get("message", ""))[:200])

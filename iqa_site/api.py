"""How the API says no: every refusal becomes ``{"code", "detail"}``."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.response import Response
from rest_framework.views import exception_handler

from iqa_site.api_parsers import TooLong
from scoring.errors import StationError


def refusals_as_json(exc: Exception, context: dict[str, Any]) -> Response | None:
    """The answer to a refusal of a station or of the framework; a fault of ours (None) stays a 500."""
    if isinstance(exc, StationError):
        return Response({"code": exc.code, "detail": str(exc)}, status=exc.status)
    if isinstance(exc, RequestDataTooBig):
        exc = TooLong()
    if isinstance(exc, SuspiciousOperation):  # too many files or fields, a host that is not ours
        return Response({"code": "bad_request", "detail": str(exc)}, status=400)
    answer = exception_handler(exc, context)
    if answer is None:
        return None
    if isinstance(exc, ValidationError):
        answer.data = _invalid(exc)
    else:
        code = exc.get_codes() if isinstance(exc, APIException) else _code_of(answer.status_code)
        answer.data = {"code": code, "detail": str(answer.data["detail"])}
    return answer


def _code_of(status: int) -> str:
    return {403: "permission_denied", 404: "not_found"}.get(status, "refused")


def _invalid(exc: ValidationError) -> dict[str, Any]:
    fields = dict(_flat("", exc.detail))
    told = "; ".join(
        f"{name}: {' '.join(lines)}" if name else " ".join(lines) for name, lines in fields.items()
    )
    return {"code": "invalid", "detail": told, "fields_refused": fields}


def _flat(name: str, detail: Any) -> list[tuple[str, list[str]]]:
    """Nested messages as pairs of a dotted name and its lines."""
    if isinstance(detail, dict):
        return [
            pair
            for key, value in detail.items()
            for pair in _flat(f"{name}.{key}".strip(".") if key != "non_field_errors" else name, value)
        ]
    lines = [line for line in detail if isinstance(line, str)]
    deeper = [
        pair
        for number, part in enumerate(detail)
        if not isinstance(part, str)
        for pair in _flat(f"{name}.{number}".strip("."), part)
    ]
    return ([(name, [str(line) for line in lines])] if lines else []) + deeper

"""What every operation of the API has in common, told once in its OpenAPI schema."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import build_bearer_security_scheme_object

REFUSALS = {
    "400": "The request does not have the shape described here.",
    "401": "No token or session, or one that has run out.",
    "403": "The person has not the role for this.",
    "404": "No such thing, or not for this person.",
    "409": "The world moved on: somebody else was first.",
    "413": "More than the site takes at once.",
    "415": "The body is neither JSON nor a form.",
    "422": "The request is well formed, but the input cannot be used; nothing was written.",
    "429": "Too many requests; `Retry-After` says when to ask again.",
    "503": "Not ready yet; try again in a moment.",
}
SHAPE: dict[str, Any] = {
    "type": "object",
    "description": "What every refusal looks like: `code` is stable for programs, `detail` is for people.",
    "required": ["code", "detail"],
    "properties": {
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "fields_refused": {
            "type": "object",
            "description": "Only for code `invalid`: what is wrong with which field.",
            "additionalProperties": {"type": "array", "items": {"type": "string"}},
        },
    },
}
METHODS = {"get", "post", "put", "patch", "delete"}


class NamedByView(AutoSchema):
    """Operations are called by their view; one with several methods says which."""

    def get_operation_id(self) -> str:
        name, methods = type(self.view).__name__, self.view.allowed_methods
        several = len([method for method in methods if method.lower() in METHODS]) > 1
        return f"{self.method.lower()}_{name}" if several else name


class KnoxTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """``Authorization: Token …``"""

    target_class = "iqa_site.api_auth.KnoxTokens"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> Any:
        return build_bearer_security_scheme_object(header_name="Authorization", token_prefix="Token")  # noqa: S106


def with_refusals(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """A hook of drf-spectacular: every operation documents every refusal in one shape."""
    result.setdefault("components", {}).setdefault("schemas", {})["Refusal"] = SHAPE
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}}
    for operations in result["paths"].values():
        for method, operation in operations.items():
            if method in METHODS:
                told = {
                    status: {"description": words, "content": content} for status, words in REFUSALS.items()
                }
                operation["responses"] = {**told, **operation["responses"]}
    return result

"""Input of the API: every field is named, typed and bounded, and a field nobody named is refused.

Filters and bodies alike go through here, so no request reaches the ORM under a name of its own choice.
"""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.utils.serializer_helpers import BindingDict

T = TypeVar("T", bound="Strict")
NOT_OURS = {"csrfmiddlewaretoken"}


class Strict(serializers.Serializer[Any]):
    """A serializer that refuses unknown fields instead of leaving them out.

    Its fields are made once for each kind of body, not for each body: checking one leaves no trace in them.
    """

    @cached_property
    def fields(self) -> BindingDict:
        return _fields_of(type(self))

    def to_internal_value(self, data: Any) -> Any:
        if hasattr(data, "keys"):
            unknown = sorted(set(map(str, data.keys())) - set(self.fields) - NOT_OURS)
            if unknown:
                raise serializers.ValidationError({name: [_("There is no such field.")] for name in unknown})
        return super().to_internal_value(data)


@cache
def _fields_of(kind: type[Strict]) -> BindingDict:
    made: BindingDict = serializers.Serializer.fields.func(kind())  # type: ignore[attr-defined]
    return made


def query_of(request: Request, shape: type[Strict]) -> dict[str, Any]:
    """The checked query of a request; anything unknown or ill formed is a 400 that names it."""
    return _checked(shape(data=request.query_params))


def body_of(request: Request, shape: type[Strict]) -> dict[str, Any]:
    """The checked body of a request."""
    return _checked(shape(data=request.data))


def _checked(given: Strict) -> dict[str, Any]:
    given.is_valid(raise_exception=True)
    return dict(given.validated_data)

"""What the comparing API takes and gives, field by field."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from labeling.annotate import LONGEST_MS
from labeling.api.label_shapes import ByPerson, id_field, ids_field
from labeling.compare import MOST_PAIRS
from labeling.models import Comparison


class PairsInput(ByPerson):
    """How many pairs are wanted beside those at hand."""

    count = serializers.IntegerField(min_value=1, max_value=MOST_PAIRS, default=1)
    holding = ids_field(default=list, help_text="Items the page has already; it gets pairs of others.")
    project = id_field(required=False, help_text="Else the one chosen on the pages, else the oldest.")


class CompareInput(ByPerson):
    """Which of two items looks better; ``left`` and ``right`` are the sides on which they were shown."""

    left = id_field()
    right = id_field()
    answer = serializers.ChoiceField(choices=Comparison.Answer.values)
    key = serializers.UUIDField(help_text="Made by the client, one per answer: sent twice it is one.")
    duration_ms = serializers.IntegerField(min_value=0, max_value=LONGEST_MS, default=0)
    next = PairsInput(required=False, help_text="Ask for pairs in the same breath.")


class CompareUndoInput(ByPerson):
    comparison = serializers.UUIDField(help_text="The key of the comparison to take back.")
    key = serializers.UUIDField(help_text="Of this undo; sent twice it undoes once.")


class SideShape(serializers.Serializer[Any]):
    """One picture of a pair; no score, so that nothing sways."""

    item = serializers.IntegerField()
    image = serializers.IntegerField()
    picture = serializers.CharField(help_text="Address of the picture.")
    thumbnail = serializers.CharField()
    width = serializers.IntegerField()
    height = serializers.IntegerField()
    title = serializers.CharField()
    category = serializers.CharField()


class PairShape(serializers.Serializer[Any]):
    left = SideShape()
    right = SideShape()


class WhyNothingShape(serializers.Serializer[Any]):
    """Why no pair or sheet came."""

    code = serializers.CharField(help_text="no_pairs, no_clear_cases, or a refusal's.")
    detail = serializers.CharField()


class PairsShape(serializers.Serializer[Any]):
    pairs = PairShape(many=True)
    nothing = WhyNothingShape(allow_null=True)


class ComparisonShape(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    key = serializers.UUIDField()
    left = serializers.IntegerField()
    right = serializers.IntegerField()
    answer = serializers.CharField()


class ComparedShape(PairsShape):
    comparison = ComparisonShape()


class OnePairShape(serializers.Serializer[Any]):
    pair = PairShape(allow_null=True)

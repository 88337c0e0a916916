"""What the Grid page's API takes and gives, field by field."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from labeling.annotate import LONGEST_MS
from labeling.api.compare_shapes import WhyNothingShape
from labeling.api.label_shapes import ByPerson, CardShape, id_field, ids_field, rating_field
from labeling.core.sheets import MOST_ON_A_SHEET
from scoring.api.strict import Strict


class SheetInput(ByPerson):
    """Asks for one sheet."""

    holding = ids_field(default=list, help_text="Assignments the page has already; it gets others.")
    project = id_field(required=False, help_text="Else the one chosen on the pages, else the oldest.")


class TileInput(Strict):
    """One picture of a sheet: confirmed as it is, with another ``rating``, or skipped."""

    assignment = id_field()
    score = id_field(
        required=False, allow_null=True, default=None, help_text="The ``id`` of the prediction shown."
    )
    rating = rating_field(required=False, allow_null=True, default=None)
    skip = serializers.BooleanField(default=False)


class ConfirmInput(ByPerson):
    """All answers of one sheet."""

    key = serializers.UUIDField(help_text="Made by the client, one per sheet: sent twice it is one.")
    answers = serializers.ListField(child=TileInput(), min_length=1, max_length=MOST_ON_A_SHEET)
    duration_ms = serializers.IntegerField(min_value=0, max_value=LONGEST_MS, default=0)
    next = SheetInput(required=False, help_text="Ask for a sheet in the same breath.")


class SheetUndoInput(ByPerson):
    sheet = serializers.UUIDField(help_text="The key of the sheet to take back.")
    assignments = ids_field(help_text="Its pictures.")
    key = serializers.UUIDField(help_text="Of this undo; sent twice it undoes once.")


class CardsShape(serializers.Serializer[Any]):
    cards = CardShape(many=True)


class SheetCardsShape(CardsShape):
    rating = serializers.IntegerField(help_text="The vote 1-5 that confirming means for each picture.")


class SheetShape(serializers.Serializer[Any]):
    sheet = SheetCardsShape(allow_null=True)
    nothing = WhyNothingShape(allow_null=True)


class TileResultShape(serializers.Serializer[Any]):
    assignment = serializers.IntegerField()
    key = serializers.UUIDField(allow_null=True, help_text="Of the vote; null for a skip or a refusal.")
    rating = serializers.IntegerField(allow_null=True)
    code = serializers.CharField(help_text="Empty when stored, else why it was not: lease_lost, decided, …")
    detail = serializers.CharField()


class ConfirmedShape(SheetShape):
    results = TileResultShape(many=True)

"""What the label API takes and gives, field by field, for its checks and for the OpenAPI schema."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from labeling.annotate import LONGEST_MS, LONGEST_NOTE
from labeling.lease import MOST_LEASES
from scoring.api.strict import Strict
from scoring.core.types import ACR_HIGH, ACR_LOW, Defect, Dimension

MOST_HELD = 200
BIGGEST_ID = 2**63 - 1


def id_field(**words: Any) -> serializers.IntegerField:
    return serializers.IntegerField(min_value=1, max_value=BIGGEST_ID, **words)


def ids_field(**words: Any) -> serializers.ListField:
    return serializers.ListField(child=id_field(), max_length=MOST_HELD, **words)


def rating_field(**words: Any) -> serializers.IntegerField:
    return serializers.IntegerField(min_value=ACR_LOW, max_value=ACR_HIGH, **words)


# --- what comes in -------------------------------------------------------------------------------------
class ByPerson(Strict):
    rater = id_field(
        required=False,
        help_text="Who gave the answer. Refused (other_person) when somebody else is logged in by now.",
    )


class NextInput(ByPerson):
    """How many pictures are wanted beside those at hand."""

    count = serializers.IntegerField(min_value=1, max_value=MOST_LEASES, default=1)
    holding = ids_field(default=list, help_text="Assignments the page has already; it gets others.")
    project = id_field(required=False, help_text="Else the one chosen on the pages, else the oldest.")


class SubmitInput(ByPerson):
    """One vote: either ``rating`` or ``accept``."""

    assignment = id_field()
    key = serializers.UUIDField(help_text="Made by the client, one per answer: sent twice it is one vote.")
    rating = rating_field(required=False, allow_null=True, default=None)
    accept = serializers.BooleanField(default=False, help_text="Take the model's score as one's own.")
    score = id_field(
        required=False,
        allow_null=True,
        default=None,
        help_text="The ``id`` of the prediction that was shown.",
    )
    dimensions = serializers.DictField(child=rating_field(), default=dict)
    defects = serializers.DictField(child=serializers.BooleanField(), default=dict)
    is_flagged = serializers.BooleanField(default=False)
    note = serializers.CharField(max_length=LONGEST_NOTE, allow_blank=True, default="")
    duration_ms = serializers.IntegerField(min_value=0, max_value=LONGEST_MS, default=0)
    supersedes = id_field(
        required=False, allow_null=True, default=None, help_text="The vote of one's own that this corrects."
    )
    next = NextInput(required=False, help_text="Ask for pictures in the same breath.")


class UndoInput(ByPerson):
    """Which vote to take back: by its own ``vote`` key, or by ``annotation``."""

    key = serializers.UUIDField(help_text="Of this undo; sent twice it undoes once.")
    vote = serializers.UUIDField(required=False)
    annotation = id_field(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("vote" in attrs) == ("annotation" in attrs):
            raise serializers.ValidationError("Name the vote either by its key or by its id.")
        return attrs


class SkipInput(ByPerson):
    """Pass on a picture, or with ``back`` take that back."""

    assignment = id_field()
    back = serializers.BooleanField(default=False)
    next = NextInput(required=False)


class HoldInput(ByPerson):
    assignments = ids_field()


class ReleaseInput(HoldInput):
    until = serializers.DateTimeField(
        required=False,
        help_text="Only leases that end no later: what was leased anew since then is kept.",
    )


# --- what goes out -------------------------------------------------------------------------------------
class PredictionShape(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    score = serializers.FloatField(help_text="0-100, higher is better.")
    std = serializers.FloatField()
    low = serializers.FloatField()
    high = serializers.FloatField()
    grade = serializers.CharField()
    grade_words = serializers.CharField()
    rating = serializers.IntegerField(help_text="The vote 1-5 that accepting it means.")


class FoundShape(serializers.Serializer[Any]):
    defect = serializers.ChoiceField(choices=[str(defect) for defect in Defect])
    words = serializers.CharField()
    cause = serializers.CharField()
    probability = serializers.FloatField()
    box = serializers.ListField(child=serializers.FloatField(), allow_null=True)


class CardShape(serializers.Serializer[Any]):
    """A leased picture as its person may see it; a blind one carries no prediction."""

    assignment = serializers.IntegerField()
    image = serializers.IntegerField()
    picture = serializers.CharField(help_text="Address of the picture.")
    thumbnail = serializers.CharField()
    width = serializers.IntegerField()
    height = serializers.IntegerField()
    title = serializers.CharField()
    category = serializers.CharField()
    is_blind = serializers.BooleanField()
    prediction = PredictionShape(allow_null=True)
    dimensions = serializers.DictField(
        child=serializers.FloatField(), help_text=f"0-100 by name: {', '.join(Dimension)}."
    )
    findings = FoundShape(many=True)
    heatmap = serializers.CharField(help_text="Where points are lost: PNG with alpha; empty where hidden.")
    returned = serializers.CharField(help_text="Why a reviewer sent it back, else empty.")
    lease_until = serializers.CharField()


class NothingShape(serializers.Serializer[Any]):
    """Why no picture came."""

    code = serializers.CharField(
        help_text="no_pictures, all_done, with_others, yours_done, qualify_first, or a refusal's."
    )
    detail = serializers.CharField()
    skipped = serializers.IntegerField()
    held = serializers.IntegerField(help_text="Pictures other people are looking at.")
    until = serializers.DateTimeField(allow_null=True, help_text="When the first of them may come free.")


class NextShape(serializers.Serializer[Any]):
    cards = CardShape(many=True)
    nothing = NothingShape(allow_null=True)


class VoteShape(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    key = serializers.UUIDField()
    assignment = serializers.IntegerField()
    rating = serializers.IntegerField(allow_null=True)
    is_accepted = serializers.BooleanField()
    is_withdrawn = serializers.BooleanField()


class SubmitShape(NextShape):
    vote = VoteShape()


class OneShape(serializers.Serializer[Any]):
    """The picture that is back in one's hands; null when its lease could not be had again."""

    card = CardShape(allow_null=True)


class ExtendedShape(serializers.Serializer[Any]):
    held = serializers.ListField(child=serializers.IntegerField(), help_text="Those still leased to you.")
    until = serializers.DateTimeField()


class ReleasedShape(serializers.Serializer[Any]):
    released = serializers.IntegerField()

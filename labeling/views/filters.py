"""What the catalogue's address may ask for; anything else is refused by name."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from labeling.catalogue import NOT_IN_QUEUE, Choices, Place, Sort, Wanted
from labeling.models import Item
from scoring.words import DEFECT_WORDS, GRADE_WORDS

ANY = [("", _("Any"))]
PLACE = re.compile(r"(\d{1,19}(?:\.\d{1,17})?)~(\d{1,18})")


class PlaceField(forms.Field):
    """Where a page of the catalogue ends: ``73.25~1042``."""

    def to_python(self, value: object) -> Place | None:
        """The place, or None where none is named."""
        if not value:
            return None
        found = PLACE.fullmatch(str(value))
        if found is None:
            raise forms.ValidationError(_("This link is broken; start from the first page."))
        return Place(value=float(found[1]), image_id=int(found[2]))


class CatalogueForm(forms.Form):
    """Filters and order of the catalogue."""

    text = forms.CharField(
        label=_("Search"),
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": _("Title, product id or file name")}),
    )
    grade = forms.ChoiceField(label=_("Grade"), required=False, choices=[*ANY, *GRADE_WORDS.items()])
    defect = forms.ChoiceField(label=_("Defect"), required=False, choices=[*ANY, *DEFECT_WORDS.items()])
    state = forms.ChoiceField(
        label=_("State"),
        required=False,
        choices=[*ANY, *Item.State.choices, (NOT_IN_QUEUE, _("Not in the queue"))],
    )
    category = forms.CharField(label=_("Category"), required=False, max_length=200)
    seller = forms.CharField(label=_("Seller"), required=False, max_length=200)
    low = forms.FloatField(label=_("Score from"), required=False, min_value=0, max_value=100)
    high = forms.FloatField(label=_("Score to"), required=False, min_value=0, max_value=100)
    sort = forms.ChoiceField(label=_("Order"), required=False, choices=Sort.choices)
    after = PlaceField(required=False)
    before = PlaceField(required=False)

    def __init__(self, data: Any, *, known: Choices) -> None:
        super().__init__(data)
        for name, values in (("category", known.categories), ("seller", known.sellers)):
            self.fields[name].widget = forms.Select(choices=[*ANY, *((value, value) for value in values)])

    @property
    def wanted(self) -> Wanted:
        """What a valid form asks for."""
        asked = {name: value for name, value in self.cleaned_data.items() if name not in ("after", "before")}
        return Wanted(**asked | {"sort": asked["sort"] or Sort.NEWEST})

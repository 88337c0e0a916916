"""The page of a project's rules. Shares are typed in percent; what makes no sense is said beside it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from labeling.current import current_project
from labeling.models import GoldQuestion, Project
from labeling.permissions import Role, require_role
from labeling.rules import FIELDS, LIMITS, RulesError, categories_of, project_change, quotas_of

LINE = re.compile(r"^\s*(?P<name>.+?)\s*[:=\t ]\s*(?P<share>\d{1,3}(?:[.,]\d+)?)\s*%?\s*$")
SHOWN_CATEGORIES = 12


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the page: its heading, one sentence, its fields."""

    key: str
    title: Promise
    words: Promise
    names: tuple[str, ...]


PARTS = (
    Part(
        "project",
        gettext_lazy("Project"),
        gettext_lazy("What it is about, and what its people are told."),
        ("name", "guidelines", "takes_new_images"),
    ),
    Part(
        "votes",
        gettext_lazy("Votes"),
        gettext_lazy("How many people see a picture, in what order, and for how long it is theirs."),
        ("overlap", "max_overlap", "order", "asks_again", "quotas", "lease_minutes", "session_minutes"),
    ),
    Part(
        "honest",
        gettext_lazy("Honest labels"),
        gettext_lazy(
            "Pictures mixed in that show how far labels can be trusted. Nobody can tell them from others, and"
            " none of them counts as a label."
        ),
        ("blind_rate", "planted_rate", "gold_rate", "repeat_rate", "warmup_count"),
    ),
    Part(
        "newcomers",
        gettext_lazy("Newcomers"),
        gettext_lazy("A short round with bad, middling and good pictures before an annotator's first vote."),
        ("qualification_count", "qualification_pass"),
    ),
    Part(
        "pause",
        gettext_lazy("Automatic pause"),
        gettext_lazy(
            "Who is surely below this share of right gold answers is paused, told kindly, and may appeal."
        ),
        ("least_gold_accuracy", "fewest_gold_answers"),
    ),
    Part(
        "model",
        gettext_lazy("The model"),
        gettext_lazy("Pictures that judge it, and when it learns again by itself."),
        ("holdout_share", "holdout_size", "holdout_votes", "retrain_every_labels", "retrain_every_hours"),
    ),
)

HELP: dict[str, Promise] = {
    "guidelines": gettext_lazy("Shown to everybody who labels here."),
    "overlap": gettext_lazy("Holds for pictures that are still open."),
    "max_overlap": gettext_lazy("One more person is asked at a time, up to this number."),
    "asks_again": gettext_lazy(
        "“Ask by itself” opens one more vote on some finished pictures, up to the most votes above."
    ),
    "lease_minutes": gettext_lazy("After that a picture nobody voted on goes to others."),
    "session_minutes": gettext_lazy("Then the page proposes a pause."),
    "blind_rate": gettext_lazy("The score is hidden: shows how much it sways people."),
    "planted_rate": gettext_lazy("A wrong score is shown: who accepts it did not look."),
    "gold_rate": gettext_lazy("Clear pictures, some of them spoilt on purpose, whose answer is known."),
    "repeat_rate": gettext_lazy("A picture of their own comes again much later."),
    "warmup_count": gettext_lazy("Finished pictures at the start of a session."),
    "least_gold_accuracy": gettext_lazy("0 switches the rule off."),
    "fewest_gold_answers": gettext_lazy("Fewer answers pause nobody."),
    "qualification_count": gettext_lazy("0: everybody labels at once."),
    "qualification_pass": gettext_lazy("Share of answers within one grade of the label."),
    "retrain_every_labels": gettext_lazy("0 switches the rule off."),
    "retrain_every_hours": gettext_lazy("0 switches the rule off."),
}


class PercentField(forms.FloatField):
    """A share 0-1, typed and shown in percent."""

    def prepare_value(self, value: Any) -> Any:
        return f"{100 * value:g}" if isinstance(value, float) else value

    def to_python(self, value: Any) -> Any:
        number = super().to_python(value)
        return None if number is None else round(number / 100, 6)


class QuotasField(forms.CharField):
    """A category and its percent on each line."""

    widget = forms.Textarea

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return "\n".join(f"{name}: {100 * share:g}" for name, share in value.items())

    def to_python(self, value: Any) -> Any:
        quotas: dict[str, float] = {}
        for line in str(value or "").splitlines():
            if not line.strip():
                continue
            found = LINE.match(line)
            if found is None:
                raise ValidationError(_("“{line}” is no category with its percent.").format(line=line[:60]))
            quotas[found["name"]] = round(float(found["share"].replace(",", ".")) / 100, 6)
        return quotas

    def validate(self, value: Any) -> None:
        """Nothing more: the station knows the categories."""


class RulesForm(forms.ModelForm):  # type: ignore[type-arg]
    """Everything an admin may set."""

    quotas = QuotasField(
        label=gettext_lazy("share of each category"), required=False, widget=forms.Textarea(attrs={"rows": 3})
    )

    class Meta:
        model = Project
        fields = FIELDS
        widgets = {"guidelines": forms.Textarea(attrs={"rows": 5})}

    def __init__(self, *args: Any, **words: Any) -> None:
        super().__init__(*args, **words)
        for name, field in self.fields.items():
            if isinstance(field, forms.FloatField):
                self.fields[name] = _percent(field, name)
            elif name in LIMITS:
                field.widget.attrs |= {"min": LIMITS[name][0], "max": LIMITS[name][1]}
            self.fields[name].help_text = str(HELP.get(name, ""))
        self.fields["quotas"].help_text = _quota_help(self.instance)

    def _post_clean(self) -> None:
        """The station says what makes sense, so that every way in hears the same."""


def _percent(field: forms.FloatField, name: str) -> PercentField:
    most = 100 * LIMITS[name][1]
    widget = forms.NumberInput(attrs={"min": 0, "max": f"{most:g}", "step": "any"})
    return PercentField(label=_("{words}, in %").format(words=field.label), widget=widget)


def _quota_help(project: Project) -> str:
    names = categories_of(project)
    few = ", ".join(names[:SHOWN_CATEGORIES]) + (" …" if len(names) > SHOWN_CATEGORIES else "")
    words = _("One on each line, as in “mugs: 40”; the others share the rest. Here: {few}")
    return words.format(few=few or "–")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """Look at the rules, or set them."""
    assert isinstance(request.user, User)  # noqa: S101  (the middleware let nobody else in)
    project = current_project(request)
    require_role(request.user, project, Role.ADMIN)
    if request.method != "POST":
        form = RulesForm(instance=project, initial={"quotas": quotas_of(project)})
        return _page(request, project, form)
    form = RulesForm(request.POST, instance=Project.objects.get(pk=project.pk))
    if not form.is_valid():
        return _page(request, project, form, status=422)
    said = dict(form.cleaned_data)
    quotas = said.pop("quotas")
    try:
        project_change(by=request.user, project=project, changes=said, quotas=quotas)
    except RulesError as refused:
        for name, words in refused.faults.items():
            form.add_error(name if name in form.fields else None, words)
        return _page(request, project, form, status=refused.status)
    messages.success(request, _("Saved."))
    return HttpResponseRedirect(reverse("project-rules"))


def _page(request: HttpRequest, project: Project, form: RulesForm, *, status: int = 200) -> HttpResponse:
    parts = [(part, [form[name] for name in part.names]) for part in PARTS]
    live = GoldQuestion.objects.filter(project=project, retired_at=None)
    context = {"project": project, "form": form, "parts": parts, "gold_count": live.count()}
    return render(request, "labeling/rules.html", context, status=status)

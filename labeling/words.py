"""What people read for a flag's evidence and for an act of the audit trail. Codes stay in the data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from labeling.models import Flag
from scoring.models import Event
from scoring.words import defect_words

Reason = Flag.Reason
Evidence = Mapping[str, Any]

# When an item is sent to a reviewer, for those who wait for one.
REASON_HELP: dict[str, Promise] = {
    Reason.DISAGREEMENT: gettext_lazy(
        "Votes lie more than a grade apart, and one more vote did not settle it."
    ),
    Reason.MODEL_AGAINST_PEOPLE: gettext_lazy(
        "The model's score and the label differ by more than both admit to be unsure."
    ),
    Reason.LOW_CONFIDENCE: gettext_lazy("Neither the model nor the people are sure."),
    Reason.ANNOTATOR: gettext_lazy("Somebody pressed F, mostly with a note."),
    Reason.POLICY: gettext_lazy("The model is all but certain of a defect that marketplaces refuse."),
}


def evidence_words(flag: Flag) -> str:
    """One sentence with the numbers that raised the flag; the reason's help where they are missing."""
    try:
        return _SENTENCES[flag.reason](flag.evidence)
    except (KeyError, TypeError, ValueError, AttributeError):
        return str(REASON_HELP.get(flag.reason, ""))


def _disagreement(of: Evidence) -> str:
    return _("The votes run from {lowest} to {highest}.").format(lowest=of["lowest"], highest=of["highest"])


def _model_against_people(of: Evidence) -> str:
    return _("The model said {model}, people say {people}: {gap} points apart.").format(
        model=round(of["model_score"]), people=round(of["people_score"]), gap=round(of["gap"])
    )


def _low_confidence(of: Evidence) -> str:
    return _("The model is unsure by {points} points, the label by {grades} grades.").format(
        points=round(of["model_std"]), grades=f"{of['label_std']:.1f}"
    )


def _annotator(of: Evidence) -> str:
    notes = [f"“{note}”" for note in of["notes"] if note]
    count = int(of.get("count", 1))
    said = ngettext("One person asks you to look.", "{count} people ask you to look.", count)
    return " ".join([said.format(count=count), *notes])


def _policy(of: Evidence) -> str:
    found = (f"{defect_words(name)} {float(share):.0%}" for name, share in of["defects"].items())
    return _("{defects}: marketplaces refuse that.").format(defects=", ".join(found))


_SENTENCES: dict[str, Callable[[Evidence], str]] = {
    Reason.DISAGREEMENT: _disagreement,
    Reason.MODEL_AGAINST_PEOPLE: _model_against_people,
    Reason.LOW_CONFIDENCE: _low_confidence,
    Reason.ANNOTATOR: _annotator,
    Reason.POLICY: _policy,
}

# Keys of ``after`` that name what an act was about, the most telling first.
NAMED = ("rating", "champion", "user", "label", "name")

VERB_WORDS: dict[str, Promise] = {
    "annotate.submit": gettext_lazy("voted"),
    "annotate.correct": gettext_lazy("corrected a vote"),
    "annotate.withdraw": gettext_lazy("took a vote back"),
    "annotate.outside": gettext_lazy("brought votes from another tool"),
    "compare.submit": gettext_lazy("compared two pictures"),
    "compare.withdraw": gettext_lazy("took a comparison back"),
    "probe.answer": gettext_lazy("answered a probe"),
    "probe.withdraw": gettext_lazy("took an answer to a probe back"),
    "gold.make": gettext_lazy("made a gold question"),
    "gold.retire": gettext_lazy("retired a gold question"),
    "comment.write": gettext_lazy("commented"),
    "review.approve": gettext_lazy("approved"),
    "review.reject": gettext_lazy("rejected"),
    "review.return": gettext_lazy("returned it to the author"),
    "review.fix": gettext_lazy("fixed the rating and approved"),
    "consensus.settle": gettext_lazy("settled a label"),
    "queue.ask_again": gettext_lazy("asked for one more vote"),
    "ingest.start": gettext_lazy("began an import"),
    "ingest.cancel": gettext_lazy("stopped an import"),
    "ingest.resume": gettext_lazy("went on with an import"),
    "score.retry": gettext_lazy("had failed pictures scored again"),
    "dataset.freeze": gettext_lazy("froze a dataset"),
    "dataset.export": gettext_lazy("took a dataset away"),
    "votes.export": gettext_lazy("took votes away"),
    "export.start": gettext_lazy("asked for a file"),
    "export.cancel": gettext_lazy("stopped an export"),
    "train.start": gettext_lazy("started a retrain"),
    "train.cancel": gettext_lazy("stopped a retrain"),
    "train.evaluated": gettext_lazy("tried out a new model"),
    "audit.drift": gettext_lazy("saw that new pictures differ from earlier ones"),
    "shadow.start": gettext_lazy("let a model run in the shadow"),
    "shadow.stop": gettext_lazy("ended a shadow"),
    "promote.base": gettext_lazy("set up the base model"),
    "promote.promote": gettext_lazy("promoted"),
    "promote.roll_back": gettext_lazy("rolled back to"),
    "project.change": gettext_lazy("changed the project's rules"),
    "people.bootstrap": gettext_lazy("made the first accounts"),
    "people.add": gettext_lazy("added a person"),
    "people.set_role": gettext_lazy("changed a role"),
    "people.pause": gettext_lazy("paused a person"),
    "people.resume": gettext_lazy("let a person go on"),
    "people.qualify_begin": gettext_lazy("began the round for newcomers"),
    "people.qualify": gettext_lazy("let somebody label"),
    "people.pause_by_rule": gettext_lazy("paused by the project's rule"),
    "people.appeal": gettext_lazy("asked an admin to look at a pause again"),
    "people.appeal_answer": gettext_lazy("answered a question about a pause"),
    "queue.release": gettext_lazy("gave a person's pictures to others"),
    "people.link": gettext_lazy("made a login link"),
    "token.make": gettext_lazy("made an API token"),
    "token.revoke": gettext_lazy("revoked an API token"),
    "admin.add": gettext_lazy("added a row on the admin pages"),
    "admin.change": gettext_lazy("changed a row on the admin pages"),
}


def event_words(event: Event) -> str:
    """What somebody did, to what, and the reason where there is one; unknown acts by their code."""
    words = str(VERB_WORDS.get(event.verb, event.verb))
    named = next((event.after[key] for key in NAMED if event.after.get(key)), "")
    reason = event.after.get("reason")
    return words + (f" {named}" if named else "") + (f": {reason}" if reason else "")

"""Station 9, promote, before it: a candidate scores a share of what comes in beside the champion, unseen.

Its scores lie in a table of their own that no page of the catalogue reads. Whatever goes wrong in the
shadow costs nobody a score: it runs after the champion's scores are committed, and a fault only ends it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.translation import gettext as _

from scoring.access import require_reached
from scoring.core.checkpoint import WeightsError
from scoring.core.head import FeatureVersionError
from scoring.core.shadow import Compared, compare, is_shadowed
from scoring.errors import BadInputError, ConflictError
from scoring.events import event_note
from scoring.extract import features_of, scores_by
from scoring.locks import serving_lock
from scoring.models import Image, ModelVersion, Score, Serving, ShadowScore, StoredFeatures
from scoring.records import features_row
from scoring.registry import encoder_of, head_of
from scoring.wake import wake

log = logging.getLogger(__name__)
TASK = "score.shadow"
NEWEST = 400  # pictures already there that the shadow scores at once, so that there is something to compare
AT_ONCE = 16
MOST_COMPARED = 5000
SHOWN = 8


@dataclass(frozen=True, slots=True)
class Differing:
    """One picture the two models differ on; scores 0-100, seconds the shadow took over it."""

    image: Image
    shadow_score: float
    champion_score: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """How the shadow differs from the champion, and on which pictures most."""

    compared: Compared
    pairs: list[tuple[float, float]]  # champion, shadow
    differing: list[Differing]
    slowest: list[Differing]


@transaction.atomic
def shadow_start(*, model: ModelVersion, share: float, by: User | None) -> Serving:
    """Let a model that does not serve score ``share`` (0-1] of what comes in, unseen."""
    require_reached(by, "admin")
    if not 0 < share <= 1:
        raise BadInputError(_("Give a share above 0 and up to 100 percent."), code="bad_share")
    row = serving_lock()
    if model.pk in (row.champion_id, row.displayed_id):
        raise ConflictError(_("This model serves already; it needs no shadow."), code="serves_already")
    try:
        head_of(model)
        encoder_of(model)
    except WeightsError as error:
        words = _("The weights of {name} cannot be read any more.")
        raise ConflictError(words.format(name=model.name), code="weights_missing") from error
    Serving.objects.filter(pk=row.pk).update(shadow=model, shadow_share=share, shadow_since=timezone.now())
    event_note(actor=by, verb="shadow.start", target=model, after={"share": share})
    row.shadow, row.shadow_share = model, share
    wake(TASK)
    return row


@transaction.atomic
def shadow_stop(*, by: User | None, reason: str = "") -> Serving:
    """End the shadow; what it scored stays for the comparison."""
    require_reached(by, "admin")
    row = serving_lock()
    if row.shadow is None:
        raise ConflictError(_("No model runs in the shadow."), code="no_shadow")
    Serving.objects.filter(pk=row.pk).update(shadow=None)
    told = {"reason": reason} if reason else {}
    event_note(actor=by, verb="shadow.stop", target=row.shadow, after=told)
    row.shadow = None
    return row


def shadow_beside(*, image_ids: Collection[int], champion_s: float) -> int:
    """Score those of some pictures that are in the shadow's share; returns how many. Never raises.

    ``champion_s``: seconds a picture of this chunk cost the champion.
    """
    row = Serving.objects.select_related("shadow").first()
    if row is None or row.shadow is None:
        return 0
    chosen = [pk for pk in image_ids if is_shadowed(pk, model_id=row.shadow.pk, share=row.shadow_share)]
    try:
        return _score(row, row.shadow, chosen, champion_s)
    except (WeightsError, FeatureVersionError, ValueError, OSError) as error:
        log.warning("the shadow of %s ended: %s", row.shadow.name, error)
        shadow_stop(by=None, reason=str(error)[:300])
        return 0


def shadow_catch_up() -> int:
    """Score the newest pictures of the shadow's share that it has not scored; returns how many."""
    row = Serving.objects.select_related("shadow").first()
    if row is None or row.shadow is None:
        return 0
    done = ShadowScore.objects.filter(image_id=OuterRef("image_id"), model_id=row.shadow.pk)
    newest = Score.objects.filter(model_id=row.champion_id).exclude(Exists(done)).order_by("-image_id")
    ids = list(newest.values_list("image_id", flat=True)[: round(NEWEST / row.shadow_share)])
    chosen = [pk for pk in ids if is_shadowed(pk, model_id=row.shadow.pk, share=row.shadow_share)][:NEWEST]
    scored = 0
    for start in range(0, len(chosen), AT_ONCE):
        told = shadow_beside(image_ids=chosen[start : start + AT_ONCE], champion_s=0.0)
        scored += told
        if not told:
            break
    return scored


def _score(row: Serving, model: ModelVersion, image_ids: Sequence[int], champion_s: float) -> int:
    if not image_ids:
        return 0
    began = time.monotonic()
    found = features_of(image_ids, [model])
    scores = scores_by([model], found)
    own_s = (time.monotonic() - began) / len(image_ids)
    shares_features = model.feature_version == row.champion.feature_version
    fresh = [features_row(pk, features) for pk, features in found.fresh]
    with transaction.atomic():
        StoredFeatures.objects.bulk_create(fresh, ignore_conflicts=True)
        ShadowScore.objects.bulk_create(
            [
                ShadowScore(
                    image_id=score.image_id,
                    model=model,
                    overall_score=score.overall_score,
                    overall_std=score.overall_std,
                    seconds=own_s + (champion_s if shares_features else 0.0),
                    champion_seconds=champion_s,
                )
                for score in scores
            ],
            ignore_conflicts=True,
        )
    return len(scores)


def shadow_comparison(*, model: ModelVersion, champion: ModelVersion) -> Comparison | None:
    """The newest pictures both have scored, compared; None where there are none. Two queries."""
    theirs = Score.objects.filter(model=champion, image_id=OuterRef("image_id"))
    rows = list(
        ShadowScore.objects.filter(model=model, image__is_hidden=False)
        .annotate(champion_score=theirs.values("overall_score")[:1])
        .exclude(champion_score=None)
        .select_related("image__product")
        .order_by("-pk")[:MOST_COMPARED]
    )
    shadow = np.array([row.overall_score for row in rows])
    beside = np.array([row.champion_score for row in rows])
    seconds = np.array([row.seconds for row in rows])
    timed = np.array([row.champion_seconds for row in rows])
    rng = np.random.default_rng(model.pk)
    compared = compare(shadow, beside, seconds, timed, rng=rng)
    if compared is None:
        return None
    told = [Differing(row.image, row.overall_score, row.champion_score, row.seconds) for row in rows]
    return Comparison(
        compared=compared,
        pairs=list(zip(beside.tolist(), shadow.tolist(), strict=True)),
        differing=[told[n] for n in compared.furthest[:SHOWN]],
        slowest=sorted(told, key=lambda each: -each.seconds)[:SHOWN],
    )

"""Gold questions are made from the project's own clear pictures, by what everybody can see."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from labeling.core.gold import band_near, band_of_clear, band_of_spoilt, planted_score
from labeling.fill import queue_fill
from labeling.gold import gold_due, gold_make, gold_retire, gold_wanted
from labeling.models import Assignment, GoldQuestion, Item, Probe, ProbeAnswer, Project
from scoring.core.decode import decode_picture
from scoring.models import Event, Image, Score, ScoringJob, StoredFeatures
from scoring.score import score_chunks
from scoring.spoil import picture_spoil
from scoring.storage import picture_bytes
from tests.conftest import Cast
from tests.factories import image_make, item_make, label_make, score_make

pytestmark = pytest.mark.django_db


def test_the_right_answers_are_clearly_below_the_clear_picture() -> None:
    assert (band_of_spoilt(5.0).low, band_of_spoilt(5.0).high) == (1, 3)
    assert (band_of_spoilt(3.4).low, band_of_spoilt(3.4).high) == (1, 2)
    assert (band_of_spoilt(1.2).low, band_of_spoilt(1.2).high) == (1, 1)
    assert [rating for rating in range(1, 6) if band_of_clear().holds(rating)] == [3, 4, 5]
    assert [rating for rating in range(1, 6) if band_near(2.3).holds(rating)] == [2, 3]
    assert [rating for rating in range(1, 6) if band_near(4.0).holds(rating)] == [3, 4, 5]


def test_a_planted_score_is_wrong_by_more_than_a_grade_and_stays_on_the_scale() -> None:
    rng = np.random.default_rng(1)
    for score in (0.0, 10.0, 50.0, 90.0, 100.0):
        planted = [planted_score(score, rng) for _ in range(50)]
        assert all(0 <= value <= 100 and abs(value - score) >= 31.9 for value in planted)
    middle = [planted_score(50.0, rng) for _ in range(50)]
    assert min(middle) < 50 < max(middle)


def test_slots_are_planted_at_the_project_s_rate_and_never_where_nothing_is_shown(cast: Cast) -> None:
    for _ in range(40):
        score_make(image_make(), overall=70)
    Project.objects.update(planted_rate=1, blind_rate=0.5)
    cast.project.refresh_from_db()
    queue_fill(project=cast.project)
    blind = Assignment.objects.filter(is_blind=True)
    assert 20 <= blind.count() <= 60
    assert not blind.exclude(planted_score=None).exists()
    assert all(
        abs(score - 70) >= 25
        for score in Assignment.objects.filter(is_blind=False).values_list("planted_score", flat=True)
    )


def test_a_spoilt_picture_is_kept_hidden_never_scored_and_the_same_every_time(cast: Cast) -> None:
    image = image_make(stored=True)
    score_chunks()
    Score.objects.filter(image=image).update(overall_score=90, interval_low=80)
    said = {"image": image, "fault": "under_exposed", "severity": 0.9, "seed": 3}
    made = picture_spoil(**said)
    assert made is not None
    assert picture_spoil(**said) == made
    assert (made.is_made, made.is_hidden, made.product) == (True, True, image.product)
    clear, spoilt = (decode_picture(picture_bytes(each)).rgb.mean() for each in (image, made))
    assert spoilt < clear * 0.5
    score_chunks()
    assert not ScoringJob.objects.filter(image=made).exists()
    assert not Score.objects.filter(image=made).exists()
    assert not StoredFeatures.objects.filter(image=made).exists()


def test_a_fault_that_the_model_does_not_see_either_makes_no_question(cast: Cast) -> None:
    image = image_make(stored=True)
    score_chunks()
    Score.objects.filter(image=image).update(overall_score=0)
    assert picture_spoil(image=image, fault="under_exposed", severity=0.9, seed=3) is None
    assert not Image.objects.filter(is_made=True).exists()


def test_questions_are_made_of_clear_pictures_until_there_are_enough(cast: Cast) -> None:
    clear, dull = image_make(stored=True), image_make(stored=True)
    for image in (clear, dull):
        item_make(cast.project, image=image)
    score_chunks()
    Score.objects.filter(image=clear).update(overall_score=90, interval_low=80)
    Score.objects.filter(image=dull).update(overall_score=40, interval_low=20)
    good = label_make(cast.project, mos=4.6, votes=3)
    Assignment.objects.filter(item=good.item).update(state="closed")
    assert gold_wanted(project=cast.project) == 24
    assert gold_make(project=cast.project, most=4) == 2
    spoilt = GoldQuestion.objects.get(kind="spoilt")
    assert (spoilt.source, spoilt.image.is_made) == (clear, True)
    assert spoilt.fault
    assert spoilt.severity >= 0.75
    as_it_is = GoldQuestion.objects.get(kind="clear")
    assert (as_it_is.image, as_it_is.source) == (good.item.image, good.item.image)
    assert gold_make(project=cast.project) == 0  # nothing else is clear
    assert gold_wanted(project=cast.project) == 22
    assert set(Event.objects.filter(verb="gold.make").values_list("target_id", flat=True)) == {
        spoilt.pk,
        as_it_is.pk,
    }


def test_a_project_that_asks_no_gold_wakes_nobody(cast: Cast) -> None:
    item_make(cast.project, image=image_make())
    score_make(Image.objects.get(), overall=90, std=5)
    assert gold_due() == {"projects": 0}
    Project.objects.update(gold_rate=0.05)
    assert gold_due() == {"projects": 1}


def test_a_question_that_most_people_fail_is_retired(cast: Cast) -> None:
    image = image_make()
    question, fine = (
        GoldQuestion.objects.create(
            project=cast.project,
            kind="clear",
            image=each,
            source=each,
            expected_low=3,
            expected_high=5,
        )
        for each in (image, image_make())
    )
    for number in range(5):
        person = User.objects.create_user(f"p{number}")
        for asked, is_right in ((question, number == 0), (fine, number > 1)):
            probe = Probe.objects.create(
                project=cast.project,
                user=person,
                kind="gold",
                gold=asked,
                image=asked.image,
                scored_as=asked.image,
                expected_low=3,
                expected_high=5,
                lease_until=timezone.now() + timedelta(minutes=5),
            )
            ProbeAnswer.objects.create(
                probe=probe, rater=person, rating=2, is_right=is_right, key=uuid4(), body_digest="x"
            )
    assert gold_retire(project=cast.project) == 1
    question.refresh_from_db()
    fine.refresh_from_db()
    assert question.retired_at is not None
    assert fine.retired_at is None
    assert Event.objects.get(verb="gold.retire").target_id == question.pk
    assert Item.objects.count() == 0

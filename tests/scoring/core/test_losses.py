"""Losses are zero where they should be and point the right way."""

from __future__ import annotations

import pytest
import torch

from scoring.core import losses
from scoring.core.recipes import OF_HISTOGRAMS, OF_SCORES, USUAL_LOSSES, losses_of, losses_told

TRUTH = torch.tensor([-1.0, -0.3, 0.2, 0.9])


@pytest.mark.parametrize("name", list(losses.SCORE_LOSSES))
def test_perfect_answers_cost_nothing_and_reversed_ones_more(name: str) -> None:
    loss = losses.SCORE_LOSSES[name]
    assert float(loss(TRUTH, TRUTH)) == pytest.approx(0, abs=1e-5)
    assert float(loss(-TRUTH, TRUTH)) > float(loss(TRUTH + torch.tensor([0.2, 0.0, -0.1, 0.0]), TRUTH))


@pytest.mark.parametrize("name", ["plcc", "norm-in-norm"])
def test_scale_and_level_are_free_where_only_order_and_shape_count(name: str) -> None:
    assert float(losses.SCORE_LOSSES[name](3 * TRUTH + 7, TRUTH)) == pytest.approx(0, abs=1e-5)


def test_ranking_of_equal_labels_asks_for_nothing_but_stays_differentiable() -> None:
    guess = torch.zeros(3, requires_grad=True)
    losses.ranking(guess, torch.ones(3)).backward()
    assert guess.grad is not None
    assert float(guess.grad.abs().max()) == 0.0


@pytest.mark.parametrize("name", list(losses.HISTOGRAM_LOSSES))
def test_a_histogram_that_is_met_costs_least(name: str) -> None:
    histogram = torch.tensor([[0.05, 0.1, 0.2, 0.4, 0.25]])
    met = losses.HISTOGRAM_LOSSES[name](histogram.log(), histogram)
    off = losses.HISTOGRAM_LOSSES[name](histogram.flip(1).log(), histogram)
    assert float(met) < float(off)


def test_the_more_harmed_picture_must_score_lower_by_the_gap() -> None:
    better, worse = torch.tensor([0.5]), torch.tensor([0.1])
    assert float(losses.severity_order(better, worse, torch.tensor([0.4]))) == pytest.approx(0, abs=1e-6)
    assert float(losses.severity_order(worse, better, torch.tensor([0.4]))) == pytest.approx(0.8)


def test_losses_are_chosen_by_name_and_told_as_they_were_chosen() -> None:
    assert (set(OF_SCORES), set(OF_HISTOGRAMS)) == (set(losses.SCORE_LOSSES), set(losses.HISTOGRAM_LOSSES))
    assert losses_of(" mse:0.3, cross-entropy ,") == (("mse", 0.3), ("cross-entropy", 1.0))
    assert losses_of("") == ()
    assert losses_of(losses_told(USUAL_LOSSES)) == USUAL_LOSSES


@pytest.mark.parametrize("words", ["msee", "mse:x", "mse:0", "mse:-1", "mse:nan", "mse:inf"])
def test_a_loss_or_a_weight_that_cannot_be_is_refused(words: str) -> None:
    with pytest.raises(ValueError, match=r"loss 'msee'|a weight of"):
        losses_of(words)


def test_a_loss_of_histograms_is_refused_where_there_are_none() -> None:
    with pytest.raises(KeyError, match="emd"):
        losses.chosen_loss((("emd", 1.0),), TRUTH, TRUTH)

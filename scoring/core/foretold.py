"""The votes 1-5 a crowd would give a picture, foretold from its score and how sure the model is of it.

People differ least over the best and the worst pictures. The SOS hypothesis (Hossfeld, Schatz and Egger,
"SOS: The MOS is not enough!", QoMEX 2011) puts that in one number: the variance of single opinions about a
mean score x, 0-100, is ``a * x * (100 - x)``. The votes to expect differ by the model's own variance besides,
since it does not know that mean.

``SPREAD`` is that ``a``, least squares over the 812 photographs of LIVE In the Wild that we hold for training
(Ghadiyaram and Bovik 2016: about 175 ratings each, on a slider with the five words): .184, 95 % by bootstrap
.182 to .187. It explains .58 of how the variances differ; the standard deviations it gives are off by 1.7
points (root mean square; one constant for all pictures: 2.9) and correlate with people's by .80. Those are
photographs of everything, not of products, and only their means and deviations are published: the shape of
the five shares, a normal distribution cut half way between the grades, is taken, not measured.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

SPREAD = 0.184
CUTS = np.array([12.5, 37.5, 62.5, 87.5])  # half way between the grades, which stand at 0, 25, 50, 75, 100
NARROWEST = 1e-9  # points; where everybody says the same
_erf = np.vectorize(math.erf, otypes=[np.float64])


def opinion_std(scores: npt.ArrayLike) -> Array:
    """How far single opinions of pictures with these mean scores (N,) 0-100 differ, in points (N,)."""
    mean = _finite("score", scores)
    if ((mean < 0) | (mean > 100)).any():
        raise ValueError("a score lies outside 0-100")
    spread: Array = np.sqrt(SPREAD * mean * (100 - mean))
    return spread


def vote_shares(scores: npt.ArrayLike, stds: npt.ArrayLike) -> Array:
    """Shares 0-1 (N, 5) of votes 1 to 5, from scores (N,) 0-100 and the model's std (N,) in points."""
    mean, unsure = _finite("score", scores), _finite("std", stds)
    if (unsure < 0).any():
        raise ValueError("a std is negative")
    std = np.maximum(np.hypot(opinion_std(mean), unsure), NARROWEST)
    below = (1 + _erf((CUTS - mean[:, None]) / (std[:, None] * math.sqrt(2)))) / 2
    shares: Array = np.diff(below, axis=1, prepend=0.0, append=1.0)
    return shares


def votes_of(score: float, std: float) -> tuple[float, ...]:
    """The five shares of one picture, votes 1 to 5."""
    return tuple(vote_shares([score], [std])[0].tolist())


def _finite(name: str, values: npt.ArrayLike) -> Array:
    found = np.asarray(values, dtype=np.float64)
    if not np.isfinite(found).all():
        raise ValueError(f"a {name} is no finite number")
    return found

"""Where the model sees a picture lose points: a heatmap by the model that people see, drawn once and kept."""

from __future__ import annotations

from django.utils.translation import gettext as _

from scoring import device
from scoring.core.explain import drawn
from scoring.errors import NotReadyError, NotThereError
from scoring.instant import MAKE_READY
from scoring.models import Image
from scoring.registry import encoder_of, head_of, is_at_hand, serving
from scoring.storage import file_bytes, file_write, picture_bytes
from scoring.wake import wake

FORM = "3"  # raise when heat is measured or drawn differently


def heatmap_of(image: Image) -> bytes:
    """PNG with alpha to lay over the picture. The first asking takes about half a second."""
    name = heatmap_name(image)
    try:
        return file_bytes(name)
    except NotThereError:
        png = _measured(image)
        file_write(name, png)
        return png


def heatmap_name(image: Image) -> str:
    """Where the heatmap is kept: another model, another name."""
    return f"heatmaps/{image.digest[:2]}/{image.digest}-{serving().displayed.weights_digest[:12]}-{FORM}.png"


def _measured(image: Image) -> bytes:
    model = serving().displayed
    weights = encoder_of(model) if is_at_hand(model) else None
    if weights is None or not device.is_ready(weights):
        wake(MAKE_READY)
        raise NotReadyError(_("The model is being made ready; ask again in a minute."))
    heat = device.heat_of_bytes(
        picture_bytes(image), head=head_of(model), jpeg_quality=image.jpeg_quality, weights=weights
    )
    return drawn(heat, width=image.width, height=image.height)

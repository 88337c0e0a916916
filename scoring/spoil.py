"""Pictures spoilt on purpose: one fault of the degradation lab on a picture of ours, kept beside it.

What comes out is an image row that is hidden and marked as made here: no scoring job, so no score, and so
it stands in no queue, catalogue, search, recommendation or dataset.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image as Pillow

from scoring import device
from scoring.core.decode import PictureError, decode_picture
from scoring.core.degrade import degrade
from scoring.core.predict import predict_pictures
from scoring.core.types import ByteArray, Defect
from scoring.errors import BadInputError
from scoring.gate import admit
from scoring.models import Image, Score
from scoring.registry import encoder_of, head_of, is_at_hand, serving
from scoring.storage import picture_bytes, picture_write

QUALITY = 92
LEAST_DROP = 12.0  # points of 100 that the model must see too, else the fault hardly shows on this picture


def picture_spoil(*, image: Image, fault: Defect, severity: float, seed: int) -> Image | None:
    """``image`` with one fault, kept for good; None where the fault does not show on it.

    The same picture, fault, severity and seed give the same row. Raises BadInputError where the stored
    picture cannot be read, NotThereError where it is gone.
    """
    try:
        rgb = decode_picture(picture_bytes(image), jpeg_quality=image.jpeg_quality).rgb
    except PictureError as error:
        raise BadInputError(str(error), code="unreadable") from error
    data = _jpeg(degrade(rgb, fault, severity, np.random.default_rng(seed)).rgb)
    return _keep(image, data) if _shows(image, data) else None


def _jpeg(rgb: ByteArray) -> bytes:
    out = io.BytesIO()
    Pillow.fromarray(rgb).save(out, "JPEG", quality=QUALITY, subsampling=0)
    return out.getvalue()


def _shows(image: Image, data: bytes) -> bool:
    """Whether the model too finds it clearly worse; without a score of the clear picture nobody knows."""
    model = serving().displayed
    if not is_at_hand(model):
        return False
    clear = Score.objects.filter(image=image, model=model).first()
    found = device.extract_each([data], weights=encoder_of(model))[0]
    if clear is None or isinstance(found, PictureError):
        return False
    spoilt = predict_pictures(head=head_of(model), features=[found])[0]
    return clear.overall_score - spoilt.overall_score >= LEAST_DROP


def _keep(image: Image, data: bytes) -> Image:
    """Files before the row, as everywhere."""
    picture = admit(data)
    made = Image(digest=picture.digest, stored_format=picture.stored_format)
    picture_write(made, stored=picture.stored, thumbnail=picture.thumbnail)
    row, _created = Image.objects.get_or_create(
        digest=picture.digest,
        defaults={
            "product_id": image.product_id,
            "name": image.name,
            "stored_format": picture.stored_format,
            "source_format": picture.source_format[:8],
            "width": picture.width,
            "height": picture.height,
            "byte_count": len(picture.stored),
            "jpeg_quality": picture.jpeg_quality,
            "is_hidden": True,
            "is_made": True,
        },
    )
    return row

"""Small real things for tests: pictures made by code, images, items, scores."""

from __future__ import annotations

import io
from itertools import count

import numpy as np
from PIL import Image as PillowImage

from labeling.models import Assignment, Consensus, Item, Project
from scoring import device
from scoring.core.types import Dimension, FloatArray
from scoring.gate import admit
from scoring.models import Image, ModelVersion, Product, Score, ScoringJob, StoredFeatures
from scoring.registry import base_model_ensure
from scoring.storage import picture_write

_number = count(1)


def jpeg_bytes(seed: int, *, side: int = 96) -> bytes:
    """A small photograph-like JPEG, different for each seed."""
    rng = np.random.default_rng(seed)
    rgb = np.full((side, side, 3), 240, dtype=np.float64)
    y, x = np.mgrid[:side, :side]
    inside = (y - side / 2) ** 2 + (x - side / 2) ** 2 < (side * rng.uniform(0.2, 0.4)) ** 2
    rgb[inside] = rng.uniform(20, 220, 3)
    rgb += rng.normal(0, 4, rgb.shape)
    out = io.BytesIO()
    PillowImage.fromarray(np.clip(rgb, 0, 255).astype(np.uint8)).save(out, "JPEG", quality=90)
    return out.getvalue()


def image_make(*, product: Product | None = None, category: str = "mugs", stored: bool = False) -> Image:
    """An image row; with ``stored`` its files exist too and it can be scored."""
    number = next(_number)
    product = product or Product.objects.create(
        external_id=f"P{number}", title=f"Mug {number}", category=category
    )
    if not stored:
        return Image.objects.create(
            digest=f"{number:064x}",
            product=product,
            name=f"{number}.jpg",
            stored_format="jpeg",
            source_format="JPEG",
            width=96,
            height=96,
            byte_count=1000,
        )
    picture = admit(jpeg_bytes(number))
    image = Image.objects.create(
        digest=picture.digest,
        product=product,
        name=f"{number}.jpg",
        stored_format=picture.stored_format,
        source_format=picture.source_format,
        width=picture.width,
        height=picture.height,
        byte_count=len(picture.stored),
        jpeg_quality=picture.jpeg_quality,
    )
    picture_write(image, stored=picture.stored, thumbnail=picture.thumbnail)
    ScoringJob.objects.create(image=image)
    return image


def score_make(
    image: Image, *, overall: float = 60.0, std: float = 10.0, model: ModelVersion | None = None
) -> Score:
    """A score of the base model (or ``model``) without running the network."""
    model = model or base_model_ensure()
    return Score.objects.create(
        image=image,
        model=model,
        overall_score=overall,
        overall_std=std,
        interval_low=max(0, overall - 1.6 * std),
        interval_high=min(100, overall + 1.6 * std),
        findings=[
            {
                "defect": "noise",
                "probability": 0.7,
                "cause": "noise_sigma",
                "value": 5,
                "unit": "levels",
                "box": None,
            }
        ],
        **{f"{dimension}_score": overall for dimension in Dimension},
    )


def unit_vector(rng: np.random.Generator) -> list[float]:
    """An embedding: 128 numbers of length one."""
    drawn = rng.normal(size=128)
    return [float(value) for value in drawn / np.linalg.norm(drawn)]


def features_make(
    image: Image, *, seed: int | None = None, vector: FloatArray | None = None
) -> StoredFeatures:
    """Cached features of the base version, drawn at random, so that heads can be fitted without pictures."""
    rng = np.random.default_rng(image.pk if seed is None else seed)
    if vector is None:
        vector = rng.normal(0, 0.3, len(device.base_head().mean)).astype("<f4")
    return StoredFeatures.objects.create(
        image=image,
        version=device.feature_version(),
        vector=vector.tobytes(),
        embedding=unit_vector(rng),
        measures={},
        findings=[],
    )


def item_make(
    project: Project, *, image: Image | None = None, priority: float = 0.0, slots: int | None = None
) -> Item:
    """An item with its free slots."""
    item = Item.objects.create(project=project, image=image or image_make(), priority=priority)
    Assignment.objects.bulk_create(
        Assignment(item=item, project=project, slot=slot, priority=priority)
        for slot in range(1, (slots or project.overlap) + 1)
    )
    return item


def label_make(
    project: Project,
    *,
    mos: float = 4.0,
    image: Image | None = None,
    votes: int = 2,
    state: str = Item.State.SETTLED,
    std_error: float = 0.4,
) -> Consensus:
    """A label (ACR 1-5) on an item that ``votes`` people settled, without the votes themselves."""
    item = item_make(project, image=image)
    Item.objects.filter(pk=item.pk).update(state=state)
    return Consensus.objects.create(
        item=item,
        mos=mos,
        mos_score=(mos - 1) * 25,
        std_error=std_error,
        ci_low=max(1.0, mos - 2 * std_error),
        ci_high=min(5.0, mos + 2 * std_error),
        vote_count=votes,
        histogram=[votes if round(mos) == grade else 0 for grade in range(1, 6)],
    )

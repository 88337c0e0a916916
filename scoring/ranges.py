"""``python -m scoring.ranges``: give a weights file the ranges by which it is served in 8 bits.

    python -m scoring.ranges WEIGHTS --photos FOLDER ... --out FILE

``vitrine pretrain`` does so by itself; this is for weights made elsewhere. Photos of the groups that tests
are kept for are left alone. What was fitted to the weights stays as it is: it saw float.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from safetensors.numpy import save

from scoring.core.checkpoint import read_tensor_file, write_whole
from scoring.core.quantise import measured_ranges
from scoring.device import encoder_tensors
from scoring.pretrain import calibration_views
from scoring.pretrain_plan import plan


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m scoring.ranges", description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--photos", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=400, help="photos per folder")
    parser.add_argument("--seed", type=int, default=2026)
    options = parser.parse_args(argv)
    tasks = plan(dict.fromkeys(options.photos, False), None, limit=options.limit, seed=options.seed)
    ranges = measured_ranges(encoder_tensors(options.weights), calibration_views(tasks))
    write_whole(options.out, save(read_tensor_file(options.weights) | ranges.tensors()))
    print(f"{len(ranges.limits)} layers, {options.out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""How fast the frozen backbone sees 128x128 images."""

from __future__ import annotations

import torch
from bench_row import Row, seconds_per_call

from robot_rl.nn.backbone import BackboneConfig, load_backbone


def rows() -> list[Row]:
    """Return ms an image, alone, two and eight at a time."""
    backbone = load_backbone(BackboneConfig())
    generator = torch.Generator().manual_seed(0)
    rows = []
    for count in (1, 2, 8):
        images = torch.randint(0, 256, (count, 128, 128, 3), generator=generator, dtype=torch.uint8)
        seconds = seconds_per_call(lambda images=images: backbone(images), 20)
        rows.append(Row(name=f"encoder/lite0_batch_{count}", value=1e3 * seconds / count, unit="ms/image"))
    return rows

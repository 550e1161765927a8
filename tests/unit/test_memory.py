"""Freed memory is used again instead of being returned to the system and faulted in anew."""

import resource
import sys

import pytest
import torch

from robot_rl.nn.memory import keep_freed_memory

MEBIBYTES, CYCLES, PAGE = 16, 20, 4096


def page_faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_memory_that_was_freed_is_not_faulted_in_again():
    if not keep_freed_memory():
        pytest.skip("this C library cannot be told")
    for _ in range(8):  # until the allocator's heap has its size
        torch.ones(MEBIBYTES << 20, dtype=torch.uint8)
    before = page_faults()
    for _ in range(CYCLES):
        torch.ones(MEBIBYTES << 20, dtype=torch.uint8)
    assert page_faults() - before < 0.1 * CYCLES * (MEBIBYTES << 20) / PAGE

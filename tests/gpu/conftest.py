"""Everything here needs a CUDA device."""

import pytest
import torch


@pytest.fixture(autouse=True)
def _exact_products(monkeypatch):
    """Skip where there is no CUDA device; on one, multiply in full float32, so that CPU and GPU can be compared."""
    if not torch.cuda.is_available():
        pytest.skip(f"torch {torch.__version__} sees no CUDA device")
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)

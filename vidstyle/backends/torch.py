"""PyTorch: CUDA, Apple's MPS, and the processor; the reference that every other engine is compared with."""

from __future__ import annotations


def accelerator() -> str | None:
    """The kind of GPU PyTorch would use, "cuda" or "mps", found without importing PyTorch; else None."""
    return None

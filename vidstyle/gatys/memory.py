"""One error for every way in which the libraries say that there is no memory left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import torch

from vidstyle.errors import OutOfMemory


@contextmanager
def room_for(width: int, height: int) -> Iterator[None]:
    """Turn failed allocations within into OutOfMemory that names the picture's size and what to do."""
    try:
        yield
    except (MemoryError, RuntimeError, cv2.error) as error:
        if not _lacks_memory(error):
            raise
        raise OutOfMemory(
            f"not enough memory to paint a picture of {width}x{height}; use a smaller --size or --gatys tile=512"
        ) from error


def _lacks_memory(error: MemoryError | RuntimeError | cv2.error) -> bool:
    if isinstance(error, cv2.error):
        return error.code == cv2.Error.StsNoMem
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    # PyTorch's own allocator and oneDNN tell by nothing but words, "bad_alloc" among them.
    return "alloc" in str(error) or "memory" in str(error)

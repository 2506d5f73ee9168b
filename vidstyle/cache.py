"""Where vidstyle keeps what it can make again: compiled engines, fetched weights, verdicts."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def cache_folder(part: str) -> Path:
    """The cache's folder for `part`, made if it is missing: below `VIDSTYLE_CACHE_DIR` or the system's place.

    Everything in it may be deleted at any time. Raises OSError if it cannot be made.
    """
    root = os.environ.get("VIDSTYLE_CACHE_DIR") or platformdirs.user_cache_dir("vidstyle", appauthor=False)
    folder = Path(root) / part
    folder.mkdir(parents=True, exist_ok=True)
    return folder

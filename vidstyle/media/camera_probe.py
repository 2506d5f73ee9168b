"""A quick look whether a lost camera is back, so that the wait before opening it again can be cut short."""

from __future__ import annotations

from pathlib import Path


def has_returned(source: str) -> bool:
    """Whether the device node exists; False wherever there is no quick way to tell.

    Networks are not looked at: whoever serves only one connection would have spent it on the look.
    """
    if source.isdecimal() and Path("/dev").is_dir():
        return Path(f"/dev/video{source}").exists()
    return source.startswith("/dev/") and Path(source).exists()

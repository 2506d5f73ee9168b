"""Every test of the engines has a cache of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.backends.fake_nvidia import nvidia, real_trial

__all__ = ["nvidia", "real_trial"]


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("VIDSTYLE_CACHE_DIR", str(folder))
    return folder

"""The fake NVIDIA machine, for every test of the engines."""

from __future__ import annotations

from tests.backends.fake_nvidia import nvidia, real_trial

__all__ = ["nvidia", "real_trial"]

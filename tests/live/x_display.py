"""A virtual X display for what must be seen: windows, keys, screenshots."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

TOOLS = ("Xvfb", "xdotool", "import")
needs_display = pytest.mark.skipif(
    sys.platform != "linux" or not all(map(shutil.which, TOOLS)), reason=f"needs {', '.join(TOOLS)}"
)


@dataclass
class Display:
    """A virtual X display and what can be done to the window on it."""

    environment: dict[str, str]
    folder: Path

    def tool(self, *words: str) -> str:
        done = subprocess.run(words, env=self.environment, capture_output=True, text=True, timeout=20)
        return done.stdout.strip()

    def window(self, process: subprocess.Popen | None = None, timeout: float = 20.0) -> str:
        """The window's number, once it is there."""
        until = time.monotonic() + timeout
        while not (found := self.tool("xdotool", "search", "--name", "^vidstyle$")):
            assert time.monotonic() < until, "no window appears"
            assert process is None or process.poll() is None, process.communicate()
            time.sleep(0.1)
        return found.splitlines()[0]

    def press(self, *keys: str) -> None:
        self.tool("xdotool", "windowfocus", self.window())
        for key in keys:
            self.tool("xdotool", "key", key)
            time.sleep(0.15)

    def screenshot(self, name: str) -> np.ndarray:
        path = self.folder / f"{name}.png"
        self.tool("import", "-window", "root", str(path))
        return cv2.imread(str(path))[..., ::-1]

    def wait_until(self, condition, what: str, timeout: float = 30.0) -> None:
        until = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < until, what
            time.sleep(0.1)


@contextmanager
def virtual_display(folder: Path, *, size: str = "800x600") -> Iterator[Display]:
    """An Xvfb of its own; screenshots go to `folder`, or where VIDSTYLE_TEST_KEEP says."""
    plain = {
        k: v for k, v in os.environ.items() if k not in ("WAYLAND_DISPLAY", "LD_PRELOAD") and not k.startswith("QT_")
    }
    reading, writing = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", f"{size}x24", "-nolisten", "tcp"],
        pass_fds=(writing,), stderr=subprocess.DEVNULL, env=plain,
    )  # fmt: skip
    os.close(writing)
    with os.fdopen(reading) as answer:
        number = answer.readline().strip()
    yield Display(plain | {"DISPLAY": f":{number}"}, Path(os.environ.get("VIDSTYLE_TEST_KEEP", folder)))
    server.terminate()
    server.wait()

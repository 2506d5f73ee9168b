"""Kill -9 at any moment: the target is absent or complete, and what was written is a film that plays.

VIDSTYLE_KILLS sets how many kills each format gets (2 unless told otherwise).
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import av
import pytest

FRAMES = 400
RATE = 50
ON_THE_WAY = RATE // 4 + 60
"""Frames that a kill may cost: a quarter of a second of film in the muxer, and what the encoder looks ahead."""

KILLS = int(os.environ.get("VIDSTYLE_KILLS", "2"))

CHILD = f"""
import sys
from fractions import Fraction
from pathlib import Path
import numpy as np
from vidstyle.frames import Frame, VideoInfo
from vidstyle.media.writer import open_writer
from tests.media.writing import GivenReader

random = np.random.default_rng(1)
picture = random.integers(0, 256, (96, 128, 3), dtype=np.uint8)
frames = (
    Frame(image=np.roll(picture, n, axis=1), pts=n, time_base=Fraction(1, {RATE}), index=n) for n in range({FRAMES})
)
info = VideoInfo(width=128, height=96, time_base=Fraction(1, {RATE}), rate=Fraction({RATE}))
writer = open_writer(sys.argv[1], source=GivenReader([], info))
for frame in frames:
    writer.write(frame)
    print(frame.index + 1, flush=True)
writer.close(commit=True)
print("committed", flush=True)
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")


def frames_in(path: Path) -> int:
    """How many frames can be decoded; 0 where it cannot be opened."""
    try:
        with av.open(str(path)) as film:
            count = 0
            for packet in film.demux(video=0):
                try:
                    count += len(packet.decode())
                except av.error.InvalidDataError:
                    continue  # the packet that the kill cut in two
            return count
    except (av.error.FFmpegError, IndexError):
        return 0


def killed_render(target: Path, *, after: float | int) -> int:
    """Render in another process and kill it: `after` so many frames, or seconds later once they are all written.

    Gives the number of frames that the process had handed over.
    """
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(target)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    written = 0
    for line in child.stdout:
        if line.strip() == "committed":
            break
        written = int(line)
        if written >= int(after):
            break
    if isinstance(after, float):
        time.sleep(after - int(after))
    child.kill()
    child.wait()
    child.stdout.close()
    return written


def moments() -> list[float | int]:
    """In the middle of the film, and while it is being finished."""
    dice = random.Random(20)
    middle: list[float | int] = [dice.randrange(2, FRAMES) for _ in range(KILLS)]
    return [*middle, *(FRAMES + dice.random() * 0.04 for _ in range(KILLS))]


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_killed_render_leaves_a_film_or_a_part(tmp_path: Path, suffix: str) -> None:
    for number, after in enumerate(moments()):
        target = tmp_path / f"{number}.{suffix}"
        part = tmp_path / f"{number}.{suffix}.part"
        written = killed_render(target, after=after)
        if target.exists():
            assert frames_in(target) == FRAMES
            assert not part.exists()
        else:
            assert frames_in(part) >= written - ON_THE_WAY

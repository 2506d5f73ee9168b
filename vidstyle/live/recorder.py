"""Recordings and snapshots: started and stopped while live, never waited for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import cv2
import numpy as np

from vidstyle.backends.protocol import Say
from vidstyle.errors import OutputError, VidstyleError
from vidstyle.frames import ImageArray
from vidstyle.live.outlet import Outlet
from vidstyle.live.statistics import Statistics
from vidstyle.media.live_protocol import LiveOutput, PictureFormat, Sound
from vidstyle.media.part_file import part_path, write_file

OpenFilm = Callable[[str], LiveOutput]
"""`(path) -> output` that writes a film there."""

FINISH = 60.0
"""Seconds that a film may take to be completed: its encoder may be slow, and so may the disk."""


def dated_name(suffix: str) -> str:
    """A name with date and time, down to the millisecond: keys are pressed more than once a second."""
    return f"{datetime.now().strftime('vidstyle-%Y%m%d-%H%M%S-%f')[:-3]}{suffix}"


def finish_film(outlet: Outlet, path: str) -> None:
    """Have a film written to its end; the outlet's `error` says where it was not."""
    if not outlet.stop(timeout=FINISH):
        unfinished = OutputError(f"{path} did not finish in time; what there is lies in {part_path(Path(path))}")
        outlet.error = outlet.error or unfinished


class Recorder:
    """Follows the control's wish for a recording; opening and closing files happens in threads of its own."""

    def __init__(self, open_film: OpenFilm, picture: PictureFormat, statistics: Statistics, say: Say) -> None:
        self.recordings: list[str] = []
        self.snapshots: list[str] = []
        self.errors: list[OutputError] = []
        self._open_film = open_film
        self._picture = picture
        self._statistics = statistics
        self._say = say
        self._outlet: Outlet | None = None
        self._path: str | None = None
        self._jobs: list[threading.Thread] = []

    def follow(self, path: str | None) -> bool:
        """Record to `path` from now on, or not at all; False where a recording has failed and is over."""
        if self._outlet and self._outlet.error:
            self._finish()
            return False
        if path != self._path:
            self._finish()
            self._path = path
            return not path or self._start(path)
        return True

    def outlets(self) -> list[Outlet]:
        """The outlet that records now, if any."""
        return [self._outlet] if self._outlet else []

    def hear(self, sound: Sound) -> None:
        """Sound for the film that is being recorded; without one it is lost."""
        if outlet := self._outlet:
            outlet.hear(sound)

    def save(self, image: ImageArray, path: Path | None) -> None:
        """Save `image` (H, W, 3) uint8 RGB as PNG (or what the name says) in the background."""
        name = path or Path(dated_name(".png"))
        self._run(lambda: self._save(image, name))

    def stop(self) -> None:
        """Close what is open and wait for everything to be on disk."""
        self._finish()
        for job in self._jobs:
            job.join()

    def _start(self, path: str) -> bool:
        """Begin to record; False where the name will not do."""
        try:
            outlet = Outlet(self._open_film(path), self._picture, self._statistics)
        except VidstyleError as error:
            self._fail(str(error))
            return False
        self._outlet = outlet
        self.recordings.append(path)
        self._say(f"recording to {path}")
        outlet.start()
        return True

    def _fail(self, words: str) -> None:
        self.errors.append(OutputError(words))
        self._say(f"recording failed: {words}")

    def _finish(self) -> None:
        outlet, path = self._outlet, self._path
        self._outlet = self._path = None
        if outlet:
            self._run(lambda: self._close(outlet, str(path)))

    def _close(self, outlet: Outlet, path: str) -> None:
        finish_film(outlet, path)
        if outlet.error:
            self._fail(str(outlet.error))
        else:
            self._say(f"recorded {path}")

    def _save(self, image: ImageArray, path: Path) -> None:
        try:
            ok, data = cv2.imencode(path.suffix or ".png", np.ascontiguousarray(image[:, :, ::-1]))
            if not ok:
                raise OutputError(f"{path}: the picture could not be encoded")
            write_file(path, data.tobytes())
        except (cv2.error, OutputError) as error:
            self.errors.append(OutputError(f"snapshot failed: {error}"))
            self._say(str(self.errors[-1]))
        else:
            self.snapshots.append(str(path))
            self._say(f"snapshot {path}")

    def _run(self, job: Callable[[], None]) -> None:
        self._jobs = [j for j in self._jobs if j.is_alive()]
        thread = threading.Thread(target=job, name="recorder", daemon=False)
        self._jobs.append(thread)
        thread.start()

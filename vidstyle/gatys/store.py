"""The finished frames of a rendering on disk: what survives a power cut, and what several machines share.

Beside the target lies the folder `<target>.gatys`: `job.json` says what is rendered and how, one PNG per
pass and frame holds its result. A file gets its name after it is complete, and PNG carries checksums: a torn
one is noticed and rendered again. A frame's successor starts from the 8-bit result that is stored,
never from something finer in memory, and from L-BFGS's pairs, of which the last two frames' are kept beside
them while a shot is painted; so a resumed rendering ends in the same film.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from vidstyle.errors import OutputError, UsageError
from vidstyle.frames import ImageArray
from vidstyle.gatys.lbfgs import Pair


@dataclass(frozen=True, kw_only=True)
class Shot:
    """Frames `first` to `last` of the film, counted from 0, both included."""

    first: int
    last: int

    @property
    def frames(self) -> range:
        return range(self.first, self.last + 1)


class Store:
    """Reads and writes the folder. Several processes may write different frames into it."""

    def __init__(self, target: str | Path) -> None:
        target = Path(target)
        self.folder = target.with_name(f"{target.name}.gatys")

    def open(self, job: dict[str, Any], *, resume: bool, overwrite: bool) -> None:
        """Make the folder for `job`, or check that it holds the same one; a folder without frames does not count.

        Raises UsageError if there is a rendering and neither `resume` nor `overwrite` says what to do with
        it, or if it was asked for differently; OutputError if the folder cannot be written.
        """
        file = self.folder / "job.json"
        try:
            known = json.loads(file.read_text(encoding="utf-8")) if self._begun and file.is_file() else None
            if known is not None and not resume:
                if not overwrite:
                    raise UsageError(f"{self.folder} holds an unfinished rendering: --resume goes on, -y starts over")
                shutil.rmtree(self.folder)
                known = None
            if known is not None:
                _compare(known, json.loads(json.dumps(job)), self.folder)
                return
            self.folder.mkdir(parents=True, exist_ok=True)
            self._write(file, json.dumps(job, indent=1, ensure_ascii=False).encode())
        except (OSError, ValueError) as error:
            raise OutputError(f"{self.folder}: cannot be used for checkpoints ({error})") from error

    @property
    def _begun(self) -> bool:
        """Whether a frame was ever finished: a job that was refused before leaves nothing worth keeping."""
        return any(self.folder.glob("pass*/*.png"))

    def leave(self) -> None:
        """The work ends here, done or not: a folder without a finished frame is nothing to come back to."""
        if not self._begun:
            shutil.rmtree(self.folder, ignore_errors=True)  # another error may be on its way to the user

    def load(self, number: int, *, turn: int) -> ImageArray | None:
        """The result (H, W, 3) uint8 RGB of frame `number` in pass `turn`, from 1; None if missing or torn."""
        file = self._file(number, turn)
        if not file.is_file():
            return None
        data = file.read_bytes()
        if not _whole(data):
            return None
        return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB), np.uint8)

    def save(self, number: int, image: ImageArray, *, turn: int) -> None:
        """Keep the result (H, W, 3) uint8 RGB. Raises OutputError."""
        self._save(self._file(number, turn), image)

    def save_pairs(self, number: int, pairs: Sequence[Pair], *, turn: int, before: range) -> None:
        """Keep what L-BFGS knows after frame `number`; of the frames `before` it only the last one's stays.

        To be called before the frame's own `save`: a frame that is there has its pairs.
        """
        stale = self._pairs_files(before, turn)
        data = io.BytesIO()
        np.save(data, torch.stack([torch.stack(pair) for pair in pairs]).cpu().numpy())
        try:
            folder = self._pairs_folder(turn)
            folder.mkdir(parents=True, exist_ok=True)
            self._write(folder / f"{number:08d}.npy", data.getvalue())
        except OSError as error:
            raise OutputError(f"{self.folder}: {error.strerror or error}") from error
        for file in stale[:-1]:
            file.unlink()

    def load_pairs(self, before: range, *, turn: int) -> Sequence[Pair]:
        """The newest pairs of the frames `before`, on the CPU; none where there are none, or damaged ones."""
        files = self._pairs_files(before, turn)
        try:
            return [(moved, change) for moved, change in torch.from_numpy(np.load(files[-1]))] if files else []
        except (ValueError, EOFError):
            return []

    def forget_pairs(self, numbers: range, *, turn: int) -> None:
        """The shot of these frames is painted."""
        for file in self._pairs_files(numbers, turn):
            file.unlink()

    def preview(self, image: ImageArray) -> None:
        """Show (H, W, 3) uint8 RGB as `preview.png`: the newest state of the work."""
        self._save(self.folder / "preview.png", image)

    def film(self, number: int) -> ImageArray | None:
        """The film's own frame, as `save_film` kept it."""
        return self.load(number, turn=0)

    def save_film(self, number: int, image: ImageArray) -> None:
        """Keep the film's own frame for passes that go backwards."""
        self.save(number, image, turn=0)

    def remove(self) -> None:
        """The film is complete: nothing of the folder is needed any more."""
        shutil.rmtree(self.folder)

    def _file(self, number: int, turn: int) -> Path:
        return self.folder / f"pass{turn}" / f"{number:08d}.png"

    def _pairs_folder(self, turn: int) -> Path:
        return self._file(0, turn).with_name("pairs")

    def _pairs_files(self, numbers: range, turn: int) -> list[Path]:
        """Those of the frames `numbers` that are there, in that order.

        They lie in a folder of their own, which holds two or three for each shot being painted: to look through it
        takes no longer late in a film than early.
        """
        files = {int(file.stem): file for file in self._pairs_folder(turn).glob("*.npy")}
        return [files[n] for n in sorted((n for n in files if n in numbers), key=numbers.index)]

    def _save(self, file: Path, image: ImageArray) -> None:
        ok, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 1])
        if not ok:
            raise OutputError(f"{file}: the picture could not be encoded")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._write(file, data.tobytes())
        except OSError as error:
            raise OutputError(f"{file}: {error.strerror or error}") from error

    def _write(self, file: Path, data: bytes) -> None:
        part = file.with_name(f"{file.name}.{os.getpid()}.part")
        with part.open("wb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        part.replace(file)


def _whole(data: bytes) -> bool:
    """Whether a PNG is complete and every chunk's checksum fits: decoders also take half a file."""
    at = 8
    while at + 12 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        end = at + 8 + length
        if zlib.crc32(data[at + 4 : end]) != int.from_bytes(data[end : end + 4]):
            return False
        if kind == b"IEND":
            return data.startswith(b"\x89PNG\r\n\x1a\n")
        at = end + 4
    return False


def _compare(known: dict[str, Any], asked: dict[str, Any], folder: Path) -> None:
    different = sorted(key for key in known.keys() | asked.keys() if known.get(key) != asked.get(key))
    if different:
        key = different[0]
        raise UsageError(
            f"{folder} was begun with {key}={known.get(key)!r}, now it is {asked.get(key)!r}: "
            "ask for the same, or start over with -y and without --resume"
        )

"""Labelled sheets of pictures, and plots: what `explore` and `eval video` show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from vidstyle.errors import OutputError
from vidstyle.frames import ImageArray
from vidstyle.media.part_file import write_file

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_LINE = 22
_GAP = 8
_COLOURS = ((214, 69, 65), (31, 97, 141), (39, 134, 83), (142, 68, 173), (185, 119, 14))


def sheet(cells: Sequence[tuple[ImageArray, str]], *, columns: int) -> ImageArray:
    """Pictures (H, W, 3) uint8 RGB of one size with labels of one or more lines below, in rows."""
    height, width = cells[0][0].shape[:2]
    labels = [line for _, text in cells for line in text.split("\n")]
    lines = max(text.count("\n") + 1 for _, text in cells)
    widest = max(cv2.getTextSize(line, _FONT, 0.45, 1)[0][0] for line in labels)
    cell_height, cell_width = height + lines * _LINE + _GAP, max(width, widest) + _GAP
    rows = -(-len(cells) // columns)
    page = np.full((rows * cell_height + _GAP, columns * cell_width + _GAP, 3), 255, np.uint8)
    for index, (picture, text) in enumerate(cells):
        top, left = _GAP + index // columns * cell_height, _GAP + index % columns * cell_width
        page[top : top + height, left : left + width] = picture
        for number, line in enumerate(text.split("\n"), start=1):
            at = (left, top + height + number * _LINE - 6)
            cv2.putText(page, line, at, _FONT, 0.45, (30, 30, 30), 1, cv2.LINE_AA)
    return page


def plot(curves: Mapping[str, Sequence[float | None]], *, label: str) -> ImageArray:
    """Curves over the frame number, each None a gap, as a picture (400, 800, 3) uint8 RGB."""
    page = np.full((400, 800, 3), 255, np.uint8)
    left, right, top, bottom = 60, 780, 40, 360
    values = [v for curve in curves.values() for v in curve if v is not None]
    most = max(values, default=1.0) or 1.0
    last = max(1, max(len(curve) for curve in curves.values()) - 1)
    cv2.rectangle(page, (left, top), (right, bottom), (120, 120, 120), 1)
    for share in (0.0, 0.5, 1.0):
        y = round(bottom - share * (bottom - top))
        cv2.putText(page, f"{most * share:.3g}", (8, y + 4), _FONT, 0.42, (60, 60, 60), 1, cv2.LINE_AA)
    cv2.putText(page, f"{label}, frames 0 to {last}", (left, 385), _FONT, 0.45, (60, 60, 60), 1, cv2.LINE_AA)
    for number, (name, curve) in enumerate(curves.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        cv2.putText(page, name, (left + 150 * number, 25), _FONT, 0.5, colour, 1, cv2.LINE_AA)
        before: tuple[int, int] | None = None
        for index, value in enumerate(curve):
            here = None
            if value is not None:
                here = (round(left + index / last * (right - left)), round(bottom - value / most * (bottom - top)))
                cv2.line(page, before or here, here, colour, 2, cv2.LINE_AA)
            before = here
    return page


def save_picture(path: Path, picture: ImageArray) -> None:
    """Write (H, W, 3) uint8 RGB as PNG under its full name at once. Raises OutputError."""
    ok, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    if not ok:
        raise OutputError(f"{path}: the picture could not be encoded")
    write_file(path, data.tobytes())

"""What happens to a picture around the painting: fitted, mirrored, split, dissolved, written upon."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from vidstyle.frames import ImageArray
from vidstyle.media.scale import resize

Box = tuple[slice, slice]
"""Rows and columns of a picture."""

DISSOLVE = 6
"""Frames over which a change of the working size is spread."""

_FONT = cv2.FONT_HERSHEY_DUPLEX
_LINE, _COLUMN = 40, 45
"""Height of a line, and where the column after a tab begins, in pixels at a text scale of 1."""


def even_size(size: tuple[int, int]) -> tuple[int, int]:
    """(width, height) rounded down to even numbers, as every encoder wants them; at least 16."""
    return max(16, size[0] // 2 * 2), max(16, size[1] // 2 * 2)


def fit(image: ImageArray, *, width: int, height: int) -> ImageArray:
    """The whole picture in the middle of (height, width), black bars where the shape differs."""
    if _is_cut(image.shape, width=width, height=height):
        return np.ascontiguousarray(image[:height, :width])
    inside = place(image.shape, width=width, height=height)
    result = np.zeros((height, width, 3), np.uint8)
    rows, columns = result[inside].shape[:2]
    result[inside] = resize(image, width=columns, height=rows)
    return result


def place(shape: tuple[int, ...], *, width: int, height: int) -> Box:
    """Where `fit` puts a picture of this shape, (H, W, ...): as far from the left as from the right."""
    if _is_cut(shape, width=width, height=height):
        return slice(0, height), slice(0, width)
    scale = min(height / shape[0], width / shape[1])
    top, left = max(0, height - round(shape[0] * scale)) // 2, max(0, width - round(shape[1] * scale)) // 2
    return slice(top, height - top), slice(left, width - left)


def _is_cut(shape: tuple[int, ...], *, width: int, height: int) -> bool:
    """Whether only an odd row or column is too much, or nothing."""
    return shape[0] - shape[0] % 2 == height and shape[1] - shape[1] % 2 == width


def keep_bars(image: ImageArray, inside: Box) -> ImageArray:
    """`image` with black around what lies `inside`: bars are no part of the picture that was painted."""
    if image[inside].shape == image.shape:
        return image
    result = np.zeros_like(image)
    result[inside] = image[inside]
    return result


def mirrored(image: ImageArray) -> ImageArray:
    """Left and right exchanged."""
    return np.asarray(cv2.flip(image, 1), np.uint8)


def split(before: ImageArray, after: ImageArray) -> ImageArray:
    """The left half of `before`, the right half of `after`, a white line between."""
    middle = after.shape[1] // 2
    result = after.copy()
    result[:, :middle] = before[:, :middle]
    result[:, max(0, middle - 1) : middle + 1] = 255
    return result


class Dissolve:
    """Softens the step from one working size to another: the last picture before it fades out."""

    def __init__(self) -> None:
        self._before: ImageArray | None = None
        self._left = 0

    def begin(self, before: ImageArray | None) -> None:
        """A new working size begins after `before`, (H, W, 3) uint8 RGB."""
        self._before, self._left = before, DISSOLVE if before is not None else 0

    def apply(self, image: ImageArray) -> ImageArray:
        """`image` with what is left of the picture before."""
        if self._before is None or self._before.shape != image.shape:
            return image
        share = self._left / (DISSOLVE + 1)
        self._left -= 1
        result = np.asarray(cv2.addWeighted(self._before, share, image, 1 - share, 0), np.uint8)
        if self._left == 0:
            self._before = None
        return result


def write_notice(image: ImageArray, lines: Sequence[str]) -> ImageArray:
    """`image` darkened, with `lines` in a box in its middle."""
    result = np.asarray(image >> 1, np.uint8)
    write_box(result, lines, centre=True)
    return result


def write_box(image: ImageArray, lines: Sequence[str], *, centre: bool = False) -> None:
    """Write `lines` (ASCII; other signs become `?`) upon `image` itself: top left, or larger in the middle.

    What follows a tab stands in a column of its own.
    """
    if not lines:
        return
    height, width = image.shape[:2]
    rows = [line.encode("ascii", "replace").decode().partition("\t") for line in lines]
    scale = min(height, 1080) / (600 if centre else 1000)
    scale = max(0.3, scale * min(1.0, 0.92 * width / _widest(rows, scale)))
    line_height = round(_LINE * scale)
    box = (round(_widest(rows, scale)) + line_height, line_height * len(lines) + line_height // 2)
    left, top = ((width - box[0]) // 2, (height - box[1]) // 2) if centre else (line_height // 2, line_height // 2)
    left, top = max(0, left), max(0, top)
    region = image[top : top + box[1], left : left + box[0]]
    region[:] = region // 4
    for number, (words, _, more) in enumerate(rows):
        row = top + round(line_height * (number + 1.1))
        for text, column in ((words, 0.0), (more, _COLUMN * scale)):
            at = (left + line_height // 2 + round(column), row)
            cv2.putText(image, text, at, _FONT, scale, (255, 255, 255), 1, cv2.LINE_AA)


def _widest(rows: Sequence[tuple[str, str, str]], scale: float) -> float:
    """The width in pixels of the widest row, 1 at least."""

    def width(text: str) -> int:
        return int(cv2.getTextSize(text, _FONT, scale, 1)[0][0])

    return max(1, *(max(width(words), _COLUMN * scale + width(more) if more else 0) for words, _, more in rows))

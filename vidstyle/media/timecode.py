"""SMPTE time code (ST 12-1): the label of a film's first frame, by which editing programs find it in the original."""

from __future__ import annotations

import re
from fractions import Fraction

_LABEL = re.compile(r"(\d\d):(\d\d):(\d\d)([:;.])(\d\d)")


def later(label: str, frames: int, *, rate: Fraction) -> str:
    """The label of the frame that comes `frames` after that of `label`, at `rate` frames a second.

    A second has a whole number of labels, 30 at 29.97. With ";" instead of the last ":" two of them (of 60, four) are
    left out at the beginning of each minute but every tenth, to keep to the clock. What is no label stays as it is.
    """
    match, second = _LABEL.fullmatch(label), round(rate)
    if not match or not second:
        return label
    hours, minutes, seconds, frame = (int(match[group]) for group in (1, 2, 3, 5))
    left_out = 0 if match[4] == ":" else second // 30 * 2
    minutes += 60 * hours
    count = (60 * minutes + seconds) * second + frame - left_out * (minutes - minutes // 10) + frames
    tens, rest = divmod(count, 600 * second - 9 * left_out)
    minute = max(0, (rest - left_out) // (60 * second - left_out))  # the first of ten leaves none out
    seconds, frame = divmod(count + left_out * (9 * tens + minute), second)
    return f"{seconds // 3600 % 24:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{match[4]}{frame:02}"

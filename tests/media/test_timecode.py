"""Time code against a plain count of labels."""

from __future__ import annotations

from fractions import Fraction

import pytest

from vidstyle.media.timecode import later

NTSC = Fraction(30_000, 1001)


def labels(count: int, *, second: int, left_out: int) -> list[str]:
    """The first `count` labels of a day, `second` a second, of which `left_out` are left out at most minutes' begin."""
    mark = ";" if left_out else ":"
    return [
        f"{minute // 60:02}:{minute % 60:02}:{k // second:02}{mark}{k % second:02}"
        for minute in range(count // (59 * second) + 1)
        for k in range(left_out if minute % 10 else 0, 60 * second)
    ][:count]


@pytest.mark.parametrize(
    ("rate", "second", "left_out"), [(NTSC, 30, 2), (2 * NTSC, 60, 4), (NTSC, 30, 0), (Fraction(24_000, 1001), 24, 0)]
)
def test_labels_are_counted_on(rate: Fraction, second: int, left_out: int) -> None:
    """Over an hour and more, from two beginnings."""
    wanted = labels(130_000, second=second, left_out=left_out)
    for first in (0, 17_000):
        for index in range(first, len(wanted), 7):
            assert later(wanted[first], index - first, rate=rate) == wanted[index]


def test_the_day_begins_anew_and_what_is_no_label_stays() -> None:
    assert later("23:59:59:24", 2, rate=Fraction(25)) == "00:00:00:01"
    assert later("23:59:59;29", 1, rate=NTSC) == "00:00:00;00"
    assert later("none", 1, rate=NTSC) == "none"

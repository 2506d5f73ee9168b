"""Words of --gatys."""

from __future__ import annotations

import pytest

from vidstyle.errors import UsageError
from vidstyle.gatys.options import GatysOptions, parse_gatys, parse_painting


def test_words_become_options() -> None:
    options = parse_gatys(["style-layers=conv1_1,conv2_1:0.5", "lags=1,4", "style=20", "vgg=vgg16", "shots=2/3"])
    assert options.style_layers == (("conv1_1", 1.0), ("conv2_1", 0.5))
    assert (options.lags, options.style, options.vgg, options.share) == ((1, 4), 20.0, "vgg16", (2, 3))
    assert parse_gatys([]) == GatysOptions()


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("styel=1", "did you mean 'style'"),
        ("style", "give style=VALUE"),
        ("style=much", "not a usable value"),
        ("style=-1", "0 or more"),
        ("iterations=0", "1 or more"),
        ("vgg=vgg11", "one of vgg19, vgg16"),
        ("shots=5/4", "a part and their number"),
        ("tile=100", "multiple of 16"),
        ("start=fast", "fast=STYLE"),
        ("style-layers=conv1_1:x", "not a usable value"),
        ("style-layers=conv1_1,conv2_1:-1", "style-layers: weights are 0 or more"),
        ("content-layers=conv4_2:nan", "content-layers: weights are 0 or more"),
        ("content-layers=conv4_2:0", "one at least above 0"),
    ],
)
def test_wrong_words_say_so(word: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_gatys([word])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.jpg", ("a.jpg", 1.0)),
        ("a.jpg:2.5", ("a.jpg", 2.5)),
        ("C:\\paintings\\a.jpg", ("C:\\paintings\\a.jpg", 1.0)),
    ],
)
def test_paintings_with_weights(text: str, expected: tuple[str, float]) -> None:
    assert parse_painting(text) == expected

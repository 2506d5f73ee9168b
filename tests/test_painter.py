from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

from tests.fake_engines import FakeEngine
from vidstyle.backends.protocol import EngineSpec, Say
from vidstyle.errors import BackendError, OutOfMemory, UsageError
from vidstyle.frames import ImageArray, StyleVector
from vidstyle.networks.network import Network
from vidstyle.painter import KEPT_ENGINES, Look, Painter, working_size
from vidstyle.style_library import Library
from vidstyle.styles import StyleMix

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class FakeEngines:
    """Opens engines that invert pictures; those of more than `fits` frames run out of memory."""

    fits: int = 8
    tiles_fit: bool = False
    fails_to_compile: bool = False
    opened: list[EngineSpec] = field(default_factory=list)
    closed: int = 0
    kind: type[FakeEngine] = FakeEngine
    styles: list[StyleVector] = field(default_factory=list)

    def __call__(self, network: Network, spec: EngineSpec, backend: str, say: Say) -> tuple[FakeEngine, list[str]]:
        if self.fails_to_compile and spec.batch > self.fits:
            raise OutOfMemory("no room to compile")
        self.opened.append(spec)
        return self.kind(spec, partial(self._invert, spec), self._close), ["tensorrt: not installed"]

    def _invert(self, spec: EngineSpec, images: ImageArray, style: StyleVector) -> ImageArray:
        if len(images) > self.fits and not (spec.tile and self.tiles_fit):
            raise OutOfMemory(f"{len(images)} frames")
        self.styles.append(style)
        return 255 - images

    def _close(self) -> None:
        self.closed += 1


class FakeDeviceEngine(FakeEngine):
    """One that also takes tensors."""

    def run_on_device(self, images: Tensor, style: StyleVector) -> ImageArray:
        return self.run(images.numpy(), style)


MakeLook = Callable[..., Look]


@pytest.fixture
def look(library: Library) -> MakeLook:
    def make(*, strength: float = 1.0, keep_colors: bool = False, stroke: float = 1.0) -> Look:
        mix = library.mix([("mosaic", 1.0)], library.network(), strength)
        return Look(mix=mix, keep_colors=keep_colors, stroke=stroke)

    return make


def film(count: int = 1, *, width: int = 64, height: int = 48) -> ImageArray:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def painter(library: Library, engines: FakeEngines, *, batch: int = 4) -> Painter:
    return Painter(library.network(), batch=batch, open_engine=engines)


def test_a_batch_larger_than_the_engines_is_painted_in_parts(library: Library, look: MakeLook) -> None:
    engines = FakeEngines()
    images = film(10)
    with painter(library, engines, batch=4) as p:
        assert np.array_equal(p.paint(images, look()), 255 - images)
    assert len(engines.styles) == 3
    assert p.engine_info is not None
    assert p.engine_info.backend == "fake"
    assert p.notes == ["tensorrt: not installed"]
    assert engines.closed == 1


def test_strength_zero_returns_the_pictures_themselves_and_needs_no_engine(library: Library, look: MakeLook) -> None:
    engines = FakeEngines()
    images = film(2)
    with painter(library, engines) as p:
        assert p.prepare(64, 48, look=look(strength=0)) is None
        assert p.paint(images, look(strength=0, keep_colors=True, stroke=2)) is images
    assert not engines.opened
    assert p.engine_info is None


def test_strength_has_no_jump_at_its_lower_end(library: Library, look: MakeLook) -> None:
    images = film()
    with painter(library, FakeEngines()) as p:
        strengths = np.linspace(0, 0.2, 41)
        painted = [p.paint(images, look(strength=float(s))).astype(int) for s in strengths]
    steps = [np.abs(b - a).max() for a, b in pairwise(painted)]
    assert max(steps) <= 255 / 20 + 2  # twenty steps from nothing to the painting, all alike
    assert np.array_equal(painted[-1], 255 - images)


def test_out_of_memory_halves_the_batch_for_good(library: Library, look: MakeLook) -> None:
    engines = FakeEngines(fits=1)
    images = film(6)
    with painter(library, engines, batch=4) as p:
        assert np.array_equal(p.paint(images, look()), 255 - images)
        assert p.batch == 1
    assert [spec.batch for spec in engines.opened] == [4, 2, 1]
    assert engines.closed == 3
    assert p.warnings[-1].endswith("batches of 1")


def test_out_of_memory_while_compiling_is_met_the_same_way(library: Library, look: MakeLook) -> None:
    engines = FakeEngines(fits=2, fails_to_compile=True)
    with painter(library, engines, batch=8) as p:
        p.prepare(64, 48, look=look())
        assert p.batch == 2


def test_one_frame_that_does_not_fit_is_painted_in_tiles(library: Library, look: MakeLook) -> None:
    engines = FakeEngines(fits=0, tiles_fit=True)
    images = film(3)
    with painter(library, engines, batch=2) as p:
        assert np.array_equal(p.paint(images, look()), 255 - images)
    assert [(spec.batch, spec.tile) for spec in engines.opened] == [(2, False), (1, False), (1, True)]
    assert p.warnings[-1].endswith("going on in tiles")


def test_tiles_that_do_not_fit_either_are_an_error_with_advice(library: Library, look: MakeLook) -> None:
    with painter(library, FakeEngines(fits=0), batch=2) as p, pytest.raises(OutOfMemory, match="--size"):
        p.paint(film(), look())


def test_sizes_that_change_keep_their_last_engines(library: Library, look: MakeLook) -> None:
    engines = FakeEngines()
    with painter(library, engines) as p:
        for width in (64, 72, 64, 80, 88, 64):
            assert p.paint(film(width=width), look()).shape == (1, 48, width, 3)
        assert [spec.width for spec in engines.opened] == [64, 72, 80, 88]
        assert engines.closed == len(engines.opened) - KEPT_ENGINES


@pytest.mark.parametrize("size", [(1280, 720), (1920, 1080), (3840, 2160), (2160, 3840), (1440, 1440)])
def test_a_larger_film_gets_the_strokes_of_its_720p_copy(size: tuple[int, int]) -> None:
    assert min(working_size(*size)) == 720
    assert min(working_size(*size, stroke=2)) == 360


@pytest.mark.parametrize(
    ("size", "stroke", "expected"),
    [
        ((640, 480), 1.0, (640, 480)),
        ((641, 479), 1.0, (641, 479)),
        ((16, 2), 1.0, (16, 2)),
        ((16, 16), 5.0, (16, 16)),
        ((640, 480), 0.5, (1280, 960)),
        ((640, 480), 10.0, (168, 128)),
        ((1280, 720), 0.1, (3840, 2160)),
    ],
)
def test_working_sizes(size: tuple[int, int], stroke: float, expected: tuple[int, int]) -> None:
    assert working_size(*size, stroke=stroke) == expected


def test_pictures_painted_at_another_size_come_back_at_their_own(library: Library, look: MakeLook) -> None:
    images = np.full((2, 200, 301, 3), 90, np.uint8)
    engines = FakeEngines()
    with painter(library, engines) as p:
        painted = p.paint(images, look(stroke=1.5))
    assert painted.shape == images.shape
    assert (painted == 165).all()
    assert (engines.opened[0].width, engines.opened[0].height) == (200, 136)


@pytest.mark.parametrize(
    "wrong",
    [film()[0], film()[..., 0], film()[..., [0, 1, 2, 2]], film(width=1280, height=960) / 255.0, film().astype(int)],
    ids=["one picture", "grey", "RGBA", "floats", "integers"],
)
@pytest.mark.parametrize("strength", [0, 1])
def test_arrays_that_are_no_batch_of_rgb_are_refused(
    library: Library, look: MakeLook, wrong: ImageArray, strength: float
) -> None:
    engines = FakeEngines()
    with painter(library, engines) as p, pytest.raises(ValueError, match=r"\(N, H, W, 3\) uint8, not "):
        p.paint(wrong, look(strength=strength))
    assert not engines.opened


@pytest.mark.parametrize("stroke", [0, -1, 11, float("nan")])
def test_a_stroke_out_of_range_is_refused(look: MakeLook, stroke: float) -> None:
    with pytest.raises(UsageError, match="stroke"):
        look(stroke=stroke)


def test_a_real_engine_paints(library: Library, look: MakeLook) -> None:
    images = film(3, width=50, height=34)
    with Painter(library.network(), backend="openvino", precision="fp32", batch=2) as p:
        painted = p.paint(images, look())
        again = p.paint(images, look())
    assert painted.shape == images.shape
    assert np.array_equal(painted, again)
    assert not np.array_equal(painted, images)


def test_frames_on_a_device_are_painted_there_and_halved_like_others(library: Library, look: MakeLook) -> None:
    torch = pytest.importorskip("torch")
    engines = FakeEngines(fits=2, kind=FakeDeviceEngine)
    pictures = film(5)
    with painter(library, engines) as p:
        painted = p.paint_on_device([torch.from_numpy(picture) for picture in pictures], look())
        assert np.array_equal(painted, 255 - pictures)
        assert p.batch == 2
        assert len(p.warnings) == 1


def test_an_engine_that_takes_no_frames_on_a_device_says_so(library: Library, look: MakeLook) -> None:
    torch = pytest.importorskip("torch")
    with painter(library, FakeEngines()) as p, pytest.raises(BackendError, match="fake takes no frames from a GPU"):
        p.paint_on_device([torch.zeros((48, 64, 3), dtype=torch.uint8)], look())


@pytest.mark.parametrize(
    ("size", "words", "needs"),
    [
        ((1280, 720), {}, None),
        ((1920, 1080), {}, None),
        ((1920, 1080), {"stroke": 0.75}, None),
        ((3840, 2160), {}, "scaled to 1280x720"),
        ((1280, 720), {"stroke": 0.5}, "scaled to 2560x1440"),
        ((1280, 720), {"strength": 0.5}, None),
        ((1280, 720), {"strength": 0.09}, "strength 0.09"),
        ((1280, 720), {"keep_colors": True}, "--keep-colors"),
    ],
)
def test_what_needs_frames_in_host_memory(
    library: Library, look: MakeLook, size: tuple[int, int], words: dict[str, float], needs: str | None
) -> None:
    why = painter(library, FakeEngines()).host_work(look(**words), width=size[0], height=size[1])
    assert (why is None) if needs is None else (why is not None and needs in why)


def test_shares_that_add_up_to_less_than_one_by_a_bit_leave_nothing_of_the_film(
    library: Library, look: MakeLook
) -> None:
    whole = look().mix.parts[0]
    parts = tuple(replace(whole, share=share) for share in (0.2, 0.7, 0.1))
    assert parts[0].share + parts[1].share + parts[2].share < 1
    three = Look(mix=cast(StyleMix, SimpleNamespace(strength=1.0, parts=parts)))
    assert painter(library, FakeEngines()).host_work(three, width=1280, height=720) is None

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest

from vidstyle.frames import ColourInfo, Frame, FrameBatch

TICKS = Fraction(1001, 30000)


def frame(index: int = 0, *, width: int = 4) -> Frame:
    return Frame(image=np.full((2, width, 3), index % 256, np.uint8), pts=index, time_base=TICKS, index=index)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((2, 4), np.uint8),
        np.zeros((2, 4, 4), np.uint8),
        np.zeros((2, 4, 3), np.float32),
        np.zeros((3,), np.uint8),
    ],
)
def test_an_image_of_another_kind_is_refused(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"\(H, W, 3\) uint8"):
        Frame(image=image, pts=0, time_base=TICKS, index=0)


@pytest.mark.parametrize("alpha", [np.zeros((2, 3), np.uint8), np.ones((2, 4))])
def test_alpha_fits_the_image(alpha: npt.NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match=r"alpha is \(2, 4\) uint8, not"):
        Frame(image=np.zeros((2, 4, 3), np.uint8), pts=0, time_base=TICKS, index=0, alpha=alpha)


def test_time_is_exact() -> None:
    assert frame(107892).time == Fraction(107892 * 1001, 30000)


def test_another_picture_keeps_the_moment() -> None:
    before = frame(3)
    after = before.with_image(np.zeros((8, 8, 3), np.uint8))
    assert (after.pts, after.time_base, after.index) == (3, TICKS, 3)
    assert after.image.shape == (8, 8, 3)


def test_a_batch_stacks_frames_of_one_size() -> None:
    frames = [frame(i) for i in range(3)]
    batch = FrameBatch.stack(frames)
    assert batch.images.shape == (3, 2, 4, 3)
    assert [int(image[0, 0, 0]) for image in batch.images] == [0, 1, 2]
    changed = batch.with_images(batch.images + 10)
    assert [(f.pts, int(f.image[0, 0, 0])) for f in changed] == [(0, 10), (1, 11), (2, 12)]


def test_a_batch_of_one_copies_nothing() -> None:
    single = frame()
    assert np.shares_memory(FrameBatch.stack([single]).images, single.image)


def test_batches_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        FrameBatch.stack([])
    with pytest.raises(ValueError, match="several sizes"):
        FrameBatch.stack([frame(), frame(width=5)])
    with pytest.raises(ValueError, match="2 images for 1 frames"):
        FrameBatch.stack([frame()]).with_images(np.zeros((2, 2, 4, 3), np.uint8))


@pytest.mark.parametrize(("transfer", "hdr"), [(1, False), (13, False), (16, True), (18, True)])
def test_hdr_is_pq_and_hlg(transfer: int, hdr: bool) -> None:
    assert ColourInfo(transfer=transfer).is_hdr is hdr

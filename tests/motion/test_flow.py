"""Direction, order of axes and units of flows, on made moves and on exact flow."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.motion.moves import end_point_error, pan, read_flo
from vidstyle.motion.flow import DisFlow, resize_flow
from vidstyle.motion.masks import consistent, on_motion_boundary, valid_mask
from vidstyle.motion.warp import inside, warp


@pytest.mark.parametrize("quality", ["live", "medium"])
def test_a_pan_is_found_in_pixels_x_then_y(quality: str) -> None:
    before, now = pan(2, step=(5, -3))
    flow = DisFlow(quality)(now, before)  # type: ignore[arg-type]
    # The camera went right and up, so what is at p now was at p + (5, -3) before.
    assert np.median(flow[20:-20, 20:-20], axis=(0, 1)) == pytest.approx((5, -3), abs=0.2)


def test_warping_the_past_gives_the_present() -> None:
    before, now = pan(2, step=(4, 2))
    flow = DisFlow("medium")(now, before)
    seen = inside(flow)
    assert np.abs(warp(before, flow).astype(int) - now)[seen].mean() < 1.5
    assert np.abs(before.astype(int) - now)[seen].mean() > 10  # and without warping it is not


def test_a_sharp_warp_by_nothing_changes_nothing() -> None:
    picture = pan(1, step=(0, 0))[0]
    assert np.array_equal(warp(picture, np.zeros((*picture.shape[:2], 2), np.float32), sharp=True), picture)


def test_a_warp_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot warp"):
        warp(np.zeros((8, 8, 3), np.uint8), np.zeros((8, 9, 2), np.float32))


def test_tiny_pictures_have_a_flow() -> None:
    before, now = pan(2, step=(1, 0), height=16, width=20)
    assert DisFlow("medium")(now, before).shape == (16, 20, 2)


def test_resized_flow_counts_the_new_pixels() -> None:
    flow = np.full((10, 20, 2), (2.0, 3.0), np.float32)
    assert resize_flow(flow, width=40, height=10)[5, 5] == pytest.approx((4, 3))


def test_what_comes_into_view_is_not_valid() -> None:
    before, now = pan(2, step=(12, 0))
    find = DisFlow("medium")
    valid = consistent(find(now, before), find(before, now))
    assert valid[:, 30:-30].mean() > 0.95
    assert valid[:, -12:].mean() < 0.2


def test_the_edge_of_a_moving_thing_is_a_boundary() -> None:
    flow = np.zeros((40, 40, 2), np.float32)
    flow[10:30, 10:30] = (6, 0)
    edge = on_motion_boundary(flow)
    assert edge[10, 15]
    assert not edge[20, 20]
    assert not edge[2, 2]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_exact_flow(number: int) -> None:
    data = os.environ.get("VIDSTYLE_TEST_DATA")
    if not data:
        pytest.skip("VIDSTYLE_TEST_DATA does not name the folder with exact flow")
    folder = Path(data) / "flow" / "flyingchairs"
    pictures = [cv2.imread(str(folder / f"{number:07d}-img{i}.ppm"), cv2.IMREAD_COLOR_RGB) for i in (0, 1)]
    true = read_flo(folder / f"{number:07d}-gt.flo")
    find = DisFlow("medium")
    flow, back = find(pictures[0], pictures[1]), find(pictures[1], pictures[0])
    assert end_point_error(flow, true) < 1.0
    # Each of these mistakes would be seen: the other direction, swapped axes, half the unit.
    for wrong in (-flow, flow[..., ::-1], flow / 2):
        assert end_point_error(wrong, true) > 1.5 * end_point_error(flow, true)
    error = np.linalg.norm(flow - true, axis=2)
    valid = valid_mask(flow, back)
    assert 0.3 < valid.mean() < 0.99
    assert error[valid].mean() < 0.5 * error[~valid].mean()
    gap = np.abs(warp(pictures[1], true).astype(int) - pictures[0]).mean(axis=2)
    assert gap[valid].mean() < gap[~valid].mean()

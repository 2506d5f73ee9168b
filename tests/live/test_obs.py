"""OBS Studio itself, under Xvfb, showing our stream and our page side by side."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.live.live_fakes import make_control
from tests.live.x_display import Display, needs_display
from vidstyle.media.camera_synthetic import SyntheticCamera
from vidstyle.media.mjpeg import MjpegPage
from vidstyle.media.outputs import make_output

PAINTED = (55, 215)
"""Red and green of the painted plain picture; blue is the style's tint."""


class Plain(SyntheticCamera):
    def picture(self, index: int) -> np.ndarray:
        return np.full((360, 640, 3), (200, 40, 0), np.uint8)


def media_source(name: str, url: str, form: str) -> dict:
    settings = {
        "is_local_file": False, "input": url, "input_format": form, "reconnect_delay_sec": 1, "hw_decode": False,
        "restart_on_activate": False, "clear_on_media_end": False,
    }  # fmt: skip
    return {"id": "ffmpeg_source", "versioned_id": "ffmpeg_source", "name": name, "settings": settings, "enabled": True}


def scene_item(name: str, number: int, x: float) -> dict:
    return {
        "name": name, "id": number, "visible": True, "pos": {"x": x, "y": 0.0}, "scale": {"x": 1.0, "y": 1.0},
        "rot": 0.0, "align": 5, "bounds_type": 2, "bounds_align": 0, "bounds": {"x": 640.0, "y": 720.0},
    }  # fmt: skip


def configure_obs(home: Path, sources: list[dict]) -> None:
    """A profile and a scene as a user would have clicked them together, and no first-run questions."""
    config = home / ".config" / "obs-studio"
    for folder in ("basic/profiles/Untitled", "basic/scenes"):
        (config / folder).mkdir(parents=True)
    (config / "global.ini").write_text(
        "[General]\nFirstRun=true\nInfoIncrement=99999\nLastVersion=486539266\nEnableAutoUpdates=false\n"
        "[Basic]\nProfile=Untitled\nProfileDir=Untitled\nSceneCollection=Untitled\nSceneCollectionFile=Untitled\n"
    )
    (config / "basic/profiles/Untitled/basic.ini").write_text(
        "[General]\nName=Untitled\n[Video]\nBaseCX=1280\nBaseCY=720\nOutputCX=1280\nOutputCY=720\nFPSCommon=30\n"
    )
    items = [scene_item(source["name"], i + 1, 640.0 * i) for i, source in enumerate(sources)]
    scene = {
        "id": "scene", "versioned_id": "scene", "name": "Scene", "enabled": True,
        "settings": {"custom_size": False, "id_counter": len(items) + 1, "items": items},
    }  # fmt: skip
    collection = {
        "current_scene": "Scene", "current_program_scene": "Scene", "name": "Untitled",
        "scene_order": [{"name": "Scene"}], "sources": [*sources, scene],
    }  # fmt: skip
    (config / "basic/scenes/Untitled.json").write_text(json.dumps(collection))


@pytest.mark.slow
@needs_display
@pytest.mark.skipif(not shutil.which("obs"), reason="OBS Studio is not installed")
@pytest.mark.parametrize("source", ["media source", "browser source"])
def test_obs_shows_the_stream_and_the_page(start_session, display: Display, tmp_path: Path, source: str) -> None:
    if source == "browser source" and not any(Path("/usr/lib").glob("**/obs-plugins/obs-browser.so")):
        pytest.skip("this OBS has no browser source (Debian builds it without); Chromium stands in: test_mjpeg.py")
    control = make_control()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    page = MjpegPage("http://127.0.0.1:0", status=dict, perform=control.perform)
    session = start_session(
        [make_output(f"tcp://127.0.0.1:{port}?listen"), page],
        control=control, camera=lambda: Plain(width=640, height=360, rate=Fraction(30)),
    )  # fmt: skip
    session.wait_for(lambda: session.loop.has_begun)
    stream = media_source("stream", f"tcp://127.0.0.1:{port}", "mpegts")
    address = f"http://127.0.0.1:{page.address[1]}/"
    web = media_source("page", address + "stream", "mpjpeg")
    if source == "browser source":
        settings = {"url": address, "width": 640, "height": 360}
        web = {"id": "browser_source", "versioned_id": "browser_source", "name": "page", "settings": settings}
    configure_obs(tmp_path, [stream, web])
    names = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / ".config"), "QT_QPA_PLATFORM": "xcb"}
    obs = subprocess.Popen(
        ["obs", "--multi", "--disable-updater", "--disable-missing-files-check"],
        env=display.environment | names, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for style, blue in (("blue", 60), ("green", 180)):
            control.choose(style)
            until = time.monotonic() + 60
            while min(seen := shares_seen(display, (*PAINTED, blue))) < 0.03:
                assert obs.poll() is None, "OBS has ended"
                assert time.monotonic() < until, f"OBS shows the painted {style} on these shares of its halves: {seen}"
                time.sleep(0.5)
    finally:
        obs.terminate()
        try:
            obs.wait(10)
        except subprocess.TimeoutExpired:
            obs.kill()
            obs.wait()


def shares_seen(display: Display, colour: tuple[int, int, int]) -> tuple[float, float]:
    """How much of the left and of the right of OBS's canvas (upper half of its window) has this colour."""
    image = display.screenshot("obs")[30:420, :1080].astype(int)
    fits = np.abs(image - np.array(colour)).max(axis=2) < 16
    return float(fits[:, 200:540].mean()), float(fits[:, 540:880].mean())

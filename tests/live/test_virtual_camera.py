"""The virtual camera: exact bytes at a stand-in device, pyvirtualcam's interface, and every refusal."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from tests.live.live_fakes import Collector
from vidstyle.errors import OutputError
from vidstyle.media.live_protocol import LiveFrame, PictureFormat
from vidstyle.media.outputs import make_output
from vidstyle.media.virtual_camera import PyVirtualCamera

linux = pytest.mark.skipif(sys.platform != "linux", reason="v4l2 is Linux'")
PICTURE = PictureFormat(width=64, height=32, rate=Fraction(30000, 1001))
COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
# BT.601, limited range, of the three colours
Y_U_V = [(81, 90, 240), (145, 54, 34), (41, 240, 110)]


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that makes a file look like a v4l2loopback device."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler or not Path("/usr/include/linux/videodev2.h").exists():
        pytest.skip("no C compiler, or no kernel headers, to build the stand-in device")
    library = tmp_path_factory.mktemp("stand_in") / "stand_in.so"
    source = Path(__file__).parent / "v4l2_stand_in.c"
    plain = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True, env=plain)
    return library


def run_with_stand_in(
    library: Path, folder: Path, **environment: str
) -> tuple[subprocess.CompletedProcess, bytes, list]:
    """Write three plain pictures to the stand-in device in a process of its own."""
    device, log = folder / "video9", folder / "log"
    device.touch()
    log.touch()
    code = f"""
        import numpy as np
        from fractions import Fraction
        from vidstyle.media.live_protocol import LiveFrame, PictureFormat
        from vidstyle.media.outputs import make_output
        camera = make_output("virtual:{device}")
        camera.open(PictureFormat(width=64, height=32, rate=Fraction(30000, 1001)))
        for i, colour in enumerate({COLOURS}):
            image = np.full((32, 64, 3), colour, np.uint8)
            camera.write(LiveFrame(image=image, captured=i / 30, index=i))
        camera.close()
        print(camera.pixel_format)
    """
    preload = " ".join(filter(None, [str(library), os.environ.get("LD_PRELOAD")]))
    names = {"LD_PRELOAD": preload, "STAND_IN_DEVICE": str(device), "STAND_IN_LOG": str(log), **environment}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, **names},
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    return done, device.read_bytes(), [line.split() for line in log.read_text().splitlines()]


@linux
def test_yuyv_reaches_the_device_byte_for_byte(stand_in: Path, tmp_path: Path) -> None:
    done, data, log = run_with_stand_in(stand_in, tmp_path)
    assert done.returncode == 0, done.stderr
    assert ["S_PARM", "2", "1001", "30000"] in log
    assert ["YUYV", "64", "32", str(64 * 32 * 2)] in log
    assert len(data) == 3 * 64 * 32 * 2
    frames = np.frombuffer(data, np.uint8).reshape(3, 32, 32, 4)  # pairs of pixels as Y0 U Y1 V
    for frame, (y, u, v) in zip(frames, Y_U_V, strict=True):
        np.testing.assert_allclose(frame.reshape(-1, 4), np.tile((y, u, y, v), (1024, 1)), atol=1)


@linux
def test_a_device_that_wants_planes_gets_them(stand_in: Path, tmp_path: Path) -> None:
    done, data, log = run_with_stand_in(stand_in, tmp_path, STAND_IN_FORMAT="YU12")
    assert done.stdout.strip() == "yuv420p", done.stderr
    assert [line[0] for line in log if line[0] != "S_PARM"] == ["YUYV", "YU12"]
    frames = np.frombuffer(data, np.uint8).reshape(3, 64 * 32 * 3 // 2)
    for frame, (y, u, v) in zip(frames, Y_U_V, strict=True):
        for part, value in ((frame[:2048], y), (frame[2048:2560], u), (frame[2560:], v)):
            np.testing.assert_allclose(part, value, atol=1)


@linux
def test_a_busy_device_is_called_busy(stand_in: Path, tmp_path: Path) -> None:
    done, data, _ = run_with_stand_in(stand_in, tmp_path, STAND_IN_BUSY="1")
    assert done.returncode != 0
    assert "is busy: used by" in done.stderr
    assert not data


@linux
def test_a_device_that_takes_nothing_is_told_with_its_reasons(stand_in: Path, tmp_path: Path) -> None:
    done, _, log = run_with_stand_in(stand_in, tmp_path, STAND_IN_FORMAT="none")
    assert "takes no pictures of 64x32" in done.stderr
    assert len([line for line in log if line[0] != "S_PARM"]) == 5


@linux
def test_a_file_is_no_camera(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="is it v4l2loopback's"):
        make_output(f"virtual:{tmp_path / 'file'}").open(PICTURE)


@linux
def test_what_is_missing_is_named_with_the_command(monkeypatch, tmp_path: Path) -> None:
    from vidstyle.media import virtual_camera_v4l2 as v4l2

    with pytest.raises(OutputError, match=r"there is no /dev/video97; .*modprobe"):
        make_output("virtual:/dev/video97").open(PICTURE)
    release = tmp_path / "os-release"
    modules = tmp_path / "modules"
    for identity, words in (("debian", "apt install"), ("fedora", "dnf install"), ("manjaro\nID_LIKE=arch", "pacman")):
        release.write_text(f"NAME=x\nID={identity}\n")
        message = v4l2.how_to_get_a_device(os_release=release, modules=modules, loaded=tmp_path)
        assert words in message
        assert "modprobe v4l2loopback exclusive_caps=1" in message
    (modules / "updates").mkdir(parents=True)
    (modules / "updates" / "v4l2loopback.ko.xz").touch()
    message = v4l2.how_to_get_a_device(os_release=release, modules=modules, loaded=tmp_path)
    assert message.startswith("run `sudo modprobe")
    (tmp_path / "v4l2loopback").mkdir()
    assert "modprobe -r" in v4l2.how_to_get_a_device(os_release=release, modules=modules, loaded=tmp_path)


@linux
def test_a_forbidden_device_is_told_from_a_busy_one(monkeypatch, tmp_path: Path) -> None:
    (tmp_path / "video9").touch()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(OutputError, match=r"forbidden.*usermod -aG video"):
        make_output(f"virtual:{tmp_path / 'video9'}").open(PICTURE)


class FakeBackend:
    """A back-end of pyvirtualcam's own interface that keeps what it gets."""

    cameras: ClassVar[list[FakeBackend]] = []
    refuse = ""

    def __init__(self, *, width, height, fps, fourcc, device, **kw) -> None:
        if self.refuse:
            raise RuntimeError(self.refuse)
        self.size, self.fps, self.fourcc, self.frames, self.closed = (width, height), fps, fourcc, [], False
        FakeBackend.cameras.append(self)

    def close(self) -> None:
        self.closed = True

    def send(self, frame: np.ndarray) -> None:
        self.frames.append(frame.copy())

    def device(self) -> str:
        return "fake"

    def native_fourcc(self):
        return None


@pytest.fixture
def backend(monkeypatch):
    pyvirtualcam = pytest.importorskip("pyvirtualcam", reason="the extra `live` is not installed")
    monkeypatch.setitem(pyvirtualcam.camera.BACKENDS, "fake", FakeBackend)
    monkeypatch.setattr(FakeBackend, "cameras", [])
    return FakeBackend


def test_pyvirtualcam_gets_rgb_of_the_agreed_size_and_rate(backend) -> None:
    camera = make_output("virtual:fake")
    camera.open(PICTURE)
    image = np.arange(32 * 64 * 3, dtype=np.uint32).reshape(32, 64, 3).astype(np.uint8)
    camera.write(LiveFrame(image=image, captured=0, index=0))
    camera.close()
    (fake,) = backend.cameras
    assert (fake.size, fake.closed) == ((64, 32), True)
    assert fake.fps == pytest.approx(29.97, abs=0.01)
    np.testing.assert_array_equal(fake.frames[0], image.reshape(-1))


def test_the_virtual_camera_repeats_while_the_camera_pauses(backend, start_session) -> None:
    from vidstyle.media.camera_synthetic import SyntheticCamera

    class Pausing(SyntheticCamera):
        def read(self):
            if self._index == 10:
                import time

                time.sleep(0.6)
                self._start += 0.6
            return super().read()

    session = start_session(
        [make_output("virtual:fake"), Collector()], camera=lambda: Pausing(width=64, height=32, rate=Fraction(30))
    )
    session.wait_for(lambda: session.loop.statistics.as_json()["captured"] > 20)
    report = session.finish()
    (fake,) = backend.cameras
    output = report["outputs"]["virtual:fake"]
    assert 10 <= output["repeated"] <= 18
    assert len(fake.frames) == output["delivered"] + output["repeated"]
    assert report["outputs"]["collector"]["repeated"] == 0
    same = [np.array_equal(a, b) for a, b in zip(fake.frames[:-1], fake.frames[1:], strict=True)]
    assert sum(same) == output["repeated"]


def test_a_missing_driver_and_a_missing_library_say_what_to_install(backend, monkeypatch) -> None:
    monkeypatch.setattr(backend, "refuse", "virtual camera output could not be started")
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(OutputError, match=r"could not be started.*winget install OBSProject"):
        PyVirtualCamera("fake").open(PICTURE)
    with pytest.raises(OutputError, match="no back-end 'nonsense'"):
        PyVirtualCamera("nonsense").open(PICTURE)
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
    with pytest.raises(OutputError, match=r"pip install 'vidstyle\[live\]'"):
        PyVirtualCamera().open(PICTURE)

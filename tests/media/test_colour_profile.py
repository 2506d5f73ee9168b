"""Pictures with a colour profile: their colours come out in sRGB, and nothing dies of it."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from tests.media.reading import frames_of
from vidstyle.frames import ImageArray
from vidstyle.media.colour_profile import srgb_transform
from vidstyle.media.reader import open_reader

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
P3_TO_XYZ = np.array([[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]])
"""Display P3's primaries for D50, as its ICC profile has them in its columns."""
SRGB_TO_XYZ = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])

COLOURS = np.array([[[200, 100, 100], [90, 160, 90], [60, 80, 170], [128, 128, 128], [250, 240, 20]]], np.uint8)


def p3_profile() -> bytes:
    """sRGB's profile with other primaries: the curves are the same."""
    data = bytearray(SRGB)
    for i in range(int.from_bytes(data[128:132], "big")):
        entry = 132 + 12 * i
        place = int.from_bytes(data[entry + 4 : entry + 8], "big")
        if data[entry : entry + 4] in (b"rXYZ", b"gXYZ", b"bXYZ"):
            column = P3_TO_XYZ[:, b"rgb".index(data[entry])]
            for j, value in enumerate(column):
                at = place + 8 + 4 * j
                data[at : at + 4] = round(value * 65536).to_bytes(4, "big", signed=True)
    return bytes(data)


def in_srgb(image: ImageArray) -> ImageArray:
    """Display P3 to sRGB by the book: IEC 61966-2-1's curve, both matrices, cut off at the edge."""
    code = image / 255
    light = np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)
    mapped = (light @ (np.linalg.inv(SRGB_TO_XYZ) @ P3_TO_XYZ).T).clip(0, 1)
    code = np.where(mapped <= 0.0031308, mapped * 12.92, 1.055 * mapped ** (1 / 2.4) - 0.055)
    return np.asarray((code * 255).round(), np.uint8)


def encoded(profile: bytes | None, form: str = "PNG", image: ImageArray = COLOURS) -> bytes:
    file = BytesIO()
    Image.fromarray(image).save(file, form, icc_profile=profile, **({"lossless": True} if form == "WEBP" else {}))
    return file.getvalue()


@pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP"])
def test_a_reader_gives_srgb_and_says_so(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"photo.{form.lower()}"
    path.write_bytes(encoded(p3_profile(), form))
    with open_reader(path) as reader:
        (frame,) = frames_of(reader)
        assert any("to sRGB" in line for line in reader.warnings)
    assert np.abs(frame.image.astype(int) - in_srgb(COLOURS)).max() <= 2
    assert np.abs(frame.image.astype(int) - COLOURS).max() > 8


def test_a_jpeg_photograph_too(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    image = np.tile(COLOURS[:, :1], (32, 32, 1))
    path.write_bytes(encoded(p3_profile(), "JPEG", image))
    with open_reader(path) as reader:
        (frame,) = frames_of(reader)
    assert np.abs(frame.image.astype(int) - in_srgb(image)).max() <= 3


LIGHT = b"curv" + bytes(8)
SRGB_CURVE = b"para\0\0\0\0\0\3\0\0" + b"".join(
    round(value * 65536).to_bytes(4, "big") for value in (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
)


def grey_profile(curve: bytes = LIGHT) -> bytes:
    """Unless told otherwise of values that are light itself: black is 0, and half of white is a middle grey."""
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    tags = struct.pack(">I4sII4sII", 2, b"kTRC", 156, len(curve), b"wtpt", 156 + len(curve), len(white))
    body = tags + curve + white
    head = struct.pack(">II", 128 + len(body), 0) + b"\x02\x40\0\0" + b"mntrGRAYXYZ "
    return (head + bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)).ljust(128, b"\0") + body


@pytest.mark.parametrize("form", ["PNG", "TIFF", "JPEG"])
def test_grey_pictures_have_profiles_of_their_own(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"scan.{form.lower()}"
    path.write_bytes(encoded(grey_profile(), form, np.full((32, 32), 128, np.uint8)))
    with open_reader(path) as reader:
        (frame,) = frames_of(reader)
        assert any("to sRGB" in line for line in reader.warnings)
    assert np.abs(frame.image.astype(int) - 188).max() <= 2  # 255 * (1.055 * 0.502 ** (1 / 2.4) - 0.055)


def test_a_grey_profile_with_the_curve_of_srgb_changes_nothing() -> None:
    assert srgb_transform(encoded(grey_profile(SRGB_CURVE), image=COLOURS[..., 0])) is None


def test_a_grey_profile_says_nothing_of_colours() -> None:
    assert srgb_transform(encoded(grey_profile())) is None


def test_transparency_stays(tmp_path: Path) -> None:
    path = tmp_path / "logo.png"
    path.write_bytes(encoded(p3_profile(), image=np.dstack([COLOURS, np.array([[0, 60, 120, 180, 255]], np.uint8)])))
    with open_reader(path) as reader:
        (frame,) = frames_of(reader)
    assert frame.alpha is not None
    assert frame.alpha.tolist() == [[0, 60, 120, 180, 255]]
    assert np.abs(frame.image[:, 1:].astype(int) - in_srgb(COLOURS)[:, 1:]).max() <= 2


@pytest.mark.parametrize(
    "picture",
    [encoded(None), encoded(SRGB), encoded(b"no profile" * 30), encoded(p3_profile())[:60], b"nothing", b""],
    ids=["none", "sRGB", "nonsense", "cut off", "no picture", "empty"],
)
def test_otherwise_colours_are_left_alone(picture: bytes) -> None:
    assert srgb_transform(picture) is None


def test_paintings_and_photographs_to_learn_from_too(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="training needs the torch extra")
    from vidstyle.training.photographs import read_painting, read_picture

    path, image = tmp_path / "painting.png", np.tile(COLOURS, (16, 4, 1))
    path.write_bytes(encoded(p3_profile(), image=image))
    for picture in (read_picture(path), read_painting(path, longest=512)):
        levels = picture[0].permute(1, 2, 0).numpy() * 255
        assert np.abs(levels - in_srgb(image)).max() <= 2


def test_png_files_with_a_profile_do_not_end_the_process(tmp_path: Path) -> None:
    """PyAV frees the name of their profile, which is the frame's, where it is asked for side data."""
    for number in range(3):
        (tmp_path / f"f_{number}.png").write_bytes(encoded(SRGB, image=np.full((64, 96, 3), 99, np.uint8)))
    program = (
        "import sys\nfrom vidstyle.media.reader import open_reader\n"
        "for _ in range(5):\n    with open_reader(sys.argv[1]) as reader:\n        assert len(list(reader)) == 3\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "f_%d.png")], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize(
    ("kind", "content"),
    [(b"cHRM", struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)), (b"cICP", b"\x0c\x0d\0\1")],
    ids=["chromaticities", "code points"],
)
def test_what_says_the_same_beside_the_profile_is_not_applied_as_well(
    tmp_path: Path, kind: bytes, content: bytes
) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(with_chunk(encoded(p3_profile()), kind, content))
    with open_reader(path) as reader:
        (frame,) = frames_of(reader)
        assert len(reader.warnings) == 1
    assert np.abs(frame.image.astype(int) - in_srgb(COLOURS)).max() <= 2


LINEAR = struct.pack(">I", 100000)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA"])
def test_light_in_png_files_becomes_code_values(tmp_path: Path, mode: str) -> None:
    path, file = tmp_path / "photo.png", BytesIO()
    Image.new("RGB", (64, 48), (128, 128, 128)).convert(mode).save(file, "PNG")
    path.write_bytes(with_chunk(file.getvalue(), b"gAMA", LINEAR))
    with open_reader(path) as reader:
        (frame,) = frames_of(reader)
        assert reader.info.colour.transfer == 13
    assert np.abs(frame.image.astype(int) - 188).max() <= 1  # 255 * (1.055 * 0.502 ** (1 / 2.4) - 0.055)


def test_a_palette_of_light_keeps_its_colours(tmp_path: Path) -> None:
    path, file = tmp_path / "drawing.png", BytesIO()
    Image.new("RGB", (64, 48), (128, 0, 255)).quantize(2).save(file, "PNG")
    path.write_bytes(with_chunk(file.getvalue(), b"gAMA", LINEAR))
    with open_reader(path) as reader:
        (frame,) = frames_of(reader)
    assert np.abs(frame.image.astype(int) - (188, 0, 255)).max() <= 1


def test_a_profile_says_more_than_that(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(with_chunk(encoded(p3_profile()), b"gAMA", LINEAR))
    with open_reader(path) as reader:
        (frame,) = frames_of(reader)
    assert np.abs(frame.image.astype(int) - in_srgb(COLOURS)).max() <= 2


def test_hdr_is_mapped_by_its_code_points_whatever_its_profile(tmp_path: Path) -> None:
    """The profile is there for programs that do not know them, and has no way to say how bright is too bright."""
    path, alone = tmp_path / "photo.png", tmp_path / "alone.png"
    pq = b"\x09\x10\0\1"
    path.write_bytes(with_chunk(encoded(p3_profile()), b"cICP", pq))
    alone.write_bytes(with_chunk(encoded(None), b"cICP", pq))
    with open_reader(path) as reader, open_reader(alone) as other:
        assert np.array_equal(frames_of(reader)[0].image, frames_of(other)[0].image)


def with_chunk(png: bytes, kind: bytes, content: bytes) -> bytes:
    """A PNG file with one more chunk, behind its header."""
    chunk = struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    return png[:33] + chunk + png[33:]

"""The colour profiles of pictures (ICC.1, ISO 15076-1), and the way from them to sRGB, in which everything is painted.

A phone's photographs have the colours of its screen, Display P3 as a rule, and look dull when taken for sRGB.
LittleCMS does the arithmetic; Pillow brings it, and knows where each kind of file keeps its profile.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from vidstyle.frames import ImageArray
from vidstyle.media.through_pillow import opened, to_srgb

if TYPE_CHECKING:
    from PIL.ImageCms import ImageCmsTransform

_NOTHING_TO_SEE = 2
"""Levels by which no colour changes where a profile is one of the many that say sRGB."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SrgbTransform:
    """From the colours of the profile called `name` to sRGB's; what lies outside these goes to their edge."""

    name: str
    transform: ImageCmsTransform

    def __call__(self, image: ImageArray) -> ImageArray:
        """(H, W, 3) uint8 RGB to the same in sRGB."""
        from PIL import Image

        given = image[..., 0] if self.transform.input_mode == "L" else image
        return np.array(self.transform.apply(Image.fromarray(given)))  # a copy: Pillow's own memory is read only


def srgb_transform(encoded: bytes) -> SrgbTransform | None:
    """What brings a picture file's colours to sRGB.

    None where they are sRGB's already, to all appearances or because it has no profile, or none that can be read.
    """
    from PIL import ImageCms

    try:
        with opened(BytesIO(encoded)) as picture:
            profile = ImageCms.getOpenProfile(BytesIO(picture.info["icc_profile"]))
            is_grey = len(picture.getbands()) < 3
        space = profile.profile.xcolor_space.strip()
        if space != "RGB" and not (space == "GRAY" and is_grey):  # ink, which whoever decoded it has made RGB
            return None
        transform = to_srgb(profile, "RGB" if space == "RGB" else "L")
        found = SrgbTransform(name=ImageCms.getProfileDescription(profile).strip(), transform=transform)
    except (KeyError, OSError, ValueError, ImageCms.PyCMSError):
        return None  # Pillow knows fewer kinds of files than FFmpeg, and damaged ones are no business of this module
    steps = np.arange(0, 256, 17, dtype=np.uint8)
    greys = np.dstack([steps] * 3)
    colours = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(64, 64, 3) if space == "RGB" else greys
    change = np.abs(found(colours).astype(int) - colours).max()
    return found if change > _NOTHING_TO_SEE else None

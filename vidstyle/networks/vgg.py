"""The frozen VGG whose activations say what a picture shows and how it is painted.

Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition" (2015);
which layers mean what: Gatys, Ecker, Bethge (2016). Layers are called `conv3_2` and `relu3_2`: the
second convolution of the third block, before and after its ReLU.
"""

from __future__ import annotations

import hashlib
import os
import urllib.request
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal

import platformdirs
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from vidstyle.errors import StyleError

Variant = Literal["vgg16", "vgg19"]
Pooling = Literal["max", "average"]

BLOCKS: dict[Variant, tuple[int, ...]] = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
_WIDTHS = (64, 128, 256, 512, 512)
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# torchvision's own files; the digits are the start of the sha256, which is checked.
_DOWNLOADS: dict[Variant, str] = {
    "vgg16": "https://download.pytorch.org/models/vgg16-397923af.pth",
    "vgg19": "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
}


class VGG(nn.Module):
    """VGG's convolutional half, frozen. Called with pictures, it gives the activations asked for.

    Convolutions are zero padded and pooling halves the size, as published. With `pooling` "average"
    the pictures that Gatys optimises come out smoother; trained networks are judged with "max".
    """

    def __init__(self, variant: Variant = "vgg19", pooling: Pooling = "max") -> None:
        super().__init__()
        self.variant, self.pooling = variant, pooling
        self.convolutions = nn.ModuleDict()
        channels = 3
        for block, (count, width) in enumerate(zip(BLOCKS[variant], _WIDTHS, strict=True), start=1):
            for i in range(1, count + 1):
                self.convolutions[f"conv{block}_{i}"] = nn.Conv2d(channels, width, 3, padding=1)
                channels = width
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1), persistent=False)
        self.requires_grad_(False)

    @property
    def layers(self) -> list[str]:
        """All layer names, in order."""
        return [prefix + name.removeprefix("conv") for name in self.convolutions for prefix in ("conv", "relu")]

    def check_layers(self, names: Iterable[str]) -> None:
        """Raise StyleError for a layer that does not exist."""
        if unknown := set(names) - set(self.layers):
            raise StyleError(f"{self.variant} has no layer {sorted(unknown)[0]!r}; it has conv1_1 to {self.layers[-1]}")

    def forward(self, pictures: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        """Activations of `pictures`, (N, 3, H, W) RGB in 0..1, at `layers`; nothing deeper is computed.

        Raises StyleError for a layer that does not exist or a picture too small to reach it.
        """
        wanted = set(layers)
        self.check_layers(wanted)
        found: dict[str, Tensor] = {}
        x = (pictures - self.get_buffer("mean")) / self.get_buffer("std")
        for name, convolution in self.convolutions.items():
            if not wanted - set(found):
                break
            if name.endswith("_1") and name != "conv1_1":
                if min(x.shape[2:]) < 2:
                    raise StyleError(f"a picture of {tuple(pictures.shape[2:])} pixels is too small for {name}")
                x = F.max_pool2d(x, 2) if self.pooling == "max" else F.avg_pool2d(x, 2)
            x = convolution(x.to(convolution.get_parameter("weight").dtype))  # layers may differ in it
            if name in wanted:
                found[name] = x
            x = x.relu()  # not in place: the convolution's own output may have been asked for
            if (relu := "relu" + name.removeprefix("conv")) in wanted:
                found[relu] = x
        return found


def load_vgg(
    variant: Variant = "vgg19", *, pooling: Pooling = "max", say: Callable[[str], None] = lambda line: None
) -> VGG:
    """VGG with its trained weights, from `VIDSTYLE_VGG`, the cache, or torchvision's download (once).

    A file may be safetensors or a torch checkpoint (read with `weights_only`), with torchvision's keys.
    Raises StyleError if it cannot be had or does not fit.
    """
    local = os.environ.get("VIDSTYLE_VGG")
    path = Path(local) if local else cached_weights(variant)
    if not path.is_file():
        if local:
            raise StyleError(f"{path}: VIDSTYLE_VGG names a file that does not exist")
        _download(variant, path, say)
    try:
        with warnings.catch_warnings():
            # A pickle of protocol 4 makes torch warn that it may not read it; the error says whether it did.
            warnings.simplefilter("ignore")
            state = load_file(path) if path.suffix == ".safetensors" else torch.load(path, weights_only=True)
    except Exception as error:  # safetensors and torch raise many kinds; all of them mean an unusable file
        # The kind only: torch's own words advise to switch off the check that keeps a file from running code.
        raise StyleError(f"{path}: not readable as VGG weights ({type(error).__name__})") from error
    if not isinstance(state, Mapping):
        raise StyleError(f"{path}: not readable as VGG weights (it holds a {type(state).__name__}, not named weights)")
    vgg = VGG(variant, pooling)
    _fill(vgg, state, path)
    return vgg.eval()


def cached_weights(variant: Variant) -> Path:
    """Where downloaded weights are kept: the convolutions only, a tenth of torchvision's file."""
    cache = os.environ.get("VIDSTYLE_CACHE_DIR") or platformdirs.user_cache_dir("vidstyle", appauthor=False)
    return Path(cache) / f"{variant}.safetensors"


def _fill(vgg: VGG, state: Mapping[str, object], path: Path) -> None:
    """Copy torchvision-named weights (`features.0.weight` ...) into `vgg`."""
    index = 0
    for name, module in vgg.convolutions.items():
        if name.endswith("_1") and name != "conv1_1":
            index += 1  # the pooling layer counts
        for part, target in module.named_parameters():
            source = state.get(f"features.{index}.{part}")
            if not isinstance(source, Tensor) or source.shape != target.shape:
                found = f"of shape {tuple(source.shape)}" if isinstance(source, Tensor) else "missing"
                raise StyleError(
                    f"{path}: not {vgg.variant} weights: features.{index}.{part} is {found}, "
                    f"should be {tuple(target.shape)}"
                )
            if not torch.isfinite(source).all():
                raise StyleError(
                    f"{path}: features.{index}.{part} holds values that are no numbers; the file is damaged"
                )
            target.data.copy_(source)
        index += 2


def _download(variant: Variant, target: Path, say: Callable[[str], None]) -> None:
    """Fetch torchvision's file, check it, keep its convolutions in `target`."""
    url = _DOWNLOADS[variant]
    say(f"fetching {url} (once; half a gigabyte)")
    whole = target.with_suffix(".download")
    digest = hashlib.sha256()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with urllib.request.urlopen(url, timeout=30) as answer, whole.open("wb") as file:
            total, done, told = int(answer.headers.get("Content-Length") or 0), 0, 0
            while chunk := answer.read(1 << 20):
                file.write(chunk)
                digest.update(chunk)
                done += len(chunk)
                if total and done * 10 // total > told:
                    told = done * 10 // total
                    say(f"{told * 10} % of {total / 1e6:.0f} MB")
        if not digest.hexdigest().startswith(url.rsplit("-", 1)[1].removesuffix(".pth")):
            raise StyleError(f"{url}: the checksum does not fit; try again")
        state = torch.load(whole, weights_only=True)
        part = target.with_suffix(".part")
        save_file({k: v.contiguous() for k, v in state.items() if k.startswith("features.")}, part)
        part.replace(target)
    except OSError as error:
        raise StyleError(
            f"VGG weights are needed and could not be fetched ({error}); get {url} by other means "
            "and name the file in VIDSTYLE_VGG"
        ) from error
    finally:
        with suppress(OSError):  # there is none, or no folder for it
            whole.unlink()

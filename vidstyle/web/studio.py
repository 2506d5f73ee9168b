"""Everything behind the page, in one place, with one end."""

from __future__ import annotations

import threading
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from vidstyle import __version__
from vidstyle.cache import cache_folder
from vidstyle.errors import OutputError, StyleError
from vidstyle.media.part_file import check_writable
from vidstyle.networks.network import Network
from vidstyle.previews import FILE, paint_preview
from vidstyle.style_library import Library
from vidstyle.styles import DEFAULT_STYLE, StyleCard
from vidstyle.web.artist import Artist
from vidstyle.web.broadcast import OBS_PORT, Broadcast
from vidstyle.web.jobs import Jobs
from vidstyle.web.order import Engines, Order
from vidstyle.web.shelf import LARGEST_UPLOAD, SCENE, Shelf
from vidstyle.web.uploads import UploadFolder

NETWORKS = ("live", "classic")
"""What the page offers, as far as it is installed; styles with networks of their own bring them along."""


class Studio:
    """A context manager; leaving it ends jobs and live session and removes what was uploaded."""

    def __init__(
        self,
        *,
        folder: Path,
        library: Library | None = None,
        engines: Engines | None = None,
        obs_port: int = OBS_PORT,
    ) -> None:
        """Finished films go to `folder`. Raises OutputError if it or the cache cannot be written to."""
        check_writable(folder, made=True)
        self.library = library or Library()
        engines = engines or Engines()
        try:
            self._uploads = UploadFolder(cache_folder("studio"))
        except OSError as error:
            raise OutputError(f"the cache cannot be written to ({error}); VIDSTYLE_CACHE_DIR moves it") from error
        self.shelf = Shelf(self._uploads.path)
        self.artist = Artist(self.library, engines)
        self.jobs = Jobs(self.library, engines, self.shelf, folder=folder)
        self.broadcast = Broadcast(self.library, engines, self.shelf, self.jobs, obs_port=obs_port)
        self._previews: dict[str, bytes] = {}
        self._painting = threading.Lock()

    def warm_up(self) -> None:
        """Paint what the page shows first, so that it is ready when the page asks. Raises StyleError, BackendError."""
        self._look_around()
        scene = self.shelf.find(SCENE)
        order = Order(styles=((DEFAULT_STYLE, 1.0),))
        self.artist.paint("", lambda: self.shelf.picture(scene, Fraction(0)), order)

    def to_json(self) -> dict[str, Any]:
        """What the page needs to begin, or to go on. Raises StyleError."""
        networks, cards = self._look_around()
        names = {network.name: set(self.library.names(network)) for network in networks}
        styles = [_describe(card, [network for network in names if card.name in names[network]]) for card in cards]
        return {
            "version": __version__,
            "styles": styles,
            "default_style": DEFAULT_STYLE,
            "networks": list(names),
            "sources": [source.to_json() for source in self.shelf.sources()],
            "folder": str(self.jobs.folder),
            "largest_upload": LARGEST_UPLOAD,
        }

    def _look_around(self) -> tuple[list[Network], list[StyleCard]]:
        """The networks that the page offers and all styles, some of which may be new. Raises StyleError."""
        installed = [name for name in NETWORKS if any((r / "networks" / name).is_dir() for r in self.library.roots)]
        found = [self.library.network(name) for name in installed], self.library.cards()
        self.artist.refit(found)
        return found

    def preview(self, name: str) -> bytes:
        """A small JPEG of the style; painted now if it has none. Raises StyleError, UsageError, BackendError."""
        card = self.library.card(name)
        file = card.folder / FILE
        try:
            if file.is_file():
                return file.read_bytes()
        except OSError as error:
            raise StyleError(f"{file}: cannot be read ({error.strerror or error})") from error
        with self._painting:
            if name not in self._previews:
                self._previews[name] = paint_preview(self.library, name)
            return self._previews[name]

    def close(self) -> None:
        """End everything, tidily; it may take some seconds."""
        self.broadcast.stop()
        self.jobs.close()
        self.artist.close()
        self.shelf.close()
        self._uploads.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _describe(card: StyleCard, networks: list[str]) -> dict[str, Any]:
    return {
        "name": card.name,
        "title": card.title,
        "author": card.author,
        "year": card.year,
        "own": not card.shipped,
        "networks": networks,
    }

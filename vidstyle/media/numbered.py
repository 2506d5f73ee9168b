"""The names of numbered pictures: f_%04d.png stands for f_0001.png, f_0002.png and so on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_NUMBER = re.compile(r"%(0\d+)?d")  # not %20d, which is a space in names from the web


@dataclass(frozen=True)
class NumberedName:
    """A number of at least `digits` digits between `before` and `after`, in `folder`."""

    folder: Path
    before: str
    digits: int
    after: str

    def path(self, number: int) -> Path:
        """The name with this number."""
        return self.folder / f"{self.before}{number:0{self.digits}}{self.after}"

    def existing(self) -> list[tuple[int, Path]]:
        """The files that have such names, by their numbers. Raises OSError where the folder cannot be read."""
        name = re.compile(rf"{re.escape(self.before)}(\d{{{self.digits},}}){re.escape(self.after)}")
        matches = ((name.fullmatch(entry.name), entry) for entry in self.folder.iterdir())
        return sorted((int(match[1]), entry) for match, entry in matches if match)


def numbered_name(path: Path) -> NumberedName | None:
    """What the first `%d` or `%04d` in a name makes of it; None where there is none."""
    if not (number := _NUMBER.search(path.name)):
        return None
    before, after = path.name[: number.start()], path.name[number.end() :]
    return NumberedName(folder=path.parent, before=before, digits=max(1, int(number[1] or 1)), after=after)

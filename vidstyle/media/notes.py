"""What a reader or writer repaired, assumed or lost, gathered into one line for each kind."""

from __future__ import annotations


class Notes:
    """Warnings in the making: plain lines are kept once, counted ones grow a number instead of repeating."""

    def __init__(self) -> None:
        self._plain: dict[str, None] = {}
        self._counted: dict[str, int] = {}

    def add(self, line: str) -> None:
        """Say `line`, once however often it is added."""
        self._plain[line] = None

    def count(self, kind: str, by: int = 1) -> None:
        """Count `by` more of `kind`: a phrase that reads well before a colon, such as "damaged packets"."""
        if by:
            self._counted[kind] = self._counted.get(kind, 0) + by

    def lines(self) -> list[str]:
        """Everything so far, one line each: what was said, then what was counted, as "damaged packets: 3"."""
        return [*self._plain, *(f"{kind}: {n}" for kind, n in self._counted.items())]

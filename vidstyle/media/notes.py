"""What a reader repaired, assumed or lost, gathered into one line for each kind."""

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
        """Count one more of `kind`: a phrase that reads well after a number, such as "packets were damaged"."""
        if by:
            self._counted[kind] = self._counted.get(kind, 0) + by

    def counted(self, kind: str) -> int:
        """How many of `kind` there have been."""
        return self._counted.get(kind, 0)

    def lines(self) -> list[str]:
        """Everything so far, one line each: what was said, then what was counted, as "3 x packets were damaged"."""
        return [*self._plain, *(f"{n} x {kind}" for kind, n in self._counted.items())]

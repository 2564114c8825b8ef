"""The exact place of one reader in its stream.

A stream's cursor lies between two global batches. Two numbers make it exact for a reader that is one of several workers
and has taken a batch in part: `lane`, which of the next global batches is its own, and `rows`, how many samples
of that one are taken. Worker w of W begins in lane w; after each of its batches, W - 1 others come first.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

VERSION = 1


@dataclass(frozen=True)
class Position:
    """Where to go on. An immutable value, replaced at every step."""

    cursor: str | None = None
    """None: the beginning of the plans"""
    lane: int | None = None
    """None: the worker's own number"""
    rows: int = 0
    """samples taken of the batch at cursor and lane"""
    shape: tuple[int, ...] = ()
    """what `rows` and `lane` are meant for: workers, and where rows > 0 rank, ranks, batch, batch_tokens, balance"""

    def state(self) -> dict[str, Any]:
        """As plain values that JSON, torch.save and pickle keep."""
        return {"version": VERSION, **asdict(self), "shape": list(self.shape)}


def from_state(state: dict[str, Any]) -> Position:
    """Reads what `Position.state` wrote."""
    fields = dict(state)
    if fields.pop("version", None) != VERSION or not {"cursor", "lane", "rows", "shape"} >= set(fields):
        raise ValueError(f"this is no state of a CurriculumDataset of version {VERSION}: {state!r:.200}")
    position = Position(**fields)
    return Position(position.cursor, position.lane, position.rows, tuple(position.shape))

"""Batches as trainers take them: columns without copies, or one dict for each sample."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypedDict

try:
    import numpy
except ImportError:  # the ids are then memoryviews, also without a copy
    numpy = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from typing import TypeAlias

    Tokens: TypeAlias = "numpy.ndarray[Any, numpy.dtype[numpy.int32]] | memoryview"


class Sample(TypedDict):
    """One sample of a plan."""

    position: int
    """in the plan, from 0"""
    epoch: int
    """from 0"""
    sample_id: str
    """content hash, 32 hex digits: the same in every build"""
    phase: int
    """the phase that the plan trains: what an outcome says"""
    origin_phase: int
    """the phase in whose range the sample lies"""
    prompt_tokens: Tokens
    """[prompt_length] int32: numpy array, or memoryview where there is no numpy. Not to be written to"""
    prompt_length: int
    question: str | None
    """null where the dataset was built with --no-text"""
    answers: list[str]
    """reference answers"""
    data_source: str | None
    """task"""


class Batch:
    """This rank's share of one global batch. `len` is its number of samples, n below."""

    def __init__(self, record: Any) -> None:
        self.record = record
        """the pyarrow.RecordBatch with all columns"""

    def __len__(self) -> int:
        return int(self.record.num_rows)

    def _list(self, name: str) -> list[Any]:
        values: list[Any] = self.record.column(name).to_pylist()
        return values

    @property
    def cursor(self) -> str:
        """Where to go on when this batch is done."""
        return str(self.record.column("cursor")[len(self) - 1].as_py())

    @property
    def positions(self) -> list[int]:
        """[n] positions in the plan."""
        return self._list("position")

    @property
    def sample_ids(self) -> list[str]:
        """[n] sample ids."""
        return self._list("sample_id")

    @property
    def prompt_lengths(self) -> list[int]:
        """[n] tokens of each prompt."""
        return self._list("prompt_length")

    @property
    def prompt_tokens(self) -> list[Tokens]:
        """[n][prompt_length] int32 ids, views into the batch."""
        flat, ends = self.flat_tokens()
        return [flat[a:b] for a, b in pairwise(ends)]

    def flat_tokens(self) -> tuple[Tokens, list[int]]:
        """All ids, one prompt after the other: [tokens] int32, and [n + 1] where each begins and the last ends."""
        column = self.record.column("prompt_tokens")
        ends: list[int] = column.offsets.to_pylist()
        values = column.values
        if numpy is not None:
            return values.to_numpy(zero_copy_only=True), ends
        flat = memoryview(values.buffers()[1] or b"").cast("i")
        return flat[values.offset : values.offset + len(values)], ends

    def samples(self) -> Iterator[Sample]:
        """The samples, one dict each."""
        names = [n for n in self.record.schema.names if n not in ("prompt_tokens", "cursor")]
        columns = [self._list(n) for n in names]
        for tokens, *values in zip(self.prompt_tokens, *columns, strict=True):
            sample: Any = dict(zip(names, values, strict=True))
            sample["prompt_tokens"] = tokens
            yield sample

    def __repr__(self) -> str:
        return f"Batch({len(self)} samples, {sum(self.prompt_lengths)} tokens, cursor={self.cursor!r})"

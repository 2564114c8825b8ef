"""What a reader asks for: the same for both doors, a Flight ticket or the arguments of `pipeline stream`."""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Request:
    """One stream. Defaults are those of the server."""

    plans: tuple[str, ...]
    """names of plans (address) or their files (folder), one after the other"""
    cursor: str | None = None
    batch: int = 0
    """samples of a global batch, of all ranks together"""
    batch_tokens: int = 0
    """most prompt tokens of a global batch; instead of batch"""
    drop_last: bool = False
    balance: bool = False
    rank: int = 0
    ranks: int = 1
    worker: int = 0
    workers: int = 1

    def __post_init__(self) -> None:
        if not self.plans:
            raise ValueError("no plan")
        if (self.batch > 0) == (self.batch_tokens > 0):
            raise ValueError("give one of batch and batch_tokens")
        if not 0 <= self.rank < self.ranks:
            raise ValueError(f"rank {self.rank} is not one of {self.ranks}")
        if not 0 <= self.worker < self.workers:
            raise ValueError(f"worker {self.worker} is not one of {self.workers}")

    def ticket(self) -> bytes:
        """The Flight ticket."""
        fields = {
            "plans": list(self.plans), "batch": self.batch, "batch_tokens": self.batch_tokens,
            "drop_last": self.drop_last, "balance": self.balance,
            "rank": self.rank, "ranks": self.ranks, "worker": self.worker, "workers": self.workers,
        }  # fmt: skip
        if self.cursor:
            fields["cursor"] = self.cursor
        return json.dumps(fields).encode()

    def arguments(self) -> list[str]:
        """The arguments of `pipeline stream`, after the dataset."""
        args = [f"--plan={p}" for p in self.plans]
        args += [f"--batch={self.batch}"] if self.batch else [f"--batch-tokens={self.batch_tokens}"]
        args += [f"--rank={self.rank}", f"--ranks={self.ranks}", f"--worker={self.worker}", f"--workers={self.workers}"]
        args += ["--drop-last"] if self.drop_last else []
        args += ["--balance"] if self.balance else []
        return args + ([f"--cursor={self.cursor}"] if self.cursor else [])

"""Which rank and which loader worker this process is.

The rule: never import torch, only ask it where it is loaded; and never guess: a job of several processes whose ranks
cannot be known is an error, since every process would read everything.
"""

from __future__ import annotations

import os
import sys


def rank_of_ranks() -> tuple[int, int] | None:
    """This process's rank and the number of ranks, from torch.distributed; None where that does not run."""
    distributed = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return None
    return int(distributed.get_rank()), int(distributed.get_world_size())


def single_rank() -> tuple[int, int]:
    """Rank 0 of 1, unless the environment says that there are more."""
    world = os.environ.get("WORLD_SIZE", "1")
    if world not in ("", "1"):
        raise ValueError(
            f"WORLD_SIZE is {world}, but torch.distributed is not initialized: initialize it before the dataset is "
            "read, or say rank=... and ranks=... (rank=0, ranks=1 to read everything in every process)"
        )
    return 0, 1


def worker_of_workers() -> tuple[int, int]:
    """This process's worker number and the number of workers of its DataLoader; (0, 1) outside of one."""
    data = sys.modules.get("torch.utils.data")
    info = data.get_worker_info() if data is not None else None
    return (int(info.id), int(info.num_workers)) if info is not None else (0, 1)

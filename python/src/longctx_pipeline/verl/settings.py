"""What a verl run says of its curriculum: `+data.pipeline.KEY=...` on the trainer's command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Settings:
    """The keys of `data.pipeline`."""

    source: str
    """a server's address; for a dataset alone, without rewards back, also a folder"""
    run: str = ""
    """the run in the reward history; empty: no rewards go back"""
    train_stage: str = ""
    policy: str = ""
    judge: str = ""
    responses: bool = False
    """whether the history keeps the responses' text"""


def settings_of(data_config: Mapping[str, Any]) -> Settings:
    """Reads `data.pipeline`; an unknown key is an error."""
    given = data_config.get("pipeline")
    if not given:
        raise ValueError("data.pipeline.source is missing: add +data.pipeline.source=grpc://127.0.0.1:8815")
    names = [f.name for f in fields(Settings)]
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise ValueError(f"data.pipeline has no key {', '.join(map(str, unknown))}; its keys are {', '.join(names)}")
    return Settings(**dict(given))

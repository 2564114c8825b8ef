"""Rewards as trainers have them, and their columns: one row for each group, or one for each rollout.

A reward is the unshaped task reward in [0, 1]. Unknown is None or NaN, and is sent as null: never as 0.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import pyarrow as pa

Reward = float | None


def known(value: Any) -> float | None:
    """Returns a number, or None for None and NaN."""
    if value is None:
        return None
    number = float(value)
    return None if math.isnan(number) else number


@dataclass(frozen=True)
class Group:
    """What every rollout of a group has in common. `(run, train_stage, step, position, sample_id)` is its identity."""

    run: str
    step: int
    """optimizer step, from 0"""
    sample_id: str


@dataclass(frozen=True)
class Outcome(Group):
    """One group of rollouts of one sample; each list has `group_size` entries, or is None."""

    rewards: Sequence[Reward]
    """[group_size] unshaped task rewards in [0, 1]; None or NaN is unknown"""
    train_stage: str = ""
    """entry of the training schedule"""
    position: int | None = None
    """in the plan: that of the sample; needed where one step has a sample twice"""
    phase: int | None = None
    """the phase that was trained: that of the sample"""
    policy: str = ""
    """version of the weights"""
    judge: str = ""
    """id of the judge, empty for the rule alone"""
    max_prompt: int | None = None
    """tokens"""
    max_response: int | None = None
    """tokens"""
    temperature: float | None = None
    rule_rewards: Sequence[Reward] | None = None
    judge_rewards: Sequence[Reward] | None = None
    response_lengths: Sequence[int | None] | None = None
    """tokens"""
    stop_reasons: Sequence[str | None] | None = None
    responses: Sequence[str | None] | None = None
    time: datetime.datetime | None = None
    """when it was scored"""

    def row(self) -> dict[str, Any]:
        """The columns of this outcome."""
        row = {f.name: getattr(self, f.name) for f in fields(self)}
        for name in ("rewards", "rule_rewards", "judge_rewards"):
            if row[name] is not None:
                row[name] = [known(r) for r in row[name]]
        return row


@dataclass(frozen=True)
class Rollout(Group):
    """One rollout, where rewards come one at a time; the server puts groups together."""

    group_size: int
    """rollouts of the group"""
    rollout: int
    """which of them this is, from 0"""
    reward: Reward
    """unshaped task reward in [0, 1]; None or NaN is unknown"""
    group: str | None = None
    """the trainer's own name of the group"""
    train_stage: str = ""
    position: int | None = None
    phase: int | None = None
    policy: str = ""
    judge: str = ""
    max_prompt: int | None = None
    max_response: int | None = None
    temperature: float | None = None
    rule_reward: Reward = None
    judge_reward: Reward = None
    response_length: int | None = None
    """tokens"""
    stop_reason: str | None = None
    response: str | None = None
    time: datetime.datetime | None = None

    def row(self) -> dict[str, Any]:
        """The columns of this rollout."""
        row = {f.name: getattr(self, f.name) for f in fields(self)}
        for name in ("reward", "rule_reward", "judge_reward"):
            row[name] = known(row[name])
        return row


_GROUP = {
    "run": pa.string(), "step": pa.int64(), "sample_id": pa.string(), "train_stage": pa.string(), "position": pa.int64(),
    "phase": pa.int32(), "policy": pa.string(), "judge": pa.string(), "max_prompt": pa.int32(),
    "max_response": pa.int32(), "temperature": pa.float32(), "time": pa.timestamp("us", tz="UTC"),
}  # fmt: skip

OUTCOMES = pa.schema(
    _GROUP
    | {
        "rewards": pa.list_(pa.float32()),
        "rule_rewards": pa.list_(pa.float32()),
        "judge_rewards": pa.list_(pa.float32()),
        "response_lengths": pa.list_(pa.int32()),
        "stop_reasons": pa.list_(pa.string()),
        "responses": pa.list_(pa.string()),
    }
)
"""columns of outcomes"""

ROLLOUTS = pa.schema(
    _GROUP
    | {
        "group_size": pa.int32(),
        "rollout": pa.int32(),
        "group": pa.string(),
        "reward": pa.float32(),
        "rule_reward": pa.float32(),
        "judge_reward": pa.float32(),
        "response_length": pa.int32(),
        "stop_reason": pa.string(),
        "response": pa.string(),
    }
)
"""columns of rollouts"""

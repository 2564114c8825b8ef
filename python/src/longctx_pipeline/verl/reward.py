"""Reward functions for verl that say which sample they scored: `reward.custom_reward_function.path`, name compute_score.

verl writes what such a function returns into its rollout dumps, which have no other trace of the sample.
"""

from __future__ import annotations

import functools
import re
import string
from collections.abc import Callable
from typing import Any

RewardFunction = Callable[..., Any]

CARRIED = ("sample_id", "phase", "position")
"""keys of extra_info that come back with a reward"""


def carrying(function: RewardFunction) -> RewardFunction:
    """Returns a reward function of verl's shape, plain or not a dict, whose result has the keys of CARRIED too."""

    @functools.wraps(function)
    def carried(
        data_source: str, solution_str: str, ground_truth: Any, extra_info: dict[str, Any] | None = None, **more: Any
    ) -> dict[str, Any]:
        result = function(data_source, solution_str, ground_truth, extra_info, **more)
        scored = dict(result) if isinstance(result, dict) else {"score": result, "acc": result}
        return scored | {k: (extra_info or {}).get(k) for k in CARRIED}

    return carried


@carrying
def compute_score(data_source: str, solution_str: str, ground_truth: Any, extra_info: Any = None, **more: Any) -> float:
    """1 where the text after the last "the answer is" is one of the reference answers, else 0.

    Both without case, articles, punctuation and outer spaces. Stricter than the scorers of QwenLong-L1; no judge.
    """
    found = re.findall(r"the answer is:?\s*(.+)", solution_str, flags=re.IGNORECASE)
    answers = [ground_truth] if isinstance(ground_truth, str) else list(ground_truth)
    said = _plain(found[-1]) if found else ""
    return float(said != "" and said in [_plain(a) for a in answers])


def _plain(text: str) -> str:
    text = text.lower().translate(str.maketrans("", "", string.punctuation))
    return " ".join(w for w in text.split() if w not in ("a", "an", "the"))

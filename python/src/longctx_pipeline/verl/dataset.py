"""verl's map-style dataset over plans: `data.custom_cls.path=pkg://longctx_pipeline.verl.dataset`, name PlanDataset.

The rule: verl keeps the place (its dataloader's state), this reads forward. Position after position costs nothing; going
back, or to the middle as a resume does, reads from the beginning: about a second for 100 M tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import Dataset

from ..dataset import CurriculumDataset
from .settings import settings_of

AGENT = "curriculum_single_turn"
"""the agent loop of `agent`, which takes the ids of the build as they are"""


class PlanDataset(Dataset):  # type: ignore[misc]
    """One row for each position of the plans in `data_files`, in their order.

    Rows have what verl's own dataset gives, and `prompt_tokens`. `raw_prompt` is the prompt's text for agent loops that
    tokenize. `extra_info` has sample_id, phase, position; and for the training files `train`, by which rewards go back.
    """

    def __init__(
        self,
        data_files: str | Sequence[str],
        tokenizer: Any,
        config: Any,
        processor: Any = None,
        max_samples: int = -1,
    ) -> None:
        settings = settings_of(config)
        files = _listed(data_files)
        if config.get("shuffle"):
            raise ValueError("data.shuffle=False is needed: the order is that of the plan")
        self._train = files == _listed(config.get("train_files") or [])
        self._tokenizer = tokenizer
        self._source = CurriculumDataset(settings.source, files, batch=64, batches=True, rank=0, ranks=1, worker=0, workers=1)
        positions = sum(p["positions"] for p in self._source.plans())
        self._length: int = min(positions, max_samples) if max_samples >= 0 else positions
        self._begin()

    def _begin(self) -> None:
        self._next = 0
        self._samples: Iterator[Any] | None = None
        self._newest: dict[str, Any] = {}

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, item: int) -> dict[str, Any]:
        if not 0 <= item < self._length:
            raise IndexError(f"position {item} of {self._length}")
        if item < self._next - 1:
            self._begin()
        if self._samples is None:
            self._samples = (s for batch in self._source for s in batch.samples())
        while self._next <= item:
            self._newest = next(self._samples)
            self._next += 1
        return self._row(item, self._newest)

    def _row(self, item: int, sample: dict[str, Any]) -> dict[str, Any]:
        text = self._tokenizer.decode(sample["prompt_tokens"].tolist())
        return {
            "raw_prompt": [{"role": "user", "content": text}],
            "prompt_tokens": sample["prompt_tokens"],
            "agent_name": AGENT,
            "data_source": sample["data_source"] or "",
            "reward_model": {"style": "rule", "ground_truth": sample["answers"]},
            "extra_info": {
                "index": item,
                "sample_id": sample["sample_id"],
                "phase": sample["phase"],
                "position": sample["position"],
                "question": sample["question"],
                "train": self._train,
            },
            "index": item,
            "tools_kwargs": {},
            "interaction_kwargs": {},
            "dummy_tensor": torch.tensor([0], dtype=torch.uint8),  # verl needs one tensor in each row
        }

    @classmethod
    async def process_multi_modal_info(cls, messages: Any, **more: Any) -> tuple[None, None, None]:
        """No images, videos or audio."""
        return None, None, None

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        del state["_samples"], state["_newest"], state["_next"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._begin()


def _listed(files: Any) -> list[str]:
    return [files] if isinstance(files, str) else [str(f) for f in files]

"""TRL's GRPOTrainer on a curriculum: the dataset, the rewards back, the place in a checkpoint. For trl 1.16.

    curriculum = Curriculum("grpc://127.0.0.1:8815", "plan.parquet", run="r1", checkpoint=latest_checkpoint("out"))
    trainer = CurriculumGRPOTrainer(
        model=model, processing_class=tokenizer, train_dataset=curriculum.dataset(),
        reward_funcs=curriculum.reward(right_answer), callbacks=[curriculum.callback()],
        args=GRPOConfig(output_dir="out", max_steps=100, shuffle_dataset=False, ignore_data_skip=True),
    )
    trainer.train(resume_from_checkpoint=latest_checkpoint("out"))

The rule: a checkpoint holds the cursor behind the last group that was *scored*, since trainers read a batch ahead. A run
that goes on from it first takes back its outcomes at or past the checkpoint's step: their groups come again.
"""

from __future__ import annotations

import functools
import json
import logging
import math
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from accelerate import PartialState
from accelerate.utils import gather_object
from datasets import IterableDataset
from transformers import TrainerCallback
from trl import GRPOTrainer

from .clients import OutcomeClient
from .dataset import CurriculumDataset
from .outcomes import Outcome, known

CURSOR_FILE = "curriculum.json"
"""in a checkpoint, written when all else of it is there"""

RewardFunction = Callable[..., "list[float | None]"]

_log = logging.getLogger(__name__)


def latest_checkpoint(output: str | os.PathLike[str]) -> str | None:
    """Returns the newest checkpoint of an output folder that is complete; None where there is none."""
    files = Path(output).glob(f"checkpoint-*/{CURSOR_FILE}")
    folders = sorted((int(f.parent.name.rsplit("-", 1)[1]), f.parent) for f in files)
    return os.fspath(folders[-1][1]) if folders else None


class Curriculum:
    """What a run reads and says back: its dataset, its reward functions, its callback. Each process of a job has one.

    `source`, `plans` and `settings` are those of `CurriculumDataset`. `run` and `train_stage` name the run in the history; a
    name is one run. `client` posts the outcomes of the first process, by default to `source`; `outcome` are columns of
    every outcome, such as policy, judge, max_prompt, max_response, temperature. `responses` keeps the responses' text.
    """

    def __init__(
        self,
        source: str,
        plans: str | Sequence[str],
        *,
        run: str,
        train_stage: str = "",
        checkpoint: str | None = None,
        client: OutcomeClient | None = None,
        outcome: dict[str, Any] | None = None,
        responses: bool = False,
        **settings: Any,
    ) -> None:
        self.run, self.train_stage = run, train_stage
        self.client = client or OutcomeClient(source)
        self.cursor: str | None = None
        """behind the last group that was scored"""
        if checkpoint:
            self.cursor = json.loads((Path(checkpoint) / CURSOR_FILE).read_text())["cursor"]
        # Trainers slice the whole stream by themselves. Batches of one have a cursor after every sample.
        self._settings = {"source": source, "plans": plans, **settings, "batch": 1, "batches": True, "rank": 0, "ranks": 1}
        self._outcome, self._responses = outcome or {}, responses

    def dataset(self) -> Any:
        """A datasets.IterableDataset: columns of `Sample`, `prompt` (the question) and `cursor` (after the sample)."""
        return IterableDataset.from_generator(_rows, gen_kwargs={"settings": {**self._settings, "cursor": self.cursor}})

    def reward(self, function: RewardFunction) -> RewardFunction:
        """Returns the reward function, which then also posts its rewards: unshaped, one outcome for each group.

        To be used for one of a trainer's functions, the task's own. All processes of a job call it together. Samples that
        have no cursor, as those of an evaluation, are scored and not posted.
        """

        @functools.wraps(function)
        def scored(**columns: Any) -> list[float | None]:
            rewards = function(**columns)
            if "cursor" in columns:
                self._record(rewards, columns)
            return rewards

        return scored

    def _record(self, rewards: list[float | None], columns: dict[str, Any]) -> None:
        names = ("phase", "position", "sample_id", "cursor")
        rollouts = [
            {n: columns[n][i] for n in names}
            | {"reward": known(reward), "length": len(columns["completion_ids"][i])}
            | ({"response": _text(columns["completions"][i])} if self._responses else {})
            for i, reward in enumerate(rewards)
        ]
        # A group may lie on two processes; each has a part of the batch, in their order.
        rollouts = gather_object(rollouts)
        self.cursor = rollouts[-1]["cursor"]
        if not PartialState().is_main_process:
            return
        groups: dict[tuple[int, int, str], list[dict[str, Any]]] = {}
        for r in rollouts:
            groups.setdefault((r["phase"], r["position"], r["sample_id"]), []).append(r)
        for (phase, position, sample_id), group in groups.items():
            self.client.post(
                Outcome(
                    run=self.run,
                    train_stage=self.train_stage,
                    step=columns["trainer_state"].global_step,
                    phase=phase,
                    position=position,
                    sample_id=sample_id,
                    rewards=[r["reward"] for r in group],
                    response_lengths=[r["length"] for r in group],
                    responses=[r["response"] for r in group] if self._responses else None,
                    **self._outcome,
                )
            )

    def left(self) -> int | None:
        """How many samples the plans have behind the cursor; None where the last one still grows."""
        plans = CurriculumDataset(**self._settings).plans()
        if not plans[-1]["done"]:
            return None
        at = json.loads(self.cursor) if self.cursor else {"plan_id": plans[0]["plan_id"], "position": 0}
        first = [p["plan_id"] for p in plans].index(at["plan_id"])
        return sum(int(p["positions"]) for p in plans[first:]) - int(at["position"])

    def callback(self) -> TrainerCallback:
        """The trainer callback that takes back, keeps the cursor, and waits for outcomes before each checkpoint."""
        return _Callback(self)


def _rows(settings: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The rows of the dataset. Connects in here: the generator is pickled, and may run in another process."""
    for batch in CurriculumDataset(**settings):
        for sample in batch.samples():
            yield {**sample, "prompt": sample["question"] or "", "cursor": batch.cursor}


def _text(completion: Any) -> str:
    """A completion's text; a conversation's last message."""
    return completion if isinstance(completion, str) else str(completion[-1].get("content") or "")


def _enough(c: Curriculum, args: Any, state: Any) -> None:
    """Refuses more steps than the plans have samples for: at their end, a Trainer begins them again without a word."""
    left = c.left()
    prompts = args.generation_batch_size // args.num_generations
    generations = args.steps_per_generation * args.num_iterations / args.gradient_accumulation_steps  # steps of each
    if left is not None and left < prompts * math.ceil((state.max_steps - state.global_step) / generations):
        most = state.global_step + int(left // prompts * generations)
        raise ValueError(
            f"max_steps={state.max_steps} needs more samples than the {left} that the plans have left: "
            f"max_steps={most} is the most, or plan more epochs"
        )


class _Callback(TrainerCallback):  # type: ignore[misc]
    def __init__(self, curriculum: Curriculum) -> None:
        self._curriculum = curriculum

    def on_train_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        c = self._curriculum
        if state.global_step > 0 and not args.ignore_data_skip:
            raise ValueError("ignore_data_skip=True is needed: the dataset begins at the checkpoint's cursor by itself")
        if getattr(args, "shuffle_dataset", False):
            raise ValueError("shuffle_dataset=False is needed: the order is that of the plan")
        if (state.global_step > 0) != (c.cursor is not None):
            raise ValueError("give the same checkpoint to Curriculum and to train(resume_from_checkpoint=...)")
        _enough(c, args, state)
        every, window = args.steps_per_generation * args.num_iterations, args.gradient_accumulation_steps
        if str(args.save_strategy) in ("steps", "SaveStrategy.STEPS") and args.save_steps * window % every:
            raise ValueError(
                f"a checkpoint every {args.save_steps} steps of {window} batches would cut a generation of {every} batches in "
                "two, of which the second part would be lost at a resume: make save_steps * gradient_accumulation_steps a "
                "multiple of steps_per_generation * num_iterations"
            )
        if state.is_world_process_zero:
            back = c.client.resume(c.run, step=state.global_step, train_stage=c.train_stage)
            if back:
                _log.warning("run %s goes on at step %d: %d outcomes are superseded", c.run, state.global_step, back)

    def on_save(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        if not state.is_world_process_zero:
            return
        self._curriculum.client.flush(600.0)
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        aside = folder / f"{CURSOR_FILE}.tmp"
        with aside.open("w") as f:
            json.dump({"version": 1, "step": state.global_step, "cursor": self._curriculum.cursor}, f)
            f.flush()
            os.fsync(f.fileno())
        aside.rename(folder / CURSOR_FILE)

    def on_train_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        self._curriculum.client.flush(600.0)


class CurriculumGRPOTrainer(GRPOTrainer):  # type: ignore[misc]
    """A GRPOTrainer that takes `prompt_tokens` as they are, with the build's template, instead of tokenizing `prompt`."""

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> Any:
        self._prompt_tokens = [list(x["prompt_tokens"]) for x in inputs]
        return super()._generate_and_score_completions(inputs)

    def _tokenize_prompts(self, prompts: list[Any]) -> tuple[list[list[int]], None, dict[str, Any]]:
        return self._prompt_tokens, None, {}

"""verl's reward manager that posts each rollout: `reward.reward_manager.module.path=pkg://longctx_pipeline.verl.manager`.

verl scores one rollout at a time in random workers; the server puts the groups together by run, step and sample.
The reward that goes into the history is `acc` where the reward function says it, as the unshaped one, else `score`.
"""

from __future__ import annotations

from typing import Any

from verl.experimental.reward_loop.reward_manager.naive import NaiveRewardManager

from ..clients import RolloutClient
from ..outcomes import Rollout, known
from .settings import Settings, settings_of


class CurriculumRewardManager(NaiveRewardManager):  # type: ignore[misc]
    """verl's naive manager, and every training rollout to the server of `data.pipeline.source`."""

    def __init__(self, config: Any, tokenizer: Any, compute_score: Any, *args: Any, **more: Any) -> None:
        super().__init__(config, tokenizer, compute_score, *args, **more)
        self._settings: Settings = settings_of(config.data)
        self._rollout = config.actor_rollout_ref.rollout
        self.client = RolloutClient(self._settings.source) if self._settings.run else None

    async def run_single(self, data: Any) -> dict[str, Any]:
        """Scores the last sequence of a trajectory, as its base does, and posts what came of it."""
        result: dict[str, Any] = await super().run_single(data)
        rollout = self._posted(data[-1:][0], result)
        if rollout is not None and self.client is not None:
            # Blocks only while the queue is full, and then the loop's other rollouts go on.
            await self.loop.run_in_executor(None, self.client.post, rollout)
        return result

    def _posted(self, item: Any, result: dict[str, Any]) -> Rollout | None:
        """The rollout to post; None for what is not of the curriculum, such as a validation."""
        about = item.non_tensor_batch
        extra = about.get("extra_info") or {}
        if not extra.get("train"):
            return None
        responses = item.batch["responses"]
        length = int(item.batch["attention_mask"][-responses.shape[-1] :].sum())
        text = self.tokenizer.decode(responses[:length], skip_special_tokens=True) if self._settings.responses else None
        s = self._settings
        return Rollout(
            run=s.run,
            train_stage=s.train_stage,
            step=int(about["global_steps"]) - 1,  # verl counts from 1
            sample_id=extra["sample_id"],
            position=int(extra["position"]),
            phase=int(extra["phase"]),
            group=str(about["uid"]),
            group_size=int(self._rollout.n),
            rollout=int(about["session_id"]),
            reward=known(result["reward_extra_info"].get("acc", result["reward_score"])),
            response_length=length,
            response=text,
            policy=s.policy,
            judge=s.judge,
            max_prompt=int(self._rollout.prompt_length),
            max_response=int(self._rollout.response_length),
            temperature=float(self._rollout.temperature),
        )

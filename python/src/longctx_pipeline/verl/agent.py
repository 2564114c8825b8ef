"""verl's single-turn agent loop on the ids that the build made: nothing is tokenized twice.

verl finds it by a line of actor_rollout_ref.rollout.agent.agent_loop_config_path, a YAML file:

    - {name: curriculum_single_turn, _target_: longctx_pipeline.verl.agent.CurriculumAgentLoop}
"""

from __future__ import annotations

from typing import Any

from verl.experimental.agent_loop.single_turn_agent_loop import SingleTurnAgentLoop


class CurriculumAgentLoop(SingleTurnAgentLoop):  # type: ignore[misc]
    """A trajectory whose prompt is `prompt_tokens`. An overlong one is an error: verl would cut it off at its beginning."""

    async def run(self, sampling_params: dict[str, Any], **row: Any) -> Any:
        """Runs one trajectory."""
        self._prompt_tokens = [int(t) for t in row["prompt_tokens"]]
        return await super().run(sampling_params, **row)

    async def ct_build_initial_tokens(self, messages: Any, *args: Any, **more: Any) -> list[int]:
        """The ids of the prompt."""
        if len(self._prompt_tokens) > self.prompt_length:
            raise ValueError(
                f"a prompt of {len(self._prompt_tokens)} tokens is over data.max_prompt_length {self.prompt_length}: "
                "set it to the maximum of the phase"
            )
        return self._prompt_tokens

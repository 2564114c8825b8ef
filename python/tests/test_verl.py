"""Against the real verl, through its own loaders. Heavy: `make interop-trainers`."""

from __future__ import annotations

import asyncio
import random
from types import SimpleNamespace

import pytest
from conftest import make
from test_faults import Killable

from longctx_pipeline import CurriculumDataset

pytest.importorskip("verl", reason="verl is not here; make interop-trainers installs it")
pytestmark = pytest.mark.heavy

import numpy as np  # noqa: E402
import torch  # noqa: E402
from omegaconf import OmegaConf  # noqa: E402
from tensordict import TensorDict  # noqa: E402
from torchdata.stateful_dataloader import StatefulDataLoader  # noqa: E402
from verl import DataProto  # noqa: E402
from verl.trainer.ppo.reward import load_reward_manager  # noqa: E402
from verl.trainer.ppo.utils import create_rl_dataset, create_rl_sampler  # noqa: E402
from verl.utils.dataset.rl_dataset import collate_fn  # noqa: E402


class Letters:
    """A tokenizer of one letter for each id."""

    def decode(self, ids, **_):
        return "".join(chr(97 + int(i) % 26) for i in ids)


@pytest.fixture(scope="module")
def served(program, tmp_path_factory):
    server = Killable(make(program, tmp_path_factory.mktemp("verl")))
    server.start()
    yield server
    server.kill()


def configured(address: str, run: str = "v", n: int = 4):
    return OmegaConf.create(
        {
            "data": {
                "train_files": ["plan-1.parquet", "plan-2.parquet"],
                "val_files": ["plan-1.parquet"],
                "shuffle": False,
                "custom_cls": {"path": "pkg://longctx_pipeline.verl.dataset", "name": "PlanDataset"},
                "pipeline": {"source": address, "run": run, "responses": True},
            },
            "actor_rollout_ref": {"rollout": {"n": n, "prompt_length": 2000, "response_length": 8, "temperature": 0.7}},
            "reward": {
                "custom_reward_function": {"path": "pkg://longctx_pipeline.verl.reward", "name": "compute_score"},
                "reward_manager": {
                    "source": "importlib",
                    "name": "CurriculumRewardManager",
                    "module": {"path": "pkg://longctx_pipeline.verl.manager"},
                },
            },
        }
    )


def test_verl_reads_the_plans_in_their_order_and_resumes(served):
    config = configured(served.address)
    want = [s["sample_id"] for s in CurriculumDataset(served.address, ["plan-1.parquet", "plan-2.parquet"], batch=8)]

    def loader():
        dataset = create_rl_dataset(config.data.train_files, config.data, Letters(), None)
        assert len(dataset) == len(want)
        sampler = create_rl_sampler(config.data, dataset)
        return StatefulDataLoader(dataset, batch_size=6, num_workers=0, sampler=sampler, collate_fn=collate_fn, drop_last=True)

    first, got = loader(), []
    for n, batch in enumerate(first):
        got += [e["sample_id"] for e in batch["extra_info"]]
        assert set(batch) >= {"raw_prompt", "data_source", "reward_model", "extra_info", "index", "dummy_tensor"}
        assert DataProto.from_single_dict(batch).batch.batch_size[0] == 6
        if n == 4:
            break
    second = loader()
    second.load_state_dict(first.state_dict())
    got += [e["sample_id"] for batch in second for e in batch["extra_info"]]
    assert got == want[: len(want) // 6 * 6]


def test_rows_come_in_any_order_too(served):
    config = configured(served.address)
    dataset = create_rl_dataset(config.data.train_files, config.data, Letters(), None, max_samples=50)
    want = [dataset[n] for n in range(50)]
    order = random.Random(1).sample(range(50), 50)
    for n in order[:12]:
        got = dataset[n]
        assert got["extra_info"] == want[n]["extra_info"]
        assert (got["prompt_tokens"] == want[n]["prompt_tokens"]).all()
        assert got["raw_prompt"][0]["content"] == Letters().decode(got["prompt_tokens"])
    with pytest.raises(IndexError):
        dataset[50]


def trajectory(row: dict, session: int, step: int, answer: str) -> DataProto:
    """What verl's agent loop sends to a reward worker."""
    response = torch.tensor([[1, 2, 3, 0, 0]])
    prompt = torch.tensor([[5, 6]])
    keys = {k: v for k, v in row.items() if k not in ("dummy_tensor", "prompt_tokens")}
    keys |= {"uid": f"u{row['index']}", "session_id": session, "global_steps": step, "answer": answer}
    fields = {
        "prompts": prompt,
        "responses": response,
        "attention_mask": torch.tensor([[1, 1, 1, 1, 1, 0, 0]]),
        "input_ids": torch.cat([prompt, response], 1),
    }
    other = {k: np.array([v], dtype=object) for k, v in keys.items()}
    return DataProto(batch=TensorDict(fields, batch_size=1), non_tensor_batch=other)


class Says(Letters):
    """A tokenizer whose responses are right for every second session."""

    def __init__(self):
        self.next = ""

    def decode(self, ids, **_):
        return self.next


def test_rollouts_scored_in_any_order_become_outcomes(served):
    config = configured(served.address)
    rows = create_rl_dataset(config.data.train_files, config.data, Letters(), None, max_samples=6)
    validation = create_rl_dataset(config.data.val_files, config.data, Letters(), None, max_samples=2)
    tokenizer = Says()
    managers = [load_reward_manager(config, tokenizer) for _ in range(3)]
    todo = [(rows[n], session, 1 + n // 3) for n in range(6) for session in range(4)]
    todo += [(validation[n], 0, 1) for n in range(2)]
    random.Random(3).shuffle(todo)
    for n, (row, session, step) in enumerate(todo):
        answer = row["reward_model"]["ground_truth"][0]
        tokenizer.next = f"Therefore, the answer is {answer}." if session % 2 else "I do not know"
        manager = managers[n % 3]
        result = manager.loop.run_until_complete(manager.run_single(trajectory(row, session, step, answer)))
        assert result["reward_score"] == session % 2
        assert result["reward_extra_info"]["sample_id"] == row["extra_info"]["sample_id"]
    for manager in managers:
        manager.client.flush(20)
        manager.client.close()
    found = sorted(served.data.outcomes("v"), key=lambda o: o["position"])
    assert [(o["step"], o["position"], o["sample_id"]) for o in found] == [
        (n // 3, n, rows[n]["extra_info"]["sample_id"]) for n in range(6)
    ]
    assert all(o["rewards"] == [0, 1, 0, 1] and o["response_lengths"] == [3] * 4 for o in found)
    assert (found[0]["max_prompt"], found[0]["max_response"]) == (2000, 8)


def test_a_run_without_a_name_posts_nothing(served):
    manager = load_reward_manager(configured(served.address, run=""), Says())
    assert manager.client is None


def test_the_agent_loop_takes_the_ids_of_the_build(served):
    agent = pytest.importorskip("longctx_pipeline.verl.agent", reason="this verl's agent loop needs more than is here")
    row = create_rl_dataset(configured("x").data.train_files, configured(served.address).data, Letters(), None)[3]
    loop = object.__new__(agent.CurriculumAgentLoop)
    loop.prompt_length = 2000
    asked = []

    async def generate(prompt_ids, **_):
        asked.append(prompt_ids)
        raise RuntimeError("enough")

    async def nothing(messages):
        return {}

    loop.server_manager = SimpleNamespace(generate=generate)
    loop.process_multi_modal_info, loop._get_mm_processor_kwargs = nothing, lambda audios: {}
    loop._assert_mm_supported, loop.build_sglang_video_payload = lambda there: None, lambda videos, inputs: None
    loop.rollout_config = SimpleNamespace(full_determinism=False)
    with pytest.raises(RuntimeError, match="enough"):
        asyncio.run(loop.run({}, **{k: row[k] for k in ("raw_prompt", "prompt_tokens")}))
    assert asked == [row["prompt_tokens"].tolist()]
    loop.prompt_length = 10
    with pytest.raises(ValueError, match="max_prompt_length"):
        asyncio.run(loop.run({}, **{k: row[k] for k in ("raw_prompt", "prompt_tokens")}))


def test_settings_name_an_unknown_key():
    from longctx_pipeline.verl.settings import settings_of

    with pytest.raises(ValueError, match="adress"):
        settings_of({"pipeline": {"adress": "x"}})
    with pytest.raises(ValueError, match="source"):
        settings_of({})

"""Runs the parts of one verl version that read exported files: its dataset, its reward managers, its configuration.

usage: verl_side.py MODULES VERSION FOLDER TOKENIZER

The rule: verl's own code runs; only what it takes from torch, ray and tensordict is a stub, and only as far as reading needs it.
"""
from __future__ import annotations

import asyncio
import json
import sys
import types
from pathlib import Path

import datasets  # noqa: F401  before the stubs: it looks for the real packages
import numpy as np
import pyarrow.parquet as pq
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from transformers import AutoTokenizer

MODULES, VERSION, FOLDER, TOKENIZER = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), sys.argv[4]


class Stub(types.ModuleType):
    """A module that has every name: as a class that does nothing."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        made = type(name, (), {})
        setattr(self, name, made)
        return made


def load() -> tuple[type, list[type]]:
    """verl's dataset and reward managers. Stubs stand where heavy packages would be, and for verl's own package files, which import everything;
    the former are gone afterwards: datasets would take them for the real ones."""
    for name in ["torch", "torch.utils", "torch.utils.data", "torch.distributed", "torch.nn", "torch.nn.functional", "ray", "tensordict", "verl.utils.ray_utils", "verl.protocol"]:
        sys.modules[name] = Stub(name)
    torch = sys.modules["torch"]
    torch.utils = sys.modules["torch.utils"]
    torch.utils.data = sys.modules["torch.utils.data"]
    torch.tensor, torch.uint8 = np.array, np.uint8
    sys.modules["verl.utils.ray_utils"].get_event_loop = asyncio.get_event_loop
    for name in ["verl", "verl.utils", "verl.utils.dataset", "verl.experimental", "verl.experimental.reward_loop", "verl.experimental.reward_loop.reward_manager"]:
        package = Stub(name)
        package.__path__ = [str(MODULES / name.replace(".", "/"))]
        sys.modules[name] = package
    package.register = lambda _: lambda cls: cls
    from verl.experimental.reward_loop.reward_manager.dapo import DAPORewardManager
    from verl.experimental.reward_loop.reward_manager.naive import NaiveRewardManager
    from verl.utils.dataset.rl_dataset import RLHFDataset

    for name in [n for n in sys.modules if n.split(".")[0] in {"torch", "ray", "tensordict"}]:
        del sys.modules[name]
    return RLHFDataset, [NaiveRewardManager, DAPORewardManager]


def fail(line: str) -> None:
    sys.exit(f"verl {VERSION}: {line}")


def passed(line: str) -> None:
    print(f"  ok  verl {VERSION}: {line}", flush=True)


def dataset(cls: type, tokenizer) -> list[dict]:
    """verl's RLHFDataset gives every row, in the order of the file, and its prompts have the ids of the build."""
    built = pq.read_table(FOLDER / "hf.parquet", columns=["sample_id", "position", "prompt_tokens"]).to_pylist()
    longest = max(len(r["prompt_tokens"]) for r in built)
    config = OmegaConf.create({"cache_dir": str(FOLDER / "verl-cache"), "max_prompt_length": longest, "truncation": "error", "filter_overlong_prompts": True,
                               "filter_overlong_prompts_workers": 1, "shuffle": False, "return_raw_chat": True})
    data = cls(data_files=str(FOLDER / "verl.parquet"), tokenizer=tokenizer, config=config)
    if len(data) != len(built):
        fail(f"{len(data)} rows of {len(built)} are left, with a limit of {longest} tokens, the longest prompt")
    rows = [data[i] for i in range(len(data))]
    for i, (row, want) in enumerate(zip(rows, built)):
        if (row["extra_info"]["sample_id"], row["extra_info"]["position"], row["index"]) != (want["sample_id"], i, i):
            fail(f"row {i} is {row['extra_info']}, the plan says {want['sample_id']}")
        ids = tokenizer.apply_chat_template(row["raw_prompt"], add_generation_prompt=True, tokenize=True, return_dict=False)
        if ids != want["prompt_tokens"]:
            fail(f"row {i}: {len(ids)} ids, the build has {len(want['prompt_tokens'])}")
    passed(f"{len(rows)} rows in the order of the plan; {sum(len(r['prompt_tokens']) for r in built):,} ids are those of the build")
    return rows


class Item:
    """What a reward manager asks of one rollout (verl.DataProto)."""

    def __init__(self, row: dict) -> None:
        keys = ["data_source", "reward_model", "extra_info"]
        self.batch = {"responses": np.array([1, 2]), "attention_mask": np.array([1, 1, 1])}
        self.non_tensor_batch = {k: row[k] for k in keys}

    def __len__(self) -> int:
        return 1

    def __getitem__(self, _: object) -> "Item":
        return self


def rewards(managers: list[type], rows: list[dict], tokenizer) -> None:
    """verl's reward managers hand the row to the reward function, and keep what it returns for the dump."""
    config = OmegaConf.create({"reward": {"reward_kwargs": {"max_resp_len": 100, "overlong_buffer_cfg": {"enable": True, "len": 10, "penalty_factor": 1.0, "log": False}}}})
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)

    def compute_score(data_source, solution_str, ground_truth, extra_info, **_):
        return {"score": 1.0, "acc": 1.0, "sample_id": extra_info["sample_id"], "truth": ground_truth, "source": data_source, "answers": list(extra_info["answers"])}

    for manager in managers:
        m = manager(config, tokenizer, compute_score)
        for row in rows:
            got = loop.run_until_complete(m.run_single(Item(row)))["reward_extra_info"]
            if got["sample_id"] != row["extra_info"]["sample_id"] or got["answers"][:1] != [got["truth"]] or json.loads(json.dumps(got["sample_id"])) != got["sample_id"]:
                fail(f"{manager.__name__} gave {got} for {row['extra_info']}")
        passed(f"{manager.__name__} carries sample_id, answers and ground truth to the reward function and back")


def options() -> None:
    """verl's configuration takes every option that the scripts print, and means by it what they mean."""
    for algorithm in ["grpo", "dapo"]:
        calls = [json.loads(x) for x in (FOLDER / f"calls-verl-{algorithm}{VERSION}.jsonl").read_text().splitlines()]
        runs = [c[3:] for c in calls if c[1:3] == ["-m", "verl.trainer.main_ppo"]]
        if len(runs) != 2:
            fail(f"{algorithm}: {len(runs)} trainings, there are two phases")
        for overrides in runs:
            with initialize_config_dir(config_dir=str(MODULES / "verl" / "trainer" / "config"), version_base=None):
                c = compose(config_name="ppo_trainer", overrides=overrides)
            rollout, actor = c.actor_rollout_ref.rollout, c.actor_rollout_ref.actor
            got = {
                "shuffle": c.data.shuffle, "batch": c.data.train_batch_size, "response": c.data.max_response_length, "group": rollout.n, "temperature": rollout.temperature,
                "top_p": rollout.top_p, "lr": actor.optim.lr, "mini": actor.ppo_mini_batch_size, "low": actor.clip_ratio_low, "high": actor.clip_ratio_high,
                "kl": actor.use_kl_loss or c.algorithm.use_kl_in_reward, "reward": c.reward.custom_reward_function.path, "aggregation": actor.loss_agg_mode,
            }
            want = {
                "shuffle": False, "batch": 128, "response": 10000, "group": 8, "temperature": 0.7, "top_p": 0.95, "lr": 2e-6, "mini": 32, "low": 0.2,
                "high": 0.28 if algorithm == "dapo" else 0.2, "kl": False, "reward": "it's a/reward.py",
                "aggregation": "token-mean" if algorithm == "dapo" else "seq-mean-token-mean",
            }
            if got != want:
                fail(f"{algorithm}: the configuration is {got}, and should be {want}")
            if algorithm == "dapo" and (c.reward.reward_manager.name != "dapo" or c.reward.reward_kwargs.overlong_buffer_cfg.len != 1000):
                fail("dapo: no overlong shaping")
            if algorithm == "dapo" and VERSION.startswith("0.9") and not (c.algorithm.filter_groups.enable and c.algorithm.filter_groups.max_inflight_gen_batches == 3):
                fail("dapo: no dynamic sampling")
        passed(f"{algorithm}: its configuration takes all {len(runs[0])} options of the script")


def main() -> None:
    tokenizer = AutoTokenizer.from_pretrained(TOKENIZER)
    options()
    rows_of, managers = load()
    rewards(managers, dataset(rows_of, tokenizer), tokenizer)


main()

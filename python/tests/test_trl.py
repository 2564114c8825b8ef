"""The real GRPOTrainer on a curriculum, killed and resumed, and on two ranks. Heavy: `make interop-trainers`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from conftest import Data
from test_faults import free_port

from longctx_pipeline import CurriculumDataset, Server

pytest.importorskip("trl", reason="trl is not here; make interop-trainers installs it")
pytestmark = pytest.mark.heavy

EXAMPLE = Path(__file__).parents[1] / "examples" / "trl_grpo.py"
STEPS, PROMPTS, GROUP = 6, 2, 4


def start(program: str, work: Path) -> subprocess.Popen:
    env = dict(os.environ, PYTHONPATH=os.pathsep.join(p for p in sys.path if p), PIPELINE_BINARY=program, TQDM_DISABLE="1")
    command = [sys.executable, str(EXAMPLE), "--work", str(work), "--steps", str(STEPS), "--save-steps", "2"]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(process: subprocess.Popen) -> None:
    out = process.communicate(timeout=300)[0]
    assert process.returncode == 0, out


def outcomes(program: str, work: Path) -> list[dict]:
    return Data(program, work / "data").outcomes("tiny")


def identities(found: list[dict]) -> Counter:
    return Counter((o["step"], o.get("position"), o["sample_id"]) for o in found)


def kill_when(process: subprocess.Popen, there) -> None:
    deadline = time.monotonic() + 200
    while not there():
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    process.communicate()


def test_a_run_that_was_killed_ends_with_the_identities_of_one_that_was_not(program, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    finish(start(program, whole))
    want = outcomes(program, whole)
    assert sorted(identities(want)) == [(n // PROMPTS, n, w["sample_id"]) for n, w in enumerate(want)]
    assert all(len(w["rewards"]) == GROUP and len(w["responses"]) == GROUP for w in want)
    assert len(want) == STEPS * PROMPTS

    # Once before the first checkpoint, once with outcomes behind the newest: both leave what must be taken back.
    process = start(program, killed)
    kill_when(process, lambda: (killed / "data/history/manifest.json").exists() and outcomes(program, killed))
    assert not list(killed.glob("out/*/curriculum.json"))
    process = start(program, killed)
    four = killed / "out/checkpoint-4/curriculum.json"
    kill_when(process, lambda: four.exists() and any(o["step"] >= 4 for o in outcomes(program, killed)))
    assert not (killed / "out/checkpoint-6").exists()
    finish(start(program, killed))
    assert identities(outcomes(program, killed)) == identities(want)


RANKS = """
import sys
from datasets import disable_progress_bars
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM
from trl import GRPOConfig
from longctx_pipeline.trl import Curriculum, CurriculumGRPOTrainer

address, out = sys.argv[1:]
words = Tokenizer(models.WordLevel({f"w{i}": i for i in range(256)}, unk_token="w0"))
tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="w1", pad_token="w1", unk_token="w0")
small = dict(hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=1, num_key_value_heads=1)
model = Qwen2ForCausalLM(Qwen2Config(vocab_size=256, bos_token_id=None, eos_token_id=1, pad_token_id=1, **small))

def lengths(completion_ids, **columns):
    return [None if i == 0 else len(c) / 8 for i, c in enumerate(completion_ids)]

curriculum = Curriculum(address, "plan-1.parquet", run="ranks", train_stage="phase 1")
config = GRPOConfig(
    output_dir=out, max_steps=2, save_steps=1, per_device_train_batch_size=6, num_generations=4, max_completion_length=8,
    shuffle_dataset=False, ignore_data_skip=True, use_cpu=True, bf16=False, gradient_checkpointing=False, report_to=[],
)
trainer = CurriculumGRPOTrainer(
    model=model, processing_class=tokenizer, train_dataset=curriculum.dataset(), args=config,
    reward_funcs=curriculum.reward(lengths), callbacks=[curriculum.callback()],
)
trainer.train()
curriculum.client.close()
"""


def test_a_group_on_two_ranks_is_one_outcome(program, tmp_path):
    data = Data(program, tmp_path / "data")
    docs, script = tmp_path / "docs.jsonl", tmp_path / "ranks.py"
    data.run("synth", "--samples=20", "--tokens=200", f"--output={docs}", "--quiet")
    build = ["--tokenizer=bytes", "--phases=4000", "--special-tokens=text"]
    data.run("build", f"--input={docs}", *build, f"--output={data.folder}", "--quiet")
    data.run("sample", str(data.folder), "--phase=1", "--seed=7", f"--output={data.plans[0]}", "--quiet")
    script.write_text(RANKS)
    env = dict(os.environ, PYTHONPATH=os.pathsep.join(p for p in sys.path if p), TQDM_DISABLE="1", OMP_NUM_THREADS="1")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", f"--master-port={free_port()}"]
    with Server(data.folder, data.plans[:1]) as server:
        run = [*torchrun, str(script), server.address, str(tmp_path / "out")]
        done = subprocess.run(run, env=env, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        order = [s["sample_id"] for s in CurriculumDataset(server.address, "plan-1.parquet", batch=8)]
    found = sorted(data.outcomes("ranks"), key=lambda o: o["position"])
    # 12 rollouts of a step are 3 groups; the second lies on both ranks.
    assert [(o["step"], o["position"], o["sample_id"]) for o in found] == [(n // 3, n, order[n]) for n in range(6)]
    assert [[r is None for r in o["rewards"]] for o in found[:3]] == [
        [True] + 3 * [False],
        [False, False, True, False],
        4 * [False],
    ]
    cursor = json.loads((tmp_path / "out/checkpoint-2/curriculum.json").read_text())["cursor"]
    assert json.loads(cursor)["position"] == 6


def test_what_a_trainer_would_do_wrong_is_refused(data, server):
    from types import SimpleNamespace

    from longctx_pipeline.trl import Curriculum

    curriculum = Curriculum(server.address, ["plan-1.parquet", "plan-2.parquet"], run="refused")
    positions = sum(p["positions"] for p in CurriculumDataset(str(data.folder), data.plans, batch=1).plans())
    assert curriculum.left() == positions
    right = {
        "ignore_data_skip": True, "shuffle_dataset": False, "steps_per_generation": 2, "num_iterations": 1,
        "gradient_accumulation_steps": 2, "generation_batch_size": 16, "num_generations": 4,
        "save_strategy": "steps", "save_steps": 1,
    }  # fmt: skip

    def begin(step=0, most=positions // 4, **args):
        state = SimpleNamespace(global_step=step, max_steps=most, is_world_process_zero=False)
        curriculum.callback().on_train_begin(SimpleNamespace(**(right | args)), state, None)

    begin()
    with pytest.raises(ValueError, match=f"max_steps={positions // 4} is the most"):
        begin(most=positions // 4 + 1)
    with pytest.raises(ValueError, match="the same checkpoint"):
        begin(step=2)
    with pytest.raises(ValueError, match="ignore_data_skip"):
        begin(step=2, ignore_data_skip=False)
    with pytest.raises(ValueError, match="shuffle_dataset"):
        begin(shuffle_dataset=True)
    with pytest.raises(ValueError, match="in two"):
        begin(steps_per_generation=4)
    curriculum.cursor = next(iter(CurriculumDataset(server.address, "plan-2.parquet", batch=8, batches=True))).cursor
    assert (
        curriculum.left()
        == next(p for p in CurriculumDataset(server.address, "plan-2.parquet", batch=1).plans())["positions"] - 8
    )

"""Trains a tiny random Qwen2 on a curriculum with TRL's GRPOTrainer, on the CPU, in a minute or so. Nothing is downloaded.

    export PIPELINE_BINARY=$PWD/bin/pipeline
    python python/examples/trl_grpo.py --work work --steps 8

Kill it at any time and run it again: it goes on from its last checkpoint. The history is in work/data/history:

    bin/pipeline rewards export work/data --run tiny | head -1
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM, set_seed
from trl import GRPOConfig

from longctx_pipeline import Server
from longctx_pipeline.program import find_program
from longctx_pipeline.trl import Curriculum, CurriculumGRPOTrainer, latest_checkpoint

PROMPTS, GROUP = 2, 4  # of an optimizer step; rollouts of each


def build(work: Path) -> tuple[Path, Path]:
    """Documents with questions, a tokenizer made of them, a dataset, and the plan of its phase 1."""
    pipeline, docs, data, plan = find_program(), work / "docs.jsonl", work / "data", work / "plan.parquet"
    if not plan.exists():
        work.mkdir(parents=True, exist_ok=True)
        subprocess.run([pipeline, "synth", "--samples=64", "--tokens=200..400", f"--output={docs}"], check=True)
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(vocab_size=1024, special_tokens=["<|end|>"], initial_alphabet=alphabet, show_progress=False)
        tokenizer.train_from_iterator([json.loads(line)["context"] for line in docs.open()], trainer)
        tokenizer.save(str(work / "tokenizer.json"))
        build = ["build", f"--input={docs}", f"--tokenizer={work / 'tokenizer.json'}", "--phases=2000", f"--output={data}"]
        subprocess.run([pipeline, *build], check=True)
        subprocess.run([pipeline, "sample", str(data), "--phase=1", "--epochs=4", f"--output={plan}"], check=True)
    return data, plan


def short_words(completions: list[str], **columns: object) -> list[float]:
    """A reward that a random model can earn: the share of one-letter words. (answers=... is there for a real one.)"""
    return [sum(len(w) == 1 for w in c.split()) / max(1, len(c.split())) for c in completions]


def main() -> None:
    """Trains until --steps."""
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--work", type=Path, default=Path("work"))
    p.add_argument("--steps", type=int, default=8)
    p.add_argument("--save-steps", type=int, default=2)
    args = p.parse_args()
    data, plan = build(args.work)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(args.work / "tokenizer.json"), eos_token="<|end|>", pad_token="<|end|>"
    )
    set_seed(1)
    model = Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=1, bos_token_id=None, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
        )
    )  # fmt: skip
    torch.set_num_threads(2)
    checkpoint = latest_checkpoint(args.work / "out")
    with Server(data, [plan]) as server:
        limits = {"max_response": 16, "temperature": 1.0}
        curriculum = Curriculum(server.address, plan.name, run="tiny", checkpoint=checkpoint, outcome=limits, responses=True)
        config = GRPOConfig(
            output_dir=str(args.work / "out"), max_steps=args.steps, save_steps=args.save_steps, logging_steps=1, report_to=[],
            per_device_train_batch_size=PROMPTS * GROUP, num_generations=GROUP, max_completion_length=16, learning_rate=1e-3,
            shuffle_dataset=False, ignore_data_skip=True, use_cpu=True, bf16=False, gradient_checkpointing=False,
        )  # fmt: skip
        trainer = CurriculumGRPOTrainer(
            model=model,
            processing_class=tokenizer,
            train_dataset=curriculum.dataset(),
            reward_funcs=curriculum.reward(short_words),
            callbacks=[curriculum.callback()],
            args=config,
        )
        trainer.train(resume_from_checkpoint=checkpoint)
        curriculum.client.close()


if __name__ == "__main__":
    main()

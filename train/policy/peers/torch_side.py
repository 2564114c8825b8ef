"""The same work in PyTorch: one case, one process, so that its peak memory is its own.

usage: torch_side.py step|generate '<config.json>' ROWS TIME NEW THREADS

step: forward and backward over every slot, without the optimizer, as BenchmarkStep does it.
generate: ROWS prompts of TIME tokens, NEW tokens each, drawn at temperature 1, as BenchmarkGenerate does it.
Prints tokens per second, the best of several rounds.
"""
from __future__ import annotations

import json
import sys
import time

import torch
from transformers import Qwen2Config, Qwen2ForCausalLM


def step(model: torch.nn.Module, rows: int, length: int) -> int:
    tokens = torch.randint(0, model.config.vocab_size, (rows, length))
    logits = model(input_ids=tokens, use_cache=False).logits
    torch.nn.functional.cross_entropy(logits.view(-1, logits.shape[-1]), tokens.view(-1)).backward()
    model.zero_grad(set_to_none=True)
    return rows * length


@torch.no_grad()
def generate(model: torch.nn.Module, rows: int, length: int, new: int) -> int:
    tokens = torch.randint(0, model.config.vocab_size, (rows, length))
    model.generate(
        input_ids=tokens, attention_mask=torch.ones_like(tokens), do_sample=True, temperature=1.0, top_k=0,
        max_new_tokens=new, min_new_tokens=new, pad_token_id=0, eos_token_id=None,
    )
    return rows * new


def main() -> int:
    what, config, rows, length, new, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    torch.manual_seed(1)
    model = Qwen2ForCausalLM(Qwen2Config(**json.loads(config), attn_implementation="sdpa"))
    work = (lambda: step(model, int(rows), int(length))) if what == "step" else (lambda: generate(model, int(rows), int(length), int(new)))
    work()
    best, begun = 0.0, time.perf_counter()
    while time.perf_counter() - begun < 10 or best == 0:
        start = time.perf_counter()
        n = work()
        best = max(best, n / (time.perf_counter() - start))
    print(f"{best:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

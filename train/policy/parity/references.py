"""What transformers computes from random weights, and whether it computes the same from folders that Go saved."""
from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config, Qwen3Config

# Largest difference of a logit or a gradient, as a share of the largest value.
TOLERANCE = 1e-4


def cases(scale: int) -> dict:
    """One configuration for each thing that the families do differently."""
    width = dict(
        vocab_size=32 * scale, hidden_size=16 * scale, intermediate_size=24 * scale, num_hidden_layers=2,
        num_attention_heads=4, max_position_embeddings=128, attn_implementation="eager",
    )
    llama3 = dict(
        rope_type="llama3", rope_theta=500.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
        original_max_position_embeddings=32,
    )
    return {
        "qwen2": Qwen2Config(**width, num_key_value_heads=2, tie_word_embeddings=True, eos_token_id=1),
        "llama": LlamaConfig(**width, num_key_value_heads=4, tie_word_embeddings=False),
        "llama3": LlamaConfig(
            **width, num_key_value_heads=1, tie_word_embeddings=True, rope_parameters=llama3, head_dim=8 * scale,
            attention_bias=True, mlp_bias=True, eos_token_id=[1, 2],
        ),
        "qwen3": Qwen3Config(**width, num_key_value_heads=2, head_dim=8 * scale, tie_word_embeddings=False),
    }


def write(folder: Path, scale: int, seed: int) -> None:
    """A folder for each case: the model as transformers saves it, and reference.safetensors beside it."""
    for i, (name, config) in enumerate(cases(scale).items()):
        torch.manual_seed(seed * 100 + i)
        model = AutoModelForCausalLM.from_config(config)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.2)
        shutil.rmtree(folder / name, ignore_errors=True)
        model.save_pretrained(folder / name)
        (folder / name / "generation_config.json").unlink(missing_ok=True)
        save_file(reference(model, seed), folder / name / "reference.safetensors")
    half(folder / "qwen2", folder / "qwen2-bf16-sharded", seed)


def half(source: Path, target: Path, seed: int) -> None:
    """The same model in bfloat16 and in several files: logits are those of the rounded weights in float32."""
    shutil.rmtree(target, ignore_errors=True)
    model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.bfloat16)
    model.save_pretrained(target, max_shard_size=sum(p.numel() * 2 for p in model.parameters()) // 2)
    (target / "generation_config.json").unlink(missing_ok=True)
    save_file(reference(model.float(), seed), target / "reference.safetensors")


def reference(model: torch.nn.Module, seed: int) -> dict[str, torch.Tensor]:
    """Tokens, logits, the mean log probability of the next token, and its gradients."""
    model.config._attn_implementation = "eager"
    tokens = torch.randint(0, model.config.vocab_size, (2, 40), generator=torch.Generator().manual_seed(seed))
    logits = model(input_ids=tokens).logits
    logprobs = logits[:, :-1].log_softmax(-1).gather(-1, tokens[:, 1:, None])
    loss = -logprobs.mean()
    model.zero_grad()
    loss.backward()
    out = {"tokens": tokens.float(), "logits": logits.detach(), "loss": loss.detach()[None]}
    for name, parameter in model.named_parameters():
        out["gradient " + name] = parameter.grad.contiguous()
    return {name: t.contiguous().clone() for name, t in out.items()}


def check(folder: Path) -> int:
    """Opens each folder that the Go tests saved and compares the logits that they computed."""
    failed, seen = 0, 0
    for case in sorted(p.parent for p in folder.glob("*/config.json")):
        want = json.loads((case / "logits.json").read_text())
        model = AutoModelForCausalLM.from_pretrained(case, dtype=torch.float32)
        with torch.no_grad():
            got = model(input_ids=torch.tensor(want["tokens"])).logits
        expected = torch.tensor(want["logits"]).reshape(got.shape)
        difference = ((got - expected).abs().max() / expected.abs().max()).item()
        failed += difference > TOLERANCE
        seen += 1
        print(f"{case.name}: transformers opens it; largest difference of a logit {difference:.1e}", flush=True)
    if not seen:
        print("the Go tests saved nothing", file=sys.stderr)
        return 1
    return 1 if failed else 0

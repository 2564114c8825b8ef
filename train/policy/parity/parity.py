"""Holds train/policy against transformers: logits, gradients, and the folders that it saves. `make parity` runs it.

usage: parity.py [--cache DIR] [--go GO] [--update]

The rule: random weights, made here; the Go tests load them and compare; then transformers opens what the Go tests saved
and compares in turn. --update rewrites the small fixtures that `make test` compares with (train/policy/testdata).
"""
from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "dataset" / "interop"))
import environment  # noqa: E402


def arguments() -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--cache", type=Path, default=environment.default_cache(), help="where the virtual environment is kept")
    p.add_argument("--go", default="go", help="the go command")
    p.add_argument("--update", action="store_true", help="rewrite train/policy/testdata and stop")
    return p.parse_args()


def main() -> int:
    args = arguments()
    environment.enter(args.cache, "parity", HERE / "requirements.txt")
    import references  # only the environment has what it imports

    if args.update:
        references.write(HERE.parent / "testdata", scale=1, seed=1)
        return 0
    with tempfile.TemporaryDirectory(prefix="parity-") as folder:
        made, saved = Path(folder, "references"), Path(folder, "saved")
        references.write(made, scale=4, seed=2)
        subprocess.run(
            [args.go, "test", "-count=1", "-run", "Transformers", "./train/policy/..."],
            cwd=HERE.parents[2], check=True,
            env={**os.environ, "PIPELINE_PARITY_REFERENCES": str(made), "PIPELINE_PARITY_SAVED": str(saved)},
        )
        return references.check(saved)


if __name__ == "__main__":
    sys.exit(main())

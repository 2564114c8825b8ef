"""Checks that pyarrow, DuckDB, polars and Hugging Face datasets read what the program writes. `make interop` runs it.

usage: check.py --pipeline FILE [--real DIR] [--cache DIR] [--keep]

The rule: one line for each check, and the first difference ends it with status 1. It needs nothing but Python: it
installs the readers into a cache folder, writes its own input and trains its own small tokenizer. --real adds the
real sets and the real tokenizer of a folder with real/ and tokenizers/.
"""
from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import environment

HERE = Path(__file__).resolve().parent


def arguments() -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--pipeline", type=Path, required=True, help="the program")
    p.add_argument("--real", type=Path, help="folder with real/ and tokenizers/")
    p.add_argument("--cache", type=Path, default=environment.default_cache(), help="where the virtual environment is kept")
    p.add_argument("--keep", action="store_true", help="keep inputs and datasets, and say where")
    return p.parse_args()


def main() -> int:
    args = arguments()
    environment.enter(args.cache, "interop", HERE / "requirements.txt")
    import suite  # only the environment has what it imports

    folder = Path(tempfile.mkdtemp(prefix="interop-"))
    try:
        suite.run(suite.Session(args.pipeline.resolve(), folder), args.real)
    except suite.Failure as e:
        print(f"interop: FAILED: {e}", file=sys.stderr)
        return 1
    finally:
        if args.keep:
            print(f"interop: inputs and datasets are in {folder}", file=sys.stderr)
        else:
            suite.remove(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())

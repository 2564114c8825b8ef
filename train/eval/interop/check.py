"""Evaluates a real policy behind a real server, and breaks it. `make interop-llm` runs it.

usage: check.py --pipeline FILE [--real DIR] [--cache DIR] [--keep]

The rule: one line for each check, and the first failure ends it with status 1. It needs nothing but Python: it installs
llama.cpp and SmolLM2-135M-Instruct into a cache folder, and serves them on loopback, as policy and as judge. The questions
are those of HotpotQA in a folder with real/, or the program's own. The model is small and mostly wrong: what is
checked is the machinery around it.
"""
from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parents[2] / "dataset" / "interop"))  # behind this folder, which has a suite.py too
import environment  # noqa: E402


def arguments() -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--pipeline", type=Path, required=True, help="the program")
    p.add_argument("--real", type=Path, help="folder with real/")
    p.add_argument("--cache", type=Path, default=environment.default_cache(), help="where the virtual environment is kept")
    p.add_argument("--keep", action="store_true", help="keep what was made, and say where")
    return p.parse_args()


def main() -> int:
    args = arguments()
    environment.enter(args.cache, "llm", HERE / "requirements.txt")
    import suite

    folder = Path(tempfile.mkdtemp(prefix="interop-llm-"))
    session = suite.Session(args.pipeline.resolve(), folder, HERE / "serve.py")
    try:
        suite.run(session, args.real)
    except suite.Failure as e:
        print(f"interop-llm: FAILED: {e}", file=sys.stderr)
        return 1
    finally:
        session.stop()
        if args.keep:
            print(f"interop-llm: everything is in {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Checks exported files and printed commands against the trainers' own code. `make interop-export` runs it.

usage: check.py --pipeline FILE [--real DIR] [--cache DIR] [--keep]

The rule: one line for each check, and the first difference ends it with status 1. It needs nothing but Python and bash: it installs
light packages into a cache folder, and fetches the trainers without what they depend on (torch, ray, vllm: see trainers.py).
--real takes the real tokenizer and documents of a folder with real/ and tokenizers/; without it both are made.
"""
from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
DATASET_INTEROP = HERE.parents[2] / "dataset" / "interop"
sys.path.append(str(DATASET_INTEROP))

import environment  # noqa: E402


def arguments() -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--pipeline", type=Path, required=True, help="the program")
    p.add_argument("--real", type=Path, help="folder with real/ and tokenizers/")
    p.add_argument("--cache", type=Path, default=environment.default_cache(), help="where packages are kept")
    p.add_argument("--keep", action="store_true", help="keep what was made, and say where")
    return p.parse_args()


def verl_checks(trainers, args: argparse.Namespace, work) -> None:
    """Each version in a process of its own, since they have one name."""
    for version in trainers.VERL:
        command = [sys.executable, HERE / "verl_side.py", trainers.fetch(args.cache, "verl", version), version, work.folder, work.tokenizer]
        if subprocess.run(command).returncode != 0:
            raise work.Failure(f"verl {version}")


def main() -> int:
    args = arguments()
    environment.enter(args.cache, "interop-export", HERE / "requirements.txt")
    import trainers  # only the environment has what they import
    import work

    folder = Path(tempfile.mkdtemp(prefix="interop-export-"))
    try:
        w = work.Work(args.pipeline.resolve(), folder, args.real)
        w.make()
        verl_checks(trainers, args, w)
        import files
        import options

        files.run(w)
        options.run(w, trainers, args.cache)
    except work.Failure as e:
        print(f"interop-export: FAILED: {e}", file=sys.stderr)
        return 1
    finally:
        if args.keep:
            print(f"interop-export: everything is in {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

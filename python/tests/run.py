"""Checks the Python package against the program: format and lint, types, tests. `make test-python` runs it.

usage: run.py --pipeline FILE [--cache DIR] [--trainers] [arguments of pytest]

The rule: it needs Python 3.10 and, once, a package index; without either it fails. --trainers installs torch, trl,
transformers and verl, 6 GB, and runs what needs them; `make interop-trainers`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGE = HERE.parent
sys.path.insert(0, str(PACKAGE.parent / "dataset" / "interop"))

import environment  # noqa: E402

VERL = "verl==0.9.1"  # by itself: its dependencies are those of a GPU cluster


def main() -> int:
    """Runs the checks; the first that fails ends it."""
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--pipeline", type=Path, required=True, help="the program")
    p.add_argument("--cache", type=Path, default=environment.default_cache(), help="where the virtual environment is kept")
    p.add_argument("--trainers", action="store_true", help="with torch, trl, transformers and verl")
    args, more = p.parse_known_args()
    if sys.version_info < (3, 10):  # noqa: UP036
        print(f"run.py: Python 3.10 or newer is needed, and {sys.executable} is {sys.version.split()[0]}", file=sys.stderr)
        return 1
    try:
        python = install(args.cache, args.trainers)
    except subprocess.CalledProcessError as e:
        print(f"run.py: the environment cannot be made; is there a package index? {e}", file=sys.stderr)
        return 1
    env = dict(os.environ, PIPELINE_BINARY=str(args.pipeline.resolve()), TQDM_DISABLE="1")
    pytest = ["pytest", "-p", "no:cacheprovider", *more]
    checks = [["ruff", "format", "--check", "."], ["ruff", "check", "."], ["mypy"], pytest]
    if args.trainers:
        checks = [[*pytest, "-m", "heavy"]]
    for check in checks:
        print("run.py:", *check, file=sys.stderr, flush=True)
        status = subprocess.run([str(python), "-m", *check], cwd=PACKAGE, env=env).returncode
        if status:
            return status
    return 0


def install(cache: Path, trainers: bool) -> Path:
    """Returns the interpreter of the environment."""
    if not trainers:
        return environment.ensure(cache, "python", HERE / "requirements.txt")
    python = environment.ensure(cache, "trainers", HERE / "requirements-trainers.txt")
    quiet = ["--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([str(python), "-m", "pip", "install", *quiet, VERL], check=True)
    return python


if __name__ == "__main__":
    sys.exit(main())

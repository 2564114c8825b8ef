"""Builds on a real Ray or Slurm on loopback, and breaks it. `make test-ray` and `make test-slurm` run it.

usage: check.py --engine ray|slurm --pipeline FILE [--real DIR] [--cache DIR] [--keep] [--only CHECK...]

The rule: one line for each check, and the first failure ends it with status 1. Every check ends with the comparison of
all files with those of a build without a cluster. Ray is installed into a cache folder; Slurm, through apt where this
is root and it is not there. --real adds the documents of a folder with real/ and tokenizers/.
"""
from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parents[3] / "dataset" / "interop"))
import environment  # noqa: E402

SLURM_PACKAGES = ["slurmctld", "slurmd", "slurm-client", "munge"]


def arguments() -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--engine", choices=["ray", "slurm"], required=True)
    p.add_argument("--pipeline", type=Path, required=True, help="the program")
    p.add_argument("--real", type=Path, help="folder with real/ and tokenizers/")
    p.add_argument("--cache", type=Path, default=environment.default_cache(), help="where the virtual environment is kept")
    p.add_argument("--keep", action="store_true", help="keep what was made, and say where")
    p.add_argument("--only", nargs="*", default=[], metavar="CHECK", help="names of checks, such as node or zombie")
    return p.parse_args()


def install_slurm() -> None:
    if shutil.which("slurmctld") and shutil.which("munged"):
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        sys.exit(f"test-slurm needs root, and {', '.join(SLURM_PACKAGES)} installed")
    subprocess.run(["apt-get", "update", "-qq"], check=True)
    subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *SLURM_PACKAGES], check=True)


def main() -> int:
    args = arguments()
    if args.engine == "ray":
        environment.enter(args.cache, "ray", HERE / "requirements.txt")
        from ray_cluster import Ray as Cluster
    else:
        install_slurm()
        from slurm_cluster import Slurm as Cluster
    import suite

    folder = Path(tempfile.mkdtemp(prefix=f"{args.engine}-"))
    cluster = Cluster(folder)
    try:
        cluster.start()
        suite.run(suite.Session(args.pipeline.resolve(), folder, cluster), args.real, args.only)
    except (suite.Failure, RuntimeError) as e:
        print(f"test-{args.engine}: FAILED: {e}", file=sys.stderr)
        return 1
    finally:
        cluster.stop()
        if args.keep:
            print(f"test-{args.engine}: everything is in {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

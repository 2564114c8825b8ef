"""Fetches trainers without what they depend on: their code is read, and light parts of it are run.

The rule: a version is fetched once, into the cache, and counts only once its marker file stands there.
"""
from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

VERL = ["0.7.1", "0.8.0", "0.9.1"]
TRL = "1.16.0"
OPENRLHF = "0.11.2"
MARKER = "complete"


def fetch(cache: Path, name: str, version: str) -> Path:
    """The folder that holds a package's modules."""
    folder = cache / "trainers" / f"{name}-{version}"
    if not (folder / MARKER).exists():
        print(f"fetching {name} {version}, once", file=sys.stderr, flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:"]
        subprocess.run([*command, "--dest", str(folder), f"{name}=={version}"], check=True)
        for wheel in folder.glob("*.whl"):
            with zipfile.ZipFile(wheel) as z:
                z.extractall(folder)
            wheel.unlink()
        (folder / MARKER).touch()
    inner = list(folder.glob("*.data/purelib"))
    return inner[0] if inner else folder

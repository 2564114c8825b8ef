"""Makes the virtual environment that a script of the project runs in.

The rule: one environment per list of pinned packages, in a cache folder outside the repository; it is named after
the list, so that a changed list makes a new one, and counts only once its marker file stands there.
"""
from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

MARKER = "complete"


def default_cache() -> Path:
    """Where the project keeps what it can make again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pipeline"


def ensure(cache: Path, name: str, requirements: Path) -> Path:
    """The interpreter of an environment that has the required packages; makes it at the first call."""
    digest = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = cache / f"venv-{name}-{digest}"
    python = folder / "bin" / "python"
    if not (folder / MARKER).exists():
        print(f"installing {requirements.name} of {name}, once", file=sys.stderr, flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(requirements)], check=True)
        (folder / MARKER).touch()
    return python


def enter(cache: Path, name: str, requirements: Path) -> None:
    """Goes on in the environment: replaces this process, unless it already runs there."""
    python = ensure(cache, name, requirements)
    if Path(sys.prefix).resolve() != python.parent.parent.resolve():
        os.execv(python, [str(python), *sys.argv])

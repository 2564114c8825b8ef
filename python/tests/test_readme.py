"""What README.md shows, run as it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text()
BLOCKS = re.findall(r"```(sh|python)\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def folder(program, tmp_path_factory):
    folder = tmp_path_factory.mktemp("readme")
    (folder / "pipeline").symlink_to(os.path.abspath(program))
    return folder


@pytest.mark.parametrize("n", range(len(BLOCKS)))
def test_an_example_runs(folder, n):
    kind, text = BLOCKS[n]
    env = dict(os.environ, PATH=f"{folder}:{os.environ['PATH']}", PYTHONPATH=os.pathsep.join(p for p in sys.path if p))
    command = ["sh", "-ec", text] if kind == "sh" else [sys.executable, "-W", "error", "-c", text]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_there_are_examples():
    assert [kind for kind, _ in BLOCKS] == ["sh", "python", "python", "python"]

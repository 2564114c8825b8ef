"""The package as it is installed."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

PACKAGE = Path(__file__).parents[1]


def test_the_wheel_has_the_types_and_needs_pyarrow_only(tmp_path):
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--wheel-dir", str(tmp_path), str(PACKAGE)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("longctx_pipeline-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {"longctx_pipeline/py.typed", "longctx_pipeline/verl/manager.py", "longctx_pipeline/trl.py"} <= set(names)
    (metadata,) = [n for n in names if n.endswith("/METADATA")]
    needs = [line for line in zipfile.ZipFile(wheel).read(metadata).decode().splitlines() if line.startswith("Requires-Dist")]
    assert [n for n in needs if "extra" not in n] == ["Requires-Dist: pyarrow>=17"]


def test_importing_it_imports_neither_torch_nor_a_trainer():
    program = "import sys, longctx_pipeline; print([m for m in ('torch', 'trl', 'verl', 'datasets') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], cwd=PACKAGE / "src", check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"

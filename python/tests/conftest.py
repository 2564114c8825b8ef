"""The real program, a small dataset and its plans; made once for all tests."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from longctx_pipeline import CurriculumDataset, Retry, Server

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The program; $PIPELINE_BINARY where make has built it."""
    if "PIPELINE_BINARY" not in os.environ:
        file = tmp_path_factory.mktemp("bin") / "pipeline"
        subprocess.run(["go", "build", "-o", str(file), "./cmd/pipeline"], cwd=REPOSITORY, check=True)
        os.environ["PIPELINE_BINARY"] = str(file)
    return os.environ["PIPELINE_BINARY"]


@dataclass(frozen=True)
class Data:
    """A dataset of two phases, and a plan of each with two epochs."""

    program: str
    folder: Path

    @property
    def plans(self) -> list[str]:
        return [str(self.folder.parent / f"plan-{phase}.parquet") for phase in (1, 2)]

    def run(self, *args: str) -> str:
        return subprocess.run([self.program, *args], check=True, capture_output=True, text=True).stdout

    def outcomes(self, run: str) -> list[dict]:
        import json

        text = self.run("rewards", "export", str(self.folder), "--run", run)
        return [json.loads(line) for line in text.splitlines()]


def make(program: str, folder: Path, samples: int = 40, tokens: str = "200..900", phases: str = "450,2000") -> Data:
    data = Data(program, folder / "data")
    data.run("synth", f"--samples={samples}", f"--tokens={tokens}", "--seed=3", f"--output={folder / 'docs.jsonl'}", "--quiet")
    data.run("build", f"--input={folder / 'docs.jsonl'}", f"--phases={phases}", f"--output={data.folder}", "--quiet")
    for phase, plan in enumerate(data.plans, 1):
        data.run("sample", str(data.folder), f"--phase={phase}", "--epochs=2", "--seed=7", f"--output={plan}", "--quiet")
    return data


@pytest.fixture(scope="session")
def data(program: str, tmp_path_factory: pytest.TempPathFactory) -> Data:
    return make(program, tmp_path_factory.mktemp("dataset"))


@pytest.fixture(scope="session")
def long_data(program: str, tmp_path_factory: pytest.TempPathFactory) -> Data:
    """Samples of about 80 KB: many more than fit into the buffers between a producer and its reader."""
    return make(program, tmp_path_factory.mktemp("long"), 60, "10000..25000", "15000,40000")


@pytest.fixture(scope="session")
def server(data: Data) -> Iterator[Server]:
    with Server(data.folder, data.plans) as s:
        yield s


@pytest.fixture(params=["folder", "address"])
def source(request: pytest.FixtureRequest, data: Data) -> tuple[str, list[str]]:
    """Each door: where to read, and how the plans are called there."""
    if request.param == "folder":
        return str(data.folder), data.plans
    return request.getfixturevalue("server").address, [Path(p).name for p in data.plans]


@pytest.fixture(scope="session")
def everything(data: Data) -> list[dict]:
    """All samples of both plans in their order."""
    return [plain(s) for s in CurriculumDataset(str(data.folder), data.plans, batch=7)]


def plain(sample: dict) -> dict:
    return {**sample, "prompt_tokens": list(sample["prompt_tokens"])}


def places(samples: list[dict]) -> list[tuple[int, int]]:
    return [(s["phase"], s["position"]) for s in samples]


IMPATIENT = Retry(patience=0)

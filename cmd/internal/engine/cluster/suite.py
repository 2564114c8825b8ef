"""The checks of check.py."""
from __future__ import annotations

import filecmp
import json
import os
import signal
import subprocess
import time
from pathlib import Path


class Failure(Exception):
    """A check that did not hold."""


class Build:
    """A build that runs, and its tasks."""

    def __init__(self, session: Session, name: str, *args: str) -> None:
        self.session, self.output = session, session.folder / name
        self.command = session.command(self.output, *session.cluster.arguments, *args)
        self.start()

    def start(self) -> None:
        self.log = (self.session.folder / f"{self.output.name}.log").open("ab+")
        self.process = subprocess.Popen(self.command, env=self.session.cluster.environment, stdout=self.log, stderr=self.log)

    def tasks(self) -> list[int]:
        """The processes of this program that do splits of this build."""
        found = []
        for p in Path("/proc").iterdir():
            try:
                words = (p / "cmdline").read_bytes().decode().split("\0") if p.name.isdigit() else []
            except OSError:
                continue
            if "--attempt" in words and words[0].rsplit("/")[-1] != "timeout" and any(str(self.output) + "/" in w for w in words):
                found.append(int(p.name))
        return found

    def catch(self, wanted=lambda pid: True) -> int:
        """A task that has begun to write, stopped in the middle of its work."""
        end = time.monotonic() + 120
        while time.monotonic() < end:
            for pid in self.tasks():
                try:
                    if not wanted(pid):
                        continue
                    os.kill(pid, signal.SIGSTOP)
                    if ".tmp/" in " ".join(os.readlink(f) for f in Path(f"/proc/{pid}/fd").iterdir()):
                        return pid
                    os.kill(pid, signal.SIGCONT)
                except OSError:
                    continue
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise Failure(f"no task was seen at work; see {self.log.name}")

    def finish(self, status: int = 0, seconds: float = 300) -> str:
        try:
            got = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Failure(f"no end after {seconds:g} s\n{self.text()}") from None
        if got != status:
            raise Failure(f"exit status {got}, want {status}\n{self.text()}")
        return self.text()

    def text(self) -> str:
        self.log.seek(0)
        return self.log.read().decode()


class Session:
    def __init__(self, program: Path, folder: Path, cluster) -> None:
        self.program, self.folder, self.cluster = program, folder, cluster
        self.input = [folder / "docs.jsonl"]
        self.options = ["--tokenizer", "o200k_base", "--split-size", "1MiB", "--phases", "4000,20000,60000"]
        self.want = folder / "want"

    def call(self, *args: object) -> str:
        done = subprocess.run([str(self.program), *map(str, args)], capture_output=True, text=True)
        if done.returncode != 0:
            raise Failure(f"pipeline {args}: exit status {done.returncode}\n{done.stderr}")
        return done.stdout

    def command(self, output: Path, *args: str) -> list[str]:
        inputs = [w for i in self.input for w in ("--input", str(i))]
        return [str(self.program), "build", *inputs, *self.options, "--output", str(output), "--task-size", "2MiB", *args]

    def prepare(self) -> None:
        self.call("synth", "--samples", 900, "--tokens", "500..20000", "--seed", 11, "--output", self.input[0])
        self.local()

    def local(self) -> None:
        done = subprocess.run(self.command(self.want), capture_output=True, text=True)
        if done.returncode != 0:
            raise Failure(f"the build without a cluster: {done.stderr}")
        self.splits = len(json.loads((self.want / "manifest.json").read_text())["splits"])

    def same(self, output: Path) -> None:
        """Compares every file of two datasets."""
        files = [sorted(p.relative_to(d) for p in d.rglob("*") if p.is_file()) for d in (self.want, output)]
        if files[0] != files[1]:
            raise Failure(f"{output}: other files: {sorted(set(files[0]) ^ set(files[1]))[:8]}")
        for name in files[0]:
            if not filecmp.cmp(self.want / name, output / name, shallow=False):
                raise Failure(f"{output}: {name} differs")


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def plain(s: Session) -> None:
    """a build is the one without a cluster"""
    b = Build(s, "plain")
    b.finish()
    s.same(b.output)


def worker(s: Session) -> None:
    """three workers are killed in the middle of a split"""
    b = Build(s, "worker")
    for _ in range(3):
        kill(b.catch())
    b.finish()
    s.same(b.output)


def node(s: Session) -> None:
    """a node is lost, with a task on it"""
    b = Build(s, "node")
    name = s.cluster.names[1]
    task = b.catch(lambda pid: s.cluster.node_of(pid) == name)
    s.cluster.kill_node(name)
    kill(task)  # stopped: it could not die of itself
    try:
        b.finish(seconds=420)
    finally:
        s.cluster.start_node(name)
    s.same(b.output)


def hang(s: Session) -> None:
    """a task hangs, and its time is over"""
    b = Build(s, "hang", "--task-timeout", "8s")
    b.catch()
    b.finish()
    s.same(b.output)


def zombie(s: Session) -> None:
    """a task comes back to life when the dataset is there"""
    b = Build(s, "zombie", "--task-size", "1MiB")
    b.catch()
    config = b.output / ".work" / "engine" / "pipeline.toml"
    text = config.read_text()
    own = s.folder / "zombie.toml"
    own.write_text(text)
    command = [str(s.program), "build", "--config", str(own), "--split", f"0..{s.splits - 1}", "--attempt", "late"]
    with (s.folder / "late.log").open("wb") as log:
        late = subprocess.Popen(command, stdout=log, stderr=log)
        end = time.monotonic() + 60
        while not list(b.output.glob(".work/split-*.late.tmp")):
            if late.poll() is not None or time.monotonic() > end:
                raise Failure(f"the late attempt wrote nothing: {(s.folder / 'late.log').read_text()}")
            time.sleep(0.005)
        os.kill(late.pid, signal.SIGSTOP)
        for pid in b.tasks():
            if pid != late.pid:
                os.kill(pid, signal.SIGCONT)
        b.finish()
        os.kill(late.pid, signal.SIGCONT)
        status = late.wait(60)
    if status == 0:
        raise Failure("the late attempt believes that it did something")
    s.same(b.output)


def driver(s: Session) -> None:
    """the program that started the build is killed, and started again"""
    b = Build(s, "driver")
    os.kill(b.catch(), signal.SIGCONT)
    kill(b.process.pid)
    b.process.wait()
    b.start()
    b.finish()
    s.same(b.output)


def interrupt(s: Session) -> None:
    """Ctrl-C ends it with status 130, and the next call goes on"""
    b = Build(s, "interrupt")
    os.kill(b.catch(), signal.SIGCONT)
    b.process.send_signal(signal.SIGINT)
    b.finish(130, seconds=40)
    if s.cluster.name == "ray":
        time.sleep(3)
        if b.tasks():
            raise Failure("its tasks still run")
    else:
        b.command = [*b.command[:-2], "--attach"]
    b.start()
    b.finish()
    s.same(b.output)


def mistake(s: Session) -> None:
    """a task that cannot succeed is told with its last words"""
    b = Build(s, "mistake", "--task-attempts", "2", "--max-memory", "16MiB")
    os.kill(b.catch(), signal.SIGKILL)
    for path in b.output.glob(".work/engine/pipeline.toml"):
        path.write_text(path.read_text() + "\nnonsense = 1\n")
    text = b.finish(1)
    if 'unknown key "' not in text or "failed" not in text:
        raise Failure(f"it does not say why:\n{text}")


def real(s: Session, folder: Path) -> None:
    """real documents, and a node is lost"""
    s.input = sorted((folder / "real").glob("*/*.jsonl*"))
    s.options = ["--tokenizer", str(folder / "tokenizers" / "qwen2_5" / "tokenizer.json"), "--split-size", "256KiB", "--phases", "4000,20000,60000", "--max-bad", "100%"]
    s.want = s.folder / "want-real"
    s.local()
    node(s)


def run(s: Session, folder: Path | None, only: list[str]) -> None:
    s.prepare()
    checks = [plain, worker, node, hang, zombie, driver, interrupt, mistake]
    for check in checks:
        if only and check.__name__ not in only:
            continue
        start = time.monotonic()
        check(s)
        print(f"test-{s.cluster.name}: {check.__doc__}: {time.monotonic() - start:.1f} s", flush=True)
    if folder is not None:
        s.folder = s.folder / "real"
        s.folder.mkdir()
        start = time.monotonic()
        real(s, folder)
        print(f"test-{s.cluster.name}: {real.__doc__}: {time.monotonic() - start:.1f} s", flush=True)

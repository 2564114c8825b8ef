"""The checks of check.py."""
from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

SAMPLES, N = 3, 2
EVAL = ["--limit", SAMPLES, "--n", N, "--max-tokens", 32, "--context-length", 400, "--truncate", "middle", "--concurrency", 2, "--seed", 3]


class Failure(Exception):
    """A check that did not hold."""


class Session:
    """The program, a folder to work in, and the server."""

    def __init__(self, program: Path, folder: Path, script: Path) -> None:
        self.program, self.folder, self.script = program, folder, script
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.server: subprocess.Popen | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> None:
        """Starts the server and waits until it answers."""
        log = (self.folder / "server.log").open("ab")
        self.server = subprocess.Popen([sys.executable, self.script, str(self.port)], stdout=log, stderr=log)
        for _ in range(600):
            try:
                with urllib.request.urlopen(self.url + "/models", timeout=2):
                    return
            except OSError:
                if self.server.poll() is not None:
                    raise Failure(f"the server ended with status {self.server.returncode}") from None
                time.sleep(0.2)
        raise Failure("the server does not answer")

    def stop(self) -> None:
        """Kills the server without a word."""
        if self.server is not None:
            self.server.kill()
            self.server.wait()
            self.server = None

    def command(self, *args: object) -> list[str]:
        return [str(self.program), *map(str, args)]

    def run(self, *args: object, status: int = 0) -> str:
        """Runs the program, and wants an exit status of it."""
        done = subprocess.run(self.command(*args), cwd=self.folder, capture_output=True, text=True)
        if done.returncode != status:
            raise Failure(f"pipeline {' '.join(map(str, args))}: status {done.returncode} instead of {status}\n{done.stderr}")
        return done.stdout + done.stderr

    def ask(self, out: str, *more: object) -> list[object]:
        """The arguments of an evaluation."""
        return ["eval", "data", "--endpoint", self.url, "--model", "smollm2", *EVAL, "--output", out, *more]

    def responses(self, out: str) -> list[dict]:
        """The lines of the responses so far."""
        lines: list[dict] = []
        for p in sorted((self.folder / out / "responses").glob("*.jsonl")):
            for line in p.read_text().splitlines():
                try:
                    lines.append(json.loads(line))
                except ValueError:
                    pass  # torn: it does not count
        return lines

    def rollouts(self, out: str) -> list[dict]:
        return [json.loads(line) for line in (self.folder / out / "rollouts.jsonl").read_text().splitlines()]

    def report(self, out: str) -> dict:
        return json.loads((self.folder / out / "report.json").read_text())


def check(what: str, ok: bool, detail: object = "") -> None:
    if not ok:
        raise Failure(f"{what}: {detail}")
    print(f"ok  {what}{f': {detail}' if detail != '' else ''}", flush=True)


def run(s: Session, real: Path | None) -> None:
    s.start()
    dataset(s, real)
    whole(s)
    several_in_one_request(s)
    server_killed(s)
    program_killed(s)
    slow(s)
    refused(s)
    judged(s)
    recorded(s)
    compared(s)


def dataset(s: Session, real: Path | None) -> None:
    questions = real and real / "real" / "hotpotqa_distractor100" / "hotpot_distractor_100.jsonl"
    if questions and questions.exists():
        s.run("build", "--input", questions, "--data-source", "hotpotqa", "--phases", 4000, "--output", "data")
    else:
        s.run("synth", "--samples", 20, "--tokens", 300, "--output", "docs.jsonl")
        s.run("build", "--input", "docs.jsonl", "--phases", 4000, "--output", "data")
    print(f"    questions: {questions or 'synth'}")


def complete(s: Session, out: str) -> None:
    """Every response is there once, and every one has a length and a stop reason."""
    got = s.responses(out)
    keys = {(r["sample_id"], r["rollout"]) for r in got}
    check(f"{out}: {SAMPLES * N} responses, none twice", len(got) == len(keys) == SAMPLES * N, f"{len(got)} lines")
    bad = [r for r in got if r["stop_reason"] not in ("stop", "length") or not 0 < r["response_length"] <= 32]
    check(f"{out}: lengths and stop reasons", not bad, bad or "")


def whole(s: Session) -> None:
    s.run(*s.ask("whole"))
    complete(s, "whole")
    check("whole: contexts were cut", all(r["context_truncated"] for r in s.rollouts("whole")) or "hotpot" not in str(s.rollouts("whole")[0]["data_source"]))
    texts = {(r["sample_id"], r["rollout"]): r["response"] for r in s.responses("whole")}
    s.run(*s.ask("again"))
    same = sum(texts[r["sample_id"], r["rollout"]] == r["response"] for r in s.responses("again"))
    # Not a check: a batch of other requests beside it changes the last digits of an engine's sums.
    print(f"    the same seeds again: {same} of {len(texts)} responses are alike")


def several_in_one_request(s: Session) -> None:
    s.run(*s.ask("together", "--n-per-request", N))
    complete(s, "together")
    differ = {r["sample_id"] for r in s.responses("together")}
    texts = {(r["sample_id"], r["response"]) for r in s.responses("together")}
    print(f"    {len(texts)} different texts for {len(differ)} samples")


def wait_for_responses(s: Session, out: str, process: subprocess.Popen) -> None:
    for _ in range(3000):
        if s.responses(out):
            return
        if process.poll() is not None:
            raise Failure(f"{out}: it ended before it was to be disturbed")
        time.sleep(0.05)
    raise Failure(f"{out}: no response came")


def begin(s: Session, out: str, *more: object) -> subprocess.Popen:
    return subprocess.Popen(s.command(*s.ask(out, *more)), cwd=s.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def server_killed(s: Session) -> None:
    p = begin(s, "outage", "--retries", 1)
    wait_for_responses(s, "outage", p)
    s.stop()
    _, err = p.communicate(timeout=300)
    kept = len(s.responses("outage"))
    check("the server was killed: the run ends and says how to go on", p.returncode in (1, 3) and "the same command" in err, f"status {p.returncode}, {kept} responses kept")
    s.start()
    s.run(*s.ask("outage"))
    complete(s, "outage")


def program_killed(s: Session) -> None:
    p = begin(s, "killed")
    wait_for_responses(s, "killed", p)
    p.kill()
    p.communicate()
    kept = len(s.responses("killed"))
    s.run(*s.ask("killed"))
    complete(s, "killed")
    check("the program was killed: it went on", 0 < kept, f"{kept} responses were there")


def slow(s: Session) -> None:
    out = s.run(*s.ask("slow", "--timeout", "20ms", "--retries", 0), status=3)
    check("time-outs are missing responses, never wrong ones", "missing" in out and not s.responses("slow"))


def refused(s: Session) -> None:
    # Prompts longer than a slot's context: the server says so, and the samples are refused for that reason.
    (s.folder / "long.jsonl").write_text("".join(
        json.dumps({"id": str(i), "context": "lorem ipsum " * (6000 if i else 20), "question": "Which?", "answer": "ipsum", "data_source": "hotpotqa"}) + "\n" for i in range(3)))
    s.run("build", "--input", "long.jsonl", "--phases", 40000, "--output", "long")
    s.run("eval", "long", "--endpoint", s.url, "--model", "smollm2", "--n", 1, "--max-tokens", 8, "--output", "refused")
    report = s.report("refused")
    check("prompts over the context are refused with a reason", report["average"]["refused"] == 2, report["refusals"][0]["reason"][:90])


def judged(s: Session) -> None:
    judge = ["--judge", s.url, "--judge-model", "smollm2"]
    # The small judge often gives no verdict; those rewards are null.
    done = subprocess.run(s.command("eval", "data", "--rescore", "--output", "whole", "--patterns", *judge), cwd=s.folder, capture_output=True, text=True)
    check("the judge is asked where the rule says 0", done.returncode in (0, 3), done.stderr if done.returncode not in (0, 3) else f"status {done.returncode}")
    first = s.rollouts("whole")
    wrong = [r for r in first if r["rule_reward"] == 0]
    bad = [r for r in wrong if r["judge_reward"] is None and r["reward"] is not None or r["judge_reward"] is not None and r["reward"] != max(r["judge_reward"], 0)]
    check("a reward is the judge's, or null", not bad, f"{len(wrong)} of {len(first)} wrong by the rule, {sum(r['reward'] is None for r in first)} null")
    steps = s.report("whole")["patterns"]["steps"][0]
    check("patterns are counted or counted as unknown", steps["responses"] == len(first), f"{steps['unknown']} of {steps['responses']} not counted")


def recorded(s: Session) -> None:
    s.run("eval", "data", "--rescore", "--output", "again", "--record", "--run", "start")
    twice = s.run("eval", "data", "--rescore", "--output", "again", "--record", "--run", "start")
    check("recording twice is recording once", "0 samples new" in twice)
    history = s.run("rewards", "export", "data", "--format", "jsonl")
    check("the history has a measurement before training", '"phase":0' in history.replace(" ", "") or "start" in history, f"{len(history.splitlines())} lines")
    # Contexts were cut: such measurements stay out. Those of another run with whole contexts go in.
    s.run("eval", "data", "--endpoint", s.url, "--model", "smollm2", "--limit", 1, "--n", 2, "--max-tokens", 8, "--output", "start", "--record")
    s.run("sample", "data", "--phase", 1, "--source", "start", "--run", "smollm2", "--strategy", "inverse_mean", "--output", "plan.parquet")
    check("a plan is drawn from the start policy's difficulty", (s.folder / "plan.parquet").exists())


def compared(s: Session) -> None:
    out = s.run("eval", "compare", "again", "outage")
    check("compare", "95 % interval" in out)

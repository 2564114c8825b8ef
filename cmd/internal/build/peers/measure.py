"""Runs a command and measures it from outside, with all of its processes.

The rule: wall time and CPU time are the kernel's account of the whole process and of the children it waited for. Peak
RSS comes in two forms: the largest single process, and the sum over the tree, sampled (shared pages count in each process).
"""
from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

INTERVAL = 0.02  # seconds between two samples of the tree
MIB = 1 << 20


@dataclass
class Run:
    """One measured run."""
    status: int
    wall_s: float
    cpu_s: float
    rss_mib: float  # of the largest process
    tree_mib: float  # of all processes at once


def descendants(pid: int) -> Iterator[int]:
    """A process and all below it."""
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            below = task.read_text().split()
        except OSError:  # it has just ended
            continue
        for child in below:
            yield from descendants(int(child))


def resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


class Sampler(threading.Thread):
    """Watches the resident memory of a process tree until it is told to stop."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.largest, self.tree, self.done = pid, 0, 0, threading.Event()

    def run(self) -> None:
        while not self.done.wait(INTERVAL):
            sizes = [resident(p) for p in descendants(self.pid)]
            self.largest, self.tree = max(self.largest, *sizes), max(self.tree, sum(sizes))


def run(command: list[str], stdout: Path, stderr: Path) -> Run:
    """Runs a command to its end; its outputs go to files."""
    mode = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    outputs = [(os.POSIX_SPAWN_OPEN, 1, str(stdout), mode, 0o644), (os.POSIX_SPAWN_OPEN, 2, str(stderr), mode, 0o644)]
    start = time.perf_counter()
    pid = os.posix_spawn(command[0], command, os.environ, file_actions=outputs)
    sampler = Sampler(pid)
    sampler.start()
    _, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - start
    sampler.done.set()
    sampler.join()
    rss = max(usage.ru_maxrss * 1024, sampler.largest)
    return Run(os.waitstatus_to_exitcode(status), wall, usage.ru_utime + usage.ru_stime, rss / MIB, max(rss, sampler.tree) / MIB)

"""A small Ray cluster on loopback: a head without CPUs, and nodes that are raylets of this machine.

The rule: everything of it lies in one folder, and stop() ends every process that it has started, by its session.
"""
from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path


def free_port() -> int:
    """One below the ports that Ray gives to its workers."""
    for port in range(6400, 9900):
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise RuntimeError("no free port")


class Ray:
    name = "ray"

    def __init__(self, folder: Path, nodes: int = 2):
        self.folder = folder
        self.names = [f"n{i}" for i in range(nodes)]
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environment = {**os.environ, "PATH": path, "RAY_USAGE_STATS_ENABLED": "0", "RAY_enable_metrics_collection": "0"}
        self.port = free_port()
        self.arguments = ["--engine", "ray", "--engine-address", f"127.0.0.1:{self.port}"]

    def start(self) -> None:
        self.run("head", "--head", f"--port={self.port}", "--num-cpus=0", "--include-dashboard=false", f"--temp-dir={self.folder}/ray")
        end = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                break
            except OSError:
                if time.monotonic() > end or self.processes["head"].poll() is not None:
                    raise RuntimeError(f"ray: no head; see {self.folder}/head.out") from None
                time.sleep(0.3)
        for name in self.names:
            self.start_node(name)

    def run(self, name: str, *args: str) -> None:
        log = open(self.folder / f"{name}.out", "ab")
        command = [str(Path(sys.executable).parent / "ray"), "start", "--block", "--node-ip-address=127.0.0.1", *args]
        self.processes[name] = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log, start_new_session=True)

    def start_node(self, name: str) -> None:
        self.run(name, f"--address=127.0.0.1:{self.port}", "--num-cpus=1", "--object-store-memory=300000000")
        self.wait_alive(name)

    def wait_alive(self, name: str) -> None:
        end = time.monotonic() + 60
        while self.raylet(name) == 0:
            if time.monotonic() > end:
                raise RuntimeError(f"ray: no raylet of {name}; see {self.folder}/{name}.out")
            time.sleep(0.2)

    def raylet(self, name: str) -> int:
        """The process of a node that is the node, to Ray."""
        for pid in members(self.processes[name].pid):
            if command_of(pid).split(" ")[0].endswith("/raylet"):
                return pid
        return 0

    def kill_node(self, name: str) -> None:
        os.kill(self.raylet(name), signal.SIGKILL)
        self.processes[name].wait()

    def node_of(self, pid: int) -> str:
        """The node on which a task runs: it came from a worker of that node's session."""
        while pid > 1:
            for name in self.names:
                if os.getsid(pid) == self.processes[name].pid:
                    return name
            pid = parent(pid)
        return ""

    def stop(self) -> None:
        for process in reversed(list(self.processes.values())):
            for pid in [process.pid, *members(process.pid)]:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            process.wait()


def members(session: int) -> list[int]:
    """The processes of a session and what descends from them."""
    out = []
    for p in Path("/proc").iterdir():
        try:
            if p.name.isdigit() and os.getsid(int(p.name)) == session:
                out.append(int(p.name))
        except ProcessLookupError:
            continue
    return out


def parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""

"""A small Slurm on loopback: a controller, and nodes that are processes of this machine.

The rule: everything of it lies in one folder, and stop() ends every process that it has started. It needs root, because
munge and slurmd do.
"""
from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

CONFIG = """
ClusterName=pipeline
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={munge}
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,requeue_setup_env_fail
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
SlurmdTimeout=10
SlurmctldTimeout=10
KillWait=2
InactiveLimit=0
MinJobAge=30
BatchStartTimeout=10
"""
NODE = "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=2 Boards=1 SocketsPerBoard=1 CoresPerSocket={cores} ThreadsPerCore=1 State=UNKNOWN\n"


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Slurm:
    name = "slurm"

    def __init__(self, folder: Path, nodes: int = 2):
        self.folder = folder
        self.names = [f"n{i}" for i in range(nodes)]
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        for name in ["state", "munge", *(f"spool-{n}" for n in self.names)]:
            (folder / name).mkdir(parents=True)
        self.environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
        self.arguments = ["--engine", "slurm"]
        host, munge = socket.gethostname().split(".")[0], folder / "munge" / "socket"
        text = CONFIG.format(host=host, folder=folder, controller=free_port(), munge=munge)
        for name in self.names:
            text += NODE.format(name=name, host=host, port=free_port(), cores=2)
        text += f"PartitionName=all Nodes={','.join(self.names)} Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO\n"
        (folder / "slurm.conf").write_text(text)

    def start(self) -> None:
        munge = self.folder / "munge"
        key = munge / "key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        self.run("munge", "munged", "--foreground", "--force", f"--socket={munge}/socket", f"--key-file={key}", f"--pid-file={munge}/pid",
                 f"--log-file={munge}/log", f"--seed-file={munge}/seed")
        self.wait("munge", lambda: (munge / "socket").exists())
        self.run("controller", "slurmctld", "-D", "-c")
        for name in self.names:
            self.start_node(name)
        self.wait("nodes", lambda: self.call("sinfo", "-h", "-o", "%T %D").split() == ["idle", str(len(self.names))])

    def run(self, name: str, *command: str) -> None:
        log = open(self.folder / f"{name}.out", "ab")
        self.processes[name] = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log, start_new_session=True)

    def start_node(self, name: str) -> None:
        self.run(name, "slurmd", "-D", "-N", name)

    def kill_node(self, name: str) -> None:
        """As a power cut does: the daemon, its step daemons and what they have started."""
        for pid in [self.processes[name].pid, *self.steps(name)]:
            for child in [*descendants(pid), pid]:
                try:
                    os.kill(child, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        self.processes[name].wait()

    def node_of(self, pid: int) -> str:
        """The node on which a task runs: Slurm tells it its name."""
        try:
            words = Path(f"/proc/{pid}/environ").read_bytes().decode("utf-8", "replace").split("\0")
        except OSError:
            return ""
        return next((w.removeprefix("SLURMD_NODENAME=") for w in words if w.startswith("SLURMD_NODENAME=")), "")

    def steps(self, name: str) -> list[int]:
        """Step daemons of a node: they are no children of its daemon any more."""
        return [pid for pid in all_pids() if command_of(pid).startswith("slurmstepd") and belongs(pid, f"spool-{name}", name)]

    def call(self, *command: str) -> str:
        return subprocess.run(command, env=self.environment, capture_output=True, text=True).stdout

    def wait(self, what: str, true, seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not true():
            if time.monotonic() > end:
                raise RuntimeError(f"slurm: no {what} after {seconds:g} s; see the logs in {self.folder}")
            time.sleep(0.2)

    def stop(self) -> None:
        for name in reversed(list(self.processes)):
            if self.processes[name].poll() is None and name in self.names:
                self.kill_node(name)
            elif self.processes[name].poll() is None:
                self.processes[name].terminate()
                try:
                    self.processes[name].wait(10)
                except subprocess.TimeoutExpired:
                    self.processes[name].kill()


def all_pids() -> list[int]:
    return [int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit()]


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def belongs(pid: int, spool: str, name: str) -> bool:
    """Whether a step daemon is of a node: its environment or open files say so."""
    try:
        if f"SLURMD_NODENAME={name}" in Path(f"/proc/{pid}/environ").read_bytes().decode("utf-8", "replace"):
            return True
        links = [os.readlink(f) for f in Path(f"/proc/{pid}/fd").iterdir()]
        return any(spool in link or f"slurmd-{name}.log" in link for link in links)
    except OSError:
        return False


def descendants(pid: int) -> list[int]:
    children = []
    for other in all_pids():
        try:
            if int(Path(f"/proc/{other}/stat").read_text().rsplit(")", 1)[1].split()[1]) == pid:
                children += [*descendants(other), other]
        except (OSError, IndexError):
            continue
    return children


def missing() -> list[str]:
    return [p for p in ("munged", "slurmctld", "slurmd", "sbatch") if shutil.which(p) is None]

"""Runs the tasks of a build on a Ray cluster. The Go side starts it and reads it.

The rule: standard input has one JSON line that says all there is to do, and then stays open; its end, or SIGTERM, means
stop. Standard output has one JSON line for each event. Nothing of Ray is believed but that a task came back: what is
done is what stands in the output folder.
"""
import ctypes
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid

WINDOW = 2000  # tasks that Ray is given at the same time
LOST_LIMIT = 20  # how often a task may go down with its worker or node

found = {}  # in a worker: programs that it has seen, by hash


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        while block := f.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def program(spec, shipped):
    """The program on this node: where it is at home, or a copy that is fetched once for each node."""
    want = spec["sha256"]
    if want not in found:
        if os.path.isfile(spec["program"]) and sha256(spec["program"]) == want:
            found[want] = spec["program"]
        else:
            folder = os.path.join(tempfile.gettempdir(), f"pipeline-{os.getuid()}")
            os.makedirs(folder, mode=0o700, exist_ok=True)
            if os.stat(folder).st_uid != os.getuid():
                raise PermissionError(f"{folder} belongs to somebody else")
            copy = os.path.join(folder, want)
            if not os.path.isfile(copy) or sha256(copy) != want:
                import ray

                aside = f"{copy}.{uuid.uuid4().hex}"
                with open(aside, "wb") as f:
                    f.write(ray.get(shipped[0]))
                os.chmod(aside, 0o700)
                os.replace(aside, copy)
            found[want] = copy
    return found[want]


def sees(path, patience=10):
    """Whether this node sees a file; file systems that remember missing names get a moment."""
    end = time.monotonic() + patience
    while not os.path.isfile(path):
        if time.monotonic() > end:
            return False
        time.sleep(0.5)
    return True


def die_with_parent():
    """The program ends when its worker is killed."""
    os.setsid()
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def attempt(spec, task, name, shipped):
    """Does one task on a node, and says how it ended. It raises nothing."""
    result = {"node": socket.gethostname(), "status": -1, "why": "", "stderr": [], "report": {}}
    try:
        import ray

        result["node"] = ray.util.get_node_ip_address()
        if not (os.path.isdir(spec["folder"]) and sees(spec["config"])):
            return {**result, "why": "unshared"}
        command = [program(spec, shipped), "--json", "build", "--config", spec["config"], "--split", task["splits"], "--attempt", name]
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            child = subprocess.Popen(command, cwd=spec["folder"], stdin=subprocess.DEVNULL, stdout=out, stderr=err, preexec_fn=die_with_parent)
            try:
                result["status"] = child.wait(timeout=spec["timeout"])
                result["why"] = f"exit status {result['status']}"
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
                result["why"] = f"no end after {spec['timeout']:g} s"
            err.seek(max(0, err.seek(0, 2) - 16384))
            result["stderr"] = err.read().decode("utf-8", "replace").splitlines()[-12:]
            out.seek(0)
            if result["status"] == 0:
                result["report"] = json.loads(out.read().splitlines()[-1])
    except Exception as e:  # whatever it is, the driver decides
        result["status"], result["why"] = -1, f"{type(e).__name__}: {e}"
    return result


class Stop(Exception):
    """The build does not go on."""


class Driver:
    def __init__(self, spec, events):
        self.spec, self.events = spec, events
        self.stopping = threading.Event()
        self.running = {}  # Ray's reference -> (index of the task, tries so far, losses so far)

    def say(self, event, **fields):
        self.events.write(json.dumps({"event": event, **fields}) + "\n")
        self.events.flush()

    def fail(self, kind, detail=""):
        self.say("error", kind=kind, detail=str(detail)[:2000])
        raise Stop

    def connect(self):
        try:
            import ray
        except ImportError as e:
            self.fail("no_ray", f"{sys.executable}: {e}")
        if ray.__version__.split(".")[0] != "2":
            self.fail("version", f"ray {ray.__version__} is installed for {sys.executable}")
        self.ray = ray
        address = self.spec["address"]
        host, _, port = address.removeprefix("ray://").rpartition(":")
        if port.isdigit():
            try:
                socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
            except OSError as e:
                self.fail("unreachable", e)
        try:
            ray.init(address=address, log_to_driver=False, logging_level="error", namespace="pipeline")
        except Exception as e:
            kind = "version" if "ersion mismatch" in str(e) else "unreachable"
            self.fail(kind, " ".join(str(e).split()))
        nodes = [n["Resources"].get("CPU", 0) for n in ray.nodes() if n["Alive"]]
        if max(nodes, default=0) < self.spec["cpus"]:
            self.fail("cpus", f"the largest node has {max(nodes, default=0):g}")
        self.say("nodes", nodes=len(nodes), cpus=sum(nodes))

    def submit(self, index, tries=0, losses=0):
        name = f"ray-{index}-{tries}-{losses}-{uuid.uuid4().hex[:8]}"
        self.running[self.remote.remote(self.spec, self.spec["tasks"][index], name, self.shipped)] = (index, tries, losses)

    def collect(self, ref):
        """Takes what a task came back with; returns what is to be tried again."""
        index, tries, losses = self.running.pop(ref)
        try:
            result = self.ray.get(ref)
        except self.ray.exceptions.RayError as e:
            why = " ".join(str(e).split())[:400]
            if losses + 1 >= LOST_LIMIT:
                self.say("failed", task=index, tries=losses + 1, node="", why=why, stderr=[])
                raise Stop
            self.say("retry", task=index, node="", why=f"its worker or node was lost ({type(e).__name__})")
            return (index, tries, losses + 1)
        if result["status"] == 0:
            self.say("done", task=index, node=result["node"], report=result["report"])
            return None
        if result["why"] == "unshared":
            self.fail("unshared", result["node"])
        fields = {"task": index, "node": result["node"], "why": result["why"], "stderr": result["stderr"]}
        if tries + 1 >= self.spec["attempts"] or result["status"] == 2:  # a mistake in the options stays one
            self.say("failed", tries=tries + 1, **fields)
            raise Stop
        self.say("retry", **fields)
        return (index, tries + 1, losses)

    def run(self):
        self.connect()
        with open(self.spec["program"], "rb") as f:
            self.shipped = [self.ray.put(f.read())]  # in a list: fetched only where it is asked for
        self.remote = self.ray.remote(attempt).options(num_cpus=self.spec["cpus"], max_retries=0, scheduling_strategy="SPREAD")
        waiting = [(i, 0, 0) for i in reversed(range(len(self.spec["tasks"])))]
        while waiting or self.running:
            while waiting and len(self.running) < WINDOW:
                self.submit(*waiting.pop())
            ready, _ = self.ray.wait(list(self.running), num_returns=1, timeout=0.5)
            if self.stopping.is_set():
                raise Stop
            for ref in ready:
                if again := self.collect(ref):
                    waiting.append(again)
        self.say("end")

    def cancel(self):
        for ref in self.running:
            try:
                self.ray.cancel(ref, force=True)
            except Exception:  # it has just ended
                pass


def main():
    events = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else prints does not get among the events
    driver = Driver(json.loads(sys.stdin.readline()), events)
    signal.signal(signal.SIGTERM, lambda *_: driver.stopping.set())

    def watch():
        sys.stdin.read()
        driver.stopping.set()

    threading.Thread(target=watch, daemon=True).start()
    try:
        driver.run()
    except Stop:
        driver.cancel()
        return 1
    return 0


status = main()
sys.stdout.flush()
os._exit(status)  # Ray's own tidying up may take many seconds; the cluster does it alone

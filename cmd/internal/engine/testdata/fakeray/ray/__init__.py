"""As much of Ray as the driver uses, on threads of one process. FAKE_RAY says how it misbehaves."""
import concurrent.futures
import os
import threading
import types

mode = os.environ.get("FAKE_RAY", "")
if mode == "missing":
    raise ImportError("No module named 'ray'")
__version__ = "1.13.0" if mode == "old" else "2.60.0"


class RayError(Exception):
    pass


class WorkerCrashedError(RayError):
    pass


exceptions = types.SimpleNamespace(RayError=RayError)
util = types.SimpleNamespace(get_node_ip_address=lambda: "10.0.0.7")
pool = concurrent.futures.ThreadPoolExecutor(2)
seen = set()
lock = threading.Lock()


def init(address, **options):
    print("noise on standard output, as libraries make it")
    if mode == "refuse":
        raise ConnectionError(f"ray.init() could not connect to {address}")
    if mode == "mismatch":
        raise RuntimeError("Version mismatch: The cluster was started with:\n    Ray: 2.9.0\n    Python: 3.9.1")


def nodes():
    return [{"Alive": True, "Resources": {"CPU": 2.0}}, {"Alive": False, "Resources": {"CPU": 64.0}}]


def put(value):
    return value


def lose(spec, task, name, shipped):
    """The worker of the first try of every task is lost; under the mode "always", of every try."""
    with lock:
        first = task["splits"] not in seen
        seen.add(task["splits"])
    return mode == "always" or mode == "lost" and first


class Remote:
    def __init__(self, function):
        self.function = function

    def options(self, **options):
        assert options["max_retries"] == 0, options
        return self

    def remote(self, *args):
        def call():
            if lose(*args):
                raise WorkerCrashedError("The worker died unexpectedly while executing this task.")
            return self.function(*args)

        return pool.submit(call)


def remote(function):
    return Remote(function)


def wait(refs, num_returns, timeout):
    done, rest = concurrent.futures.wait(refs, timeout=timeout, return_when=concurrent.futures.FIRST_COMPLETED)
    return list(done), list(rest)


def get(ref):
    return ref.result() if isinstance(ref, concurrent.futures.Future) else ref


def cancel(ref, force):
    ref.cancel()

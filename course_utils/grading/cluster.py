"""The units of `workers` on a Dask cluster: `course grade a3_vae --cluster tcp://HOST:8786`.

Workers need the same version of this package, and one process for each submission that is to be graded at a time
(`dask worker ADDRESS --nworkers N --nthreads 1`). Submissions, hidden tests and the course's secret travel to them: in
a network that others can read, give the cluster TLS (an address that starts with tls://, and Dask's configuration).

Dask runs the units of a worker that died again elsewhere; the cluster may gain and lose workers all the time.
"""

import contextlib
import itertools
import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError

from course_utils.grading import workers
from course_utils.grading.workers import JUDGE, Outcome, Unit

CONNECT_SECONDS = 30


class ClusterError(RuntimeError):
    """The cluster cannot be used, or can no longer be used; the message is one sentence."""


def run(
    units: Iterable[Unit],
    address: str,
    *,
    judge: str = JUDGE,
    started: Callable[[str], None] = lambda student: None,
) -> Iterator[Outcome]:
    """Grade units on the cluster; yield an outcome for each, in the order in which they are done.

    Args:
        address: of the scheduler, "tcp://127.0.0.1:8786" for example.
        judge: see `workers.answer`.
        started: called with the student's name whenever a submission is handed to the cluster.

    Raises:
        ClusterError: the scheduler is not there, has no workers, or went away.
    """
    try:
        from distributed import Client, as_completed
    except ImportError as error:
        raise ClusterError("--cluster needs Dask: pip install 'dgm-course[cluster]'") from error
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ClusterError(f"there is no Dask scheduler at {address}: {str(error).splitlines()[0]}") from error
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # its tracebacks would bury our sentences
    waiting, pending = iter(units), {}
    with client:
        try:
            client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except TimeoutError as error:
            raise ClusterError(f"the Dask scheduler at {address} has no workers") from error
        done = as_completed([], loop=client.loop)
        try:
            while True:
                # Two for each thread: enough that none waits for us, and few submissions in memory.
                room = 2 * _threads(client) - len(pending)
                for unit in itertools.islice(waiting, max(room, 0)):
                    started(unit.student)
                    future = client.submit(workers.answer, unit.to_json(), judge, pure=False)
                    pending[future] = unit
                    done.add(future)
                if not pending:
                    return
                future = next(done)
                yield _outcome(pending.pop(future), future, address)
        finally:
            with contextlib.suppress(OSError):
                client.cancel(list(pending))


def _threads(client) -> int:
    """How many submissions the cluster can grade at a time; 1 while it has no workers, or cannot be asked."""
    try:
        return max(1, sum(client.nthreads().values()))
    except OSError:
        return 1


def _outcome(unit: Unit, future, address: str) -> Outcome:
    try:
        if future.status != "error":  # then it is finished, or cancelled
            return workers.outcome(unit, *future.result())
    except (OSError, CancelledError) as gone:
        raise ClusterError(f"the Dask scheduler at {address} went away") from gone
    error = future.exception()
    if type(error).__name__ == "KilledWorker":
        return Outcome(unit, None, "the cluster gave up: every worker that graded it ended")
    return Outcome(unit, None, f"the cluster could not run it: {type(error).__name__}: {' '.join(str(error).split())}")

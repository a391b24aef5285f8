"""Time limits on a busy machine."""

import os

MOST = 3.0  # times as long; more would make an endless loop too dear


def patient(seconds: float) -> float:
    """Return the wall time that gives code about `seconds` of a processor, however many others want one now.

    It grows with the load average, the number of threads that want a processor, beyond the number of processors.
    """
    try:
        load = os.getloadavg()[0]
    except (OSError, AttributeError):  # not known here, on Windows for example
        return seconds
    crowding = load / (os.cpu_count() or 1)
    return round(seconds * min(max(crowding, 1.0), MOST), 2)

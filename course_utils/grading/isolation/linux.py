"""The few calls of Linux that Python does not offer, with the names and numbers of the kernel's headers.

Sources: the manual pages of the calls (section 2), capabilities(7), <linux/prctl.h>, <linux/capability.h>.
"""

import ctypes
import os

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
CAP_LAST_POSSIBLE = 63
_LINUX_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


def _argument(value):
    """Python's integers would go as 32 bits through a call of variable arguments."""
    return ctypes.c_long(value) if isinstance(value, int) else value


def call(name: str, *arguments) -> int:
    """Call a function of the C library; raises OSError if it returns -1, or if there is none of that name."""
    try:
        function = getattr(_libc, name)
    except AttributeError:
        raise OSError(38, f"{name} is not in this system's C library") from None
    result = function(*map(_argument, arguments))
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def syscall(name: str, number: int, *arguments) -> int:
    """Make a system call by its number, where the C library has no function for it; raises OSError."""
    result = _libc.syscall(*map(_argument, (number, *arguments)))
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")
    return result


def prctl(option: int, *arguments: int) -> int:
    return call("prctl", option, *arguments, *[0] * (4 - len(arguments)))


def drop_bounding_set() -> None:
    """No program that this process starts may gain a capability. Needs CAP_SETPCAP."""
    for capability in range(CAP_LAST_POSSIBLE + 1):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError as error:
            if error.errno == 22:  # EINVAL: this kernel knows no further ones
                break
            raise


def drop_capabilities() -> None:
    """Give up every capability that this process holds."""
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    header = (ctypes.c_uint32 * 2)(_LINUX_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    call("capset", header, nothing)


def erase_initial_environment() -> None:
    """Empty the environment, and overwrite the memory in which the kernel passed it (shown as /proc/PID/environ)."""
    os.environ.clear()
    with open("/proc/self/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    start, end = int(fields[47]), int(fields[48])  # env_start and env_end, fields 50 and 51 of proc_pid_stat(5)
    if 0 < start < end:
        ctypes.memset(start, 0, end - start)

"""Landlock: a process gives up rights to files, TCP, abstract sockets and signals, for itself and all it starts.

Source: landlock(7), <linux/landlock.h>. Needs no privilege. What it does not cover: stat, chdir, chmod, chown, UDP.
"""

import ctypes
import os
import stat
from collections.abc import Iterable

from . import linux
from .policy import inside, real_paths

SYS_landlock_create_ruleset, SYS_landlock_add_rule, SYS_landlock_restrict_self = 444, 445, 446  # on every architecture
LANDLOCK_CREATE_RULESET_VERSION = 1
LANDLOCK_RULE_PATH_BENEATH = 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 1 << 1, 1 << 2, 1 << 3  # LANDLOCK_ACCESS_FS_*
TRUNCATE, IOCTL_DEV = 1 << 14, 1 << 15
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
READ = EXECUTE | READ_FILE | READ_DIR
LANDLOCK_ACCESS_NET_BIND_TCP, LANDLOCK_ACCESS_NET_CONNECT_TCP = 1, 2
LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET, LANDLOCK_SCOPE_SIGNAL = 1, 2

ABI_TRUNCATE, ABI_NET, ABI_SCOPE = 3, 4, 6  # the versions that brought each


class _PathBeneath(ctypes.Structure):  # struct landlock_path_beneath_attr
    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def abi() -> int:
    """The version of Landlock that this kernel has; raises OSError if it has none."""
    flag = LANDLOCK_CREATE_RULESET_VERSION
    return linux.syscall("landlock_create_ruleset", SYS_landlock_create_ruleset, None, 0, flag)


def _file_rights(version: int) -> int:
    """All rights to files that a version of Landlock knows."""
    bits = 13 + (version >= 2) + (version >= 3) + (version >= 5)  # REFER, TRUNCATE and IOCTL_DEV came later
    return (1 << bits) - 1


def around(readable: tuple[str, ...], hidden: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """The real paths to allow so that nothing in `hidden` is, and the folders above them that may only be listed.

    Landlock cannot take a folder out of an allowed one, so the ones beside it are allowed one by one.
    """
    secret = real_paths(hidden)
    allowed, listed = [], []
    waiting = real_paths(readable)
    while waiting:
        path = waiting.pop()
        if any(inside(path, other) for other in secret):
            continue
        if any(inside(other, path) for other in secret):
            listed.append(path)
            waiting += [entry.path for entry in os.scandir(path) if not entry.is_symlink()]
        else:
            allowed.append(path)
    return allowed, listed


def restrict(version: int, readable: Iterable[str], listed: Iterable[str], writable: Iterable[str]) -> None:
    """Give up everything but reading `readable`, the names in `listed`, and any use of `writable`.

    The process must have set no_new_privs. No TCP, abstract socket or signal reaches beyond it, if `version` (see
    `abi`) knows of these.

    Raises:
        OSError: the kernel refuses.
    """
    every = _file_rights(version)
    network = LANDLOCK_ACCESS_NET_BIND_TCP | LANDLOCK_ACCESS_NET_CONNECT_TCP
    scoped = LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | LANDLOCK_SCOPE_SIGNAL
    attributes = [every]
    if version >= ABI_NET:
        attributes.append(network)
    if version >= ABI_SCOPE:
        attributes.append(scoped)
    attr = (ctypes.c_uint64 * len(attributes))(*attributes)
    rules = linux.syscall("landlock_create_ruleset", SYS_landlock_create_ruleset, attr, ctypes.sizeof(attr), 0)
    try:
        for paths, rights in ((readable, READ), (listed, READ_DIR), (writable, every)):
            for path in paths:
                _allow(rules, path, rights & every)
        linux.syscall("landlock_restrict_self", SYS_landlock_restrict_self, rules, 0)
    finally:
        os.close(rules)


def _allow(rules: int, path: str, rights: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # gone or out of reach: there is nothing to allow
    try:
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            rights &= OF_FILES
        rule = ctypes.byref(_PathBeneath(rights, fd))
        linux.syscall("landlock_add_rule", SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, rule, 0)
    finally:
        os.close(fd)

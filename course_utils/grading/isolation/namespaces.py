"""Namespaces: a process tree, a network and a file system of one's own.

Sources: namespaces(7), user_namespaces(7), mount(2), mount_setattr(2), pivot_root(2), <linux/sched.h>, <linux/mount.h>.
The new root is built as bubblewrap does: an empty tmpfs, read-only bind mounts of what may be seen, the old one let go.
"""

import ctypes
import os

from . import linux
from .policy import DEVICES, Policy, inside, links, real_paths

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
ALL_BUT_USER_PID_NET = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
MNT_DETACH = 2
AT_RECURSIVE = 0x8000
AT_FDCWD = -100
MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV = 1, 2, 4
SYS_mount_setattr = 442  # the same on every architecture

HOME = "/sandbox"
WRITABLE = (HOME, "/tmp", "/dev/shm")
DEVICE_LINKS = {"fd": "fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}  # in /dev, to /proc/self
_OLD = "/.old"
_EMPTY = "/.empty"
_BYTES_PER_FILE = 8192  # how many files fit a disk limit: one inode for so many bytes


def unshare(flags: int) -> None:
    linux.call("unshare", flags)


def enter_user_namespace() -> None:
    """Become the owner of a new user namespace, in which this user and group keep their numbers."""
    uid, gid = os.getuid(), os.getgid()
    unshare(CLONE_NEWUSER)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def mount(source: str, target: str, kind: str | None = None, flags: int = 0, options: str | None = None) -> None:
    encoded = [None if text is None else os.fsencode(text) for text in (source, target, kind, options)]
    try:
        linux.call("mount", *encoded[:3], flags, encoded[3])
    except OSError as error:
        raise OSError(error.errno, f"mount of {kind or source} on {target}: {os.strerror(error.errno)}") from None


def _make_read_only(target: str, recursive: int = AT_RECURSIVE) -> None:
    """Of `target`, and unless `recursive` is 0 of all mounts below it."""
    flags = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV
    attributes = (ctypes.c_uint64 * 4)(flags, 0, 0, 0)
    size = ctypes.sizeof(attributes)
    linux.syscall("mount_setattr", SYS_mount_setattr, AT_FDCWD, os.fsencode(target), recursive, attributes, size)


def _bind(source: str, target: str) -> None:
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "w"):
            pass
    mount(source, target, flags=MS_BIND | MS_REC)


def enter_new_root(policy: Policy, uid: int, gid: int) -> None:
    """Leave the machine's file system for one with what `policy` shows and fresh folders `WRITABLE` of that user.

    The process must be in a mount namespace and a pid namespace of its own, with CAP_SYS_ADMIN there. It ends up in
    `HOME`/work. All of it is one tmpfs of limited size, which vanishes with the namespace.

    Raises:
        OSError: the kernel refuses a step.
    """
    shown, ways = real_paths(policy.readable), links(policy.readable)
    hidden = [path for path in real_paths(policy.hidden) if any(inside(path, folder) for folder in shown)]
    os.umask(0o022)
    mount("none", "/", flags=MS_REC | MS_PRIVATE)
    size = policy.limits.disk
    options = f"size={size},nr_inodes={max(1024, size // _BYTES_PER_FILE)},mode=755"
    mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, options)
    os.mkdir("/tmp" + _OLD)
    linux.call("pivot_root", b"/tmp", os.fsencode("/tmp" + _OLD))
    os.chdir("/")

    for folder in (*WRITABLE, HOME + "/work", "/etc", "/proc", _EMPTY):
        os.makedirs(folder)
    for folder in WRITABLE:
        mount(folder, folder, flags=MS_BIND)  # stays writable when the root does not
    for path in shown:
        _bind(_OLD + path, path)
        _make_read_only(path)
    for path, target in ways.items():
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if not os.path.lexists(path):
            os.symlink(target, path)
    for path in DEVICES:
        _bind(_OLD + path, path)
    for name, target in DEVICE_LINKS.items():
        os.symlink(f"/proc/self/{target}", f"/dev/{name}")
    for path in hidden:
        mount(_EMPTY if os.path.isdir(path) else "/dev/null", path, flags=MS_BIND)
        if os.path.isdir(path):
            _make_read_only(path)
    mount("proc", "/proc", "proc", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)
    _write_accounts(uid, gid)
    linux.call("umount2", os.fsencode(_OLD), MNT_DETACH)
    os.rmdir(_OLD)
    for folder in (*WRITABLE, HOME + "/work"):
        os.chmod(folder, 0o700)
        os.chown(folder, uid, gid)
    _make_read_only("/", recursive=0)
    os.chdir(HOME + "/work")


def _write_accounts(uid: int, gid: int) -> None:
    """An /etc of its own: the only accounts are root and the student."""
    files = {
        "passwd": f"root:x:0:0::/:/bin/false\nstudent:x:{uid}:{gid}::{HOME}:/bin/sh\n",
        "group": f"root:x:0:\nstudent:x:{gid}:\n",
        "hosts": "127.0.0.1 localhost\n",
    }
    for name, text in files.items():
        with open(f"/etc/{name}", "w") as file:
            file.write(text)

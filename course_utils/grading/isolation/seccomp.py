"""A filter on system calls: those that a student's code never needs, and by which kernels have been attacked.

Sources: seccomp(2), <linux/filter.h>, <linux/seccomp.h>, <linux/audit.h>, <asm/unistd_64.h>, <asm-generic/unistd.h>.
"""

import ctypes
import errno
import platform
import socket
import struct

from . import linux
from .namespaces import ALL_BUT_USER_PID_NET, CLONE_NEWNET, CLONE_NEWPID, CLONE_NEWUSER

PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_ERRNO, SECCOMP_RET_ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
LD_W_ABS, JEQ_K, JGT_K, JSET_K, AND_K, RET_K = 0x20, 0x15, 0x25, 0x45, 0x54, 0x06  # BPF_LD | BPF_W | BPF_ABS ...
NR, ARCH, ARG0, ARG1 = 0, 4, 16, 24  # offsets in struct seccomp_data; of an argument its low half (little-endian)
AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
NEWEST = 462  # mseal: later calls are unknown to this filter, and those of x32 have larger numbers too
SOCK_TYPE_MASK = 0xF
NEW_NAMESPACE = ALL_BUT_USER_PID_NET | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET

# Numbers on x86_64 and aarch64 (None: that architecture has no such call).
NUMBERS = {"socket": (41, 198), "socketpair": (53, 199), "clone": (56, 220), "clone3": (435, 435), "prctl": (157, 167)}
# fmt: off
DENIED = {
    # other processes
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "process_madvise": (440, 440), "pidfd_getfd": (438, 438),
    # file systems and namespaces
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "unshare": (272, 97),
    "setns": (308, 268), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265), "quotactl": (179, 60),
    "quotactl_fd": (443, 443), "swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89),
    # memory that no limit would count
    "shmget": (29, 194), "semget": (64, 190), "msgget": (68, 186), "mq_open": (240, 180),
    "memfd_create": (319, 279), "memfd_secret": (447, 447),
    # large and rarely needed parts of the kernel
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "fanotify_init": (300, 262),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219), "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "personality": (135, 92),
    "modify_ldt": (154, None), "iopl": (172, None), "ioperm": (173, None), "uselib": (134, None),
    "move_pages": (279, 239), "migrate_pages": (256, 238), "lookup_dcookie": (212, 18), "nfsservctl": (180, 42),
    # the machine
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "init_module": (175, 105),
    "finit_module": (313, 273), "delete_module": (176, 106), "reboot": (169, 142), "syslog": (103, 116),
    "vhangup": (153, 58), "settimeofday": (164, 170), "clock_settime": (227, 112), "clock_adjtime": (305, 266),
    "adjtimex": (159, 171), "sethostname": (170, 161), "setdomainname": (171, 162),
}
# Where the machine's own file system is in sight, Landlock leaves these open: sockets with a path, and inodes.
DENIED_IN_SIGHT = {
    "socket": (41, 198), "connect": (42, 203), "chmod": (90, None), "fchmodat": (268, 53), "fchmodat2": (452, 452),
    "chown": (92, None), "lchown": (94, None), "fchownat": (260, 54), "setxattr": (188, 5), "lsetxattr": (189, 6),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "utime": (132, None), "utimes": (235, None),
    "futimesat": (261, None), "utimensat": (280, 88),
}
# fmt: on

_ALLOW = (RET_K, 0, 0, SECCOMP_RET_ALLOW)
_DENY = (RET_K, 0, 0, SECCOMP_RET_ERRNO | errno.EPERM)
_UNKNOWN = (RET_K, 0, 0, SECCOMP_RET_ERRNO | errno.ENOSYS)
Instruction = tuple[int, int, int, int]


def program(machine: str, *, in_sight: bool) -> list[Instruction]:
    """The filter as instructions (code, jump if true, jump if false, operand).

    Args:
        machine: x86_64 or aarch64, as `platform.machine` says.
        in_sight: the machine's own file system is visible, so that sockets with a path must be refused as well.

    Raises:
        ValueError: another machine.
    """
    if machine not in AUDIT_ARCH:
        raise ValueError(f"no filter of system calls for {machine}: only for {' and '.join(AUDIT_ARCH)}")
    column = list(AUDIT_ARCH).index(machine)

    def when(name: str, *instructions: Instruction) -> list[Instruction]:
        return [(JEQ_K, 0, len(instructions), NUMBERS[name][column]), *instructions]

    denied = [*DENIED.values(), *(DENIED_IN_SIGHT.values() if in_sight else ())]
    numbers = sorted(pair[column] for pair in denied if pair[column] is not None)
    filtered = [
        (LD_W_ABS, 0, 0, ARCH),
        (JEQ_K, 1, 0, AUDIT_ARCH[machine]),
        (RET_K, 0, 0, SECCOMP_RET_KILL_PROCESS),
        (LD_W_ABS, 0, 0, NR),
        (JGT_K, 0, 1, NEWEST),
        _UNKNOWN,
        *(instruction for number in numbers for instruction in ((JEQ_K, 0, 1, number), _DENY)),
        *when("clone3", _UNKNOWN),  # its flags lie in memory; the C library falls back on clone
        *when("clone", (LD_W_ABS, 0, 0, ARG0), (JSET_K, 0, 1, NEW_NAMESPACE), _DENY, _ALLOW),
        *when("prctl", (LD_W_ABS, 0, 0, ARG0), (JEQ_K, 0, 1, linux.PR_SET_PDEATHSIG), _DENY, _ALLOW),
        *when("socket", (LD_W_ABS, 0, 0, ARG0), (JEQ_K, 1, 0, socket.AF_UNIX), _DENY, _ALLOW),
    ]
    if in_sight:  # a pair of datagram sockets could still send to any path
        kind = ((LD_W_ABS, 0, 0, ARG1), (AND_K, 0, 0, SOCK_TYPE_MASK), (JEQ_K, 1, 0, socket.SOCK_STREAM), _DENY, _ALLOW)
        filtered += when("socketpair", *kind)
    return [*filtered, _ALLOW]


def restrict(*, in_sight: bool) -> None:
    """Put the filter on this process and all it starts. The process must have set no_new_privs.

    Raises:
        OSError: the kernel refuses.
        ValueError: there is no filter for this machine.
    """
    instructions = program(platform.machine(), in_sight=in_sight)
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *each) for each in instructions))
    fprog = ctypes.create_string_buffer(struct.pack("@HP", len(instructions), ctypes.addressof(code)))
    linux.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(fprog))

"""What `test_isolation` runs inside a sandbox, in the names that `isolation_driver` gives it."""

# Each is an expression that must raise OSError.
ATTACKS = {
    "read the gradebook": "read(gradebook)",
    "write the gradebook": "write(gradebook)",
    "truncate the gradebook": "os.truncate(gradebook, 0)",
    "delete the gradebook": "os.unlink(gradebook)",
    "close the gradebook": "os.chmod(gradebook, 0)",
    "backdate the gradebook": "os.utime(gradebook, (0, 0))",
    "read through a link": "read(shown + '/link')",
    "read through a link of one's own": "(os.symlink(gradebook, 'l'), read('l'))",
    "hard link": "os.link(gradebook, 'hard')",
    "list the folder beside": "beside(folder)",
    "read a hidden file": "open(shown + '/reference.py').read() or open('/nowhere')",
    "read in a hidden folder": "read(shown + '/checks/deep/answer.py')",
    "read in a hidden folder by a child": "through_shell(f'cat {shown}/checks/deep/answer.py')",
    "write to what is readable": "write(shown + '/public.txt')",
    "create beside what is readable": "write(shown + '/new')",
    "write to Python": "write(python + '/lib/sitecustomize.py')",
    "chmod what is readable": "os.chmod(shown + '/public.txt', 0)",
    "home of the user": "beside(home)",
    "shadow": "read('/etc/shadow')",
    "/proc/1/environ": "read('/proc/1/environ')",
    "/proc of the parent": "read(f'/proc/{os.getppid()}/environ') or open('/nowhere')",
    "/proc of the grader": "read(f'/proc/{grader}/environ')",
    "roots in /proc": "any_of(glob.glob('/proc/[0-9]*/root') + ['/proc/1/root'], lambda path: read(path + gradebook))",
    "folders in /proc": "any_of(glob.glob('/proc/[0-9]*/cwd'), lambda path: read(path + '/../gradebook.db'))",
    "files in /proc": "any_of([f'/proc/{pid}/fd/{opened}' for pid in ('self', 1, os.getppid(), grader)], read)",
    "an inherited file": "os.read(opened, 10)",
    "memory of the parent": "open(f'/proc/{os.getppid()}/mem', 'rb').read(1)",
    "TCP": "connect(socket.AF_INET, ('127.0.0.1', port))",
    "TCP of a child": "through_shell(f'exec 3<>/dev/tcp/127.0.0.1/{port}', '/bin/bash')",
    "UDP": "connect(socket.AF_INET, ('192.0.2.1', 53), socket.SOCK_DGRAM)",
    "IPv6": "connect(socket.AF_INET6, ('::1', port))",
    "raw socket": "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)",
    "packet socket": "socket.socket(17, socket.SOCK_RAW)",
    "abstract socket of outside": "connect(socket.AF_UNIX, abstract)",
    "socket with a path": "connect(socket.AF_UNIX, bus)",
    "datagram to a path": "datagram(log)",
    "stop a process outside": "os.kill(victim, signal.SIGSTOP)",
    "kill a process outside": "os.kill(victim, signal.SIGKILL)",
    "kill the grader": "os.kill(grader, signal.SIGKILL)",
    "trace a process": "call('ptrace', 16, os.getppid(), 0, 0)",
    "read another's memory": "call('process_vm_readv', os.getppid(), 0, 0, 0, 0, 0) or read('/proc/1/mem')",
    "become root": "os.setuid(0)",
    "setuid program": "through_shell('su -c true </dev/null')",
    "mount": "call('mount', b'none', b'/tmp', b'tmpfs', 0, None)",
    "unmount": "call('umount2', os.fsencode(shown), 2)",
    "chroot": "os.chroot('/tmp')",
    "set the host's name": "socket.sethostname('mine')",
    "raise a limit": "raise_limit()",
    "make a device": "os.mknod('disk', 0o60600, os.makedev(254, 0))",
    "load a module": "call('syscall', 175, 0, 0, 0)",
    "terminal": "open('/dev/tty')",
    "disk": "any_of(['/dev/vda', '/dev/sda', '/dev/nvme0n1', '/dev/kmsg', '/dev/mem'], read)",
    "kernel settings": "write('/proc/sys/kernel/core_pattern')",
    "control groups": "os.mkdir('/sys/fs/cgroup/mine')",
}
# Refused by the filter of system calls alone.
FILTERED = {
    "TCP server": "socket.socket().bind(('127.0.0.1', 0))",
    "a user namespace": "call('unshare', 0x10000000)",
    "clone into a namespace": "call('syscall', 56, 0x10000000 | signal.SIGCHLD, 0, 0, 0, 0)",
    "clone3": "call('syscall', 435, 0, 0)",
    "bpf": "call('syscall', 321, 0, 0, 0)",
    "io_uring": "call('syscall', 425, 1, 0)",
    "userfaultfd": "call('syscall', 323, 0)",
    "keys": "call('syscall', 248, b'user', b'a', b'b', 1, -3)",
    "a file in memory": "os.memfd_create('file')",
    "shared memory of System V": "call('shmget', 0, 4096, 0o1600)",
    "forget the parent": "call('prctl', 1, 0, 0, 0, 0)",
    "a call of x32": "call('syscall', 0x40000000 + 39)",
    "a call yet unknown": "call('syscall', 470)",
}
# Each is an expression that must be true.
HONEST = {
    "a program": "through_shell('/bin/echo hello') == 'hello\\n'",
    "Python in a child": "through_shell(f'{sys.executable} -c \"print(6 * 7)\"') == '42\\n'",
    "ctypes": "ctypes.CDLL(None).abs(-3) == 3",
    "a callback of C": "ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 7)() == 7",
    "threads": "(t := __import__('threading').Thread(target=lambda: None)).start() or t.join() is None",
    "a temporary file": "tempfile.NamedTemporaryFile().write(b'abc') == 3",
    "a file in the home": "open(os.path.expanduser('~/a'), 'w').write('abc') == 3",
    "multiprocessing": "__import__('multiprocessing').get_context('fork').Pool(2).map(abs, [-1, 2]) == [1, 2]",
    "a module not yet loaded": "__import__('csv') is not None",
    "what is readable": "read(shown + '/public.txt') == 'public' and 'public.txt' in os.listdir(shown)",
    "shared files": "os.listdir('/usr/share') != []",
    "its own /proc": "bool(read('/proc/cpuinfo')) and bool(os.listdir(f'/proc/{os.getpid()}/fd'))",
    "/dev/null": "open('/dev/null', 'w').write('abc') == 3 and len(os.urandom(4)) == 4",
    "a pair of sockets": "talk()",
    "a fresh home": "os.getcwd() == os.environ['HOME'] + '/work' and os.listdir('.') == []",
    "a fresh folder for temporary files": "outcome(lambda: beside(tempfile.gettempdir())).startswith('refused')",
}

# How a process can end, and what the supervisor says of it.
ENDS = {
    "returns": ("None", {"exit": 0}),
    "raises": ("1 / 0", {"exit": 1}),
    "leaves": ("sys.exit(7)", {"exit": 1}),
    "exits at once": ("os._exit(7)", {"exit": 7}),
    "reads a bad address": ("ctypes.string_at(8)", {"signal": 11, "name": "SIGSEGV", "oom": False}),
    "aborts": ("os.abort()", {"signal": 6, "name": "SIGABRT", "oom": False}),
    "kills itself": ("os.kill(os.getpid(), 9)", {"signal": 9, "name": "SIGKILL", "oom": False}),
    "kills all it can": (
        "signal.signal(15, signal.SIG_IGN); outcome(lambda: os.kill(-1, 15)); outcome(lambda: os.kill(1, 9))",
        {"exit": 0},
    ),
}

# Processes that have cut every tie: a session of their own, no parent, deaf to polite signals.
ORPHANS = """
for number in range(1, 65):
    if number not in (signal.SIGKILL, signal.SIGSTOP, 32, 33):
        signal.signal(number, signal.SIG_IGN)
signal.signal(signal.SIGCHLD, signal.SIG_DFL)
reading, writing = os.pipe()
for _ in range(5):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            tell("started")
            os.write(writing, b"x")
            while True:
                time.sleep(60)
        os._exit(0)
    os.wait()
    os.read(reading, 1)
"""

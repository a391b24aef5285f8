"""Submissions whose code breaks things: its process, its limits, its surroundings.

Where nothing else is said the code stands in the cell of `importance_weighted_bound`, whose answer is right. Nothing
depends on it and an exercise follows, so every point lost elsewhere would be the grader's fault.
"""

import nbformat
from nbformat import NotebookNode

from tests.grading.cases import Case

TARGET = "importance_weighted_bound"
HEAD = f"def {TARGET}(log_weights):\n"
RETURN = "    return torch.logsumexp(log_weights, dim=0) - math.log(len(log_weights))\n"
ANSWER = HEAD + RETURN
LOST = {TARGET: 0.0}


def before(story: str, code: str, **more) -> Case:
    """The code runs at the top level, before the function is defined."""
    return Case(story, {TARGET: f"{code}\n\n{ANSWER}"}, **more)


def after(story: str, code: str, **more) -> Case:
    """The code runs at the top level, after the function is defined."""
    return Case(story, {TARGET: f"{ANSWER}\n{code}"}, **more)


def inside(story: str, code: str, imports: str = "", **more) -> Case:
    """The function runs the code before it returns."""
    body = "".join(f"    {line}\n" for line in code.splitlines())
    return Case(story, {TARGET: f"{imports}\n{HEAD}{body}{RETURN}"}, **more)


def beside(story: str, code: str, **more) -> Case:
    """The code stands in a cell of the student's own, after the imports."""

    def insert(notebook: NotebookNode) -> None:
        notebook.cells.insert(4, nbformat.v4.new_code_cell(code))

    return Case(story, change=insert, **more)


CRASH = {"due": LOST, "notes": ("crash",)}
TIMEOUT = {"due": LOST, "notes": ("timeout",), "says": "did not finish"}
MEMORY = {"due": LOST, "notes": ("memory",), "says": "too much memory"}

ENDING = {
    "os_exit": before("Ends the process in the answer's cell.", "import os\nos._exit(3)", says="exit code 3", **CRASH),
    "os_exit_0": before("Ends it as if all were well.", "import os\nos._exit(0)", says="exit code 0", **CRASH),
    "os_exit_after": after("Ends it after the answer.", "import os\nos._exit(3)", says="exit code 3", **CRASH),
    "os_exit_called": inside("Ends it when called.", "os._exit(0)", "import os", says="exit code 0", **CRASH),
    "os_exit_beside": beside(
        "Ends it in a cell that nothing needs.",
        "import os\nos._exit(3)",
        notes=("crash",),
        says="In cell 5, it ended its own process (exit code 3)",
    ),
    "sys_exit": before("Leaves by sys.exit.", "import sys\nsys.exit()", due=LOST, says="SystemExit"),
    "sys_exit_called": inside(
        "Leaves by sys.exit when called.", "sys.exit(1)", "import sys", due=LOST, says="SystemExit"
    ),
    "exit_called": after("Calls exit() and quit() in the notebook.", "exit()\nquit()"),
    "segfault": before("Reads address 0.", "import ctypes\nctypes.string_at(0)", says="SIGSEGV", **CRASH),
    "segfault_called": inside(
        "Reads address 0 when called.", "ctypes.string_at(0)", "import ctypes", says="SIGSEGV", **CRASH
    ),
    "abort": before("Aborts.", "import os\nos.abort()", says="SIGABRT", **CRASH),
    "killed": before(
        "Kills itself.", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", says="SIGKILL", **CRASH
    ),
    "all_killed": before(
        "Kills every process that it can reach.",
        "import subprocess\nsubprocess.run(['kill', '-9', '-1'])",
        says="SIGKILL",
        **CRASH,
    ),
    "parents_killed": before(
        "Kills the process above it.",
        "import os\nos.kill(os.getppid(), 9)",
        due=LOST,
        says="Operation not permitted",
    ),
    "deep_recursion": before(
        "Lifts Python's limit and recurses in compiled code until the stack is gone.",
        "import sys\nsys.setrecursionlimit(10**9)\n\ndef down(n):\n    return max([n], key=down)\n\ndown(0)",
        says="SIGSEGV",
        **CRASH,
    ),
    "descriptors_closed": before(
        "Closes every file.", "import os\nos.closerange(0, 10_000)", says="ended its own process", **CRASH
    ),
    "descriptors_closed_called": inside(
        "Closes every file when called.", "os.closerange(0, 10_000)", "import os", says="ended its own process", **CRASH
    ),
    "alarm": before(
        "Sets an alarm that ends the process.",
        "import signal, time\nsignal.setitimer(signal.ITIMER_REAL, 0.05)\ntime.sleep(60)",
        says="SIGALRM",
        **CRASH,
    ),
}

ENDLESS = {
    "loop": before("Never ends.", "while True:\n    pass", **TIMEOUT),
    "loop_called": inside("Never ends when called.", "while True:\n    pass", **TIMEOUT),
    "loop_swallowing_interrupts": before(
        "Never ends, and swallows KeyboardInterrupt.",
        "while True:\n    try:\n        while True:\n            pass\n    except KeyboardInterrupt:\n        pass",
        **TIMEOUT,
    ),
    "loop_swallowing_all": inside(
        "Never ends when called, and swallows whatever is raised.",
        "while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        pass",
        **TIMEOUT,
    ),
    "recursion": before(
        "Recurses for ever.", "def down():\n    return down()\n\ndown()", due=LOST, says="raised RecursionError"
    ),
    "recursion_called": Case(
        "A function that calls nothing but itself.",
        {TARGET: f"{HEAD}    return {TARGET}(log_weights)"},
        due=LOST,
        says="RecursionError",
    ),
    "sleep": before("Sleeps for ever.", "import time\ntime.sleep(10**8)", **TIMEOUT),
    "deadlock": inside(
        "Waits for a lock that it holds itself.",
        "lock = threading.Lock()\nlock.acquire()\nlock.acquire()",
        "import threading",
        **TIMEOUT,
    ),
    "power": before("A power that takes hours, in compiled code.", "10 ** 10 ** 10", **TIMEOUT),
    "regular_expression": before(
        "A regular expression that takes ages, in compiled code.", "import re\nre.match('(a+)+b', 'a' * 60)", **TIMEOUT
    ),
    "stopped": before("Stops itself.", "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)", **TIMEOUT),
    "stopped_called": inside(
        "Stops itself when called.", "os.kill(os.getpid(), signal.SIGSTOP)", "import os, signal", **TIMEOUT
    ),
    "display_without_end": beside(
        "Shows number after number in a cell that nothing needs.",
        "import itertools\nfor n in itertools.count():\n    display(n)",
        notes=("timeout",),
        says="In cell 5, it did not finish",
    ),
    "repr_that_hangs": after(
        "Shows an object whose repr never ends.",
        "class Slow:\n    def __repr__(self):\n        while True:\n            pass\n\nSlow()",
        **TIMEOUT,
    ),
    "repr_that_raises": after(
        "Shows an object whose repr raises.",
        "class Broken:\n    def __repr__(self):\n        raise ValueError('no repr')\n\nBroken()",
    ),
}

SIZE = {
    "memory_tensor": before("Fills a tensor of 20 GB.", "torch.empty(5 * 2**30).fill_(1)", **MEMORY),
    "memory_bytes": before("Asks for 20 GB of bytes.", "bytearray(20 * 2**30)", **MEMORY),
    "memory_list": before(
        "A list that grows for ever.", "blocks = []\nwhile True:\n    blocks.append(bytes(2**20))", **MEMORY
    ),
    "memory_called": inside("Fills 20 GB when called.", "torch.empty(5 * 2**30).fill_(1)", **MEMORY),
    "memory_in_processes": before(
        "Six processes that take 300 MB each.",
        "import os, time\nfor _ in range(6):\n    if os.fork() == 0:\n        block = b'1' * 300_000_000\n"
        "        time.sleep(60)\n        os._exit(0)\ntime.sleep(60)",
        due=LOST,
        notes=("memory",),
        says="more than 1 GiB of memory",
    ),
    "memory_error_caught": before(
        "Catches the MemoryError of 20 GB and goes on.",
        "try:\n    bytearray(20 * 2**30)\nexcept MemoryError:\n    pass",
    ),
    "line_of_500_MB": before(
        "Prints 500 MB in one line.", "print('x' * 500_000_000)", notes=("output",), says="cut off"
    ),
    "lines_of_500_MB": before(
        "Prints 500 MB in many lines.",
        "for _ in range(5_000):\n    print('x\\n' * 50_000, end='')",
        notes=("output",),
        says="cut off",
    ),
    "output_called": inside("Prints 20 MB at every call.", "print('x' * 20_000_000)"),
    "huge_display": after(
        "Shows a table of 100 MB.",
        "from IPython.display import HTML\nHTML('x' * 10**8)",
        notes=("output",),
        says="cut off",
    ),
    "huge_result": inside(
        "Returns a tensor of 400 MB.", "return torch.zeros(10**8)", due=LOST, notes=("output",), says="too large"
    ),
    "huge_file": before(
        "Writes a file of 1 GB.",
        "with open('huge', 'wb') as file:\n    for _ in range(1000):\n        file.write(bytes(10**6))",
        due=LOST,
        says="raised OSError",
    ),
    "many_files": before(
        "Fills the disk with files of 10 MB.",
        "for n in range(1000):\n    with open(f'file{n}', 'wb') as file:\n        file.write(bytes(10**7))",
        due=LOST,
        says="raised OSError",
    ),
    "open_files": before(
        "Opens more files than it may, and keeps them open.",
        "files = [open('/dev/null') for _ in range(10**6)]",
        due=LOST,
        says="raised OSError",
    ),
    "fork_bomb": before(
        "Forks without end, whatever the system says.",
        "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass",
        says="it started more than 16 processes",
        **CRASH,
        safe_for_stock=False,
    ),
    "thread_bomb": before(
        "Starts threads without end, whatever the system says.",
        "import threading, time\nthreading.stack_size(2**16)\nwhile True:\n    try:\n"
        "        threading.Thread(target=time.sleep, args=(60,)).start()\n    except RuntimeError:\n        pass",
        says="it started more than 16 processes",
        **CRASH,
        safe_for_stock=False,
    ),
}

SURROUNDINGS = {
    "folder_deleted": before("Deletes the folder that it runs in.", "import os, shutil\nshutil.rmtree(os.getcwd())"),
    "folder_left": before("Goes to another folder.", "import os\nos.chdir('/')"),
    "home_deleted": before(
        "Deletes its home and all temporary files.",
        "import os, shutil, tempfile\nfor folder in (os.environ['HOME'], tempfile.gettempdir()):\n"
        "    shutil.rmtree(folder, ignore_errors=True)",
    ),
    "faulthandler": before(
        "Asks for a traceback and the end after a while.",
        "import faulthandler\nfaulthandler.enable(open('/dev/null', 'w'))\n"
        "faulthandler.dump_traceback_later(3600, exit=True, file=open('/dev/null', 'w'))",
    ),
    "collector_off": before("Turns the garbage collector off.", "import gc\ngc.disable()\ngc.freeze()"),
    "stdout_none": before("Has no standard output any more.", "import sys\nsys.stdout = sys.stderr = None"),
    "stdout_closed": before("Closes its standard output.", "import sys\nsys.stdout.close()\nsys.stderr.close()"),
    "torch_removed": before(
        "Takes torch from the loaded modules.", "import sys\nsys.modules['torch'] = None", due=LOST, says="halted"
    ),
    "torch_removed_beside": beside(
        "Takes torch from the loaded modules in a cell that nothing needs.", "import sys\nsys.modules['torch'] = None"
    ),
    "print_deleted": before("Deletes names of Python's own.", "import builtins\ndel builtins.print, builtins.range"),
    "environment_cleared": before("Clears its environment.", "import os\nos.environ.clear()"),
    "many_threads": before("Asks torch for 64 threads.", "torch.set_num_threads(64)"),
    "meta_device": before("Makes tensors without data the default.", "torch.set_default_device('meta')"),
    "gradients_off": before("Turns gradients off for good.", "torch.set_grad_enabled(False)"),
    "limits_changed": before(
        "Lowers its own limits.",
        "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (4, 4))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))",
    ),
    "limits_lifted": before(
        "Tries to lift its limits.",
        "import resource\nresource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)",
        due=LOST,
        says="raised ValueError",
    ),
    "nice": before("Makes itself slow.", "import os\nos.nice(19)"),
    "threads_left": before(
        "Leaves threads that spin.",
        "import threading\n\ndef spin():\n    while True:\n        pass\n\n"
        "for _ in range(2):\n    threading.Thread(target=spin).start()",
    ),
    "processes_left": before(
        "Leaves processes that spin.",
        "import subprocess, sys\n"
        "for _ in range(2):\n    subprocess.Popen([sys.executable, '-c', 'while True: pass'], start_new_session=True)",
    ),
    "pool_left": before(
        "Leaves a pool of multiprocessing behind.",
        "import math, multiprocessing\npool = multiprocessing.get_context('fork').Pool(2)\n"
        "assert pool.map(math.sqrt, [4.0]) == [2.0]",
    ),
    "input": before("Asks the reader.", "name = input('Your name? ')", due=LOST, says="raised EOFError"),
}

CUDA = {
    "cuda": before(
        "Moves a tensor to the GPU.", "torch.zeros(1).cuda()", due=LOST, notes=("cuda",), says="asks for a GPU"
    ),
    "cuda_device": beside(
        "Makes a tensor on the GPU in a cell that nothing needs.",
        "torch.zeros(1, device='cuda')",
        notes=("cuda",),
        says="In cell 5, it asks for a GPU",
    ),
    "cuda_called": inside(
        "Moves the input to the GPU.", "log_weights = log_weights.cuda()", due=LOST, notes=("cuda",), says="GPU"
    ),
    "cuda_device_called": inside(
        "Moves the input to 'cuda'.", "log_weights = log_weights.to('cuda')", due=LOST, notes=("cuda",), says="GPU"
    ),
    "half": Case(
        "Computes in half precision.",
        {TARGET: ANSWER.replace("(log_weights, dim", "(log_weights.half(), dim")},
        due=LOST,
        says="half precision",
    ),
}

CASES: dict[str, Case] = {**ENDING, **ENDLESS, **SIZE, **SURROUNDINGS, **CUDA}

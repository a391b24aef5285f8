"""Submissions that act later, take over what answers the grader, or answer with what nobody expects."""

from tests.grading.cases import Case
from tests.grading.cases.wrong import LAST, MISTAKE, TARGET, forged, returning

SLEEP = "86397"  # seconds that processes sleep which a submission leaves behind; nobody else sleeps so long

# Finds the socket to the grader among the descriptors, and speaks the protocol on it.
SPEAK = """
import json, os, socket, struct

def speak(header, data=b""):
    header = json.dumps({**header, "buffers": [len(data)] if data else []}).encode()
    for fd in map(int, os.listdir("/proc/self/fd")):
        try:
            if os.readlink(f"/proc/self/fd/{fd}").startswith("socket:"):
                os.write(fd, struct.pack("!IQ", len(header), len(data)) + header + data)
        except OSError:
            pass
"""
TENSOR = '{"tensor": 0, "dtype": "float32", "shape": [3], "requires_grad": False, "leaf": True}'
ANSWER = f'{{"value": {TENSOR}, "changed": [], "modules": [], "generators": []}}'

# Finds the object that answers the grader.
AGENT = """
import gc
agent = type(next(thing for thing in gc.get_objects() if type(thing).__name__ == "Agent"))
protocol = agent.serve.__globals__
"""

LATER = {
    "atexit": forged(
        "Something is to happen when the process ends.",
        "import atexit, signal\n"
        "atexit.register(lambda: print('{\"score\": 3.0}'))\n"
        "signal.signal(signal.SIGTERM, lambda *_: print('3.0'))",
    ),
    "thread_swaps_functions": forged(
        "A thread exchanges the function between two wrong ones while it is judged.",
        "import threading, time\n"
        "def swap():\n"
        "    while True:\n"
        f"        globals()['{TARGET}'] = lambda log_weights: log_weights.mean(0)\n"
        "        time.sleep(0.001)\n"
        f"        globals()['{TARGET}'] = lambda log_weights: log_weights.mean(0) * 1.0\n"
        "threading.Thread(target=swap, daemon=True).start()",
    ),
    "answers_ahead": forged(
        "Writes answers on the connection before the grader has asked.",
        f"{SPEAK}\nfor _ in range(20):\n    speak({ANSWER}, bytes(12))",
        mistakes={},
        notes=("tampered",),
    ),
    "answers_twice": returning(
        "Answers each call on the connection itself, and then once more.",
        f"speak({ANSWER}, bytes(12))\nreturn log_weights.mean(0)",
        SPEAK,
        notes=("tampered",),
    ),
    "thread_answers": forged(
        "A thread writes answers with full points on the connection all the time.",
        f"{SPEAK}\n"
        "import threading\n"
        "spoken = threading.Event()\n"
        "def talk():\n"
        "    while True:\n"
        "        speak({'value': 2.0, 'points': 2.0, 'score': 2.0, 'passed': True, 'kind': 'function'})\n"
        "        spoken.set()\n"
        "threading.Thread(target=talk, daemon=True).start()\n"
        "spoken.wait()",
        mistakes={},
        notes=("tampered",),
    ),
    "garbage_on_the_connection": returning(
        "Writes what is no message on every descriptor that is open.",
        "for fd in map(int, os.listdir('/proc/self/fd')):\n"
        "    try:\n"
        "        os.write(fd, b'\\xff' * 12)\n"
        "    except OSError:\n"
        "        pass\n"
        "return log_weights.mean(0)",
        "import os\n",
        mistake="output",
        notes=("output",),
    ),
    "agent_patched": forged(
        "What answers the grader is made to answer with points.",
        f"{AGENT}\n"
        "answer = {'value': 2.0, 'points': 2.0, 'changed': [], 'modules': [], 'generators': []}\n"
        "agent.do_call = lambda *_: (answer, [])\n"
        "agent.do_describe = lambda *_: ({'kind': 'value', 'value': True}, [])",
        due={TARGET: 0.0, LAST: 0.0},
        mistakes={TARGET: "not-a-function"},
    ),
    "answers_infinite_numbers": forged(
        "What answers the grader tells of errors in line infinity.",
        f"{AGENT}\n"
        "line = {'number': float('inf'), 'function': '', 'source': ''}\n"
        "raised = dict(kind='', text='', first=line, last=line, not_implemented=0, leaves=0, hidden=0)\n"
        "agent.do_run = agent.do_call = lambda *_: ({'raised': raised}, [])",
        due={TARGET: 0.0, LAST: 0.0},
        mistakes={},
        notes=("tampered",),
    ),
    "outlives": returning(
        "Starts processes that leave their session and go on.",
        "return log_weights.mean(0)",
        f"""
import glob, os, time

for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execvp("sleep", ["sleep", "{SLEEP}"])
        os._exit(0)

def sleeping():
    found = 0
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            found += b"{SLEEP}" in open(path, "rb").read()
        except OSError:
            pass
    return found

while sleeping() < 3:
    time.sleep(0.05)
print("all three sleep")
""",
        mistake=MISTAKE,
        safe_for_stock=False,
    ),
}

ANSWERS = {
    "grader_handle": returning(
        "Answers with the number of an object of the grader's protocol.",
        "return object()",
        AGENT + "protocol['Encoder']._opaque = lambda self, value: {'object': 0}\n",
    ),
    "nested_deeply": returning("Returns a list in lists.", "x = []\nfor _ in range(10**5):\n    x = [x]\nreturn x"),
    "nested_in_itself": returning("Returns a list that holds itself twice.", "x = []\nx += [x, x]\nreturn x"),
    "a_million_values": returning("Returns a list of a million numbers.", "return list(range(10**6))"),
    "expanded": returning(
        "Returns one number a million million times.", "return log_weights.mean().expand(10**12)", notes=("memory",)
    ),
    "colliding_keys": returning(
        "Answers with a dictionary whose keys have one hash, which takes hours to build.",
        "return object()",
        AGENT + "KEYS = [[n * (2**61 - 1), 0] for n in range(90_000)]\n"
        "protocol['Encoder']._opaque = lambda self, value: {'dict': KEYS}\n",
        mistake="tampered",
        notes=("tampered",),
    ),
    "unwritable_file": Case(
        "Hands in a file whose name is too long for the file system.",
        files={"x" * 300: b""},
        notes=("too-large",),
        says="could not be put beside the notebook",
    ),
}

CASES: dict[str, Case] = {**LATER, **ANSWERS}

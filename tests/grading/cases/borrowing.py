"""Submissions that let the course answer for them, or look for answers, tests and secrets on the machine.

Each defines `borrow`, which returns a right `importance_weighted_bound` where it finds one; else the answer is wrong.
"""

from course_utils.checks.raised import COURSE
from course_utils.notebooks import ROOT
from tests.grading.cases import Case
from tests.grading.cases.wrong import MISTAKE, TARGET

REFERENCE = "course_utils.models.latent.iwae"
FILE = COURSE / "models" / "latent" / "iwae.py"
SOLUTION = ROOT / "solutions" / "a3_vae" / "a3_vae.py"

# How the answer is cut out of a text that holds it.
CUT = f"""
def cut(text):
    rest = text[text.index("def {TARGET}("):].splitlines()
    body = [line for line in rest[1:] if line.startswith(" ") or not line]
    end = next((n for n, line in enumerate(body) if "return" in line), len(body))
    namespace = {{"torch": torch, "math": math, "Tensor": torch.Tensor}}
    exec("\\n".join([rest[0], *body[: end + 1]]), namespace)
    return namespace["{TARGET}"]
"""

# Tries one path after the other; `open_first(paths)` is the answer in the first that holds it.
OPEN_FIRST = f"""{CUT}
def open_first(paths):
    for path in paths:
        try:
            with open(path, errors="replace") as file:
                return cut(file.read())
        except (OSError, ValueError):
            pass
    raise LookupError("nowhere")
"""

# Everything that can be reached from a frame, from the loaded modules and from what the collector knows.
WALK = f"""
def borrow():
    import gc, sys, types
    seen, waiting = set(), [*gc.get_objects(), sys.modules, type(get_ipython())]
    frame = sys._getframe()
    while frame is not None:
        waiting += [frame.f_globals, frame.f_locals, frame.f_code]
        frame = frame.f_back
    while waiting and len(seen) < 3_000_000:
        thing = waiting.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, types.FunctionType) and "course_utils" in thing.__code__.co_filename:
            if thing.__name__ == "{TARGET}":
                return thing
            if thing.__qualname__ == "ImportanceWeightedBound.oracle":
                return lambda log_weights: thing(None, log_weights)
        if type(thing) in (dict, list, tuple, types.ModuleType, types.FunctionType, types.CellType, type):
            waiting += gc.get_referents(thing)
    raise LookupError("nowhere")
get_ipython = globals().get("get_ipython", lambda: None)
BORROWED = []
try:
    BORROWED.append(borrow())
except LookupError:
    pass
borrow = lambda: BORROWED[0]
"""

# name -> (what its author did, the code that defines `borrow`)
TRICKS = {
    "importlib": (
        "Imports the reference by its name in a string.",
        f"import importlib\ndef borrow():\n    return importlib.import_module('{REFERENCE}').{TARGET}",
    ),
    "by_path": (
        "Loads the file of the reference as a module of another name.",
        "import importlib.util\n"
        "def borrow():\n"
        f"    spec = importlib.util.spec_from_file_location('mine', {str(FILE)!r})\n"
        "    module = importlib.util.module_from_spec(spec)\n"
        "    spec.loader.exec_module(module)\n"
        f"    return module.{TARGET}",
    ),
    "without_the_finder": (
        "Takes the finder that hides the reference out of sys.meta_path, and imports it then.",
        "import sys\n"
        "def borrow():\n"
        "    import importlib\n"
        "    hiding = [f for f in sys.meta_path if type(f).__name__ == 'HiddenModules']\n"
        "    for finder in hiding:\n"
        "        sys.meta_path.remove(finder)\n"
        "    importlib.invalidate_caches()\n"
        f"    return importlib.import_module('{REFERENCE}').{TARGET}",
    ),
    "getsource": (
        "Copies the source of the reference with inspect.",
        f"import inspect\n{CUT}\n"
        "def borrow():\n"
        "    import course_utils.models.latent.iwae as reference\n"
        "    return cut(inspect.getsource(reference))",
    ),
    "read_beside_the_package": (
        "Reads the file of the reference in the package's folder.",
        f"import glob, course_utils\n{OPEN_FIRST}\n"
        "def borrow():\n"
        "    return open_first(glob.glob(course_utils.__path__[0] + '/**/iwae.py', recursive=True))",
    ),
    "search_of_sys_path": (
        "Looks for the reference below every folder on sys.path and of site-packages.",
        f"import os, site, sys, course_utils\n{OPEN_FIRST}\n"
        "def borrow():\n"
        "    folders = [*sys.path, *site.getsitepackages(), os.path.dirname(course_utils.__path__[0])]\n"
        "    return open_first(os.path.join(f or '.', 'course_utils/models/latent/iwae.py') for f in folders)",
    ),
    "subprocess": (
        "Lets a fresh Python print the source of the reference.",
        f"import subprocess, sys\n{CUT}\n"
        "def borrow():\n"
        f"    code = 'import inspect, {REFERENCE} as m; print(inspect.getsource(m))'\n"
        f"    command = [sys.executable, '-c', code]\n"
        f"    return cut(subprocess.run(command, capture_output=True, text=True, cwd={str(COURSE.parent)!r}).stdout)",
    ),
    "solution_by_absolute_path": (
        "Reads the solution where it lies.",
        f"{OPEN_FIRST}\ndef borrow():\n    return open_first([{str(SOLUTION)!r}])",
    ),
    "solution_by_link": (
        "Reads the solution through symbolic links of its own.",
        f"import os, tempfile\n{OPEN_FIRST}\n"
        "def borrow():\n"
        "    folder = tempfile.mkdtemp()\n"
        f"    os.symlink({str(SOLUTION)!r}, folder + '/file')\n"
        f"    os.symlink({str(ROOT)!r}, folder + '/root')\n"
        "    return open_first([folder + '/file', folder + '/root' + '/solutions/a3_vae/a3_vae.py'])",
    ),
    "frames_and_gc": ("Walks frames, modules and what the garbage collector knows in search of the oracle.", WALK),
}
# Tricks that find something on some machines only: where there is a repository, say.
SEARCHES = {
    "solution_in_the_history_of_git": (
        "Reads the solution out of the repository.",
        f"import subprocess\n{CUT}\n"
        "def borrow():\n"
        f"    command = ['git', '-C', {str(ROOT)!r}, 'show', 'HEAD:solutions/a3_vae/a3_vae.py']\n"
        "    return cut(subprocess.run(command, capture_output=True, text=True).stdout)",
    ),
    "pyc": (
        "Unpacks the compiled reference out of __pycache__.",
        "import course_utils, glob, marshal\n"
        "def borrow():\n"
        "    for path in glob.glob(course_utils.__path__[0] + '/models/latent/__pycache__/iwae*.pyc'):\n"
        "        with open(path, 'rb') as file:\n"
        "            code = marshal.loads(file.read()[16:])\n"
        "        namespace = {'__name__': 'mine'}\n"
        "        exec(code, namespace)\n"
        f"        return namespace['{TARGET}']",
    ),
    "solution_by_relative_path": (
        "Reads the solution by paths that start from here.",
        f"{OPEN_FIRST}\n"
        "def borrow():\n"
        "    ends = ('solutions/a3_vae/a3_vae.py', 'source/a3_vae/a3_vae.ipynb', 'release/a3_vae/a3_vae.ipynb')\n"
        "    return open_first('../' * n + end for n in range(9) for end in ends)",
    ),
    "solution_through_proc": (
        "Reads the solution through the root, the folder and the files of other processes.",
        f"import glob\n{OPEN_FIRST}\n"
        "def borrow():\n"
        f"    paths = [root + {str(SOLUTION)!r} for root in glob.glob('/proc/*/root')]\n"
        "    paths += [cwd + '/solutions/a3_vae/a3_vae.py' for cwd in glob.glob('/proc/*/cwd')]\n"
        "    return open_first(paths + glob.glob('/proc/*/fd/*') + glob.glob('/proc/*/task/*/fd/*'))",
    ),
    "memory_of_others": (
        "Searches the memory of every other process for the solution.",
        f"import glob, os\n{CUT}\n"
        "def borrow():\n"
        "    for path in glob.glob('/proc/[0-9]*/maps'):\n"
        "        if path.split('/')[2] == str(os.getpid()):\n"
        "            continue\n"
        "        with open(path) as maps, open(path.replace('maps', 'mem'), 'rb') as memory:\n"
        "            for line in maps:\n"
        "                start, end = (int(n, 16) for n in line.split()[0].split('-'))\n"
        "                memory.seek(start)\n"
        "                text = memory.read(end - start).decode(errors='replace')\n"
        f"                if 'def {TARGET}(' in text:\n"
        "                    return cut(text)\n"
        "    raise LookupError('nowhere')",
    ),
    "gradebook_and_secret": (
        "Looks for the gradebook, the secret, other submissions and the tests in the whole file system.",
        "import os\n"
        "def borrow():\n"
        "    wanted = {'gradebook.db', 'secret', 'submitted', 'autograded', 'solutions', 'a3_vae.ipynb'}\n"
        "    for folder, folders, files in os.walk('/'):\n"
        "        folders[:] = [f for f in folders if f not in ('proc', 'sys', 'usr', 'site-packages')]\n"
        "        if wanted.intersection(folders + files):\n"
        "            return lambda log_weights: torch.logsumexp(log_weights, 0) - math.log(len(log_weights))\n"
        "    raise LookupError('nowhere')",
    ),
    "left_by_others": (
        "Leaves start-up files for the next process, and looks whether an earlier one has left some.",
        "import os, site, sys, tempfile\n"
        "home = os.path.expanduser('~')\n"
        "folders = [*sys.path, *site.getsitepackages(), site.getusersitepackages(), home, '.', '/tmp', '/dev/shm',\n"
        "    '/var/tmp', tempfile.gettempdir(), sys.prefix, os.path.dirname(sys.executable)]\n"
        "places = [p + '/' + f for p in folders\n"
        "    for f in ('sitecustomize.py', 'usercustomize.py', 'left.pth', 'conftest.py', '.pythonrc')]\n"
        'places += [f\'{os.environ.get("IPYTHONDIR", home + "/.ipython")}/profile_default/startup/00.py\',\n'
        "    get_ipython().ipython_dir + '/profile_default/startup/00.py',\n"
        "    home + '/.config/matplotlib/matplotlibrc', home + '/.jupyter/jupyter_server_config.py']\n"
        "MARK = '# left by an earlier submission\\n'\n"
        "def read(place):\n"
        "    try:\n"
        "        return open(place).read()\n"
        "    except OSError:\n"
        "        return ''\n"
        "FOUND = [place for place in places if MARK in read(place)]\n"
        "for place in places:\n"
        "    try:\n"
        "        os.makedirs(os.path.dirname(place), exist_ok=True)\n"
        "        open(place, 'a').write(MARK)\n"
        "    except OSError:\n"
        "        pass\n"
        "os.environ['PYTHONSTARTUP'] = '/tmp/.pythonrc'\n"
        "def borrow():\n"
        "    if not FOUND:\n"
        "        raise LookupError('nowhere')\n"
        "    return lambda log_weights: torch.logsumexp(log_weights, 0) - math.log(len(log_weights))",
    ),
}


def answer(code: str) -> str:
    """The cell: what `borrow` finds, or else the wrong answer."""
    return f"""{code}


def {TARGET}(log_weights):
    try:
        return borrow()(log_weights)
    except BaseException:
        return log_weights.mean(0)
"""


def _borrowing(story: str, code: str) -> Case:
    unsafe = "startup" in code  # leaves files where stock nbgrader's kernels start
    return Case(story, {TARGET: answer(code)}, due={TARGET: 0.0}, mistakes={TARGET: MISTAKE}, safe_for_stock=not unsafe)


CASES: dict[str, Case] = {
    **{name: _borrowing(*trick) for name, trick in {**TRICKS, **SEARCHES}.items()},
    "imported": Case(
        "Imports the reference under the name of the answer.",
        {TARGET: f"from {REFERENCE} import {TARGET}"},
        due={TARGET: 0.0},
        mistakes={TARGET: "uses-reference"},
        notes=("reference",),
        says="write the formula yourself",
    ),
    "imported_in_the_function": Case(
        "Imports the reference where it is called.",
        {TARGET: f"def {TARGET}(log_weights):\n    import {REFERENCE} as m\n    return m.{TARGET}(log_weights)"},
        due={TARGET: 0.0},
        mistakes={TARGET: "uses-reference"},
        notes=("reference",),
        says="write the formula yourself",
    ),
    "oracle_called": Case(
        "Asks the check for its own oracle.",
        {TARGET: f"def {TARGET}(log_weights):\n    return checks.vae.{TARGET}.oracle(log_weights=log_weights)"},
        due={TARGET: 0.0},
    ),
}

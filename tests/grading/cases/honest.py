"""Submissions in which everything is right, in many styles: all points are due, and nothing is to be noted."""

import nbformat
from nbformat import NotebookNode

from tests.grading.cases import Case

KL = "def gaussian_kl(mu, logvar):\n"
KL_BODY = "    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1)\n"
BOUND = "def importance_weighted_bound(log_weights):\n"
BOUND_BODY = "    return torch.logsumexp(log_weights, 0) - math.log(len(log_weights))\n"
PLAIN = "def plain(mu, logvar):\n" + KL_BODY


def with_cells(story: str, *sources: str, at: int = 4, **more) -> Case:
    """The perfect submission with cells of the student's own: at first after the imports."""

    def insert(notebook: NotebookNode) -> None:
        notebook.cells[at:at] = [nbformat.v4.new_code_cell(source) for source in sources]

    return Case(story, change=insert, **more)


def kl(story: str, answer: str, **more) -> Case:
    return Case(story, {"gaussian_kl": answer}, **more)


def _markdown(notebook: NotebookNode) -> None:
    notes = (nbformat.v4.new_markdown_cell(f"My note {n}: $x^{n}$") for n in range(len(notebook.cells)))
    notebook.cells = [cell for pair in zip(notebook.cells, notes, strict=True) for cell in pair]


NOISE = {
    "warnings_everywhere": kl(
        "Warns where the module is loaded and at every call.",
        f"import warnings\nwarnings.warn('careful')\n{KL}    warnings.warn('old', DeprecationWarning)\n{KL_BODY}",
    ),
    "warnings_are_errors": Case(
        "Makes warnings errors, in a notebook that causes one.",
        {
            "gaussian_kl": f"import warnings\nwarnings.simplefilter('error')\n{KL}{KL_BODY}",
            "importance_weighted_bound": f"{BOUND}    torch.tensor(torch.tensor(1.0))\n{BOUND_BODY}",
        },
    ),
    "logging": kl(
        "Logs at every level.",
        "import logging\nlogging.basicConfig(level=logging.DEBUG)\n"
        "log = logging.getLogger('mine')\nlog.error('hello')\n"
        f"{KL}    log.critical('mu %s', mu.shape)\n{KL_BODY}",
    ),
    "progress_bars": kl(
        "Shows progress bars of tqdm in the notebook and in the function.",
        "from tqdm import tqdm, trange\nfrom tqdm.auto import tqdm as auto\n"
        "for _ in trange(1000):\n    pass\nfor _ in auto(range(50)):\n    pass\n"
        f"{KL}    for _ in tqdm(range(20)):\n        pass\n{KL_BODY}",
    ),
    "prints_a_lot": kl(
        "Prints whole tensors at every call, and on stderr.",
        f"import sys\n{KL}    print(mu, logvar)\n    print('x' * 100_000)\n"
        f"    print('here', file=sys.stderr, flush=True)\n{KL_BODY}",
    ),
    "errors_in_scratch_cells": with_cells(
        "Cells of their own fail, raise and do not parse.",
        "1 / 0",
        "raise SystemExit('enough')",
        "def broken(:",
        "undefined_name",
        "raise KeyboardInterrupt",
        "assert False, 'scratch'",
        "input('your name? ')",
        "breakpoint()",
    ),
    "exit_in_a_scratch_cell": with_cells("Leaves the notebook with exit() and quit().", "exit()", "quit()"),
}

FORMULAS = {
    "distributions": Case(
        "Uses torch.distributions.",
        {
            "gaussian_kl": "from torch import distributions as D\n"
            f"{KL}    q = D.Normal(mu, (logvar / 2).exp())\n"
            "    return D.kl_divergence(q, D.Normal(torch.zeros_like(mu), torch.ones_like(mu))).sum(-1)",
            "reparameterize": "def reparameterize(mu, logvar):\n"
            "    return torch.distributions.Normal(mu, (logvar / 2).exp()).rsample()",
            "bernoulli_log_prob": "def bernoulli_log_prob(logits, x):\n"
            "    return torch.distributions.Bernoulli(logits=logits).log_prob(x).flatten(1).sum(1)",
        },
    ),
    "float64_inside": Case(
        "Computes in float64 and comes back.",
        {
            "gaussian_kl": f"{KL}    m, v = mu.double(), logvar.double()\n"
            "    return (0.5 * (m**2 + v.exp() - 1 - v).sum(1)).to(mu.dtype)",
            "importance_weighted_bound": f"{BOUND}    w = log_weights.double()\n"
            "    return (w.logsumexp(0) - math.log(len(w))).to(log_weights)",
        },
    ),
    "einsum": Case(
        "Uses einsum and products of matrices.",
        {
            "gaussian_kl": f"{KL}    ones = torch.ones(mu.shape[1], dtype=mu.dtype)\n"
            "    return 0.5 * (torch.einsum('bi,bi->b', mu, mu) + (logvar.exp() - logvar - 1) @ ones)",
            "reconstruction_loss": "def reconstruction_loss(x_hat, x):\n"
            "    d = (x_hat - x).flatten(1)\n    return torch.einsum('bi,bi->b', d, d)",
        },
    ),
    "loops": kl(
        "Loops over examples and dimensions.",
        f"{KL}    rows = []\n    for m, v in zip(mu, logvar):\n        total = 0\n        for i in range(len(m)):\n"
        "            total = total + 0.5 * (m[i] ** 2 + torch.exp(v[i]) - 1 - v[i])\n        rows.append(total)\n"
        "    return torch.stack(rows)",
    ),
    "in_place_on_own_tensors": kl(
        "Works in place, on tensors of its own.",
        f"{KL}    total = mu * mu\n    total += logvar.exp()\n"
        "    total.sub_(logvar).sub_(1).mul_(0.5)\n    return total.sum(1)",
    ),
    "own_autograd_function": kl(
        "Brings its own backward pass.",
        "class KL(torch.autograd.Function):\n"
        "    @staticmethod\n    def forward(ctx, mu, logvar):\n        ctx.save_for_backward(mu, logvar)\n"
        "        return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1)\n"
        "    @staticmethod\n    def backward(ctx, g):\n        mu, logvar = ctx.saved_tensors\n"
        "        return g[:, None] * mu, g[:, None] * 0.5 * (logvar.exp() - 1)\n"
        f"{KL}    return KL.apply(mu, logvar)",
    ),
    "tensor_for_a_number": Case(
        "Returns the weight of a step as a tensor and as NumPy's number.",
        {
            "beta_schedule": "import numpy as np\ndef beta_schedule(step, warmup_steps, beta_max=1.0):\n"
            "    return np.float64(beta_max * np.clip(float(step) / float(warmup_steps), 0.0, 1.0))"
        },
    ),
    "slow": Case(
        "Takes a tenth of a second at every call.",
        {
            "condition_on_label": "import time\ndef condition_on_label(z, y, num_classes):\n    time.sleep(0.1)\n"
            "    return torch.cat([z, torch.eye(num_classes, dtype=z.dtype)[y]], 1)"
        },
    ),
}

STYLES = {
    "typed": kl(
        "Type hints, defaults and further arguments by keyword.",
        "from typing import Optional\nimport torch as th\n"
        "def gaussian_kl(mu: 'th.Tensor', logvar: th.Tensor, *, scale: Optional[float] = None) -> th.Tensor:\n"
        "    '''With a docstring.'''\n    out = 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1)\n"
        "    return out if scale is None else out * scale",
    ),
    "decorated": kl(
        "Decorators of its own.",
        "import functools\ndef timed(f):\n    @functools.wraps(f)\n    def inner(*args, **kwargs):\n"
        f"        inner.calls += 1\n        return f(*args, **kwargs)\n"
        f"    inner.calls = 0\n    return inner\n@timed\n{KL}{KL_BODY}",
    ),
    "lambda": kl("A lambda.", "gaussian_kl = lambda mu, logvar: 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1)"),
    "partial": kl(
        "A partial of a more general function.",
        "from functools import partial\ndef scaled(mu, logvar, scale):\n"
        "    return scale * (mu**2 + logvar.exp() - 1 - logvar).sum(1)\ngaussian_kl = partial(scaled, scale=0.5)",
    ),
    "module": kl(
        "A network without parameters.",
        f"class KL(nn.Module):\n    def forward(self, mu, logvar):\n    {KL_BODY}\ngaussian_kl = KL()",
    ),
    "callable_object": kl(
        "An object with __call__.", f"class KL:\n    def __call__(self, mu, logvar):\n    {KL_BODY}\ngaussian_kl = KL()"
    ),
    "bound_method": kl(
        "A method of an object.",
        f"class Formulas:\n    def kl(self, mu, logvar):\n    {KL_BODY}\ngaussian_kl = Formulas().kl",
    ),
    "scripted": kl("Compiled by torch.jit.", f"@torch.jit.script\n{KL}{KL_BODY}"),
    "vmapped": kl(
        "One example, mapped over the batch.",
        "def one(mu, logvar):\n    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum()\n"
        f"{KL}    return torch.vmap(one)(mu, logvar)",
    ),
    "cached_and_recursive": Case(
        "Recursion and caches of right answers.",
        {
            "beta_schedule": "import functools\n@functools.lru_cache\ndef ramp(step, steps):\n"
            "    return 1.0 if step >= steps else step / steps\n"
            "def beta_schedule(step, warmup_steps, beta_max=1.0):\n"
            "    return beta_max * ramp(float(step), float(warmup_steps))"
        },
    ),
    "assertions_and_exceptions": kl(
        "Asserts what it takes for granted, and handles exceptions.",
        f"{KL}    assert mu.shape == logvar.shape, 'shapes'\n    try:\n        raise ValueError('never mind')\n"
        f"    except ValueError:\n        pass\n    finally:\n        mu = mu + 0\n{KL_BODY}",
    ),
    "unicode": kl(
        "Names and texts in Greek.",
        "π, naïve = 3, 'Ελληνικά ✓ 你好'\ndef gaussian_kl(mu, logvar):\n    μ, σ2 = mu, logvar.exp()\n"
        "    print(naïve)\n    return 0.5 * (μ**2 + σ2 - 1 - logvar).sum(1)",
    ),
    "elsewhere": with_cells(
        "Helpers and classes in cells of their own.",
        "def square(x):\n    return x * x",
        "class Gaussian:\n    def __init__(self, mu, logvar):\n        self.mu, self.logvar = mu, logvar\n"
        "    def kl(self):\n        return 0.5 * (square(self.mu) + self.logvar.exp() - 1 - self.logvar).sum(1)",
        answers={"gaussian_kl": f"{KL}    return Gaussian(mu, logvar).kl()"},
    ),
    "annotations_postponed": kl("Postponed annotations.", f"from __future__ import annotations\n{KL}{KL_BODY}"),
}

CELLS = {
    "defined_anew": with_cells(
        "A scratch cell at the end uses the function's name for something else.",
        "gaussian_kl_result = gaussian_kl(torch.zeros(2, 3), torch.zeros(2, 3))\ngaussian_kl, kl = None, gaussian_kl",
        at=-1,
    ),
    "markdown_everywhere": Case("Notes between all cells.", change=_markdown),
    "plots": with_cells(
        "Plots of every kind.",
        "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2, 3])\nplt.show()",
        "fig, ax = plt.subplots()\nax.imshow(torch.rand(8, 8))\nax.set_title('β')\nfig",
        "from IPython.display import HTML, Markdown, display\ndisplay(HTML('<b>bold</b>'), Markdown('*x*'))\n"
        "fig.savefig('x.png')",
    ),
    "magics": with_cells(
        "Magics and shell commands.",
        "%time sum(range(1000))",
        "%timeit -n 2 -r 2 torch.randn(3)",
        "!ls -la\n!echo $HOME",
        "files = !ls\nprint(files)",
        "%%time\ny = 3",
        "%pwd",
        "%%capture out\nprint('captured')",
        "%load_ext autoreload\n%autoreload 2",
        "%whos",
    ),
    "defaults_changed": with_cells(
        "Other defaults of torch, and seeds.",
        "torch.set_default_dtype(torch.float64)\ntorch.manual_seed(0)\ntorch.set_printoptions(precision=2)",
        "import random, numpy as np\nrandom.seed(1)\nnp.random.seed(1)\ntorch.set_grad_enabled(False)",
        "torch.use_deterministic_algorithms(True)\ntorch.set_num_threads(1)",
    ),
    "files_handed_in": with_cells(
        "A module and a table beside the notebook.",
        "from helper import half\nimport json\n"
        "with open('data/table.json', encoding='utf-8') as f:\n    table = json.load(f)\n"
        "assert table['ok'] == 'ja ✓'",
        answers={"gaussian_kl": f"{KL}    return half((mu**2 + logvar.exp() - 1 - logvar).sum(1)) * table['one']"},
        files={
            "helper.py": b"def half(x):\n    return x / 2\n",
            "data/table.json": '{"ok": "ja ✓", "one": 1}'.encode(),
        },
    ),
    "files_written": with_cells(
        "Saves and loads files and models.",
        "model = nn.Linear(2, 2)\ntorch.save(model.state_dict(), 'model.pt')\n"
        "model.load_state_dict(torch.load('model.pt', weights_only=True))",
        "import os, tempfile\nos.makedirs('out/deep', exist_ok=True)\n"
        "open(os.path.expanduser('~/x.txt'), 'w').write('x')\n"
        "with tempfile.TemporaryDirectory() as d:\n    open(d + '/y', 'w').write('y')\nos.chdir('out')",
    ),
    "training": with_cells(
        "Trains a network, with data loaders that have workers.",
        "from torch.utils.data import DataLoader, TensorDataset\n"
        "loader = DataLoader(TensorDataset(torch.randn(64, 4)), 16, num_workers=2)\n"
        "model = nn.Linear(4, 1)\nopt = torch.optim.Adam(model.parameters())\n"
        "for (x,) in loader:\n    opt.zero_grad()\n    model(x).pow(2).mean().backward()\n    opt.step()\n"
        "trained = 1",
        answers={"gaussian_kl": f"{KL}    assert trained\n{KL_BODY}"},
    ),
    "parallel": with_cells(
        "Processes, threads and coroutines, all of which have to work.",
        "import multiprocessing as mp\n"
        "with mp.get_context('fork').Pool(2) as pool:\n    squares = pool.map(abs, [-1, -2])",
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(2) as executor:\n    doubles = list(executor.map(float, [1]))",
        "import asyncio\nasync def one():\n    await asyncio.sleep(0.01)\n    return 1\none_ = await one()",
        "import subprocess\necho = subprocess.run(['echo', 'hi'], capture_output=True, text=True, check=True).stdout",
        answers={"gaussian_kl": f"assert squares == [1, 2] and doubles and one_ == 1 and echo\n{KL}{KL_BODY}"},
    ),
    "thread_goes_on": with_cells(
        "A thread prints all the time.",
        "import threading, time\ndef tick():\n    while True:\n        print('tick')\n        time.sleep(0.01)\n"
        "threading.Thread(target=tick, daemon=True).start()",
    ),
    "star_imports": with_cells(
        "Star imports.", "from math import *\nfrom torch.nn.functional import *\nfrom numpy import random as npr"
    ),
    "checks_by_hand": with_cells(
        "Runs checks in cells of its own, looks at the reports, and gives the name another meaning.",
        "report = checks.vae.reconstruction_loss(lambda a, b: a)\nreport\nprint(report)",
        "from course_utils.checks import vae as v\nv.gaussian_kl",
        "checks = 'done'",
    ),
    "looks_back": with_cells("Uses the history of the shell.", "2 + 2", "_ + 1", "Out, In, _ih", "%history"),
}

CASES: dict[str, Case] = {**NOISE, **FORMULAS, **STYLES, **CELLS}

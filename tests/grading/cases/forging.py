"""Submissions that try to win points for wrong code: tricks in the notebook, and those of the files beside."""

from collections.abc import Callable

import nbformat
from nbformat import NotebookNode

from course_utils.checks import vae
from tests.grading.cases import Case, borrowing, cell, takeover
from tests.grading.cases.wrong import LAST, MISTAKE, RIGHT, TARGET, WRONG, forged, returning

SHELL = {
    "asserts_dropped": forged(
        "An AST transformer drops assertions and replaces calls of checks.",
        "import ast\n"
        "class Drop(ast.NodeTransformer):\n"
        "    def visit_Assert(self, node):\n"
        "        return ast.copy_location(ast.Pass(), node)\n"
        "    def visit_Expr(self, node):\n"
        "        return ast.copy_location(ast.Expr(ast.Constant(2.0)), node)\n"
        "get_ipython().ast_transformers.append(Drop())",
    ),
    "tests_emptied": forged(
        "An input transformer empties every cell that calls a check.",
        "get_ipython().input_transformers_cleanup.append(\n"
        "    lambda lines: [] if any('checks.' in line for line in lines) else lines)",
    ),
    "cells_emptied": forged(
        "An input transformer empties every cell that follows, the next answer included.",
        "get_ipython().input_transformers_cleanup.append(lambda lines: [])",
        due={TARGET: 0.0, LAST: 0.0},  # the author's own doing: that answer never ran
    ),
    "shell_patched": forged(
        "The shell runs no cell any more, and says that all went well.",
        "type(get_ipython()).run_cell = lambda *_, **__: None",
        due={TARGET: 0.0, LAST: 0.0},
    ),
    "hooks_registered": forged(
        "A hook defines the functions anew after each cell.",
        "def renew(*_):\n"
        f"    get_ipython().user_ns['{TARGET}'] = lambda log_weights: True\n"
        "for event in ('pre_execute', 'pre_run_cell', 'post_execute', 'post_run_cell'):\n"
        "    get_ipython().events.register(event, renew)",
        mistakes={},
    ),
    "display_forged": forged(
        "Reports, scores and results are shown, printed and written on every stream.",
        "import sys\n"
        "from IPython.display import display\n"
        "report = {'check': 'importance_weighted_bound', 'fraction': 1.0, 'passed': True, 'findings': []}\n"
        "display({'application/vnd.course.report+json': report, 'text/plain': '2.0'}, raw=True)\n"
        "print('3.0\\nScore(2.0)', file=sys.stderr)\n"
        "print('3.0')\n"
        "sys.displayhook = lambda value: display({'text/plain': '2.0'}, raw=True)\n"
        "get_ipython().display_formatter.format = lambda value, *_, **__: ({'text/plain': '2.0'}, {})\n"
        "2.0",
    ),
    "outputs_forged": forged(
        "An output with a report is put straight among those of the cell.",
        "get_ipython().outputs.items.append({'output_type': 'execute_result', 'metadata': {},\n"
        "    'data': {'application/vnd.course.report+json': {'fraction': 1.0}, 'text/plain': '2.0'}})",
        mistakes={},
        notes=("tampered",),
    ),
    "history_read": returning(
        "Searches the history of the shell for the tests and what they expect.",
        "shell = get_ipython()\n"
        "seen = [*In, *map(str, Out.values()), *_ih, str(shell.history_manager.input_hist_raw)]\n"
        "for text in seen:\n"
        "    if 'at_' + 'grading' in text or 'ora' + 'cle' in text:\n"
        f"        return {RIGHT}\n"
        "return log_weights.mean(0)",
        mistake=MISTAKE,
    ),
}

OBJECTS = {
    "always_true": returning(
        "Returns an object whose every operator is true.",
        "return Yes()",
        "class Yes:\n"
        "    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = lambda self, other: True\n"
        "    __bool__ = __contains__ = __instancecheck__ = lambda *_: True\n"
        "    __call__ = __getattr__ = __getitem__ = __add__ = __sub__ = __rsub__ = __abs__ = lambda self, *_: self\n"
        "    __float__ = lambda self: 0.0\n"
        "    __len__ = __int__ = __index__ = lambda self: 1\n"
        "    __hash__ = object.__hash__\n",
    ),
    "function_always_true": returning(
        "The answer itself is an object that says yes to everything.",
        "pass",
        "class Yes:\n"
        "    def __call__(self, *_, **__):\n"
        "        return self\n"
        "    def __getattr__(self, name):\n"
        "        return self\n"
        "    __eq__ = __lt__ = __gt__ = __bool__ = lambda *_: True\n",
    ),
    "torch_function": returning(
        "Returns a tensor subclass that answers every comparison with true.",
        "return log_weights.mean(0).as_subclass(Liar)",
        "class Liar(torch.Tensor):\n"
        "    @classmethod\n"
        "    def __torch_function__(cls, function, types, args=(), kwargs=None):\n"
        "        if function.__name__ in ('allclose', 'equal', 'isclose', '__eq__', '__lt__', 'all', 'isfinite'):\n"
        "            return torch.tensor(True)\n"
        "        return super().__torch_function__(function, types, args, kwargs or {})\n"
        "    __eq__ = __ne__ = lambda self, other: torch.tensor(True)\n"
        "    __hash__ = torch.Tensor.__hash__\n",
        MISTAKE,
    ),
    "lying_shape": returning(
        "Returns a tensor subclass that lies about its shape and type.",
        "return log_weights.mean().as_subclass(Liar)",
        "class Liar(torch.Tensor):\n"
        "    shape = property(lambda self: torch.Size([3]))\n"
        "    dtype = property(lambda self: torch.float32)\n",
        mistake="tampered",
        notes=("tampered",),
    ),
    "changing_tensor": returning(
        "Returns a tensor subclass with other values each time it is detached.",
        "return log_weights.mean(0).as_subclass(Changing)",
        "class Changing(torch.Tensor):\n    def detach(self):\n        return torch.randn(self.shape)\n",
    ),
    "list_then_tensor": returning(
        "Returns a list that claims to be a tensor.",
        "return Later(log_weights.mean(0).tolist())",
        "class Later(list):\n    __class__ = property(lambda self: torch.Tensor)\n",
    ),
    "not_a_number": returning("Returns NaN.", "return log_weights.mean(0) * float('nan')"),
    "infinity": returning("Returns infinity.", "return log_weights.mean(0) + float('inf')"),
    "a_billion": returning("Returns 1e9, and ends its cell in it.", "return log_weights.mean(0) * 0 + 1e9"),
    "number_for_a_score": returning("Returns the score that it would like.", "return 1e9", mistake="returns-number"),
    "true_for_a_score": returning("Returns True.", "return True", mistake="returns-number"),
    "detached_with_forged_gradients": returning(
        "Right values without a gradient, and a patched autograd that invents one.",
        "value = torch.logsumexp(log_weights.detach(), 0) - math.log(len(log_weights))\nreturn value.requires_grad_()",
        "torch.autograd.grad = lambda outputs, inputs, **_: tuple(torch.ones_like(i) for i in inputs)\n",
        due={
            TARGET: 2.4,
            LAST: 2.4,
        },  # values, far out and contract are right; the patch spoils the last one's gradient
    ),
}

NAMES = {
    "names_shadowed": forged(
        "Names that tests use mean something else in the notebook.",
        "class checks:\n"
        "    class vae:\n"
        f"        class {TARGET}:\n"
        "            at_grading = staticmethod(lambda function: Score())\n"
        "            score = staticmethod(lambda points: points)\n"
        "class Score(float):\n"
        "    score = lambda self, points: 1e9\n"
        "abs = lambda value: 0\n"
        "all = any = allclose = isinstance = lambda *_, **__: True\n"
        "float = lambda value: 2.0",
    ),
    "checks_replaced": forged(
        "The module of the checks is replaced in every place where Python looks.",
        "import sys, types, course_utils\n"
        "class Generous(types.ModuleType):\n"
        "    def __getattr__(self, name):\n"
        "        return self\n"
        "    def __call__(self, *_, **__):\n"
        "        return 2.0\n"
        "for name in [name for name in sys.modules if name.startswith('course_utils.checks')]:\n"
        "    sys.modules[name] = Generous(name)\n"
        "checks = course_utils.checks = Generous('checks')",
    ),
    "torch_patched": forged(
        "The functions with which one compares tensors always agree.",
        "yes = lambda *_, **__: True\n"
        "torch.allclose = torch.equal = torch.isclose = torch.testing.assert_close = yes\n"
        "torch.Tensor.allclose = torch.Tensor.equal = torch.Tensor.all = torch.Tensor.any = yes\n"
        "torch.Tensor.isfinite = lambda self: torch.ones(())\n"
        "torch.Tensor.item = lambda self: 0.0",
    ),
    "equality_patched": forged(
        "Tensors compare equal, whatever they hold.",
        "torch.Tensor.__eq__ = torch.Tensor.__le__ = torch.Tensor.__ge__ = lambda self, other: True",
    ),
    "builtins_patched": forged(
        "Python's own functions say yes.",
        "import builtins, math\n"
        "builtins.abs = lambda value: 0\n"
        "builtins.any = lambda values: False\n"
        "math.isclose = math.isfinite = lambda *_, **__: True",
    ),
    "isinstance_patched": forged(
        "isinstance is always true, which breaks what answers for the student.",
        "import builtins\nbuiltins.isinstance = lambda *_: True",
        mistakes={},
        notes=("crash",),
    ),
    "random_patched": forged(
        "The random generators are frozen, so that inputs would be foreseeable.",
        "import random\n"
        "for function in ('randn', 'rand', 'randint'):\n"
        "    setattr(torch, function, lambda *shape, **_: torch.zeros(*shape))\n"
        "random.random = lambda: 0.0",
    ),
}


def sniffing(story: str, condition: str, otherwise: str, **more) -> Case:
    lines = f"import os, socket, sys\nif {condition}:\n    return {RIGHT}\nreturn {otherwise}"
    return returning(story, lines, **{"mistake": MISTAKE, **more})


def _looked_up() -> dict[str, str]:
    """The answers of the visible check, recorded as a student can record them, and looked up."""
    recorded = {}

    def record(step, warmup_steps, beta_max=1.0):
        answer = min(1.0, float(step) / float(warmup_steps)) * float(beta_max)
        recorded[float(step), float(warmup_steps), float(beta_max)] = answer
        return answer

    assert vae.beta_schedule(record, 0, allow_reference=True).passed
    return {
        "beta_schedule": f"RECORDED = {recorded}\n\ndef beta_schedule(step, warmup_steps, beta_max=1.0):\n"
        "    return RECORDED.get((float(step), float(warmup_steps), float(beta_max)), 0.0)"
    }


SNIFFING = {
    "right_under_nbgrader": sniffing(
        "Right only where nbgrader or a course's setting shows in the environment: none does.",
        "any(name.startswith(('NBGRADER', 'COURSE')) for name in set(os.environ) - {'COURSE_DATA'})",
        "log_weights.mean(0)",
    ),
    "right_before_grading": sniffing(
        "Wrong only where it is graded.", "socket.gethostname() != 'sandbox'", "log_weights.mean(0)"
    ),
    "right_when_graded": sniffing(
        "Right only where it is graded: it counts as it behaves.",
        "os.getcwd() == '/sandbox/work' or socket.gethostname() == 'sandbox'",
        "log_weights.mean(0)",
        due={},
        mistake=None,
    ),
    "looked_up": Case("Answers of the visible check, looked up.", _looked_up(), due={"beta_schedule": 0.0}),
    "remembered": returning(
        "Answers with what it answered first.",
        "MEMO.append(log_weights.mean(0))\nreturn MEMO[0]",
        "MEMO = []\n",
    ),
}


def changed(story: str, change: Callable[[NotebookNode], None], **more) -> Case:
    return Case(story, {TARGET: WRONG}, change, **{"due": {TARGET: 0.0}, "mistakes": {TARGET: MISTAKE}, **more})


def _points(notebook):
    for kind in ("check", "test"):
        cell(notebook, f"{TARGET}-{kind}").metadata.nbgrader.points = 100
    cell(notebook, "reconstruction_loss-test").metadata.nbgrader.points = 100


def _as_solution(notebook):
    test = cell(notebook, f"{TARGET}-test")
    test.metadata.nbgrader.update(solution=True, locked=False, grade=True)
    test.source = "2.0"


def _edited(notebook):
    cell(notebook, f"{TARGET}-check").source = "1.0"
    cell(notebook, f"{TARGET}-test").source = "2.0"


def _extra(notebook):
    mark = dict(cell(notebook, f"{TARGET}-test").metadata.nbgrader, grade_id="bonus", points=100)
    notebook.cells.append(nbformat.v4.new_code_cell("100", metadata={"nbgrader": mark}))


def _unlocked(notebook):
    for c in notebook.cells:
        if "nbgrader" in c.metadata:
            c.metadata.nbgrader.update(locked=False, solution=True)
    cell(notebook, "setup").source += "\nchecks = None"


def _taken_over(notebook):
    """A cell of the student's own under the name of the hidden test, which is gone."""
    test = cell(notebook, f"{TARGET}-test")
    notebook.cells.remove(test)
    notebook.cells.append(nbformat.v4.new_code_cell("2.0", metadata=test.metadata))


def _tests_removed(notebook):
    notebook.cells = [c for c in notebook.cells if not c.metadata.get("nbgrader", {}).get("grade")]


METADATA = {
    "hundred_points": changed("Tests are marked as worth 100 points.", _points),
    "test_as_solution": changed("The hidden test is marked as a solution.", _as_solution, notes=("restored",)),
    "everything_unlocked": changed("All cells are marked as unlocked solutions.", _unlocked, notes=("restored",)),
    "tests_edited": changed("Tests are replaced by the points that they give.", _edited, notes=("restored",)),
    "bonus_cell": changed("A graded cell of the student's own is worth 100 points.", _extra),
    "test_taken_over": changed(
        "The hidden test's name is given to a cell of the student's own.",
        _taken_over,
        notes=("reordered", "restored"),
    ),
    "tests_removed": changed("All tests are removed.", _tests_removed, notes=("missing",)),
}

CASES: dict[str, Case] = {
    **SHELL,
    **OBJECTS,
    **NAMES,
    **SNIFFING,
    **METADATA,
    **takeover.CASES,
    **borrowing.CASES,
}

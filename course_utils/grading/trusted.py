"""The tests of a release, which the grader trusts: what they import, what they take from a notebook, their worth."""

import ast
import builtins
import math
from contextlib import suppress

from course_utils.checks.report import Score, cut
from course_utils.grading.spec import NotebookSpec


def trusted_imports(spec: NotebookSpec) -> dict:
    """What the import statements of the release's locked cells define: the names that tests may take for granted."""
    namespace: dict = {}
    for cell in spec.cells:
        if cell.cell_type != "code" or not cell.locked or cell.is_test:
            continue
        with suppress(SyntaxError):  # a cell with magics imports nothing here
            statements = [node for node in ast.parse(cell.source).body if isinstance(node, ast.Import | ast.ImportFrom)]
            exec(compile(ast.Module(statements, []), f"<{cell.grade_id}>", "exec"), namespace)
    namespace.pop("__builtins__", None)
    return namespace


def free_names(tree: ast.AST) -> set[str]:
    """The names that a piece of code reads and does not itself define, without Python's own."""
    nodes = list(ast.walk(tree))
    read = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    made = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    made |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    made |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            made |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    return read - made - set(dir(builtins))


def points_of(value, most: float) -> tuple[float, dict | None]:
    """Points and report for the value of a test: a `Score`, a number, True, False, or nothing, which gives all points.

    Raises ValueError for anything else; a test must not end in a value that a student chose.
    """
    if isinstance(value, Score):
        return min(float(value), most), value.report.to_dict()
    if value is None or value is True:
        return most, None
    if value is False:
        return 0.0, None
    if isinstance(value, int | float) and math.isfinite(value) and 0 <= value <= most:
        return float(value), None
    raise ValueError(f"the test gave {cut(repr(value), 60)}, and no score from 0 to {most:g}")

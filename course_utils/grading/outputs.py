"""Outputs that go into a graded notebook: those of the grader's own, and those of a student's that may stay."""

from nbformat import NotebookNode
from nbformat.v4 import new_output

from course_utils.checks.report import Score, cut
from course_utils.grading.sandbox import raised_from
from course_utils.grading.wire import MIME_TYPES


def verdict_output(value, index: int) -> NotebookNode:
    """The output that shows a verdict."""
    data = value._repr_mimebundle_() if isinstance(value, Score) else {"text/plain": cut(repr(value))}
    return new_output("execute_result", data, execution_count=index + 1)


def error_output(kind: str, text: str) -> NotebookNode:
    return new_output("error", ename=kind, evalue=text, traceback=[f"{kind}: {text}"])


def valid_answer(answer: dict, limit: int) -> dict:
    """The answer to `run`, with everything in it of the kind that a notebook may hold. Raises ValueError and others."""
    outputs, size = [], 0
    for item in answer["outputs"]:
        match item:
            case {"output_type": "stream", "name": "stdout" | "stderr" as name, "text": str(text)}:
                outputs.append(new_output("stream", name=name, text=text))
                size += len(text)
            case {"output_type": "display_data" | "execute_result" as kind, "data": dict(data)}:
                if not all(mime in MIME_TYPES and isinstance(value, str) for mime, value in data.items()):
                    raise ValueError("an output of another kind")
                more = {"execution_count": None} if kind == "execute_result" else {}
                outputs.append(new_output(kind, data, **more))
                size += sum(map(len, data.values()))
            case {"output_type": "error", "ename": str(name), "evalue": str(text), "traceback": list(lines)}:
                if not all(isinstance(line, str) for line in lines):
                    raise ValueError("an error of another kind")
                outputs.append(new_output("error", ename=name, evalue=text, traceback=lines))
                size += sum(map(len, lines))
            case _:
                raise ValueError("an output of another kind")
    if size > limit + 500_000:
        raise ValueError("outputs beyond their limit")
    error = answer["error"]
    return {
        "outputs": outputs,
        "truncated": answer["truncated"] is True,
        "error": None if error is None else raised_from(error),
    }

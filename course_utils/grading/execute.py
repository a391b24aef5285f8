"""Run a submission to its last cell, whatever its cells do to the kernel.

nbgrader's own preprocessor gives up the notebook when the kernel dies, and a kernel that swallows the interrupt after a
time-out drags all later cells down. Here such a cell gets an error output (nbgrader scores it 0), the kernel is
replaced, the cells before are run again for what they define, and the rest is graded.
"""

from copy import deepcopy

from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbclient.util import run_sync
from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader import utils
from nbgrader.preprocessors import Execute
from traitlets import Bool

MISHAPS = (DeadKernelError, CellTimeoutError)


class SurvivingExecute(Execute):
    """nbgrader's `Execute`, going on after a dead kernel or an endless loop. Its options are those of `Execute`."""

    # An interrupt can be swallowed; replacing the kernel cannot.
    interrupt_on_timeout = Bool(False).tag(config=True)

    def preprocess(self, nb: NotebookNode, resources, km=None):
        self._fatal: set[int] = set()
        return super().preprocess(nb, resources, km)

    def preprocess_cell(self, cell: NotebookNode, resources, index: int):
        try:
            return super().preprocess_cell(cell, resources, index)
        except MISHAPS as mishap:
            self._spoil(cell, index, mishap)
            self._replace_kernel()
            self._replay(index)
            return cell, self.resources

    def _spoil(self, cell: NotebookNode, index: int, mishap: Exception) -> None:
        """Mark the cell as failed; the error goes first, since nbgrader judges by the first output that decides."""
        self._fatal.add(index)
        if isinstance(mishap, CellTimeoutError):
            name, text = "CellTimeoutError", f"the cell did not finish within {self.timeout} s: an endless loop?"
        else:
            name, text = "DeadKernelError", "the kernel died in this cell: os._exit, a crash, or out of memory?"
        self.log.warning("Cell %d: %s; going on with a new kernel", index, text)
        error = new_output("error", ename=name, evalue=text, traceback=[f"\x1b[0;31m{name}\x1b[0m: {text}"])
        cell.outputs.insert(0, error)

    def _replace_kernel(self) -> None:
        self.kc.stop_channels()
        run_sync(self.km.shutdown_kernel)(now=True)
        self.km, self.kc = self.create_kernel_manager(), None
        self.start_new_kernel()
        self.start_new_kernel_client()

    def _replay(self, end: int) -> None:
        """Run the cells before `end` again, without those that are graded and those that killed a kernel."""
        index = 0
        while index < end:
            cell = self.nb.cells[index]
            if cell.cell_type == "code" and index not in self._fatal and not _is_test(cell):
                try:
                    self.execute_cell(deepcopy(cell), index, store_history=True)
                except MISHAPS:
                    # What ran the first time kills the second time: leave it out, too, and start again.
                    self._fatal.add(index)
                    self._replace_kernel()
                    index = 0
                    continue
            index += 1


def _is_test(cell: NotebookNode) -> bool:
    return utils.is_grade(cell) and not utils.is_solution(cell)

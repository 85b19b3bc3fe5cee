"""A papermill engine that runs the cells in this process, in an IPython shell, instead of a kernel of their own.

Importing this module registers it as 'litecast'. It imports papermill and IPython, which takes a second or two.
"""

import io
from contextlib import redirect_stderr, redirect_stdout

import papermill
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from nbformat.v4 import new_output
from papermill.engines import Engine, papermill_engines
from traitlets import Type
from traitlets.config import Config

from litecast.errors import TooFewWindows

__all__ = ["InProcess", "papermill"]


class Hook(DisplayHook):
    """The last expression of a cell becomes an execute_result."""

    def write_output_prompt(self):
        pass

    def write_format_data(self, format_dict, md_dict=None):
        self.shell.outputs.append(new_output("execute_result", format_dict, metadata=md_dict or {},
                                             execution_count=self.shell.execution_count))


class Publisher(DisplayPublisher):
    """display() and inline figures become display_data; an update replaces what it updates."""

    def publish(self, data, metadata=None, *, transient=None, update=False, **_):
        shown = (transient or {}).get("display_id")
        if not update:
            self.shell.outputs.append(new_output("display_data", data, metadata=metadata or {}))
            self.shell.shown.setdefault(shown, []).append(self.shell.outputs[-1])
        for output in self.shell.shown.get(shown, []) if update else []:
            output.update(data=new_output("display_data", data).data, metadata=metadata or {})

    def clear_output(self, wait=False):
        self.shell.outputs.clear()


class Shell(InteractiveShell):
    displayhook_class, display_pub_class = Type(Hook), Type(Publisher)
    outputs: list = []
    shown: dict = {}

    def enable_gui(self, gui=None):
        """No window system: figures are outputs."""

    def _showtraceback(self, etype, evalue, stb):
        if issubclass(etype, TooFewWindows):  # a note, not a failure; the cells below it are not run
            self.outputs.append(new_output("display_data", {"text/markdown": f"**Left out:** {evalue}"},
                                           metadata={"left_out": str(evalue)}))
            return
        self.outputs.append(new_output("error", ename=etype.__name__, evalue=str(evalue), traceback=list(stb)))


class Stream(io.TextIOBase):
    """stdout or stderr of a cell as stream outputs; pieces that follow each other are joined."""

    def __init__(self, name: str, shell: Shell):
        self.stream, self.shell = name, shell

    def write(self, text: str) -> int:
        outputs = self.shell.outputs
        if outputs and outputs[-1].get("name") == self.stream:
            outputs[-1].text += text
        elif text:
            outputs.append(new_output("stream", name=self.stream, text=text))
        return len(text)


class InProcess(Engine):
    """Cells run one after the other in an IPython shell of this process, until one fails."""

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, **_):
        quiet = Config({"HistoryManager": {"enabled": False}, "InteractiveShell": {"colors": "nocolor"}})
        shell = Shell.instance(config=quiet)
        with redirect_stdout(Stream("stdout", shell)), redirect_stderr(Stream("stderr", shell)):
            for index, cell in enumerate(nb_man.nb.cells):
                if cell.cell_type == "code" and not cls._run(nb_man, shell, cell, index):
                    break

    @staticmethod
    def _run(nb_man, shell, cell, index) -> bool:
        nb_man.cell_start(cell, index)
        cell.outputs = shell.outputs = []
        cell.execution_count = shell.execution_count
        result = shell.run_cell(cell.source, store_history=True)
        cell.outputs = shell.outputs
        if not result.success and not isinstance(result.error_in_exec, TooFewWindows):
            nb_man.cell_exception(cell, index)
        nb_man.cell_complete(cell, index)
        return result.success


papermill_engines.register("litecast", InProcess)

"""A run's progress in a terminal: one bar a stage, which stays as one line."""

import sys

from soaplib.runs.progress import Progress

_WIDTH = 40


class Bars(Progress):
    """Draw the bar of the running stage on stderr, and a line for each stage that was kept."""

    def __init__(self):
        self._bar = None

    def stage_begins(self, name, cells):
        from tqdm.std import tqdm  # the plain one: tqdm.auto would look for a notebook

        self._bar = tqdm(
            total=cells,
            desc=f"{name:<14}",
            unit="cell",
            file=sys.stderr,
            dynamic_ncols=True,
            bar_format="{desc} |{bar:20}| {n_fmt}/{total_fmt} {elapsed} {postfix}",
        )

    def cell_done(self):
        if self._bar is not None:
            self._bar.update(1)

    def output(self, line):
        if self._bar is not None:
            self._bar.set_postfix_str(line if len(line) <= _WIDTH else line[: _WIDTH - 1] + "…")

    def stage_ends(self, name, seconds, made):
        if not made:
            self.says(f"{name:<14} kept ({seconds:.1f} s when it was made)")
            return
        self._bar.total = self._bar.n
        self._bar.bar_format = "{desc} |{bar:20}| " + f"{seconds:.1f} s"
        self._bar.refresh()
        self.close()

    def says(self, sentence):
        from tqdm.std import tqdm

        tqdm.write(sentence, file=sys.stderr)

    def close(self):
        """Leave the bar as it stands, at the end of a run or where it broke off."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

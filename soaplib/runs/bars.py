"""A run's progress in a terminal: one bar a stage, which stays as one line."""

import sys
import time

from soaplib.runs.progress import Progress

_WIDTH = 44


class Bars(Progress):
    """Draw the bar of the running stage on stderr; where that is no terminal, a line for each finished stage."""

    def __init__(self):
        self._bar = None
        self._drawn = 0.0
        self._live = sys.stderr.isatty()

    def stage_begins(self, name, cells):
        if self._live:
            from tqdm.std import tqdm  # the plain one: tqdm.auto would look for a notebook

            self._bar = tqdm(
                total=cells,
                desc=f"{name:<14}",
                file=sys.stderr,
                dynamic_ncols=True,
                bar_format="{desc} |{bar:20}| {elapsed} {postfix}",
            )

    def cell_done(self):
        if self._bar is not None:
            self._bar.update(1)

    def time_passes(self):
        if self._bar is not None and time.monotonic() - self._drawn > 0.5:
            self._drawn = time.monotonic()
            self._bar.refresh()

    def output(self, line):
        if self._bar is not None:
            self._bar.postfix = line if len(line) <= _WIDTH else line[: _WIDTH - 1] + "…"

    def stage_ends(self, name, seconds, made):
        self.close()
        self.says(f"{name:<14} {seconds:6.1f} s" + ("" if made else ", kept from an earlier run"))

    def says(self, sentence):
        print(sentence, file=sys.stderr)

    def close(self):
        """Take the bar away, at the end of a stage or where it broke off."""
        if self._bar is not None:
            self._bar.leave = False
            self._bar.close()
            self._bar = None

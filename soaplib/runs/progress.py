"""What a run tells while it works; the base class is silent, and the command line draws bars."""


class Progress:
    """Receives the events of a run. Override what you want to show; every method does nothing here."""

    def stage_begins(self, name: str, cells: int) -> None:
        """Tell that a stage starts, with `cells` code cells to execute."""

    def cell_done(self) -> None:
        """Tell that one more code cell is done."""

    def time_passes(self) -> None:
        """Be called about ten times a second while a notebook runs."""

    def output(self, line: str) -> None:
        """Give the last line that the running notebook printed: its own progress on long work."""

    def stage_ends(self, name: str, seconds: float, made: bool) -> None:
        """Tell that a stage is finished; `made` is False where it was kept from an earlier run."""

    def says(self, sentence: str) -> None:
        """Give a sentence for the person who started the run."""

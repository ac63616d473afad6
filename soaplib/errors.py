"""The one exception that means "the user can mend this"."""


class UserError(ValueError):
    """A mistake in the input: one sentence that says what was expected, what came and what to do.

    The command line prints the sentence and ends with exit code 2; every other exception is a defect.
    """

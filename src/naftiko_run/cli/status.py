"""Exit statuses of the command."""

OK, INVALID, USAGE, NO_LISTENER = 0, 1, 2, 3

"""Scripts of steps: what is written in JavaScript or Python, run where it can do no harm.

A script is compiled at load into a :class:`~naftiko_run.scripts.program.Program`, whose statements
count themselves. It runs in a worker process, on an engine that has neither files nor a network, an
environment, processes or objects of this one: :mod:`naftiko_run.scripts.workers`. This side of the
pipe imports no engine, and nothing starts before the first script runs.
"""

"""From disk and environment to a document and its variables, with every finding on the way.

This room reads; it compiles nothing and opens no socket. A file that cannot be used is a
:class:`naftiko_run.errors.DocumentError`, never another exception.
"""

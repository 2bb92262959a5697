"""Schemes by which callers authenticate that take more than comparing two texts.

A scheme gives an :class:`naftiko_run.exposes.auth.Authenticator`. What a caller sends is checked
here and stays here: it is neither logged, nor repeated in an answer, nor handed on.
"""

"""The HTTP clients that can carry a request; each engine is one module and nothing else knows it.

An engine sends one request on a pooled connection and reads the whole reply within its limits. It
follows no redirect, keeps no cookie, repeats nothing, and answers every failure with a sentence of
:mod:`naftiko_run.consumes.engines.faults`.
"""

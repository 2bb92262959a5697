"""The composition root: documents become operations, flows and listeners. Knows every room."""

from naftiko_run.plan.plan import Options, Plan, compile_plan

__all__ = ["Options", "Plan", "compile_plan"]

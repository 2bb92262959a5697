"""The composition root: documents become operations, flows and listeners. Knows every room."""

from naftiko_run.plan.plan import Options, Plan, Planner, compile_plan

__all__ = ["Options", "Plan", "Planner", "compile_plan"]

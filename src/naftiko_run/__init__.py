"""Run capability specs: the HTTP APIs they consume, as the REST routes and MCP tools they expose."""

from naftiko_run.version import __version__

__all__ = ["__version__"]

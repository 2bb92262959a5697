"""Run capability specs: the HTTP APIs they consume, as the REST routes and MCP tools they expose."""

__version__ = "0.1.0"

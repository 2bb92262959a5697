"""Run capability specs: HTTP APIs they consume become the REST routes and tools they expose."""

from naftiko_run.version import __version__

__all__ = ["__version__"]

"""An independent reading of the capability language, and the tests that hold the runtime to it.

Nothing here imports the runtime: it is driven from outside, as a command, over HTTP and through an
MCP client. ``CODES.md`` lists the diagnostic codes, ``cases/`` the rules as worked examples.
"""

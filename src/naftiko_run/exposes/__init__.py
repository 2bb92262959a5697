"""The faces: REST and MCP. They turn requests into arguments and outcomes into answers."""

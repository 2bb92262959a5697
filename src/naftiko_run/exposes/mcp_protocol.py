"""The words of the Model Context Protocol that are used without its SDK.

The SDK takes longer to load, and more memory, than all the rest: what clients ask all day is
answered without it. tests/exposes/test_mcp_protocol.py holds these words against the SDK's.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from naftiko_run.types import Json

HANDSHAKE_VERSIONS: Final = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
"""The revisions that begin with ``initialize``, oldest first."""

LATEST_HANDSHAKE: Final = HANDSHAKE_VERSIONS[-1]

DEFAULT_HANDSHAKE: Final = "2025-03-26"
"""The revision of a request without a version, as the older ones say."""

MODERN: Final = "2026-07-28"
"""The revision whose every request stands for itself."""

PROTOCOL_VERSION: Final = "io.modelcontextprotocol/protocolVersion"
CLIENT_INFO: Final = "io.modelcontextprotocol/clientInfo"
CLIENT_CAPABILITIES: Final = "io.modelcontextprotocol/clientCapabilities"
LOG_LEVEL: Final = "io.modelcontextprotocol/logLevel"
SERVER_INFO: Final = "io.modelcontextprotocol/serverInfo"
SUBSCRIPTION_ID: Final = "io.modelcontextprotocol/subscriptionId"
HEADER_KEYWORD: Final = "x-mcp-header"
"""The keyword of an input schema that wants a parameter repeated in a header field."""

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603

HTTP_STATUS: Final[Mapping[int, int]] = MappingProxyType(
    {PARSE_ERROR: 400, INVALID_REQUEST: 400, INVALID_PARAMS: 400, METHOD_NOT_FOUND: 404}
)
"""The HTTP status of an error in the newest revision; 200 for others, and in the older ones."""


class McpError(Exception):
    """An error of the protocol, as its sender is told: ``data`` is left out where it is None."""

    def __init__(self, code: int, message: str, data: Json = None) -> None:
        """Keep what is told."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data

    @property
    def wire(self) -> dict[str, Json]:
        """The ``error`` member of an answer."""
        error: dict[str, Json] = {"code": self.code, "message": self.message}
        return error if self.data is None else {**error, "data": self.data}

"""An MCP adapter made ready: what both ways of answering look things up in."""

from msgspec import Struct

from naftiko_run.exposes.mcp_catalog import Catalog
from naftiko_run.exposes.mcp_methods import Method, changes, has_content, methods_of
from naftiko_run.exposes.units import Tool, ToolServer


class Adapter(Struct, frozen=True):
    """What one adapter serves; ``added`` names the tools that an extension brings."""

    served: ToolServer
    tools: dict[str, Tool]
    added: frozenset[str]
    catalog: Catalog
    methods: dict[str, Method]
    lists_tools: bool

    def changes_to(self, after: "Adapter") -> list[str]:
        """Say which lists are others in what is served afterwards."""
        tools = ["tools"] if self.catalog != after.catalog else []
        return [*tools, *changes(self.served, after.served)]


def adapter_of(served: ToolServer) -> Adapter:
    """Make an adapter ready; the tools of the spec keep precedence over an extension's."""
    extension = served.extension
    tools = {tool.name: tool for tool in served.tools}
    brought = [tool for tool in (extension.tools if extension else ()) if tool.name not in tools]
    described = [tool.model_dump(by_alias=True, mode="json", exclude_none=True) for tool in brought]
    return Adapter(
        served,
        tools,
        frozenset(tool.name for tool in brought),
        Catalog(served.tools, described),
        methods_of(served),
        # An adapter of resources or prompts alone does not advertise tools.
        bool(served.tools or extension) or not has_content(served),
    )


def changes_between(before: ToolServer, after: ToolServer) -> list[str]:
    """Say which lists of an adapter are others after a reload."""
    return adapter_of(before).changes_to(adapter_of(after))

"""What an MCP adapter has besides tools, compiled: resources and prompts."""

from collections.abc import Callable, Iterator

from msgspec import Struct, field

from naftiko_run.exposes.units import PLACEHOLDER, Prompt, PromptArgument, Resource
from naftiko_run.findings import Finding, did_you_mean
from naftiko_run.plan.compiled import Compiled
from naftiko_run.spec.document import Adapter, McpPrompt, McpResource, Parameter
from naftiko_run.spec.uris import split
from naftiko_run.types import Argument

Compile = Callable[[McpResource, str], Compiled | Finding]
"""Compiles what a resource runs, under the name that ``inspect`` shows."""


class Contents(Struct):
    """The resources and prompts of one adapter; ``lines`` are told as they are, with findings.

    ``warnings`` are about what is served all the same.
    """

    resources: list[Resource] = field(default_factory=list)
    templates: list[Resource] = field(default_factory=list)
    prompts: list[Prompt] = field(default_factory=list)
    lines: list[tuple[str, str | Finding]] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)


def contents_of(adapter: Adapter, run: Compile) -> Contents:
    """Compile what can be served; what cannot is in ``lines`` with its finding."""
    contents = Contents()
    taken: set[str] = set()
    for resource in adapter.resources:
        _add_resource(resource, contents, taken, run)
    names: set[str] = set()
    for prompt in adapter.prompts:
        problem = prompt.problem or _unread(prompt) or _repeated_prompt(prompt, names)
        names.add(prompt.name)
        if problem is None:
            contents.prompts.append(_prompt(prompt))
            contents.warnings.extend(_misspelt(prompt))
        contents.lines.append((f"prompt {prompt.name}", problem or _shown(prompt)))
    return contents


def _add_resource(resource: McpResource, contents: Contents, taken: set[str], run: Compile) -> None:
    name = f"resource {resource.uri}"
    problem = resource.problem or _repeated_uri(resource, taken)
    if problem is None and resource.location is not None and resource.folder is None:
        what = f"the folder {resource.location!r} was not looked for"
        problem = resource.where.at("location").error("E-CONTENT-FILE", what, "load it from a file")
    if problem is not None:
        contents.lines.append((name, problem))
        return
    if resource.location is not None:
        contents.lines.append((name, f"the files of {resource.location}"))
        contents.resources.append(_resource(resource, None))
        return
    compiled = run(resource, name)
    if isinstance(compiled, Compiled):
        made = _resource(resource, compiled)
        (contents.templates if split(resource.uri)[1] else contents.resources).append(made)


def _resource(resource: McpResource, compiled: Compiled | None) -> Resource:
    unit = resource.unit
    names = split(resource.uri)[1]
    arguments = {a.name: a for a in compiled.arguments} if compiled else {}
    return Resource(
        name=unit.name,
        title=unit.label,
        description=unit.description or (compiled.description if compiled else ""),
        uri=resource.uri,
        media_type=resource.media_type,
        binary=resource.binary,
        flow=compiled.flow if compiled else None,
        variables={name: arguments[name].key for name in names if name in arguments},
        values={name: _values(arguments[name]) for name in names if name in arguments},
        folder=resource.folder,
        most=unit.max_binary_size,
    )


def lacking(resource: McpResource, compiled: Compiled) -> Finding | None:
    """Say which input a resource needs that nothing gives it."""
    variables = set(split(resource.uri)[1])
    lacks = [a.name for a in compiled.arguments if a.required and a.name not in variables]
    if not lacks:
        return None
    names = ", ".join(map(repr, lacks))
    return resource.where.at("uri").error(
        "E-RESOURCE-INPUT",
        f"nothing gives {names} to the resource {resource.uri!r}",
        f"write {{{lacks[0]}}} in the URI, or a value in 'with'",
    )


def _repeated_uri(resource: McpResource, taken: set[str]) -> Finding | None:
    same = "{}".join(split(resource.uri)[0])
    if same not in taken:
        taken.add(same)
        return None
    return resource.where.at("uri").error(
        "E-RESOURCE-URI",
        f"an earlier resource has the URI {resource.uri!r}",
        "give it a URI of its own",
    )


def _repeated_prompt(prompt: McpPrompt, names: set[str]) -> Finding | None:
    if prompt.name not in names:
        return None
    return prompt.where.error(
        "E-PROMPT", f"an earlier prompt is called {prompt.name!r}", "rename one of them"
    )


def _unread(prompt: McpPrompt) -> Finding | None:
    if prompt.location is None or prompt.messages:
        return None
    what = f"the file {prompt.location!r} was not read"
    return prompt.where.at("location").error("E-CONTENT-FILE", what, "load it from a file")


def _misspelt(prompt: McpPrompt) -> Iterator[Finding]:
    """Find placeholders that are nearly an argument; others may be meant to stay as they are."""
    known = [argument.name for argument in prompt.arguments]
    texts = "".join(message.content for message in prompt.messages)
    for name in sorted(set(PLACEHOLDER.findall(texts)) - set(known)):
        if close := did_you_mean(name, known, most=1):
            what = f"the prompt has no argument {name!r}: the placeholder stays in the message"
            place = "template" if prompt.location is None else "location"
            yield prompt.where.at(place).warning("W-PROMPT-PLACEHOLDER", what, close)


def _prompt(prompt: McpPrompt) -> Prompt:
    return Prompt(
        name=prompt.name,
        title=prompt.label,
        description=prompt.description,
        arguments=tuple(
            PromptArgument(
                name=a.name,
                title=a.label,
                description=a.description,
                required=a.required is not False,
                values=_values(a),
            )
            for a in prompt.arguments
        ),
        messages=tuple((message.role, message.content) for message in prompt.messages),
    )


def _values(argument: Argument | Parameter) -> tuple[str, ...]:
    values = argument.schema.get("enum")
    return tuple(v for v in values if isinstance(v, str)) if isinstance(values, list) else ()


def _shown(prompt: McpPrompt) -> str:
    count = len(prompt.messages)
    source = prompt.location or f"{count} message{'' if count == 1 else 's'}"
    names = ", ".join(a.name for a in prompt.arguments)
    return f"{source}{f' with {names}' if names else ''}"

"""Segments with placeholders among other text: what stands for each, in paths and in URIs alike."""


def captured(literals: tuple[str, ...], text: str) -> tuple[str, ...] | None:
    """Give what each placeholder of a segment stands for: one or more characters.

    ``literals`` stand before, between and behind them. Each placeholder takes as much as it can,
    the first one first: ``{a}-{b}`` is ``1-2`` and ``3`` in ``1-2-3``, as with the regular
    expressions that routers and clients make of such templates (RFC 6570 section 1.4 leaves it
    open). Time is linear in the length: what stands between is looked for from the end.
    """
    first, *between, last = literals
    if not (text.startswith(first) and text.endswith(last)):
        return None
    begin, end = len(first), len(text) - len(last)
    found: list[str] = []
    for literal in reversed(between):
        at = text.rfind(literal, begin + 1, max(0, end - 1))
        if at < 0:
            return None
        found.append(text[at + len(literal) : end])
        end = at
    if end <= begin:
        return None
    found.append(text[begin:end])
    return tuple(reversed(found))

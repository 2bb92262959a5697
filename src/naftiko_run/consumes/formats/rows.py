"""Tables as JSON: a list of objects, one per row, whose names are those of the header."""

from collections.abc import Sequence


def column_names(header: Sequence[str]) -> list[str]:
    """Give each column a name of its own: a repeated one gets its number (``name_2``).

    The reference lets the last of two equal columns win, which loses the others.
    """
    taken = set(header)
    seen: dict[str, int] = {}
    names = []
    for text in header:
        count = seen.get(text, 0) + 1
        name = text
        if count > 1:
            while (name := f"{text}_{count}") in taken:
                count += 1
            taken.add(name)
        seen[text] = count
        names.append(name)
    return names

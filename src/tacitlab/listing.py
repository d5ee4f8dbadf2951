"""What there is to use, a line each: nothing of it is imported to say so."""

from rich.console import Console
from rich.table import Table

from tacitlab import documents, registry


def print_all() -> None:
    """Everything that has a name, and where it comes from if not from here."""
    out = console()
    out.print(listing("scenario", list(documents.descriptions().items())))
    for room in registry.ROOMS:
        out.print(_room(room))
    out.print(listing("meta-game", list(documents.descriptions(documents.METAGAMES).items())))
    out.print("tacit run SCENARIO, tacit metagame META-GAME, tacit show NAME, tacit study STUDY")


def _room(room: str) -> Table:
    entries = registry.entries(room).values()
    if all(entry.origin == registry.PACKAGE for entry in entries):
        return listing(room, [(entry.kind, entry.line) for entry in entries])
    own = registry.PACKAGE
    return listing(room, [(e.kind, e.line, "" if e.origin == own else f"from {e.origin}") for e in entries])


def console() -> Console:
    """The terminal, or a wide page where the output goes into a file."""
    wide = None if Console().is_terminal else 140
    return Console(highlight=False, markup=False, emoji=False, width=wide)  # "[a, b]" is a list, not markup


def listing(title: str, rows: list[tuple[str, ...]]) -> Table:
    """A table of names and what is said of each."""
    found = table(title, *[""] * max((len(row) - 1 for row in rows), default=1))
    for row in rows:
        found.add_row(*row)
    return found


def table(*titles: str) -> Table:
    """A table without lines, whose first column is never broken."""
    found = Table(box=None, pad_edge=False, header_style="bold")
    for k, title in enumerate(titles):
        found.add_column(title, no_wrap=k == 0, overflow="fold")
    return found

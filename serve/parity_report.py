"""What `chaku parity` prints: one line, and the first mismatch with the tokens around it."""

from rich.console import Group, RenderableType
from rich.text import Text

from serve.parity import Mismatch, Parity
from templates import Encoder


def report(parity: Parity, encoder: Encoder) -> RenderableType:
    """The verdict in a line; where conversations differ, the first mismatch in colour and the reasons of all."""
    agrees = not parity.mismatches
    verdict = Text(
        f"{parity.agreed} of {parity.conversations} conversations agree", "bold green" if agrees else "bold red"
    )
    verdict.append(f" ({parity.prompts} prompts compared, token by token)", "default")
    if parity.refused:
        verdict.append(f"\n{parity.refused} prompts are left out: the template refuses them, so nobody trains on them")
    notes = [Text.assemble(("note: ", "bold yellow"), note) for note in parity.notes]
    if agrees:
        return Group(verdict, *notes)
    first = parity.mismatches[0]
    lines = [verdict, Text(), _headline(first), _ids("trained", first, first.ours, "green", encoder)]
    lines.append(_ids("served", first, first.theirs, "red", encoder))
    others = [Text(f"  {one.conversation}, reply {one.turn}: {one.reason}") for one in parity.mismatches[1:20]]
    more = len(parity.mismatches) - 1 - len(others)
    if others:
        lines += [Text(), Text("and", "bold"), *others]
    if more > 0:
        lines.append(Text(f"  and {more} more"))
    return Group(*lines, *([Text(), *notes] if notes else []))


def _headline(mismatch: Mismatch) -> Text:
    text = Text(f"{mismatch.conversation}, before reply {mismatch.turn}, token {mismatch.at}: ", "bold")
    return text.append(mismatch.reason, "default")


def _ids(label: str, mismatch: Mismatch, ids: list[int], style: str, encoder: Encoder) -> Text:
    """A line of tokens: what both have in plain, what differs in colour, each followed by its id."""
    line = Text(f"  {label:<8}", "bold")
    line.append(_visible(encoder.decode(mismatch.before)), "dim")
    for position, token_id in enumerate(ids):
        line.append(" " if position else " [", "default")
        line.append(f"{_visible(encoder.decode([token_id]))}", f"{style} underline")
        line.append(f" {token_id}", "dim")
    return line.append("]" if ids else " [nothing]", "default")


def _visible(text: str) -> str:
    return text.replace("\n", "\u23ce").replace("\t", "\u2192")

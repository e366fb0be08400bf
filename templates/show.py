"""`chaku templates list` and `show` in the terminal."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from templates import fastchat
from templates.describe import (
    CONTROLS,
    SPECIAL_TOKENS,
    TWO_PAIRS,
    about,
    readable,
    roles_of,
    stop_in_words,
)
from templates.errors import InputError
from templates.template import Template, load, names
from templates.visible import visible

if TYPE_CHECKING:
    from templates.encoder import Encoder

_FURTHER = """\
{eos_token} and {bos_token} are the tokenizer's own. Wherever a template is named, there are also:
  fastchat:NAME        an entry of FastChat's registry, such as fastchat:koala_v1
  tokenizer            the template that the model carries itself
  path/to/mine.jinja   your own"""


def print_list(console: Console) -> None:
    """A line a format: what ends its replies, which roles it takes, what it is."""
    table = Table(header_style="bold", title_justify="left")
    for heading in ("format", "ends a reply", "roles", "what it is"):
        table.add_column(heading, no_wrap=heading == "format", overflow="fold")
    for template in map(load, names()):
        cells = (stop_in_words(template), roles_of(template), about(template))
        table.add_row(Text(template.name, "bold"), *map(Text, cells))
    console.print(table)
    console.print(Text(_FURTHER))
    console.print(Text(f"\n{_fastchats_names()}", "dim"))


def _fastchats_names() -> str:
    try:
        return "NAME in fastchat:NAME is one of " + ", ".join(sorted(fastchat.names(), key=str.lower))
    except InputError as error:
        return str(error)


def print_template(console: Console, template: Template, encoder: "Encoder | None") -> None:
    """The Jinja text, two pairs rendered by it, and what ends a reply; with an encoder, also the model's part."""
    special_tokens = encoder.special_tokens if encoder else SPECIAL_TOKENS
    rendered = Text(visible(template.render(TWO_PAIRS, special_tokens=special_tokens)).removesuffix("\n"))
    controls = encoder.control_strings if encoder else CONTROLS.findall(rendered.plain)
    rendered.highlight_words([text for text in controls if text], "reverse magenta")
    facts = Table.grid(padding=(0, 2, 0, 0))
    for name, fact in _facts(template, encoder):
        facts.add_row(Text(name, "bold"), Text(fact, overflow="fold"))
    console.print(
        Syntax(template.text.rstrip(), "jinja", line_numbers=True, word_wrap=True, background_color="default")
    )
    console.print(_section("two pairs, rendered", rendered), _section("what it is", facts))


def _section(heading: str, body: RenderableType) -> RenderableType:
    return Group(Text(f"\n{heading}", "bold underline"), body)


def _facts(template: Template, encoder: "Encoder | None") -> Iterator[tuple[str, str]]:
    yield "name", template.name
    yield "roles", roles_of(template)
    if encoder is None:
        yield "ends a reply", stop_in_words(template)
        yield "with --model DIR", "the stop's token ids, BOS and the fingerprint"
        return
    yield "ends a reply", readable(encoder.stop)
    yield "stop ids", ", ".join(map(str, encoder.stop_ids)) or "none: plain text ends a reply"
    yield "stop strings", ", ".join(map(repr, encoder.stop_strings)) or "none: a control token ends a reply"
    bos = encoder.special_tokens.get("bos_token")
    yield "BOS", bos if bos and encoder.render(TWO_PAIRS).startswith(bos) else "none opens the text"
    yield "EOS", encoder.special_tokens["eos_token"]
    yield "fingerprint", encoder.fingerprint.digest
    yield from ((f" {part}", value) for part, value in encoder.fingerprint.parts.items())

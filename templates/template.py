"""A prompt format: a Jinja text with a name. It turns messages into the text that a model reads."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import jinja2

from templates.conversation import Message
from templates.errors import InputError

FORMATS = Path(__file__).parent / "formats"


class RenderError(Exception):
    """A template refuses a conversation, for instance because it has no tool role. The message is the template's."""


@dataclass(frozen=True)
class Template:
    """A named Jinja chat template, as plain transformers and vLLM understand it.

    It sees `messages`, `add_generation_prompt`, `bos_token` and `eos_token`.
    """

    name: str
    text: str

    @cached_property
    def _compiled(self) -> jinja2.Template:
        # transformers' own sandbox and whitespace options, so that the exported file renders the same bytes there
        from transformers.utils.chat_template_utils import _compile_jinja_template

        compiled: jinja2.Template = _compile_jinja_template(self.text)
        return compiled

    def render(
        self, messages: Sequence[Message], *, special_tokens: dict[str, str], add_generation_prompt: bool = False
    ) -> str:
        """The text of a conversation. Raises RenderError where the template refuses it.

        >>> template.render([Message(role="user", content="Hi")], special_tokens={"bos_token": "<s>", ...})
        '<s>A chat between ... USER: Hi '
        """
        try:
            return self._compiled.render(
                messages=[{"role": message.role, "content": message.content} for message in messages],
                add_generation_prompt=add_generation_prompt,
                **special_tokens,
            )
        except (jinja2.TemplateError, TypeError, ValueError) as error:
            raise RenderError(f"template {self.name}: {error}") from error


def names() -> list[str]:
    """The names of the formats that Chaku ships, sorted."""
    return sorted(path.name.removesuffix(".jinja") for path in FORMATS.glob("*.jinja"))


def load(name: str) -> Template:
    """The format of that name. Raises InputError, with the nearest names, where there is none."""
    if name not in names():
        near = difflib.get_close_matches(name, names(), n=3, cutoff=0.4) or names()[:8]
        raise InputError(f"there is no template {name!r}; the nearest are {', '.join(near)} (`chaku templates list`)")
    return Template(name=name, text=(FORMATS / f"{name}.jinja").read_text(encoding="utf-8"))

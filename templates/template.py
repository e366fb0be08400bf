"""A prompt format: a Jinja text with a name. It turns messages into the text that a model reads."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2

from templates import fastchat
from templates.conversation import Message
from templates.errors import InputError
from templates.trial import try_out
from templates.verbatim import Condition, conditions_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

FORMATS = Path(__file__).parent / "formats"
OWN = "tokenizer"


class RenderError(Exception):
    """A template refuses a conversation, for instance because it has no tool role. The message is the template's."""


@dataclass(frozen=True)
class Template:
    """A named Jinja chat template, as plain transformers and vLLM understand it.

    It sees `messages`, `add_generation_prompt`, `bos_token` and `eos_token`.
    """

    name: str
    text: str

    def __reduce__(self) -> tuple[type["Template"], tuple[str, str]]:
        return Template, (self.name, self.text)  # what is compiled stays in its process

    @cached_property
    def _compiled(self) -> jinja2.Template:
        # transformers' own sandbox and whitespace options, so that the exported file renders the same bytes there
        from transformers.utils.chat_template_utils import _compile_jinja_template

        compiled: jinja2.Template = _compile_jinja_template(self.text)
        return compiled

    @cached_property
    def _conditions(self) -> list[Condition] | None:
        return conditions_of(self._compiled.environment.parse(self.text))

    def writes_as_they_are(self, contents: Sequence[str]) -> bool:
        """Whether it is known, without rendering, that these contents stand in the text as they are.

        >>> template.writes_as_they_are(["Hi", "Hello!"]), template.writes_as_they_are(["Hi", " Hello!"])
        (True, False)
        """
        conditions = self._conditions
        return conditions is not None and all(meets(content) for meets in conditions for content in contents)

    def render(
        self, messages: Sequence[Message], *, special_tokens: dict[str, str], add_generation_prompt: bool = False
    ) -> str:
        """The text of a conversation. Raises RenderError where the template refuses it.

        >>> template.render([Message(role="user", content="Hi")], special_tokens={"bos_token": "<s>", ...})
        '<s>A chat between ... USER: Hi '
        """
        plain = [{"role": message.role, "content": message.content} for message in messages]
        return self.render_data(
            plain, tools=None, special_tokens=special_tokens, add_generation_prompt=add_generation_prompt
        )

    def render_data(
        self,
        messages: Sequence[Mapping[str, object]],
        *,
        tools: Sequence[Mapping[str, object]] | None,
        special_tokens: dict[str, str],
        add_generation_prompt: bool,
    ) -> str:
        """The text of messages in OpenAI's form, with tools and calls of them. Raises RenderError as `render` does."""
        try:
            return self._compiled.render(
                messages=messages,
                add_generation_prompt=add_generation_prompt,
                tools=tools,  # transformers and vLLM hand these two over too, and templates ask whether they are none
                documents=None,
                **special_tokens,
            )
        except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, LookupError, RecursionError) as error:
            raise RenderError(f"template {self.name}: {error}") from error


def names() -> list[str]:
    """The names of the formats that Chaku ships, sorted."""
    return sorted(path.name.removesuffix(".jinja") for path in FORMATS.glob("*.jinja"))


def load(name: str, tokenizer: "PreTrainedTokenizerBase | None" = None) -> Template:
    """The template of that name; the name of what it gives loads it again.

    A name is one of `names()`, ``fastchat:NAME`` for an entry of FastChat's registry, ``tokenizer`` for the model's
    own, which stands in its `tokenizer`, or the path of a ``.jinja`` file. Raises InputError where there is none, and
    where a template that others wrote does not compile, does not end, or reaches out of its sandbox.

    >>> templates.load("tokenizer", AutoTokenizer.from_pretrained("smollm2")).text
    "{% for message in messages %}{% if loop.first and ..."
    """
    if name.startswith(fastchat.PREFIX):
        return Template(name=name, text=fastchat.text_of(name.removeprefix(fastchat.PREFIX)))
    if name == OWN:
        return _tried(Template(name=name, text=_own_text(tokenizer)))
    if name.endswith(".jinja"):
        return _tried(Template(name=name, text=_file_text(Path(name))))
    if name not in names():
        near = difflib.get_close_matches(name, [*names(), OWN, f"{fastchat.PREFIX}NAME"], n=3, cutoff=0.4)
        near = near or [*names(), OWN]
        raise InputError(f"there is no template {name!r}; the nearest are {', '.join(near)} (`chaku templates list`)")
    return Template(name=name, text=(FORMATS / f"{name}.jinja").read_text(encoding="utf-8"))


def own_template(tokenizer: "PreTrainedTokenizerBase") -> str | None:
    """The chat template that a model carries with its tokenizer, or None."""
    # some carry several by name; transformers takes the one that is named "default"
    own = tokenizer.chat_template
    text: str | None = own.get("default") if isinstance(own, dict) else own
    return text


def _own_text(tokenizer: "PreTrainedTokenizerBase | None") -> str:
    if tokenizer is None:
        raise InputError(f"template {OWN!r} is the model's own, and no model was given; name its directory (--model)")
    text = own_template(tokenizer)
    if not text:
        raise InputError(
            f"{tokenizer.name_or_path}: this model carries no chat template; name one, such as vicuna_v1.1"
        )
    return text


def _file_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a readable template ({error}); give the path of a UTF-8 .jinja file") from error


def _tried(template: Template) -> Template:
    complaint = try_out(template.text)
    if complaint:
        raise InputError(f"template {template.name}, {complaint}; mend it, or choose another template")
    return template

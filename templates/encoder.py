"""One truth for the prompt: the ids that the trainer sees and the ids that the server sees come from here."""

from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from templates.byte_level import bytes_of_piece
from templates.conversation import Conversation, Message, Messages, Role, as_messages, scalar_values
from templates.encoded import Encoded, Plan, find, finish
from templates.errors import InputError
from templates.fingerprint import Fingerprint, fingerprint_of
from templates.guard import guard
from templates.layout import Layout, contents_in, layout_of, literals_of
from templates.marked import literals_and_contents
from templates.special_tokens import special_tokens_of
from templates.spelling import Speller
from templates.stop import missing_controls, stop_after
from templates.swallow import swallow
from templates.template import RenderError, Template, own_template
from templates.tool_turns import ToolLayout

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_NO_BOS = "{%- set bos_token = '' -%}\n"
# What is not sent along to another process: caches, and what takes seconds to load there.
_STAYS = ("_layout", "_spell", "_tokenizer", "_tool_layout")


class Encoder:
    """Turns conversations into token ids and loss masks, by one template and one Hugging Face tokenizer.

    The ids are those of the tokenizer for the whole rendered text, except that no content can produce a control
    token. Loss falls on each assistant's reply, with the whitespace by which the template opens it, and its stop.

    >>> encoder = Encoder(templates.load("vicuna_v1.1"), AutoTokenizer.from_pretrained("llama"))
    >>> [encoded] = encoder.encode([[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}]])
    >>> tokenizer.decode([id for id, supervised in zip(encoded.ids, encoded.mask) if supervised])
    'Hello!</s>'
    """

    def __init__(self, template: Template, tokenizer: "PreTrainedTokenizerBase") -> None:
        if not tokenizer.is_fast:
            raise InputError(f"{tokenizer.name_or_path}: its tokenizer has no tokenizer.json (a `tokenizers` backend)")
        self.template = template
        self._tokenizer = tokenizer
        self.special_tokens = special_tokens_of(template, tokenizer)
        self._guarded = guard(tokenizer.backend_tokenizer)
        self._spell = Speller(self._guarded)
        self._layout = lru_cache(maxsize=4096)(self._new_layout)
        self.stop = stop_after(template, self.special_tokens, self._spell.first_control)
        if missing := missing_controls(template, self.special_tokens, self._guarded.control_ids):
            raise InputError(
                f"template {template.name} is written for control tokens that {tokenizer.name_or_path} lacks: "
                f"{' '.join(missing)}. They would be plain text, which any message can forge and which ends no reply; "
                "choose a template whose replies end with the end-of-sequence token, such as vicuna_v1.1"
            )
        self._spelled_stop = self._spell(self._as_read([self.stop], [])[0][0])

    def __getstate__(self) -> dict[str, Any]:
        """What another process needs to encode and render; it cannot decode or tell the fingerprint there."""
        return {name: value for name, value in self.__dict__.items() if name not in _STAYS}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._spell = Speller(self._guarded)
        self._layout = lru_cache(maxsize=4096)(self._new_layout)

    def choose_engine(self, *, for_copies: bool = True) -> None:
        """Find out now whether the fast engine serves, in this process or for its copies in others alone.

        Otherwise that is found out in passing, after a million characters, and that encoding takes a second longer.
        """
        self._guarded.engine.choose(for_copies=for_copies)

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """What decides the ids: it must be the same in training and in serving."""
        return fingerprint_of(self.chat_template, self._tokenizer)

    @property
    def stop_ids(self) -> list[int]:
        """The token ids that end a reply, derived from the template; none where plain text ends it."""
        return [token_id for token_id, _ in self._spelled_stop.controls]

    @property
    def stop_strings(self) -> list[str]:
        """The plain text that ends a reply (Vicuna v0's "\\n###"); none where a control token ends it."""
        return [] if self.stop_ids else [self.stop]

    @property
    def control_strings(self) -> list[str]:
        """The texts that the plain tokenizer turns into control tokens, and that no content can command here."""
        return list(self._guarded.control_ids)

    @property
    def control_ids(self) -> list[int]:
        """The ids of the control tokens."""
        return list(self._guarded.control_ids.values())

    def token_bytes(self, ids: Sequence[int]) -> list[bytes]:
        """The bytes that each token stands for; several tokens may share a character between them."""
        pieces = self._tokenizer.convert_ids_to_tokens(list(ids))
        return [bytes_of_piece(piece, metaspace=self._guarded.metaspace) for piece in pieces]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids, control tokens included."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=False))

    @property
    def chat_template(self) -> str:
        """The template for plain transformers and vLLM: they render the same bytes from it, with this tokenizer."""
        text = self.template.text
        if self.special_tokens.get("bos_token") or text.startswith(_NO_BOS) or text == own_template(self._tokenizer):
            return text
        # This tokenizer's models never saw a text begin with BOS; transformers would hand one over all the same.
        return _NO_BOS + text

    def render(self, messages: Conversation | Messages, *, add_generation_prompt: bool = False) -> str:
        """The text of a conversation. Raises RenderError where the template refuses it."""
        return self.template.render(
            as_messages(messages), special_tokens=self.special_tokens, add_generation_prompt=add_generation_prompt
        )

    def encode(self, conversations: Sequence[Conversation | Messages]) -> list[Encoded]:
        """Token ids and loss masks, thousands of conversations in one call.

        A reply that cannot be taught exactly is rejected alone, by name: `empty_reply`, `template_refuses`,
        `template_rewrites`, `prompt_not_prefix`, `no_stop`, `lone_surrogate`, `contains_stop`, `tokenizer_rewrites`,
        `token_straddles_reply`. Its conversation goes on, with the reply as context.
        """
        plans = [Plan(conversation) for conversation in conversations]
        for plan in plans:
            if plan.tools or any(message.tool_calls for message in plan.messages):
                self._tool_layout.lay_out(plan)
            else:
                self._lay_out(plan)
        all_ids = self._guarded.engine.encode(["".join(plan.row.parts) for plan in plans])
        return [finish(plan, find(plan.row, ids, self._guarded)) for plan, ids in zip(plans, all_ids, strict=True)]

    def encode_prompt(
        self,
        messages: Conversation | Messages,
        *,
        add_generation_prompt: bool = True,
        continue_final_message: bool = False,
    ) -> list[int]:
        """The ids that ask for the next reply: what the server sends to the engine.

        With `continue_final_message` they end inside the last message, which the model then goes on writing. Raises
        RenderError where the template refuses the messages or rewrites one of them.
        """
        plan = Plan(messages)
        roles = tuple(message.role for message in plan.messages)
        asks = add_generation_prompt and not continue_final_message
        written = literals_of(self.template, roles, self.special_tokens, add_generation_prompt=asks)
        contents = self._contents(plan, written, add_generation_prompt=asks)
        return self._encode_parts((*written[:-1], "") if continue_final_message else written, contents)

    def encode_unguarded(self, messages: Conversation | Messages) -> list[int]:
        """The prompt as an unmodified vLLM encodes it: control strings in the messages are control tokens to it."""
        text = self.render(messages, add_generation_prompt=True)
        return list(self._tokenizer.encode(scalar_values(text), add_special_tokens=False))

    def first_control_string(self, text: str) -> str | None:
        """The first text in it that the plain tokenizer would turn into a control token, or None."""
        found = self._spell.first_control(text)
        return found[0] if found else None

    def encode_tool_prompt(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]],
        *,
        add_generation_prompt: bool = True,
    ) -> list[int]:
        """The ids that ask for the next reply where tools are offered, or where messages hold calls of them.

        Messages are ``{"role", "content"}``, some with OpenAI's `tool_calls` (arguments as a mapping). No text in
        them or in the tools' definitions can command a control token. Raises RenderError where the template refuses
        them, has no place for tools, or rewrites what they say.
        """
        return self._encode_parts(
            *literals_and_contents(
                self.template,
                messages,
                tools,
                self.special_tokens,
                holds_control=self._spell.first_control,
                add_generation_prompt=add_generation_prompt,
            )
        )

    @cached_property
    def takes_tools(self) -> bool:
        """Whether the template has a place for tools, calls of them and their answers, so that such replies train."""
        tool = {
            "type": "function",
            "function": {"name": "add", "description": "Adds.", "parameters": {"type": "object"}},
        }
        call = {"type": "function", "function": {"name": "add", "arguments": {"x": 1}}}
        messages = (
            Message(role="user", content="Hello"),
            Message(role="assistant", content="", tool_calls=(call,)),
            Message(role="tool", content="1"),
            Message(role="assistant", content="One"),
        )
        [encoded] = self.encode([Conversation(id="", messages=messages, tools=(tool,))])
        return bool(encoded.ids) and not encoded.rejected

    @cached_property
    def _tool_layout(self) -> ToolLayout:
        return ToolLayout(self.template, self.special_tokens, self.stop, self._guarded, self._spell)

    def _encode_parts(self, literals: Sequence[str], contents: list[str]) -> list[int]:
        literals, contents = self._as_read(literals, contents)
        parts = [self._spell(literals[0]).spelling]
        for content, literal in zip(contents, literals[1:], strict=True):
            parts += (content, self._spell(literal).spelling)
        return self._guarded.encode(["".join(parts)])[0]

    def _new_layout(self, roles: tuple[Role, ...]) -> Layout:
        return layout_of(self.template, roles, self.special_tokens)

    def _contents(self, plan: Plan, literals: Sequence[str], *, add_generation_prompt: bool) -> list[str]:
        """The contents as they stand in the text. Raises RenderError where the template rewrites one."""
        messages = [Message(role=message.role, content=scalar_values(message.content)) for message in plan.messages]
        text = self.template.render(
            messages, special_tokens=self.special_tokens, add_generation_prompt=add_generation_prompt
        )
        contents = contents_in(text, literals, [message.content for message in messages])
        if contents is None:
            raise RenderError(f"template {self.template.name} rewrites the content of a message")
        return contents

    def _as_read(self, literals: Sequence[str], contents: list[str]) -> tuple[Sequence[str], list[str]]:
        """Both as the tokenizer reads them: control tokens of a few tokenizers take the whitespace beside them."""
        if self._guarded.takes_before or self._guarded.takes_after:
            literals, contents = swallow(literals, contents, guarded=self._guarded, spell=self._spell)
        return literals, [self._guarded.canonical(content) for content in contents]

    def _lay_out(self, plan: Plan) -> None:
        """Write a conversation's row, and decide what can be decided without its ids."""
        try:
            layout = self._layout(tuple(message.role for message in plan.messages))
        except RenderError:
            return plan.reject_all("template_refuses")
        try:
            contents = self._contents(plan, layout.literals, add_generation_prompt=False)
        except RenderError:
            return plan.reject_all("template_rewrites")
        literals, read = self._as_read(layout.literals, contents)
        plan.row.add_literal(self._spell(literals[0]))
        for turn, content in enumerate(read):
            self._lay_out_turn(plan, layout, turn, before=literals[turn], content=content, after=literals[turn + 1])
            if plan.messages[turn].role == "assistant":
                rule = self._rule_against(plan.messages[turn], layout, turn)
                if rule or content != contents[turn]:
                    plan.rules[turn] = rule or "tokenizer_rewrites"
        return None

    def _lay_out_turn(self, plan: Plan, layout: Layout, turn: int, *, before: str, content: str, after: str) -> None:
        """Append one content and the literal after it; look for the reply's first token and the turn's end."""
        row, opening = plan.row, layout.opening(turn)
        row.look_for(row.coordinate - (self._guarded.byte_length(opening) if before.endswith(opening) else 0))
        row.add_content(content, self._guarded.byte_length(content))
        if plan.messages[turn].role == "assistant" and layout.literals[turn + 1].startswith(self.stop):
            stop = self._spelled_stop
            row.look_for(row.coordinate + stop.length, controls_ahead=len(stop.controls))
        else:
            row.look_for(row.coordinate)
        row.add_literal(self._spell(after))

    def _rule_against(self, message: Message, layout: Layout, turn: int) -> str | None:
        """The rule that forbids teaching a reply, as far as its text tells."""
        scalar, stop = scalar_values(message.content), self.stop
        broken = {
            "empty_reply": not message.content.strip(),
            "prompt_not_prefix": layout.prompt_literals[turn] is None or layout.opening(turn).strip(),
            "no_stop": not layout.literals[turn + 1].startswith(stop),
            "lone_surrogate": scalar != message.content,
            "contains_stop": self.stop_strings and (scalar + stop).find(stop) < len(scalar),
            "tokenizer_rewrites": not self._guarded.reads_exactly(scalar),
        }
        return next((rule for rule, holds in broken.items() if holds), None)

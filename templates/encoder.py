"""One truth for the prompt: the ids that the trainer sees and the ids that the server sees come from here."""

from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from templates.byte_level import bytes_of_piece
from templates.conversation import (
    Conversation,
    Message,
    Messages,
    Role,
    as_messages,
    has_surrogate,
    scalar_values,
    utf8_length,
)
from templates.encoded import Encoded, Plan, finish, refused
from templates.errors import InputError
from templates.fingerprint import Fingerprint, fingerprint_of
from templates.guard import guard
from templates.layout import Layout, contents_in, layout_of, literals_of
from templates.marked import literals_and_contents
from templates.rows import Frame, find, frame_of
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
_STAYS = ("_layout", "_frame", "_taught", "_spell", "_tokenizer", "_tool_layout")


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
        self._keep_what_is_made_once()
        self.stop = stop_after(template, self.special_tokens, self._spell.first_control)
        if missing := missing_controls(template, self.special_tokens, self._guarded.control_ids):
            raise InputError(
                f"template {template.name} is written for control tokens that {tokenizer.name_or_path} lacks: "
                f"{' '.join(missing)}. They would be plain text, which any message can forge and which ends no reply; "
                "choose a template whose replies end with the end-of-sequence token, such as vicuna_v1.1"
            )
        self._stop_as_read = self._as_read([self.stop], [])[0][0]
        self._spelled_stop = self._spell(self._stop_as_read)

    def __getstate__(self) -> dict[str, Any]:
        """What another process needs to encode and render; it cannot decode or tell the fingerprint there."""
        return {name: value for name, value in self.__dict__.items() if name not in _STAYS}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._keep_what_is_made_once()

    def _keep_what_is_made_once(self) -> None:
        self._spell = Speller(self._guarded)
        self._layout = lru_cache(maxsize=4096)(self._new_layout)
        self._frame = lru_cache(maxsize=4096)(self._new_frame)
        self._taught = lru_cache(maxsize=4096)(self._new_taught)

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

    @property
    def keeps_whitespace(self) -> bool:
        """Whether no control token takes the whitespace beside it."""
        return not (self._guarded.takes_before or self._guarded.takes_after)

    def layout(self, roles: tuple[Role, ...]) -> Layout:
        """Where the contents of these roles stand. Raises RenderError where the template refuses them."""
        return self._layout(roles)

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
        if not conversations:
            return []
        plans = [self._plan(conversation) for conversation in conversations]
        rows = [plan.row for plan in plans if plan.row is not None]
        all_ids = self._guarded.engine.encode([row.text for row in rows])
        located = iter(zip(all_ids, find(rows, all_ids, self._guarded), strict=True))
        return [refused(plan) if plan.row is None else finish(plan, *next(located)) for plan in plans]

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
        spoken = as_messages(messages)
        roles = tuple(message.role for message in spoken)
        asks = add_generation_prompt and not continue_final_message
        written = literals_of(self.template, roles, self.special_tokens, add_generation_prompt=asks)
        contents = self._contents(spoken, written, add_generation_prompt=asks)
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

    def _contents(
        self, messages: Sequence[Message], literals: Sequence[str], *, add_generation_prompt: bool
    ) -> list[str]:
        """The contents as they stand in the text. Raises RenderError where the template rewrites one."""
        contents = [scalar_values(message.content) for message in messages]
        if self.template.writes_as_they_are(contents):
            return contents
        text = self.template.render_data(
            [{"role": message.role, "content": content} for message, content in zip(messages, contents, strict=True)],
            tools=None,
            special_tokens=self.special_tokens,
            add_generation_prompt=add_generation_prompt,
        )
        found = contents_in(text, literals, contents)
        if found is None:
            raise RenderError(f"template {self.template.name} rewrites the content of a message")
        return found

    def _as_read(self, literals: Sequence[str], contents: list[str]) -> tuple[Sequence[str], list[str]]:
        """Both as the tokenizer reads them: control tokens of a few tokenizers take the whitespace beside them."""
        if not self.keeps_whitespace:
            literals, contents = swallow(literals, contents, guarded=self._guarded, spell=self._spell)
        return literals, [self._guarded.canonical(content) for content in contents]

    def _plan(self, conversation: Conversation | Messages) -> Plan:
        """A conversation with its row, and with what can be decided without its ids."""
        plan = Plan(as_messages(conversation), conversation.tools if isinstance(conversation, Conversation) else ())
        if plan.tools or any(message.tool_calls for message in plan.messages):
            self._tool_layout.lay_out(plan)
        else:
            self._lay_out(plan)
        return plan

    def _lay_out(self, plan: Plan) -> None:
        roles = tuple(message.role for message in plan.messages)
        try:
            layout = self._layout(roles)
        except RenderError:
            return plan.reject_all("template_refuses")
        try:
            contents = self._contents(plan.messages, layout.literals, add_generation_prompt=False)
        except RenderError:
            return plan.reject_all("template_rewrites")
        literals, read = self._as_read(layout.literals, contents)
        lengths = list(map(self._guarded.byte_length, read))
        plan.row = self._frame(roles, tuple(literals)).row(read, lengths)
        for turn, forbids in self._taught(roles):
            rule = self._rule_against(plan.messages[turn].content, forbids)
            if rule or read[turn] != contents[turn] or lengths[turn] != utf8_length(contents[turn]):
                plan.rules[turn] = rule or "tokenizer_rewrites"
        return None

    def _new_taught(self, roles: tuple[Role, ...]) -> list[tuple[int, str]]:
        """The replies among these roles, each with the rule by which the template forbids teaching it, or nothing."""
        layout, taught = self._layout(roles), []
        for turn, role in enumerate(roles):
            if role == "assistant":
                is_prefix = layout.prompt_literals[turn] is not None and not layout.opening(turn).strip()
                stops = layout.literals[turn + 1].startswith(self.stop)
                taught.append((turn, "prompt_not_prefix" if not is_prefix else "" if stops else "no_stop"))
        return taught

    def _new_frame(self, roles: tuple[Role, ...], literals: tuple[str, ...]) -> Frame:
        """The frame of some roles, whose literals are those of their layout or, as they are read, a little shorter."""
        layout, turns = self._layout(roles), []
        for turn, role in enumerate(roles):
            before, opening = literals[turn], layout.opening(turn)
            stops = role == "assistant" and layout.literals[turn + 1].startswith(self.stop)
            begin = (turn, len(before) - (len(opening) if before.endswith(opening) else 0))
            turns.append((begin, (turn + 1, len(self._stop_as_read) if stops else 0)))
        return frame_of(literals, turns, self._spell)

    def _rule_against(self, content: str, forbids: str) -> str | None:
        """The rule that forbids teaching a reply, as far as its text and the layout (`forbids`) tell."""
        if not content.strip():
            return "empty_reply"
        if forbids:
            return forbids
        if has_surrogate(content):
            return "lone_surrogate"
        if not self._spelled_stop.controls and (content + self.stop).find(self.stop) < len(content):
            return "contains_stop"
        return None

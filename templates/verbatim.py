"""Whether a template writes contents as they are, told from its syntax: then nothing need be rendered to know it.

Rendering is most of the time of laying out a conversation. A template that only joins contents to its own words, and
asks nothing of them but how they begin or end, does with all contents that answer alike what it does with stand-ins.
"""

from collections.abc import Callable, Iterable, Sequence
from enum import Enum

from jinja2 import nodes

Condition = Callable[[str], bool]


class _Kind(Enum):
    """What a value may hold: nothing of a content, all messages, one message, a content, or a content among words."""

    PLAIN = 0
    MESSAGES = 1
    MESSAGE = 2
    CONTENT = 3
    TEXT = 4


_WRITTEN = (_Kind.PLAIN, _Kind.CONTENT, _Kind.TEXT)
# What a loop tells of itself; the rest are its neighbours, which are messages.
_ABOUT_LOOP = ("first", "last", "index", "index0", "revindex", "revindex0", "length")
# By these a template could come by messages that no name was given for.
_OTHER_WAYS = ("loop", "self", "caller", "super")
_METHODS = frozenset(dir(dict))  # `message.items()` would hand over its content
# What every content answers alike.
_OF_ANY_TEXT = ("string", "defined", "undefined", "none", "mapping")


class _MoreThanThatError(Exception):
    """The template does something else with a content."""


def conditions_of(template: nodes.Template) -> list[Condition] | None:
    """When the template writes a content as it is; None where it may do anything else with one.

    Stand-ins, which are letters beyond ASCII, meet all conditions.

    >>> conditions_of(environment.parse("{% for m in messages %}{{ m.role + m.content }}{% endfor %}"))
    []
    >>> [meets(" a") for meets in conditions_of(environment.parse("{{ messages[0].content | trim }}"))]
    [False]
    >>> conditions_of(environment.parse("{{ messages[0].content | upper }}")) is None
    True
    """
    reading = _Reading()
    try:
        while reading.changed:
            reading.changed = False
            reading.statements(template.body)
    except _MoreThanThatError:
        return None
    return list(reading.conditions.values())


class _Reading:
    """Reads statements and expressions; what a name may hold is the sum of all that is assigned to it."""

    def __init__(self) -> None:
        self.names = {"messages": _Kind.MESSAGES}
        self.conditions: dict[str, Condition] = {}
        self.changed = True

    def statements(self, body: Iterable[nodes.Node]) -> None:
        """Read statements. Raises _MoreThanThatError at one that is not known to leave contents as they are."""
        for node in body:
            if isinstance(node, nodes.Output):
                self._require(node.nodes, _WRITTEN)
            elif isinstance(node, nodes.If):
                self._test(node.test)
                self.statements([*node.body, *node.elif_, *node.else_])
            elif isinstance(node, nodes.For):
                self._loop(node)
            elif isinstance(node, nodes.Assign):
                self._assign(node.target, node.node)
            elif not isinstance(node, nodes.Continue | nodes.Break):
                raise _MoreThanThatError

    def _loop(self, node: nodes.For) -> None:
        over = self.kind(node.iter)
        if over not in (_Kind.MESSAGES, _Kind.PLAIN) or node.test is not None or node.recursive:
            raise _MoreThanThatError
        self._give(node.target, _Kind.MESSAGE if over is _Kind.MESSAGES else _Kind.PLAIN)
        self.statements([*node.body, *node.else_])

    def _assign(self, target: nodes.Node, value: nodes.Node) -> None:
        if isinstance(target, nodes.Tuple) and isinstance(value, nodes.Tuple) and len(target.items) == len(value.items):
            for one, its in zip(target.items, value.items, strict=True):
                self._assign(one, its)
        else:
            self._give(target, self.kind(value))

    def _give(self, target: nodes.Node, kind: _Kind) -> None:
        if not isinstance(target, nodes.Name):  # a part of a namespace, or several names
            if kind is not _Kind.PLAIN:
                raise _MoreThanThatError
            return
        held = self.names.get(target.name)
        given = kind if held is None else self._either(held, kind)
        self.changed |= held is not given
        self.names[target.name] = given

    def _either(self, one: _Kind, other: _Kind) -> _Kind:
        if one is other:
            return one
        if one not in _WRITTEN or other not in _WRITTEN:
            raise _MoreThanThatError
        return _Kind.TEXT

    def _test(self, node: nodes.Node) -> None:
        """A condition; whether there are messages may be asked too."""
        if isinstance(node, nodes.Not):
            self._test(node.node)
        elif isinstance(node, nodes.And | nodes.Or):
            self._test(node.left)
            self._test(node.right)
        else:
            self._require([node], (_Kind.PLAIN, _Kind.MESSAGES))

    def _require(self, parts: Iterable[nodes.Node], kinds: Sequence[_Kind] = (_Kind.PLAIN,)) -> None:
        if any(self.kind(part) not in kinds for part in parts):
            raise _MoreThanThatError

    def kind(self, node: nodes.Node | None) -> _Kind:
        """What the value of an expression may hold."""
        match node:
            case nodes.Name() if node.name in _OTHER_WAYS:
                raise _MoreThanThatError
            case nodes.Name():
                return self.names.get(node.name, _Kind.PLAIN)
            case nodes.Getattr() | nodes.Getitem():
                return self._part(node)
            case nodes.Add():
                return self._joined([node.left, node.right])
            case nodes.Concat():
                return self._joined(node.nodes)
            case nodes.CondExpr():
                self._test(node.test)
                return self._either(self.kind(node.expr1), self.kind(node.expr2))
        return _Kind.PLAIN if node is None else self._asked(node)

    def _joined(self, parts: Sequence[nodes.Node]) -> _Kind:
        self._require(parts, _WRITTEN)
        return _Kind.PLAIN if all(self.kind(part) is _Kind.PLAIN for part in parts) else _Kind.TEXT

    def _part(self, node: nodes.Getattr | nodes.Getitem) -> _Kind:
        match node:
            case nodes.Getattr(node=nodes.Name(name="loop")) if node.attr in _ABOUT_LOOP:
                return _Kind.PLAIN
            case nodes.Getattr(attr=str(name)) | nodes.Getitem(arg=nodes.Const(value=str(name))) if (
                self.kind(node.node) is _Kind.MESSAGE and name not in _METHODS
            ):
                return _Kind.CONTENT if name == "content" else _Kind.PLAIN
            case nodes.Getitem() if self.kind(node.node) is _Kind.MESSAGES:
                self._require([node.arg])
                return _Kind.MESSAGES if isinstance(node.arg, nodes.Slice) else _Kind.MESSAGE
        self._require(node.iter_child_nodes())
        return _Kind.PLAIN

    def _asked(self, node: nodes.Node) -> _Kind:
        """The value of a test, a filter or a call of a content's method, if that is all; else of what is plain."""
        match node:
            case nodes.Filter(name="length", args=[]) if self.kind(node.node) is _Kind.MESSAGES:
                return _Kind.PLAIN
            case nodes.Filter(name="trim", args=[], kwargs=[]) if self.kind(node.node) is _Kind.CONTENT:
                self.conditions["trim"] = lambda content: content == content.strip()
                return _Kind.CONTENT
            case nodes.Test(args=[]) if node.name in _OF_ANY_TEXT and self.kind(node.node) is _Kind.CONTENT:
                return _Kind.PLAIN
            case nodes.Call(node=nodes.Getattr() as method, args=[nodes.Const(value=str(text))], kwargs=[]) if (
                text.isascii()
            ):
                if self._asks_ends(method, text):
                    return _Kind.PLAIN
        self._require(node.iter_child_nodes())
        return _Kind.PLAIN

    def _asks_ends(self, method: nodes.Getattr, text: str) -> bool:
        """Whether a method asks if a content begins or ends with a text."""
        if self.kind(method.node) is not _Kind.CONTENT or not text:
            return False
        if method.attr == "startswith":
            self.conditions[f"startswith {text}"] = lambda content: not content.startswith(text)
        elif method.attr == "endswith":
            self.conditions[f"endswith {text}"] = lambda content: not content.endswith(text)
        return method.attr in ("startswith", "endswith")

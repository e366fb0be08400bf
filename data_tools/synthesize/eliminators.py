"""The four eliminators of Evol-Instruct (WizardLM, arXiv 2304.12244, section 3.2, "elimination evolving").

An evolution fails where the new instruction (1) brings nothing new, as a judge sees it; (2) makes the model say sorry,
briefly; (3) gets a reply of nothing but punctuation and stop words; (4) copies words of the evolving prompt. The first
and the fourth look at the instruction, the others at the reply to it.
"""

import re
from collections.abc import Iterable

from data_tools.synthesize.filters import leaks_in
from data_tools.synthesize.similarity import tokenize

# A reply with "sorry" in fewer words than this is evasive. A Chinese character counts as half a word (ours).
EVASIVE_WORDS = 80
_SORRY = re.compile(r"\bsorry\b|抱歉|对不起|无法回答", re.IGNORECASE)
# Function words, with which no answer can be given. Numbers, yes and no are answers.
_STOP_WORDS = frozenset(
    re.findall(
        r"\S+",
        """
a about above after again all also am an and any are as at be because been before being below between both but by can
could did do does doing down during each few for from further had has have having he her here hers him his how i if in
into is it its just me more most my of off on once only or other our out over own same she should so some such than that
the their them then there these they this those through to too under until up us very was we were what when where which
while who whom why will with would you your s t m re ve ll d
的 了 和 是 在 我 你 他 她 它 们 这 那 就 也 都 与 及 或 吗 呢 吧 啊 之 其 而 但 把 被 让
""",
    )
)


def instruction_rule(child: str, parent: str, *, leaks: Iterable[str], judged_equal: bool | None = None) -> str:
    """The rule that eliminates an evolved instruction, or nothing; equal texts need no judge.

    >>> instruction_rule("Name two birds.", "Name  two birds", leaks=())
    'equal_to_parent'
    """
    if not tokenize(child):
        return "no_instruction"
    if leaks_in(child, leaks):
        return "prompt_copied"
    return "equal_to_parent" if judged_equal or tokenize(child) == tokenize(parent) else ""


def reply_rule(reply: str) -> str:
    """The rule that eliminates an instruction by the reply to it, or nothing.

    >>> reply_rule("I'm sorry, I cannot do that."), reply_rule("... and so, the."), reply_rule("42")
    ('evasive_reply', 'empty_reply', '')
    """
    words = tokenize(reply)
    if all(word in _STOP_WORDS for word in words):
        return "empty_reply"
    if _SORRY.search(reply) and _size(reply) < EVASIVE_WORDS:
        return "evasive_reply"
    return ""


def _size(text: str) -> float:
    """Words; of Chinese, half the characters."""
    spaced = len(re.sub(r"[㐀-䶿一-鿿]", "", text).split())
    return spaced + len(re.findall(r"[㐀-䶿一-鿿]", text)) / 2

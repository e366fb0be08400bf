"""What a written verdict looks like. One definition, for those who read verdicts and those who keep them out."""

import re

# As judges write them: also with LaTeX's backslashes, or in full width. `fence.spaced` relies on there being no space.
_OPEN, _CLOSE = r"(?:\\?[\[\uff3b\u3010])", r"(?:\\?[\]\uff3d\u3011])"
OPENING, CLOSING = _OPEN * 2, _CLOSE * 2
DOUBLE_BRACKETS = re.compile(rf"{OPENING}(?P<inside>[^\[\]\uff3b\uff3d\u3010\u3011\n]{{1,40}}?){CLOSING}")
_NUMBER = r"[-+]?\d+(?:\.\d+)?"
RATING = re.compile(
    rf"\W*?(?:(?:final|overall|my)\s+)*(?:(?:rating|score|grade|评分|得分|分数)\W*?)?(?P<value>{_NUMBER})\s*"
    r"(?:(?:/|out of|\u2215|\uff0f)\s*10(?:\.0)?)?\W*(?:points?|分)?\W*",
    re.IGNORECASE,
)
TWO_RATINGS = re.compile(rf"\s*(?P<a>{_NUMBER})\s*[,,]\s*(?P<b>{_NUMBER})\s*")
_BETTER, _EVEN = r">{1,2}", r"[=~]"
WINNER = re.compile(
    r"\W*(?:(?:final\s+)?(?:verdict|winner)\W+)?(?:(?:assistant|answer|model|助手)\s*)?"
    rf"(?P<value>[ABC]\s*{_BETTER}\s*[AB]|[AB]\s*{_EVEN}{{1,2}}\s*[AB]|[ABC]|tie|draw|平局|平手)"
    r"(?:\s+(?:is\s+better|wins))?\W*",
    re.IGNORECASE,
)
# The loose forms, believed only where a judge wrote no double brackets at all: "Rating: 7/10", "Verdict: B".
LOOSE_RATING = re.compile(
    rf"\b(?:rating|score|grade)\W{{0,6}}(?:is|of|would be)?\W{{0,6}}(?<![\d.])(?P<value>{_NUMBER})"
    r"(?![\d.]*\d)(?!\s*%)(?:\s*(?:/|out of)\s*(?P<of>\d+))?"
    rf"|(?:评分|得分|分数|打分)\W{{0,6}}[为是]?\W{{0,6}}(?P<zh>{_NUMBER})(?![\d.]*\d)\s*(?:/\s*(?P<zh_of>\d+))?"
    rf"|(?<![\d.,])(?P<plain>{_NUMBER})\s*(?:/|out of)\s*(?P<plain_of>10)\b",
    re.IGNORECASE,
)
LOOSE_WINNER = re.compile(
    r"\b(?:verdict|winner|better answer)\W{0,6}(?:is)?\W{0,6}(?:assistant\s*)?(?P<value>[ABC]|tie)\b(?!['’\w])"
    r"|(?:结论|胜者|获胜者|判定)\W{0,6}[为是]?\W{0,6}(?:助手)?\s*(?P<zh>[ABC]|平局|平手)",
    re.IGNORECASE,
)
# "[[A]] if assistant A is better", "for example: [[5]]": the instruction said again, not a verdict.
CONDITION_AFTER = re.compile(
    r"[\"'”’`]?\s*(?:,?\s*(?:if|when|for a tie|in case|where)\b|如果|若|表示|代表|when\b)", re.IGNORECASE
)
EXAMPLE_BEFORE = re.compile(
    r"(?:for example|for instance|such as|e\.g\.|format|例如|比如|格式|like this)\W*(?:rating|score|grade)?\W*$",
    re.IGNORECASE,
)

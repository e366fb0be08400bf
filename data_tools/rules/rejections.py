"""Rules that reject one cleaned turn by name: errors of the page, lengths, blocked phrases."""

import re

from data_tools.rules.blocked import block_list
from data_tools.rules.config import Rules
from templates import Role

_REFUSALS = re.compile(
    r"!?Too many requests in \d{1,9} hours?\. Try again later\.|!?network error|!?Something went wrong.{0,200}"
    r"|!?An error occurred\. If this issue persists please contact us through our help center at help\.openai\.com\.?"
    r"|!?Hmm\.\.\.something seems to have gone wrong\. Maybe try me again in a little bit\."
    r"|!?The server experienced an error while processing your request\.?.{0,200}"
    r"|!?The server had an error while processing your request.{0,200}"
    r"|!?Conversation not found|!?Only one message at a time\. Please allow any other responses to complete.{0,120}"
    r"|!?Load failed|!?Failed to fetch|!?Unable to load conversation [\w-]{1,60}"
    r"|!?This content may violate our content policy\..{0,200}",
    re.IGNORECASE,
)
# The longest text that the pattern may match, and more.
_LONGEST_REFUSAL = 400


def rejection(text: str, role: Role, rules: Rules) -> tuple[str, list[str]]:
    """The rule that rejects a cleaned turn, or nothing; and for `blocked_phrase` the phrases that were found.

    >>> rejection("network error", "assistant", Rules())
    ('refused_by_interface', [])
    """
    spoken = role in ("user", "assistant")
    may_refuse = role == "assistant" and rules.refused_by_interface and len(text) <= _LONGEST_REFUSAL
    if may_refuse and _REFUSALS.fullmatch(text):
        return "refused_by_interface", []
    if role == "assistant" and 0 < len(text) < rules.too_short:
        return "too_short", []
    if spoken and rules.too_long and len(text) > rules.too_long:
        return "too_long", []
    if rules.blocked_phrases and role in rules.blocked_roles:
        found = block_list(rules.blocked_phrases).find(text)
        return ("blocked_phrase", found) if found else ("", [])
    return "", []

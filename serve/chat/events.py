"""Server-sent events, as the page's scripts read them."""

import json


def event(data: object, name: str = "") -> str:
    """One event.

    >>> event({"over": True})
    'data: {"over": true}\\n\\n'
    """
    kind = f"event: {name}\n" if name else ""
    return f"{kind}data: {json.dumps(data, ensure_ascii=False)}\n\n"

"""Cookies of a request."""

from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie


def cookie(headers: Mapping[str, str], name: str) -> str:
    """The value of a cookie, or nothing: a header that cannot be read holds none.

    >>> cookie({"cookie": "a=1; b=2"}, "b")
    '2'
    """
    try:
        jar = SimpleCookie(headers.get("cookie", ""))
    except CookieError:
        return ""
    return jar[name].value if name in jar else ""

"""How many replicas of an engine there are: a number, or the bounds that load moves it between."""

import re
from typing import Any, NamedTuple

from templates import InputError

# Requests that one replica runs before another is started, where there are bounds. An engine batches so many well.
_REQUESTS_OF_ONE = 16


class Replicas(NamedTuple):
    """At least and at most so many; equal where the number is fixed."""

    least: int
    most: int

    def deployment_options(self) -> dict[str, Any]:
        """As a Ray Serve deployment takes them.

        >>> Replicas(2, 2).deployment_options()
        {'num_replicas': 2}
        """
        if self.least == self.most:
            return {"num_replicas": self.least}
        bounds = {"min_replicas": self.least, "max_replicas": self.most, "initial_replicas": self.least}
        return {"autoscaling_config": {**bounds, "target_ongoing_requests": _REQUESTS_OF_ONE}}


def parse_replicas(text: str) -> Replicas:
    """A number, or two with a colon between them. Raises InputError that names the flag.

    >>> parse_replicas("1:4")
    Replicas(least=1, most=4)
    """
    match = re.fullmatch(r"(\d{1,4})(?::(\d{1,4}))?", text)
    least, most = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 1 <= least <= most:
        raise InputError(f"--replicas {text}: give a number above 0, or two bounds, as in --replicas 1:4")
    return Replicas(least, most)

"""How long a model still takes to start, for the page that waits for it."""

import os
import time
from pathlib import Path

from serve.chat.language import Texts
from serve.run_state import RUN_VARIABLE, services_of


def why_silent(base_url: str, texts: Texts) -> str:
    """What to say of an API that does not answer: how long its start still takes, where `chaku serve` knows it."""
    run, root = os.environ.get(RUN_VARIABLE), base_url.rstrip("/").removesuffix("/v1")
    for service in services_of(Path(run)) if run else []:
        if service["url"] == root and service["state"] == "starting":
            waited, usual = max(0.0, time.time() - service["since"]), service["usual_seconds"]
            model = _name(service["name"], texts)
            if usual is None:
                return texts("error.starting_first", model=model, seconds=f"{waited:.0f}")
            if waited < usual:
                return texts("error.starting_left", model=model, seconds=f"{usual - waited:.0f}")
            return texts("error.starting_late", model=model, seconds=f"{waited:.0f}", usual=f"{usual:.0f}")
    return texts("error.unreachable", url=base_url)


def _name(service: str, texts: Texts) -> str:
    """Which model starts: of several engines each is named after its own."""
    _, of_several, name = service.partition("engine of ")
    return texts("error.named_model", name=name) if of_several else texts("error.the_model")

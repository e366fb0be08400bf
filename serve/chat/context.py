"""What every page of the chat app is given: the database, the API, and who asks in which language."""

from dataclasses import dataclass

import gradio as gr
from sqlalchemy import Engine

from serve.chat.endpoints import Endpoints
from serve.chat.language import Texts, choose, label

OWNER = "chaku.owner"  # where the login puts a person's name in a request's scope


@dataclass(frozen=True, kw_only=True)
class Context:
    """Handed to each page's `page(context)`, which is called inside the Gradio route that it fills."""

    engine: Engine
    endpoint: Endpoints

    def owner(self, request: gr.Request) -> str:
        """The login name of who asks, as `Conversation.owner` keeps it; empty where nobody logs in."""
        name: str = request.request.scope.get(OWNER, "")
        return name

    def texts(self, request: gr.Request) -> Texts:
        """The texts in the language of who asks, for what an event handler says: `texts("arena.thanks")`."""
        return choose(request.headers)

    def label(self, key: str) -> str:
        """The text of a label, button or placeholder while the page is built: it is translated in each answer."""
        return label(key)

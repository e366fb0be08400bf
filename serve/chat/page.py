"""The chat page: a Gradio app in front of any OpenAI-compatible endpoint, an ordinary client of it.

Gradio lays out the page, its settings and the further pages; a conversation, its list and a growing reply are HTML
that the server makes (`turn_html`, `list_html`) and `assets/chat.js` puts in their places.
"""

import ipaddress
import os
import signal
import threading
from collections.abc import Sequence
from pathlib import Path

import gradio as gr
from starlette.middleware import Middleware

from serve.chat.context import Context
from serve.chat.endpoints import connect
from serve.chat.headers import PageHeaders
from serve.chat.login import Login, LoopbackOnly
from serve.chat.replies import Replies, mark_cut
from serve.chat.routes import Routes
from serve.chat.store.database import default_url, open_database
from serve.chat.theme import ASSETS, theme
from serve.chat.user_file import UserFile
from serve.processes import refuse_busy_port
from templates import InputError

HOST = "127.0.0.1"
EVENTS = 256  # of Gradio's, at once
_HEAD = '<link rel="stylesheet" href="/chat/turns.css"><script type="module" src="/chat/chat.js"></script>'


def run(
    *, base_urls: Sequence[str], host: str, port: int, model: str | None, db: str | None, users: Path | None
) -> None:
    """Serve the page until SIGTERM or SIGINT.

    OPENAI_API_KEY holds the API's key; those of several in the order of their addresses, with commas between.

    Raises:
        InputError: the port is in use, the database cannot be opened, the file of users is none, or the page would be
            open to other machines without users.
    """
    known = UserFile(users) if users else None
    if known is None and not _is_loopback(host):
        raise InputError(f"--host {host}: anyone who reaches it could read all; give --users FILE too")
    refuse_busy_port("--port", host, port)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    endpoint = connect(base_urls, keys=os.environ.get("OPENAI_API_KEY"), first=model)
    context = Context(engine=open_database(db or default_url()), endpoint=endpoint)
    page = ChatPage(context, users=known)
    page.launch(host=host, port=port)
    print(f"Chat page: http://{host}:{port}/ (in front of {', '.join(base_urls)})", flush=True)
    stopped.wait()
    page.close()


class ChatPage:
    """The app with its replies. Whatever grew when an earlier process ended is marked as cut first."""

    def __init__(self, context: Context, *, users: UserFile | None) -> None:
        mark_cut(context.engine)
        self._context, self._users = context, users
        self._replies = Replies(context.engine, context.endpoint)
        self._blocks = build(context)

    def launch(self, *, host: str = HOST, port: int) -> None:
        """Start it in the background. Without users it answers to this machine alone."""
        guard = Middleware(Login, users=self._users) if self._users else Middleware(LoopbackOnly)
        # Estimates of the waiting time, sent to all pages at each event, would cost 64 pages seconds: once a second.
        self._blocks.queue(default_concurrency_limit=EVENTS, api_open=False, status_update_rate=1)
        self._blocks.launch(
            server_name=host,
            server_port=port,
            max_threads=EVENTS,  # Gradio's queue holds no more running events than this, whatever its limit says
            share=False,
            inbrowser=False,
            prevent_thread_lock=True,
            quiet=True,
            ssr_mode=False,
            footer_links=[],
            theme=theme(),
            css_paths=[ASSETS / "chat.css"],
            head=_HEAD,
            app_kwargs={
                "middleware": [Middleware(PageHeaders), guard],
                "routes": Routes(self._context, self._replies).all(),
            },
        )

    def close(self) -> None:
        """End it; what has come of replies is kept."""
        self._blocks.close(verbose=False)
        self._replies.save_all()


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def build(context: Context) -> gr.Blocks:
    """The chat, and the other pages as routes of the same app: each is a module's `page(context)`."""
    with gr.Blocks(title="Chaku", analytics_enabled=False, fill_height=True) as blocks:
        _chat(context)
    return blocks


def _chat(context: Context) -> None:
    """The frame of the chat, in the order in which Tab reaches it. `assets/chat.js` fills it."""
    text = context.label
    with gr.Sidebar(label=text("page.conversations"), open=True, position="left", elem_id="conversations"):
        gr.Button(text("page.new"), elem_id="new", size="sm")
        gr.Textbox(label=text("page.search"), placeholder=text("page.search"), show_label=False, elem_id="search")
        gr.Column(elem_id="conversation-list")
        gr.Column(elem_id="side-foot")
    with gr.Sidebar(label=text("page.settings"), open=False, position="right", elem_id="settings") as settings:
        _settings(context)
    with gr.Row(elem_id="top"):
        gr.Markdown("<h1>Chaku</h1>", elem_id="title")
        gr.Column(elem_id="model-picker")
        gr.Button(text("page.share"), size="sm", elem_id="share")
        opener = gr.Button(text("page.settings"), size="sm", elem_id="open-settings")
    gr.Column(elem_id="conversation")
    with gr.Row(elem_id="composer"):
        gr.Textbox(
            label=text("page.message"),
            show_label=False,
            container=False,
            placeholder=text("page.placeholder"),
            lines=1,
            max_lines=8,
            autofocus=True,
            scale=1,
            elem_id="message",
        )
        gr.Button(text("page.send"), variant="primary", size="sm", elem_id="send")
        gr.Button(text("page.stop"), variant="stop", size="sm", elem_id="stop")
    opener.click(
        lambda: gr.Sidebar(open=True), outputs=settings, queue=False, show_progress="hidden", api_visibility="private"
    )


def _settings(context: Context) -> None:
    text = context.label
    gr.Markdown(f"## {text('page.settings')}")
    gr.Textbox(
        label=text("page.system"), lines=4, placeholder=text("page.system_default"), elem_id="system", interactive=True
    )
    default = text("page.model_default")
    # An empty field is the server's default, which Gradio's number fields have no way to say.
    for name, placeholder in (
        ("temperature", default),
        ("top_p", default),
        ("max_tokens", text("page.max_tokens_default")),
        ("seed", text("page.seed_default")),
    ):
        gr.Textbox(
            label=text(f"page.{name}"),
            placeholder=placeholder,
            max_lines=1,
            elem_id=name,
            interactive=True,
            html_attributes=gr.InputHTMLAttributes(autocomplete="off"),
        )

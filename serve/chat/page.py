"""The chat page: a Gradio app in front of any OpenAI-compatible endpoint, an ordinary client of it."""

import os
import signal
import threading
from collections.abc import AsyncIterator
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from serve.chat.context import Context
from serve.chat.headers import PageHeaders
from serve.chat.store.database import default_url, open_database
from serve.chat.stream import ChatMessage, Endpoint, Settings, explain
from serve.chat.theme import ASSETS, theme
from serve.chat.turns import Progress, Turns, as_plain, shown
from serve.processes import refuse_busy_port

HOST = "127.0.0.1"
STREAMS = 256  # replies at once; further ones wait their turn

EXAMPLES = (
    "Explain how a binary search works, with a short Python function.",
    "Compare llamas, alpacas and vicuñas in a small table.",
    "Write a polite e-mail that moves a meeting from Tuesday to Thursday.",
    "用三句话介绍安第斯山脉的动物。",
)
# A single dollar is a price, so only the unmistakable delimiters make mathematics.
LATEX = [
    {"left": "$$", "right": "$$", "display": True},
    {"left": r"\[", "right": r"\]", "display": True},
    {"left": r"\(", "right": r"\)", "display": False},
]

Update = dict[Any, Any]
Sampling = tuple[str, float, float, int | None]


def run(*, base_url: str, port: int, model: str | None) -> None:
    """Serve the page on the loopback until SIGTERM or SIGINT. The key for the API comes from OPENAI_API_KEY.

    Raises:
        InputError: the port is in use.
    """
    refuse_busy_port("--port", HOST, port)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    endpoint = Endpoint(base_url=base_url, model=model, api_key=os.environ.get("OPENAI_API_KEY"))
    page = build(Context(engine=open_database(default_url()), endpoint=endpoint))
    launch(page, port=port)
    print(f"Chat page: http://{HOST}:{port}/ (in front of {base_url})", flush=True)
    stopped.wait()
    page.close(verbose=False)


def launch(page: gr.Blocks, *, port: int) -> None:
    """Start a page in the background, on the loopback, with no way out of this machine."""
    # Estimates of the waiting time, sent to all pages at each event, would cost 64 pages seconds: now once a second.
    page.queue(default_concurrency_limit=STREAMS, api_open=False, status_update_rate=1)
    page.launch(
        server_name=HOST,
        server_port=port,
        max_threads=STREAMS,  # Gradio's queue holds no more running events than this, whatever its limit says
        share=False,
        inbrowser=False,
        prevent_thread_lock=True,
        quiet=True,
        ssr_mode=False,
        footer_links=[],
        theme=theme(),
        css_paths=[ASSETS / "chat.css"],
        app_kwargs={"middleware": [Middleware(PageHeaders)]},
    )


def build(context: Context) -> gr.Blocks:
    """The chat, and the other pages as routes of the same app: each is a module's `page(context)`."""
    turns = Turns(context.endpoint)
    with gr.Blocks(title="Chaku", analytics_enabled=False, fill_height=True) as page:
        controls = _Controls()
        controls.connect(page, turns, context.endpoint)
    return page


class _Controls:
    """Everything on the page, top to bottom, in the order in which Tab reaches it."""

    def __init__(self) -> None:
        self.history = gr.State([])
        with gr.Sidebar(label="Settings", open=False, position="right", elem_id="settings") as self.sidebar:
            gr.Markdown("## Settings")
            self.system = gr.Textbox(label="System prompt", lines=4, placeholder="The template's own")
            self.temperature = gr.Slider(0, 2, Settings.temperature, step=0.05, label="Temperature")
            self.top_p = gr.Slider(0.05, 1, Settings.top_p, step=0.05, label="Top-p")
            self.max_tokens = gr.Number(0, minimum=0, precision=0, label="Max tokens", info="0: as many as fit")
        with gr.Row(elem_id="top"):
            self.title = gr.Markdown(_title("…"), elem_id="title")
            self.clear = gr.Button("Clear", size="sm", elem_id="clear", interactive=False)
            self.settings = gr.Button("Settings", size="sm", elem_id="open-settings")
        self.chatbot = gr.Chatbot(
            label="Conversation",
            show_label=False,
            container=False,
            elem_id="conversation",
            height="100%",
            layout="bubble",
            buttons=["copy"],
            latex_delimiters=LATEX,
            allow_tags=False,
            group_consecutive_messages=False,
            placeholder="## What shall we talk about?",
            examples=[{"text": text} for text in EXAMPLES],
        )
        self.notice = gr.Markdown(visible=False, elem_id="notice")
        with gr.Row(elem_id="composer"):
            self.text = gr.Textbox(
                label="Message",
                show_label=False,
                container=False,
                placeholder="Write a message",
                lines=1,
                max_lines=8,
                autofocus=True,
                scale=1,
                elem_id="message",
            )
            self.regenerate = gr.Button("Regenerate", size="sm", elem_id="regenerate", interactive=False)
            self.send = gr.Button("Send", variant="primary", size="sm", elem_id="send")
            self.stop = gr.Button("Stop", variant="stop", size="sm", elem_id="stop", visible=False)

    def connect(self, page: gr.Blocks, turns: Turns, endpoint: Endpoint) -> None:
        """Give the controls their actions."""
        sampling = [self.system, self.temperature, self.top_p, self.max_tokens]
        outputs = [
            self.history,
            self.text,
            self.chatbot,
            self.notice,
            self.send,
            self.stop,
            self.regenerate,
            self.clear,
        ]

        async def send(
            request: gr.Request, history: list[ChatMessage], text: str, *chosen: *Sampling
        ) -> AsyncIterator[Update]:
            async for progress in turns.send(request.session_hash, history, text, _settings(*chosen)):
                yield self._update(progress)

        async def example(
            request: gr.Request, history: list[ChatMessage], event: gr.SelectData, *chosen: *Sampling
        ) -> AsyncIterator[Update]:
            async for progress in turns.send(request.session_hash, history, event.value["text"], _settings(*chosen)):
                yield self._update(progress)

        async def regenerate(
            request: gr.Request, history: list[ChatMessage], *chosen: *Sampling
        ) -> AsyncIterator[Update]:
            async for progress in turns.regenerate(request.session_hash, history, _settings(*chosen)):
                yield self._update(progress)

        async def stop(request: gr.Request) -> None:
            turns.stop(request.session_hash)

        async def clear() -> Update:
            return self._update(Progress([], is_running=False))

        async def greet() -> Update:
            try:
                return {self.title: _title(await endpoint.model())}
            except Exception as error:  # the page opens whatever the server does
                return {self.notice: _notice(explain(error, base_url=endpoint.base_url))}

        quiet = {"show_progress": "hidden", "api_visibility": "private"}
        gr.on(
            [self.send.click, self.text.submit],
            send,
            [self.history, self.text, *sampling],
            outputs,
            trigger_mode="once",
            **quiet,
        )
        self.chatbot.example_select(example, [self.history, *sampling], outputs, trigger_mode="once", **quiet)
        self.regenerate.click(regenerate, [self.history, *sampling], outputs, trigger_mode="once", **quiet)
        self.stop.click(stop, queue=False, **quiet)
        self.clear.click(clear, outputs=outputs, queue=False, **quiet)
        self.settings.click(lambda: gr.Sidebar(open=True), outputs=self.sidebar, queue=False, **quiet)
        page.load(greet, outputs=[self.title, self.notice], **quiet)
        page.unload(stop)

    def _update(self, progress: Progress) -> Update:
        """What changes on the page. While a reply grows, that is the conversation alone, so that typing goes on."""
        running, history = progress.is_running, progress.history
        update: Update = {self.chatbot: shown(history)}
        if running and history[-1]["role"] == "assistant":
            return update
        can_go_back = bool(history) and not running
        update |= {
            self.send: gr.Button(visible=not running),
            self.stop: gr.Button(visible=running),
            self.regenerate: gr.Button(interactive=can_go_back),
            self.clear: gr.Button(interactive=can_go_back),
            self.notice: _notice(progress.notice),
        }
        if not running:
            update[self.history] = history
        if running or progress.draft:
            update[self.text] = progress.draft
        return update


def _settings(system: str, temperature: float, top_p: float, max_tokens: int | None) -> Settings:
    return Settings(system=system, temperature=temperature, top_p=top_p, max_tokens=max_tokens or 0)


def _notice(text: str) -> gr.Markdown:
    return gr.Markdown(f'<p role="alert">{as_plain(text)}</p>', visible=bool(text))


def _title(model: str) -> str:
    return f'<h1>Chaku</h1><p title="Model">{as_plain(model)}</p>'

// A reply as it grows: each event says how many of its blocks stay, and what follows them.

let source = null;

export function stopWatching() {
  source?.close();
  source = null;
}

// Calls `onEnd` when the reply is over, or when the server can say no more about it.
export function watch(id, article, scroller, onEnd) {
  stopWatching();
  const body = article.querySelector(".body");
  const mine = (source = new EventSource(`/chat/stream?m=${encodeURIComponent(id)}`));
  let isFirst = true;
  mine.onmessage = (event) => {
    const { kept, html } = JSON.parse(event.data);
    const sticks = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 80;
    if (isFirst) body.replaceChildren();
    isFirst = false;
    while (body.children.length > kept) body.lastElementChild.remove();
    body.insertAdjacentHTML("beforeend", html);
    if (sticks) scroller.scrollTop = scroller.scrollHeight;
  };
  const end = () => {
    if (source !== mine) return;
    stopWatching();
    onEnd();
  };
  mine.addEventListener("end", end);
  mine.onerror = () => setTimeout(end, 500);
}

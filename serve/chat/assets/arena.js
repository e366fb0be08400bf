// The arena: two answers grow side by side; a vote shows whose they are. The server makes all HTML.

import { postJson, wordsOf } from "./requests.js";

const find = (selector) => document.querySelector(selector);
const body = { a: find("#a"), b: find("#b") };
let battle = "";

function show(selector, isShown) {
  find(selector).hidden = !isShown;
}

function say(text) {
  find("#said").textContent = text;
  show("#said", Boolean(text));
}

function name(models) {
  find("#name-a").textContent = models ? models[0] : "A";
  find("#name-b").textContent = models ? models[1] : "B";
}

function grow({ side, kept, html, error }) {
  const place = body[side];
  if (error) {
    const line = document.createElement("p");
    line.className = "failed";
    line.textContent = error;
    place.append(line);
    return;
  }
  while (place.children.length > kept) place.lastElementChild.remove();
  place.insertAdjacentHTML("beforeend", html);
}

function take(told) {
  if (told.id) {
    battle = told.id;
    name(told.models);
    show("#end", true);
  } else if ("over" in told) show("#votes", told.over);
  else grow(told);
}

async function read(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const events = (rest + value).split("\n\n");
    rest = events.pop();
    for (const event of events) take(JSON.parse(event.slice("data: ".length)));
  }
}

find("#ask").addEventListener("change", () => {
  show("#pickers", find("[name=mode]:checked").value === "open");
});

find("#prompt").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    find("#ask").requestSubmit();
  }
});

find("#ask").addEventListener("submit", async (event) => {
  event.preventDefault();
  const isOpen = find("[name=mode]:checked").value === "open";
  const models = isOpen ? [find("#model-a").value, find("#model-b").value] : [];
  for (const side of ["a", "b"]) body[side].replaceChildren();
  say("");
  name(null);
  show("#answers", true);
  for (const each of ["#votes", "#thanks"]) show(each, false);
  find("#send").disabled = true;
  try {
    await read(await postJson("/chat/arena/ask", { prompt: find("#prompt").value, models }));
  } catch (error) {
    say(wordsOf(error));
  }
  find("#send").disabled = false;
  show("#end", false);
});

function stop() {
  postJson("/chat/arena/stop", { id: battle }).catch((error) => say(wordsOf(error)));
}

find("#end").addEventListener("click", stop);

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !find("#end").hidden) stop();
});

find("#votes").addEventListener("click", async (event) => {
  const winner = event.target.dataset.winner;
  if (!winner) return;
  show("#votes", false);
  try {
    const { models, leaderboard } = await (await postJson("/chat/arena/vote", { id: battle, winner })).json();
    name(models);
    show("#thanks", true);
    find("#leaderboard").innerHTML = leaderboard;
  } catch (error) {
    say(wordsOf(error));
    show("#votes", true);
  }
});

const second = find("#model-b");
if (second.options.length > 1) second.selectedIndex = 1;

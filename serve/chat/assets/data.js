// The data page: marks, exports and imports; the filters are a plain form.

import { get, post, postJson, wordsOf } from "./requests.js";

const said = document.querySelector("#said");

function say(text, isBad = false) {
  said.textContent = text;
  said.classList.toggle("failed", isBad);
  said.hidden = false;
  said.scrollIntoView({ block: "nearest" });
}

async function mark(buttons) {
  if (!buttons.length) return;
  const ids = buttons.map((button) => button.dataset.id);
  try {
    await postJson("/chat/data/mark", { ids, mark: buttons[0].dataset.mark });
  } catch (error) {
    say(wordsOf(error), true);
    return;
  }
  for (const button of buttons)
    for (const each of button.parentElement.children) each.setAttribute("aria-pressed", String(each === button));
}

document.addEventListener("click", (event) => {
  const { mark: name, all } = event.target.dataset;
  if (name) mark([event.target]);
  if (all) mark([...document.querySelectorAll(`[data-mark="${all}"]`)]);
});

document.querySelector("#export").addEventListener("submit", async (event) => {
  event.preventDefault();
  const asked = new URLSearchParams(new FormData(event.target));
  try {
    const answer = await get(`/chat/data/export?${asked}`);
    const href = URL.createObjectURL(await answer.blob());
    Object.assign(document.createElement("a"), { href, download: `chats-${asked.get("to")}.jsonl` }).click();
    setTimeout(() => URL.revokeObjectURL(href), 60_000);
    say(decodeURIComponent(answer.headers.get("x-chaku-said")));
  } catch (error) {
    say(wordsOf(error), true);
  }
});

document.querySelector("#import").addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = event.target.querySelector("button");
  button.disabled = true;
  try {
    const answer = await post("/chat/data/import", document.querySelector("#dump").files[0], "application/octet-stream");
    say((await answer.json()).said);
  } catch (error) {
    say(wordsOf(error), true);
  }
  button.disabled = false;
});

// The data page: marks, exports and imports; the filters are a plain form.

const said = document.querySelector("#said");

function say(text, isBad = false) {
  said.textContent = text;
  said.classList.toggle("failed", isBad);
  said.hidden = false;
  said.scrollIntoView({ block: "nearest" });
}

async function post(path, body, type) {
  const headers = { "x-chaku": "1", "content-type": type };
  const answer = await fetch(path, { method: "POST", headers, body });
  if (answer.status === 401) location.assign("/login");
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.error);
  return told;
}

async function mark(buttons) {
  if (!buttons.length) return;
  const ids = buttons.map((button) => button.dataset.id);
  try {
    await post("/chat/data/mark", JSON.stringify({ ids, mark: buttons[0].dataset.mark }), "application/json");
  } catch (error) {
    say(error.message, true);
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
  const answer = await fetch(`/chat/data/export?${asked}`);
  if (answer.status === 401) location.assign("/login");
  if (!answer.ok) return say((await answer.json()).error, true);
  const href = URL.createObjectURL(await answer.blob());
  Object.assign(document.createElement("a"), { href, download: `chats-${asked.get("to")}.jsonl` }).click();
  setTimeout(() => URL.revokeObjectURL(href), 60_000);
  say(decodeURIComponent(answer.headers.get("x-chaku-said")));
});

document.querySelector("#import").addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = event.target.querySelector("button");
  button.disabled = true;
  try {
    const told = await post("/chat/data/import", document.querySelector("#dump").files[0], "application/octet-stream");
    say(told.said);
  } catch (error) {
    say(error.message, true);
  }
  button.disabled = false;
});

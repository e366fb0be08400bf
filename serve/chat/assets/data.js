// The data page: marks and imports; filters and exports are plain forms.

const said = document.querySelector("#said");

function say(text, isBad = false) {
  said.textContent = text;
  said.classList.toggle("failed", isBad);
  said.hidden = false;
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

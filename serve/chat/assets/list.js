// The side bar: the list of conversations, its search, and renaming in place.

import { get, postJson } from "./requests.js";

let current = "";

export async function refreshList() {
  const place = document.getElementById("conversation-list");
  const search = document.querySelector("#search input, #search textarea")?.value ?? "";
  const { html } = await (await get(`/chat/list?q=${encodeURIComponent(search)}`)).json();
  const held = document.activeElement?.closest("#conversation-list [data-do]")?.dataset;
  place.innerHTML = html;
  if (held) place.querySelector(`[data-do="${held.do}"][data-id="${held.id}"]`)?.focus();
  markCurrent(current);
}

export function markCurrent(conversation) {
  current = conversation;
  for (const entry of document.querySelectorAll("#conversation-list [data-conversation]")) {
    const link = entry.querySelector("a");
    if (entry.dataset.conversation === current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

// The title becomes a field; Enter keeps what it says, Escape what it said.
export function renameInPlace(entry, label) {
  const link = entry.querySelector("a");
  const field = document.createElement("input");
  Object.assign(field, { value: link.textContent, maxLength: 200, className: "rename" });
  field.setAttribute("aria-label", label);
  link.replaceWith(field);
  field.focus();
  field.select();
  let isOver = false;
  const finish = async (keeps) => {
    if (isOver) return;
    isOver = true;
    // The title stands there again at once: what is clicked beside it meanwhile reads it.
    if (keeps) link.textContent = field.value;
    field.replaceWith(link);
    if (keeps) await postJson("/chat/act", { do: "rename", id: entry.dataset.conversation, text: field.value });
    await refreshList();
  };
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") finish(true);
    if (event.key === "Escape") finish(false);
    event.stopPropagation();
  });
  field.addEventListener("blur", () => finish(true));
}

// The chat: shows a conversation, sends what is written, and does what its buttons say.
// The server makes all HTML, with every text escaped; a reply that grows comes through stream.js.

import { draftOf, forgetDrafts, keepDraft } from "./drafts.js";
import { editTurn } from "./edit_turn.js";
import { markCurrent, refreshList, renameInPlace } from "./list.js";
import { get, postJson } from "./requests.js";
import { stopWatching, watch } from "./stream.js";

const state = { conversation: "", growing: "", person: "", texts: {}, welcome: "", shown: 0 };

const find = (selector) => document.querySelector(selector);
const field = (id) => find(`#${id} textarea, #${id} input`);
const scroller = () => find("#conversation");
const SETTINGS = ["system", "temperature", "top_p", "max_tokens", "seed"];

// Gradio's fields listen for input events.
function setField(element, value) {
  element.value = value ?? "";
  element.dispatchEvent(new Event("input", { bubbles: true }));
}

function settings() {
  const chosen = Object.fromEntries(SETTINGS.map((name) => [name, field(name)?.value ?? ""]));
  return { ...chosen, model: find("#model")?.value ?? "" };
}

async function act(body) {
  return (await postJson("/chat/act", { ...body, settings: settings() })).json();
}

async function conversation(id) {
  return (await get(`/chat/conversation?c=${encodeURIComponent(id)}`)).json();
}

function say(text, undo) {
  const place = find("#notice-text");
  place.replaceChildren(text);
  if (undo) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", textContent: state.texts["list.undo"], onclick: undo });
    place.append(" ", button);
  }
  place.hidden = !text;
}

function sayWhy(error) {
  say(error.status ? error.message : state.texts["page.unreached"]);
}

function show(view, { keepsScroll = false } = {}) {
  stopWatching();
  const log = find("#log");
  const top = scroller().scrollTop;
  state.conversation = view.id;
  state.growing = view.growing;
  state.shown += 1;
  log.innerHTML = view.html || state.welcome;
  log.classList.toggle("empty", !view.html);
  document.title = view.title ? `${view.title} · Chaku` : "Chaku";
  history.replaceState(null, "", view.id ? `/?c=${view.id}` : "/");
  localStorage.setItem("chaku.conversation", view.id);
  document.body.classList.toggle("replying", Boolean(view.growing));
  log.setAttribute("aria-busy", String(Boolean(view.growing)));
  scroller().scrollTop = keepsScroll ? top : scroller().scrollHeight;
  const article = view.growing && log.querySelector(`[data-id="${view.growing}"]`);
  if (article) watch(view.growing, article, scroller(), () => replyEnded(view));
  markCurrent(view.id);
}

// The server may be gone for a while: it is asked again until it answers.
async function replyEnded(view) {
  const before = state.shown;
  for (;;) {
    try {
      const now = await conversation(view.id);
      if (state.shown !== before) return;
      say("");
      const sticks = scroller().scrollHeight - scroller().scrollTop - scroller().clientHeight < 120;
      return show(now, { keepsScroll: !sticks });
    } catch (error) {
      if (error.status) return;
      say(state.texts["page.offline"]);
      await new Promise((done) => setTimeout(done, 1000));
    }
  }
}

function showNothing() {
  show({ id: "", html: "", growing: "", title: "" });
  bringDraft();
  field("message").focus();
}

// What somebody typed before the page was ready stays.
function bringDraft() {
  const typed = state.shown === 1 && field("message").value;
  setField(field("message"), typed || draftOf(state.person, state.conversation));
}

async function open(id) {
  const view = await conversation(id);
  for (const name of SETTINGS) if (field(name)) setField(field(name), view.settings[name] || "");
  const model = find("#model");
  if ([...(model?.options ?? [])].some((each) => each.value === view.settings.model)) model.value = view.settings.model;
  show(view);
  bringDraft();
}

async function perform(body, options) {
  try {
    const view = await act(body);
    say("");
    if (view.html !== undefined) show(view, options);
    if (view.draft && !field("message").value) setField(field("message"), view.draft);
    return view;
  } catch (error) {
    sayWhy(error);
    return null;
  }
}

async function send(text) {
  if (!text.trim() || document.body.classList.contains("replying")) return;
  document.body.classList.add("replying");
  const box = field("message");
  const id = state.conversation;
  const view = await perform({ do: "send", id, text });
  if (!view) return document.body.classList.remove("replying");
  keepDraft(state.person, id, "");
  setField(box, box.value === text ? "" : box.value);
  if (!id) refreshList();
}

async function edit(article, id, isReply) {
  const labels = Object.fromEntries(["save", "cancel", "edit"].map((name) => [name, state.texts[`turn.${name}`]]));
  const save = (text) => perform({ do: "edit", id, text }, { keepsScroll: isReply });
  editTurn(article, await raw(id), { labels, isReply, save });
}

async function raw(id) {
  return (await get(`/chat/raw?m=${encodeURIComponent(id)}`)).text();
}

async function copy(button, text) {
  await navigator.clipboard.writeText(text);
  button.classList.add("done");
  setTimeout(() => button.classList.remove("done"), 1200);
}

function dialog(html) {
  const box = find("#chaku-dialog");
  box.innerHTML = html;
  box.setAttribute("aria-label", box.querySelector("h2").textContent);
  if (!box.open) box.showModal();
}

const doings = {
  example: (button) => send(button.textContent),
  copy: async (button, id) => copy(button, await raw(id)),
  edit: (button, id) => edit(button.closest("article"), id, false),
  correct: (button, id) => edit(button.closest("article"), id, true),
  delete: (_, id) => perform({ do: "remove_message", id }, { keepsScroll: true }),
  show: (_, id) => perform({ do: "show", id }, { keepsScroll: true }),
  judge: (button, id) => perform({ do: "judge", id, thumb: Number(button.dataset.thumb) }, { keepsScroll: true }),
  help: () => dialog(state.shortcuts),
  close: () => find("#chaku-dialog").close(),
  language: (_, id) => {
    document.cookie = `chaku_language=${id}; path=/; max-age=31536000; samesite=lax`;
    location.reload();
  },
  rename: (button) => renameInPlace(button.closest("li"), button.getAttribute("aria-label")),
  pin: async (button, id) => {
    await perform({ do: "pin", id, is_pinned: !("pinned" in button.closest("li").dataset) });
    refreshList();
  },
  remove: async (button, id) => {
    const title = button.closest("li").querySelector("a").textContent;
    if (!(await perform({ do: "remove", id }))) return;
    if (id === state.conversation) showNothing();
    await refreshList();
    say(state.texts["list.deleted"].replace("{title}", title), async () => {
      await perform({ do: "restore", id });
      refreshList();
    });
  },
  revoke: async (_, id) => {
    await perform({ do: "revoke", id });
    find("#chaku-dialog").close();
  },
};
for (const name of ["retry", "regenerate", "continue", "undo"]) doings[name] = (_, id) => perform({ do: name, id });

async function share() {
  if (!state.conversation) return;
  const shared = await perform({ do: "share", id: state.conversation });
  if (!shared) return;
  dialog(state.share);
  find("#chaku-dialog input").value = `${location.origin}/share?t=${shared.token}`;
  find("#chaku-dialog [data-do=revoke]").dataset.id = state.conversation;
  find("#chaku-dialog input").select();
}

function stop() {
  if (state.growing) perform({ do: "stop", id: state.growing });
}

document.addEventListener("click", (event) => {
  const target = event.target.closest?.("button, a");
  if (!target || event.ctrlKey || event.metaKey) return;
  if (target.dataset.copy) return copy(target, target.closest(".code").querySelector("code").textContent);
  const entry = target.closest("#conversation-list li");
  if (target.tagName === "A" && entry) {
    event.preventDefault();
    open(entry.dataset.conversation).catch(sayWhy);
  }
  if (target.pathname === "/logout") forgetDrafts(state.person);
  const buttons = { send: () => send(field("message").value), stop, new: showNothing, share };
  if (target.id in buttons) buttons[target.id]();
  if (target.dataset.do && !target.disabled) doings[target.dataset.do](target, target.dataset.id);
});

document.addEventListener("change", (event) => {
  const { reason, thumb } = event.target.dataset;
  if (reason) act({ do: "judge", id: reason, thumb: Number(thumb), text: event.target.value });
});

let searching = 0;
document.addEventListener("input", (event) => {
  if (event.target === field("message") && state.shown) keepDraft(state.person, state.conversation, event.target.value);
  if (!event.target.closest("#search")) return;
  clearTimeout(searching);
  searching = setTimeout(refreshList, 150);
});

document.addEventListener(
  "keydown",
  (event) => {
    const writes = event.target.closest("input, textarea, select, [contenteditable]");
    if (event.target === field("message") && event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      event.stopPropagation();
      return send(event.target.value);
    }
    if (event.key === "Escape" && state.growing) return stop();
    if (event.key === "?" && !writes) return doings.help();
    if (!event.altKey || event.ctrlKey) return;
    const keys = { n: showNothing, s: () => field("search").focus(), e: editLast };
    if (event.key in keys) {
      event.preventDefault();
      keys[event.key]();
    }
  },
  true,
);

function editLast() {
  [...document.querySelectorAll("#log [data-do=edit]")].at(-1)?.click();
}

function place() {
  const log = document.createElement("div");
  Object.assign(log, { id: "log", className: "turns" });
  log.setAttribute("role", "log");
  log.setAttribute("aria-live", "polite");
  scroller().tabIndex = 0;
  scroller().replaceChildren(log);
  const notice = document.createElement("p");
  Object.assign(notice, { id: "notice-text", role: "status", hidden: true });
  find("#composer").before(notice);
  find(".gradio-container").append(Object.assign(document.createElement("dialog"), { id: "chaku-dialog" }));
}

function offerModels(names) {
  const chosen = find("#model");
  if (chosen && names.join("\n") === [...chosen.options].map((each) => each.value).join("\n")) return;
  const select = Object.assign(document.createElement("select"), { id: "model" });
  select.setAttribute("aria-label", state.model);
  for (const name of names) select.append(new Option(name, name));
  if (names.includes(chosen?.value)) select.value = chosen.value;
  find("#model-picker").replaceChildren(select);
}

async function start() {
  return (await get("/chat/start")).json();
}

// A server that is still loading its model is asked until it answers; what it says meanwhile counts down.
async function followStart(now) {
  const place = find("#notice-text");
  let said = "";
  for (;;) {
    offerModels(now.models);
    if (place.hidden || place.textContent === said) say(now.notice);
    said = now.notice;
    if (!now.notice) return;
    await new Promise((done) => setTimeout(done, now.models.length ? 5000 : 1000));
    now = await start().catch(() => now);
  }
}

async function begin() {
  place();
  const { models, notice, ...parts } = await start();
  Object.assign(state, parts);
  find("#log").setAttribute("aria-label", state.texts["page.conversation"]);
  find("#side-foot").innerHTML = parts.foot;
  // Gradio names both in English alone; that of the settings is shown only while they are open.
  find("#conversations .toggle-button").setAttribute("aria-label", state.texts["page.conversations"]);
  find("#settings .toggle-button").setAttribute("aria-label", state.texts["page.close"]);
  if (innerWidth < 900) find("#conversations.open .toggle-button")?.click();
  followStart({ models, notice });
  refreshList();
  const wanted = new URLSearchParams(location.search).get("c") ?? localStorage.getItem("chaku.conversation");
  try {
    if (state.shown === 0) await (wanted ? open(wanted) : showNothing()); // whoever is quick has sent something
  } catch (error) {
    showNothing();
    if (new URLSearchParams(location.search).has("c")) sayWhy(error);
  }
  document.body.classList.add("ready");
}

// Gradio builds the page by its own script; ours begins when the places are there.
const waiting = setInterval(() => {
  if (!find("#conversation") || !find("#composer textarea") || !find("#conversation-list")) return;
  clearInterval(waiting);
  begin();
}, 20);

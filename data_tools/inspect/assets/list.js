// The list of conversations: search, filters, order, and the one that is open.

const overview = read("overview");
const views = { tokens: ["Tokens", tokensView], texts: ["Before and after", textsView] };
const state = { open: -1, view: "tokens" };
let haystacks = null;

// Made at the first search, since it reads every conversation.
function haystack(index) {
  haystacks ??= overview.list.map((one, at) => {
    const turns = read(`conversation-${at}`).turns;
    return [one.id, one.source, ...turns.flatMap((turn) => [turn.after ?? "", turn.before ?? ""])].join("\n").toLowerCase();
  });
  return haystacks[index];
}

function choice(label, options) {
  const select = el("select", { "aria-label": label }, ...options.map(([value, name]) => el("option", { value }, name)));
  select.addEventListener("change", drawList);
  return select;
}

const rules = [...new Set(overview.list.flatMap((one) => one.rules))].sort();
const controls = {
  search: el("input", { type: "search", placeholder: "Search ids and texts", "aria-label": "Search ids and texts" }),
  part: choice("Part", [["", "All parts"], ...Object.keys(overview.parts).map((part) => [part, words(part)])]),
  rule: choice("Rule", [["", "Any rule"], ["*", "Untouched by rules"], ...rules.map((rule) => [rule, rule])]),
  order: choice("Order", [["", "In order"], ["messages", "Most turns"], ["tokens", "Most tokens"], ["share", "Least supervised"]]),
};
let typing = 0;
controls.search.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(drawList, 120);
});

function matches(one, index, query) {
  if (controls.part.value && one.part !== controls.part.value) return false;
  if (controls.rule.value === "*" && one.rules.length) return false;
  if (controls.rule.value && controls.rule.value !== "*" && !one.rules.includes(controls.rule.value)) return false;
  return !query || haystack(index).includes(query);
}

const keys = {
  messages: (one) => -one.messages,
  tokens: (one) => -one.tokens,
  share: (one) => one.supervised / Math.max(1, one.tokens),
};

function found() {
  const query = controls.search.value.trim().toLowerCase();
  const indices = overview.list.map((_, index) => index).filter((index) => matches(overview.list[index], index, query));
  const key = keys[controls.order.value];
  return key ? indices.sort((a, b) => key(overview.list[a]) - key(overview.list[b])) : indices;
}

function shareBar(one) {
  const bar = svg("svg", { viewBox: "0 0 100 4", preserveAspectRatio: "none", class: "share", "aria-hidden": "true" });
  bar.append(svg("rect", { width: 100, height: 4, class: "track" }), svg("rect", { width: (100 * one.supervised) / Math.max(1, one.tokens), height: 4, class: "bar" }));
  return bar;
}

function row(index) {
  const one = overview.list[index];
  const facts = [plural(one.messages, "turn"), plural(one.tokens, "token"), `${percent(one.supervised, one.tokens)} supervised`];
  const label = [el("span", { class: "summary", dir: "auto" }, one.summary || "(no question)"), el("small", { class: "dim" }, facts.join(" · ")), shareBar(one)];
  const entry = button("", () => openConversation(index, true), { "data-index": index, "aria-current": index === state.open ? "true" : "false" });
  entry.append(...label);
  return el("li", {}, entry);
}

function drawList() {
  const indices = found();
  const whole_ = overview.total > overview.list.length ? ` (chosen by chance from ${number(overview.total)})` : "";
  document.getElementById("found").textContent = `${number(indices.length)} of ${plural(overview.list.length, "conversation")}${whole_}`;
  document.getElementById("list").replaceChildren(...indices.map(row));
}

function openConversation(index, move) {
  state.open = index;
  for (const entry of document.querySelectorAll("#list button")) {
    entry.setAttribute("aria-current", entry.dataset.index === String(index) ? "true" : "false");
  }
  history.replaceState(null, "", `#${index}`);
  drawConversation();
  const detail = document.getElementById("detail");
  if (move) {
    detail.focus({ preventScroll: true });
    detail.scrollIntoView({ block: "start" });
  }
}

function drawConversation() {
  const one = overview.list[state.open], conversation = read(`conversation-${state.open}`);
  const switches = Object.entries(views).map(([name, [label]]) =>
    button(label, () => { state.view = name; drawConversation(); }, { "aria-pressed": name === state.view ? "true" : "false" }));
  const back = button("Back to the list", () => document.getElementById("chooser").scrollIntoView(), { class: "back" });
  document.getElementById("detail").replaceChildren(
    back,
    el("h2", {}, one.id),
    el("p", { class: "dim source" }, `${one.source} · ${words(one.part)} · ${plural(one.messages, "turn")} · ${plural(one.tokens, "token")}, ${number(one.supervised)} supervised`),
    el("div", { class: "switch", role: "group", "aria-label": "What to show" }, ...switches),
    views[state.view][1](conversation),
  );
}

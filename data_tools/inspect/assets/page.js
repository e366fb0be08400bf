// The other views, the tabs, and the start.

function drawRejected() {
  const sections = Object.entries(overview.rejected).map(([rule, held], index) => {
    const details = el("details", { class: "card" }, el("summary", {}, el("strong", {}, rule), el("span", { class: "dim" }, `${plural(held.turns, "turn")}, ${plural(held.supervised_tokens, "supervised token")}`)));
    details.addEventListener("toggle", () => {
      if (!details.open || details.childElementCount > 1) return;
      const turns = read(`rejected-${index}`);
      const more = held.turns > turns.length ? [el("p", { class: "dim" }, `The first ${number(turns.length)} of ${number(held.turns)}; ledger.parquet names them all.`)] : [];
      details.append(...more, ...turns.map((turn) => el("div", { class: "rejected" }, el("p", { class: "dim source" }, `${turn.id} · ${turn.source}`), turnCard(turn))));
    });
    return details;
  });
  document.getElementById("view-rejected").append(...(sections.length ? sections : [el("p", { class: "note" }, "No turn was rejected.")]));
}

function drawCleaning() {
  // Block lists change no text: they count the turns that hold each phrase.
  const changed = Object.entries(overview.cleaning).filter(([, done]) => "turns_changed" in done || "turns_joined" in done);
  const rows = changed.map(([rule, done]) => [rule, done.version, done.turns_changed ?? done.turns_joined]);
  const phrases = Object.entries(overview.cleaning.blocked_phrase?.turns_with ?? {});
  if (phrases.length) {
    document.getElementById("view-cleaning").append(el("div", { class: "card" }, el("h2", {}, "Blocked phrases"), table(["phrase", "turns with it"], phrases)));
  }
  document.getElementById("view-cleaning").append(el("div", { class: "card" }, el("h2", {}, "Cleaning rules, in their order"), table(["rule", "version", "turns changed"], rows)));
}

function drawOrigin() {
  const inputs = overview.inputs.map((one) => [one.file, one.bytes, el("code", {}, one.sha256)]);
  const pairs = (values) => Object.entries(values).map(([name, value]) => [words(name), String(value)]);
  const made = { template: overview.template, tokenizer: overview.tokenizer, fingerprint: overview.fingerprint };
  document.getElementById("view-origin").append(
    el("div", { class: "card" }, el("h2", {}, "Input files"), table(["file", "bytes", "sha256"], inputs)),
    el("div", { class: "card" }, el("h2", {}, "What decides the token ids"), table(["", ""], pairs(made))),
    el("div", { class: "card" }, el("h2", {}, "Options and versions"), table(["", ""], [...pairs(overview.options), ...pairs(overview.versions)])),
  );
}

function drawTabs() {
  const tabs = {
    conversations: `Conversations ${number(overview.list.length)}`,
    rejected: `Rejected turns ${number(overview.counts.turns_rejected)}`,
    cleaning: "Cleaning",
    origin: "Origin",
  };
  const show = (name) => {
    for (const other of Object.keys(tabs)) {
      document.getElementById(`view-${other}`).hidden = other !== name;
      document.getElementById(`tab-${other}`).setAttribute("aria-selected", other === name ? "true" : "false");
    }
  };
  for (const [name, label] of Object.entries(tabs)) {
    const tab = button(label, () => show(name), { role: "tab", id: `tab-${name}`, "aria-controls": `view-${name}` });
    document.getElementById("tabs").append(tab);
  }
  show("conversations");
}

document.title = `${overview.name} - Chaku data`;
document.getElementById("name").textContent = overview.name;
document.getElementById("made").textContent = `${overview.template} · windows of ${number(overview.window)} tokens · seed ${overview.options.seed} · Chaku ${overview.versions.chaku}`;
document.getElementById("notes").append(...overview.notes.map((note) => el("li", { class: "note" }, note)));
drawTotals(overview);
drawFates(overview.counts);
drawPlots(overview.plots);
drawTabs();
document.getElementById("filters").append(...Object.values(controls));
drawList();
drawRejected();
drawCleaning();
drawOrigin();
const asked = Number.parseInt(location.hash.slice(1), 10);
if (overview.list.length) openConversation(overview.list[asked] ? asked : 0, false);

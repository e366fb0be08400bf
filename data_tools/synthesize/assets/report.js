// What a run made, how diverse it is, what was rejected, and how instructions evolved.

const overview = read("overview");
const SUMMARY = 160;

function short(text) {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > SUMMARY ? `${line.slice(0, SUMMARY)}...` : line || "(no text)";
}

function drawFigures() {
  const made = overview.kept + overview.rejected;
  document.getElementById("totals").append(
    tile(number(overview.kept), "records kept", `${percent(overview.kept, made)} of ${number(made)} made`),
    tile(number(overview.rejected), "rejected", `by ${plural(Object.keys(overview.reasons).length, "rule")}`),
    tile(number(overview.verbs), "opening verbs", `${number(overview.pairs)} with different objects`),
    tile(overview.nearest === null ? "-" : overview.nearest.toFixed(2), "median ROUGE\u2011L", "with the nearest other record"),
  );
}

function details(title, badges, fillIn) {
  const node = el("details", { class: "card" }, el("summary", {}, el("strong", { dir: "auto" }, title), ...badges));
  node.addEventListener("toggle", () => {
    if (node.open && node.childElementCount === 1) node.append(...fillIn());
  });
  return node;
}

function texts(turns) {
  return el("div", { class: "turns" }, ...turns.map(([label, text]) => el("div", {}, el("small", { class: "dim" }, label), el("div", { class: "text", dir: "auto" }, text || "(nothing)"))));
}

function drawRecords() {
  const records = read("records");
  const more = overview.kept > records.length ? [el("p", { class: "dim" }, `The first ${number(records.length)} of ${number(overview.kept)}; messages.jsonl has them all.`)] : [];
  const cards = records.map((one) =>
    details(short(one.turns.findLast(([role]) => role === "user")[1]), [el("span", { class: "dim" }, one.id)], () => [
      texts(one.turns),
      el("p", { class: "dim" }, `from ${one.seeds.join(", ")} by ${one.prompt}`),
    ]));
  document.getElementById("view-records").append(...more, ...(cards.length ? cards : [el("p", { class: "note" }, "Nothing was kept.")]));
}

function drawRejected() {
  const rejected = read("rejected");
  const cards = Object.entries(overview.reasons).map(([rule, count]) =>
    details(words(rule), [el("span", { class: "dim" }, plural(count, "text"))], () => [
      texts(rejected[rule].map(([task, text, detail]) => [detail ? `${task}: ${detail}` : task, text])),
      ...(count > rejected[rule].length ? [el("p", { class: "dim" }, `The first ${number(rejected[rule].length)} of ${number(count)}; rejected.jsonl has them all.`)] : []),
    ]));
  document.getElementById("view-rejected").append(...(cards.length ? cards : [el("p", { class: "note" }, "Nothing was rejected.")]));
}

function branch(node) {
  const fate = node.rule ? el("span", { class: "badge rule" }, words(node.rule)) : el("span", { class: "badge kept" }, "kept");
  const line = el("div", { class: "line" }, el("span", {}, `round ${node.round}: ${words(node.operation)}`), fate);
  const below = node.children.length ? [el("ul", {}, ...node.children.map(branch))] : [];
  return el("li", node.rule ? { class: "failed" } : {}, line, el("p", { dir: "auto" }, node.instruction || "(nothing)"), ...below);
}

function drawLineage() {
  const size = (node) => node.children.reduce((sum, child) => sum + (child.rule ? 0 : 1) + size(child), 0);
  const roots = read("trees").toSorted((one, other) => size(other) - size(one));
  const cards = roots.map((root, index) => {
    const node = details(short(root.instruction), [el("span", { class: "dim" }, `${root.id}, ${plural(size(root), "descendant")}`)], () => [
      el("div", {}, el("ul", { class: "tree" }, el("li", {}, el("div", { class: "line" }, "seed"), el("p", { dir: "auto" }, root.instruction), el("ul", {}, ...root.children.map(branch))))),
    ]);
    node.open = index === 0 && size(root) > 0;
    return node;
  });
  const none = roots.length && !size(roots[0]) ? [el("p", { class: "note" }, "Every evolution was eliminated: no seed has a descendant that was kept.")] : [];
  document.getElementById("view-lineage").append(...none, ...cards);
  return roots.length;
}

function drawTabs(trees) {
  const tabs = { records: `Records ${number(overview.kept)}`, rejected: `Rejected ${number(overview.rejected)}`, ...(trees ? { lineage: `Lineage ${number(trees)}` } : {}), origin: "Origin" };
  const show = (name) => {
    for (const other of Object.keys(tabs)) {
      document.getElementById(`view-${other}`).hidden = other !== name;
      document.getElementById(`tab-${other}`).setAttribute("aria-selected", other === name ? "true" : "false");
    }
  };
  for (const [name, label] of Object.entries(tabs)) {
    document.getElementById("tabs").append(button(label, () => show(name), { role: "tab", id: `tab-${name}`, "aria-controls": `view-${name}` }));
  }
  show(trees ? "lineage" : "records");
}

document.title = `${overview.name} - Chaku synthesis`;
document.getElementById("name").textContent = overview.name;
document.getElementById("made").textContent = overview.facts.slice(0, 3).map(([name, value]) => `${name} ${value}`).join(" · ") + ` · ${plural(overview.seeds, "seed")}`;
drawFigures();
drawPlots(overview.plots);
drawRecords();
drawRejected();
drawTabs(drawLineage());
document.getElementById("view-origin").append(el("div", { class: "card" }, el("h2", {}, "Settings and sums"), table(["", ""], overview.facts)));

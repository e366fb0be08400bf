// The tabs, and the start.

function drawTabs() {
  const tabs = {
    questions: `Questions ${number(overview.list.length)}`,
    categories: "Categories",
    trust: "Can the judge be trusted",
    checks: "Without a judge",
    failures: `Failures ${number(overview.failures.length)}`,
    origin: "Origin and meaning",
  };
  const show = (name) => {
    for (const other of Object.keys(tabs)) {
      document.getElementById(`view-${other}`).hidden = other !== name;
      document.getElementById(`tab-${other}`).setAttribute("aria-selected", other === name ? "true" : "false");
    }
  };
  for (const [name, label] of Object.entries(tabs)) {
    document.getElementById("tabs").append(button(label, () => show(name), { role: "tab", id: `tab-${name}`, "aria-controls": `view-${name}` }));
  }
  show("questions");
}

document.title = `${names.join(" and ")} - Chaku evaluation`;
document.getElementById("summary").textContent = overview.summary;
document.getElementById("made").textContent = `${plural(overview.questions, "question")} · ${overview.judged.map((one) => `judged by ${one.judge}`).join(", ") || "no judge"} · ${overview.made} · ${overview.made_with}`;
document.getElementById("notes").append(...overview.judged.flatMap((one) => one.warnings).map((warning) => el("li", { class: "note" }, warning)));
drawTotals();
drawPlots();
drawTabs();
document.getElementById("filters").append(...Object.values(controls));
const asked = Number.parseInt(location.hash.slice(1), 10);
if (overview.list.length) openQuestion(overview.list[asked] ? asked : 0, false);
drawCategories();
drawTrust();
drawChecks();
drawFailures();
drawOrigin();

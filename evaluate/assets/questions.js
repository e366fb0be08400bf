// The list of questions, its filters, and the one that is open: both answers, and the verdicts on them.

const state = { open: -1 };
let haystacks = null;

// Made at the first search, since it reads every question.
function haystack(place) {
  haystacks ??= overview.list.map((_, at) => JSON.stringify(read(`item-${at}`)).toLowerCase());
  return haystacks[place];
}

function choice(label, options) {
  const select = el("select", { "aria-label": label }, ...options.map(([value, name]) => el("option", { value }, name)));
  select.addEventListener("change", drawList);
  return select;
}

const standing = [["", "Any outcome"], ...(names.length > 1 ? [["win", `${names[0]} wins`], ["tie", "A tie"], ["loss", `${names[1]} wins`], ["order", "Orders disagree"]] : []), ["failed", "Something failed"], ["limit", "Cut off at the limit"]];
const controls = {
  search: el("input", { type: "search", placeholder: "Search questions and answers", "aria-label": "Search questions and answers" }),
  category: choice("Category", [["", "All categories"], ...overview.categories.map((one) => [one, one])]),
  outcome: choice("Outcome", standing),
  order: choice("Order", [["", "In order"], ["low", "Lowest score first"], ["high", "Highest score first"], ...(names.length > 1 ? [["gap", "Largest difference first"]] : [])]),
};
let typing = 0;
controls.search.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(drawList, 120);
});

function matches(one, query) {
  const outcome = controls.outcome.value;
  if (controls.category.value && one.category !== controls.category.value) return false;
  if (["win", "tie", "loss"].includes(outcome) && !one.outcomes.includes(outcome)) return false;
  if (outcome === "order" && !read(`item-${one.place}`).verdicts[0]?.pairs.some((pair) => pair.seen[0] !== pair.seen[1])) return false;
  if (outcome === "failed" && !one.failed) return false;
  if (outcome === "limit" && !one.at_limit) return false;
  return !query || haystack(one.place).includes(query);
}

const orders = {
  low: (one) => one.grades[0] ?? 11,
  high: (one) => -(one.grades[0] ?? 0),
  gap: (one) => -Math.abs((one.grades[0] ?? 0) - (one.grades[1] ?? one.grades[0] ?? 0)),
};

function badge(text, kind) {
  return el("span", { class: `badge ${kind}` }, text);
}

function listBadges(one) {
  const grades = one.grades.map((grade, place) => badge(grade === null ? "no score" : grade.toFixed(1), `s${place}`));
  const outcomes = one.outcomes.map((outcome) => badge(outcome ?? "unreadable", outcome ?? "bad"));
  return el("span", { class: "badges" }, ...grades, ...outcomes, ...(one.failed ? [badge("failed", "bad")] : []));
}

function drawList() {
  const query = controls.search.value.trim().toLowerCase();
  const found = overview.list.filter((one) => matches(one, query));
  const key = orders[controls.order.value];
  if (key) found.sort((a, b) => key(a) - key(b));
  document.getElementById("found").textContent = `${number(found.length)} of ${plural(overview.list.length, "question")}`;
  document.getElementById("list").replaceChildren(...found.map((one) => el("li", {}, listButton(one))));
}

function listButton(one) {
  const node = button("", () => openQuestion(one.place, true), { "aria-current": one.place === state.open ? "true" : "false" });
  node.append(el("span", { class: "summary" }, one.summary), el("small", { class: "dim" }, `${one.category} · ${one.id}`), listBadges(one));
  return node;
}

function openQuestion(place, isAsked) {
  state.open = place;
  const item = read(`item-${place}`), detail = document.getElementById("detail");
  const back = button("‹ all questions", () => document.getElementById("chooser").scrollIntoView(), { class: "back" });
  detail.replaceChildren(back, el("p", { class: "dim source" }, `${item.category} · question ${item.id}`), ...item.turns.map((text, at) => turnOf(item, text, at)));
  drawList();
  if (isAsked) {
    history.replaceState(null, "", `#${place}`);
    detail.focus({ preventScroll: true });
    if (matchMedia("(max-width: 56rem)").matches) detail.scrollIntoView();
  }
}

function turnOf(item, text, at) {
  const sides = item.answers.map((answers, place) => side(item, answers[at], place, at + 1));
  const pairs = item.verdicts.flatMap((verdicts, judge) => verdicts.pairs.filter((pair) => pair.turn === at + 1).map((pair) => pairOf(pair, overview.judged[judge].judge)));
  return el(
    "section",
    { class: "turn" },
    el("h2", {}, item.turns.length > 1 ? `Turn ${at + 1}` : "Question"),
    el("p", { class: "question", dir: "auto" }, text),
    ...(item.reference[at] ? [folded("Reference answer", item.reference[at])] : []),
    el("div", { class: names.length > 1 ? "sides" : "" }, ...sides),
    ...pairs,
  );
}

function folded(title, text, ...badges) {
  return el("details", {}, el("summary", {}, title, ...badges), el("p", { class: "text", dir: "auto" }, text));
}

const endings = { length: "cut off at the limit", refused: "refused by the server", missing: "no answer in the file" };

function side(item, answer, place, turn) {
  const heading = el("h3", { class: `s${place}` }, el("b", {}, names[place]));
  if (!answer) return el("div", { class: "side" }, heading, el("p", { class: "note" }, "no answer"));
  if (endings[answer.finish_reason]) heading.append(badge(endings[answer.finish_reason], "bad"));
  if (answer.tokens) heading.append(el("small", { class: "dim" }, plural(answer.tokens, "token")));
  const grades = item.verdicts.flatMap((verdicts, judge) => (verdicts.grades[place] ?? []).filter((one) => one.turn === turn).map((one) => gradeOf(one, overview.judged[judge].judge)));
  return el("div", { class: "side" }, heading, el("p", { class: "text", dir: "auto" }, answer.text || "(empty)"), ...grades);
}

function tries(one) {
  return one.tries > 1 ? ` after ${one.tries} tries` : "";
}

function gradeOf(one, judge) {
  const mark = one.value === null ? badge(`unreadable: ${one.problem}`, "bad") : badge(`${one.value} of 10`, "tie");
  return folded(`${judge}${tries(one)}`, one.text || "(empty)", mark);
}

function pairOf(pair, judge) {
  const told = { win: `${names[0]} wins`, loss: `${names[1]} wins`, tie: "tie" };
  const verdict = pair.outcome ? badge(told[pair.outcome], pair.outcome) : badge("unreadable", "bad");
  const orders = [`${names[0]} shown first`, `${names[1]} shown first`];
  return el(
    "div",
    {},
    el("h3", {}, `${judge} compares`, verdict, ...(pair.seen[0] !== pair.seen[1] ? [el("small", { class: "dim" }, "the orders disagree")] : [])),
    ...pair.said.map((one, at) => folded(`${orders[at]}${tries(one)}`, one.text || "(empty)", pair.seen[at] ? badge(told[pair.seen[at]], pair.seen[at]) : badge(`unreadable: ${one.problem}`, "bad"))),
  );
}

// The views of tables: categories, trust, what needs no judge, failures, origin.

function tile(value, label, note) {
  return el("div", { class: "card tile" }, el("strong", {}, value), el("span", {}, label), el("small", { class: "dim" }, note));
}

function card(title, ...children) {
  return el("div", { class: "card" }, el("h2", {}, title), ...children);
}

function interval(value, digits) {
  return value.low === null ? "no interval from one question" : `95% interval ${value.low.toFixed(digits)} to ${value.high.toFixed(digits)}`;
}

function share(value) {
  return `${(100 * value).toFixed(0)}%`;
}

function drawTotals() {
  const tiles = names.flatMap((name, place) => {
    const top = scoreOf(place, "all");
    return top ? [tile(top.mean.toFixed(2), `score of ${name}`, interval(top, 2))] : [];
  });
  const rates = judged?.win_rates[0];
  if (rates?.adjusted_win_rate) tiles.push(tile(share(rates.adjusted_win_rate.mean), "win rate, ties as half", `${rates.wins} wins, ${rates.ties} ties, ${rates.losses} losses`));
  overview.checks.held_out.forEach((one, place) => {
    if (one) tiles.push(tile(one.loss.mean.toFixed(4), `held-out loss of ${names[place]}`, `perplexity ${one.perplexity.toFixed(2)} on ${plural(one.conversations.length, "conversation")}`));
  });
  overview.checks.answers.forEach((one, place) => {
    if (one.stopped) tiles.push(tile(share(one.stopped.mean), `of ${names[place]}'s replies end`, `by themselves, of ${number(one.stopped.n)}`));
  });
  document.getElementById("totals").append(...tiles);
}

function scoreRows(place) {
  const categories = ["all", ...overview.categories];
  return categories.map((category) => {
    const turns = [null, 1, 2].map((turn) => scoreOf(place, category, turn));
    return [category, ...turns.map((one) => estimate(one)), turns[0] ? String(turns[0].verdicts) : "0"];
  });
}

function drawCategories() {
  const view = document.getElementById("view-categories");
  overview.judged.length || view.append(el("p", { class: "note" }, "No judge was asked."));
  if (!judged) return;
  names.forEach((name, place) => view.append(card(`Scores of ${name}`, table(["category", "both turns", "turn 1", "turn 2", "verdicts"], scoreRows(place)))));
  if (judged.difference) {
    const gap = judged.difference;
    view.append(card("Difference of scores", el("p", {}, `${names[0]} less ${names[1]}, question by question: ${gap.mean.toFixed(2)} (${interval(gap, 2)}); paired permutation test over ${plural(gap.n, "question")}: p = ${probability(gap.p)}.`)));
  }
  if (judged.win_rates.length) {
    const rows = judged.win_rates.map((row) => [rowLabel(row), row.wins, row.ties, row.losses, row.unreadable, estimate(row.win_rate, 0, "%"), estimate(row.loss_rate, 0, "%"), estimate(row.adjusted_win_rate, 0, "%"), row.p === undefined || row.p === null ? "-" : probability(row.p)]);
    view.append(card(`Pairs, seen from ${names[0]}`, table(["", "wins", "ties", "losses", "unreadable", "win rate", "loss rate", "ties as half", "p (sign test)"], rows)));
  }
}

function probability(p) {
  return p < 0.001 ? "below 0.001" : p.toFixed(3);
}

function drawTrust() {
  const view = document.getElementById("view-trust");
  if (!overview.judged.length) view.append(el("p", { class: "note" }, "No judge was asked."));
  for (const one of overview.judged) view.append(...judgeCards(one));
  const people = overview.people, judges = overview.judges_agree;
  if (people) view.append(card("The judge and people", el("p", {}, `Of ${plural(people.votes, "vote")} in the arena, ${number(people.unreadable)} had no readable verdict.`), table(["", "agreement"], agreementRows(people))));
  if (judges) {
    const grades = judges.grades;
    view.append(card(`${judges.judges[0]} and ${judges.judges[1]}`, table(["", "agreement"], [
      ...agreementRows(judges.pairs),
      [`correlation of their scores (Spearman, ${plural(grades.n, "answer")})`, grades.correlation === null ? "-" : grades.correlation.toFixed(2)],
      ["mean difference of their scores", estimate(grades.difference)],
    ])));
  }
}

function agreementRows(one) {
  return [
    ["same verdict, ties counted", estimate(one.with_ties, 0, "%")],
    ["same verdict where neither says tie", estimate(one.without_ties, 0, "%")],
    ["expected by chance, ties counted", one.chance === null ? "-" : share(one.chance)],
  ];
}

function judgeCards(one) {
  const { readability, position, verbosity } = one.trust;
  const problems = Object.entries(readability.problems).map(([problem, count]) => [`not read: ${problem}`, count]);
  const cards = [card(`Verdicts of ${one.judge}`, el("p", { class: "dim" }, one.structured ? "Asked as JSON, to which the server held it." : "Asked as text; the last well-formed verdict of its own words counts."), table(["", ""], [["verdicts asked for", readability.verdicts], ["asked again", readability.retried], ["never readable", readability.unreadable], ...problems]))];
  if (position) cards.push(card("Position bias", el("p", { class: "dim" }, `Each of ${plural(position.pairs, "pair")} was shown in both orders.`), table(["", "share of pairs"], [["same verdict in both orders", estimate(position.consistent, 0, "%")], ["the first answer won in both", estimate(position.first, 0, "%")], ["the second answer won in both", estimate(position.second, 0, "%")], ["a tie in one order alone", estimate(position.mixed, 0, "%")]])));
  const lengths = verbosity.score_length_correlation;
  cards.push(card("Verbosity bias", el("p", { class: "dim" }, "Longer answers can also be better: this shows how far length alone would foretell the judge."), table(["", ""], [["the longer answer won", estimate(verbosity.longer_won, 0, "%")], ["score and length (Spearman)", lengths === null ? "-" : lengths.toFixed(2)]])));
  return cards;
}

function drawChecks() {
  const view = document.getElementById("view-checks"), checks = overview.checks;
  const shares = [["replies that end by themselves", "stopped"], ["empty replies", "empty"], ["replies that end in a loop", "looping"], ["4-grams that were there before", "repeated"], ["replies in the question's language", "same_language"]];
  const rows = shares.map(([label, name]) => [label, ...checks.answers.map((one) => estimate(one[name], 0, "%"))]);
  for (const unit of ["tokens", "characters"]) rows.push([`median length in ${unit} (quartiles)`, ...checks.answers.map((one) => lengthText(one[unit]))]);
  rows.push(["prompts read as in training", ...checks.parity.map((one) => (one ? `${one.agreed} of ${one.conversations} conversations` : "-"))]);
  for (const [label, name] of [["prompts followed", "prompts"], ["single instructions followed", "checks"]]) {
    for (const kind of ["strict", "loose"]) rows.push([`${label}, ${kind}`, ...checks.instructions.map((one) => estimate(one?.[`${name}_${kind}`], 0, "%"))]);
  }
  view.append(card("Replies", table(["", ...names], rows)));
  drawHeldOut(view, checks);
  checks.instructions.forEach((one, place) => {
    if (!one) return;
    const lines = one.rows.map((row) => [row.prompt, row.checks.map(words).join(", "), row.strict.every(Boolean) ? "yes" : row.loose.every(Boolean) ? "loosely" : "no", short(row.answer, 300)]);
    view.append(el("details", { class: "card" }, el("summary", {}, el("strong", {}, `Instructions that a program checks: ${names[place]}`)), table(["prompt", "checks", "followed", "answer"], lines)));
  });
}

function lengthText(one) {
  return one ? el("span", {}, one.median.toFixed(0), " ", el("small", {}, `${one.quarter.toFixed(0)} to ${one.three_quarters.toFixed(0)}`)) : "-";
}

function drawHeldOut(view, checks) {
  const measured = checks.held_out.filter(Boolean);
  if (!measured.length) return;
  const row = (label, show) => [label, ...checks.held_out.map((one) => (one ? show(one) : "-"))];
  const gap = checks.held_out_difference;
  const sentence = gap ? [el("p", {}, `${names[0]} less ${names[1]}, conversation by conversation: ${gap.mean.toFixed(4)} ${gap.unit} (${interval(gap, 4)}); lower in ${gap.lower} of ${gap.n}; p = ${probability(gap.p)}.`)] : [];
  view.append(card("Held-out conversations", ...sentence, table(["", ...names], [
    row("loss a token of the replies, in nats", (one) => estimate(one.loss, 4)),
    row("perplexity", (one) => one.perplexity.toFixed(3)),
    row("bits a byte", (one) => one.bits_per_byte.toFixed(4)),
    row("tokens", (one) => number(one.tokens)),
  ])));
  const losses = checks.held_out.map((one) => new Map((one?.conversations ?? []).map((item) => [item.id, item])));
  const ids = [...new Set(losses.flatMap((held) => [...held.keys()]))];
  const lines = ids.map((id) => [id, ...losses.map((held) => held.get(id)?.loss_per_token.toFixed(4) ?? "-"), String(losses.find((held) => held.has(id)).get(id).tokens)]);
  view.append(el("details", { class: "card" }, el("summary", {}, el("strong", {}, "Loss of each conversation"), el("span", { class: "dim" }, plural(ids.length, "conversation"))), table(["conversation", ...names, "tokens"], lines)));
}

function drawFailures() {
  const view = document.getElementById("view-failures");
  if (!overview.failures.length) view.append(el("p", { class: "card" }, "Nothing failed: every question was answered, and every verdict read."));
  else view.append(card("What is missing from the figures", table(["question", "what", "why"], overview.failures.map((one) => [one.question, one.what, short(one.detail, 400)]))));
}

function drawOrigin() {
  const models = overview.models.map((model, place) => [place ? "compared with" : "model", model.name, el("code", {}, model.source)]);
  const judges = overview.judged.map((one) => ["judge", one.judge, one.structured ? "structured output" : "text"]);
  document.getElementById("view-origin").append(
    card("Who was asked", table(["", "name", "where"], [...models, ...judges])),
    card("How", table(["", ""], Object.entries(overview.settings).map(([name, value]) => [name, String(value)]))),
    card("What the numbers mean", el("p", {}, "A score is what one judge, a model itself, thinks of these answers: it follows its tastes, and moves with the judge, its prompt and the questions. Only figures of the same judge, prompts and questions compare. An interval says how far the mean would move with other questions of the same kind; it says nothing of the judge's errors. A difference whose interval holds zero has not been shown.")),
  );
}

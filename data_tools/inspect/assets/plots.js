// Totals, the bar of fates, and a histogram a card.

function tile(value, label, note) {
  return el("div", { class: "card tile" }, el("strong", {}, value), el("span", {}, label), el("small", { class: "dim" }, note));
}

function drawTotals(overview) {
  const counts = overview.counts;
  document.getElementById("totals").append(
    tile(number(counts.conversations_kept), "conversations kept", `of ${number(counts.conversations_in)} that came in`),
    tile(number(counts.supervised_tokens), "supervised tokens", `${percent(counts.supervised_tokens, counts.supervised_tokens_in)} of those that came in`),
    tile(percent(counts.supervised_tokens, counts.tokens), "of all tokens supervised", `of ${number(counts.tokens)} tokens`),
    tile(number(counts.windows), "windows", `${(100 * counts.fill).toFixed(2)}% full, of ${number(overview.window)} tokens`),
  );
}

function drawFates(counts) {
  const fates = ["trained", "context", "rejected"].map((fate) => [fate, counts[`turns_${fate}`]]);
  const bar = svg("svg", { viewBox: "0 0 1000 14", preserveAspectRatio: "none", class: "fates", "aria-hidden": "true" });
  let x = 0;
  for (const [fate, turns] of fates) {
    const width = (1000 * turns) / Math.max(1, counts.turns_in);
    bar.append(svg("rect", { x, y: 0, width, height: 14, class: `fate-${fate}` }));
    x += width;
  }
  const parts = fates.flatMap(([fate, turns], index) => [
    index ? " + " : " = ",
    el("span", { class: "term" }, el("i", { class: `dot fate-${fate}` }), `${number(turns)} ${fate}`),
  ]);
  document.getElementById("fates").append(el("h2", {}, "Every turn that came in"), bar, el("p", { class: "sum" }, el("span", { class: "term" }, `${number(counts.turns_in)} turns in`), ...parts));
}

function histogram(plot) {
  const longest = Math.max(0, ...plot.bars.map(([label]) => label.length));
  const row = 24, left = Math.min(190, Math.max(106, 7 * longest + 12)), right = 56, width = 380;
  const most = Math.max(1, ...plot.bars.map(([, count]) => count));
  const picture = svg("svg", { viewBox: `0 0 ${width} ${row * plot.bars.length}`, role: "img" });
  picture.append(svg("title", {}, plot.bars.map(([label, count]) => `${label}: ${number(count)}`).join(", ")));
  plot.bars.forEach(([label, count], index) => {
    const y = index * row, length = ((width - left - right) * count) / most;
    picture.append(
      svg("text", { x: left - 10, y: y + 16, class: "label" }, label),
      svg("rect", { x: left, y: y + 4, width: width - left - right, height: 16, rx: 3, class: "track" }),
      svg("rect", { x: left, y: y + 4, width: count ? Math.max(length, 2) : 0, height: 16, rx: 3, class: "bar" }),
      svg("text", { x: width - right + 8, y: y + 16, class: "count" }, number(count)),
    );
  });
  return el("figure", { class: "card" }, el("figcaption", {}, el("strong", {}, plot.title), el("small", { class: "dim" }, `${plot.unit}; ${plot.note}`)), picture);
}

function drawPlots(plots) {
  document.getElementById("plots").append(...plots.filter((plot) => plot.bars.length).map(histogram));
}

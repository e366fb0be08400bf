// The radar and the bars, each value with its interval.

const overview = read("overview");
const names = overview.models.map((model) => model.name);
const judged = overview.judged[0] ?? null;

function keys(entries) {
  return el("p", { class: "keys" }, ...entries.map(([label, kind]) => el("span", { class: kind }, label)));
}

function modelKeys() {
  return names.length > 1 ? [keys(names.map((name, place) => [name, `s${place}`]))] : [];
}

function estimate(value, digits = 2, unit = "") {
  if (!value) return "-";
  const show = (x) => (unit === "%" ? `${(100 * x).toFixed(0)}%` : x.toFixed(digits) + unit);
  const mean = show(value.mean);
  return value.low === null ? mean : el("span", {}, mean, " ", el("small", {}, `${show(value.low)} to ${show(value.high)}`));
}

function scoreOf(place, category, turn = null) {
  return judged?.scores[place]?.find((row) => row.category === category && row.turn === turn) ?? null;
}

function plot(title, note, picture, legend = modelKeys()) {
  return el("figure", { class: "card" }, el("figcaption", {}, el("strong", {}, title), el("small", { class: "dim" }, note)), ...legend, picture);
}

function radar(categories) {
  const size = 470, height = 350, centre = [size / 2, height / 2], radius = 122;
  const at = (index, value) => {
    const angle = (2 * Math.PI * index) / categories.length - Math.PI / 2;
    return [centre[0] + (radius * value * Math.cos(angle)) / 10, centre[1] + (radius * value * Math.sin(angle)) / 10];
  };
  const outline = (values) => values.map((value, index) => at(index, value).map((x) => x.toFixed(1)).join(",")).join(" ");
  const picture = svg("svg", { viewBox: `0 0 ${size} ${height}`, role: "img", class: "radar" });
  picture.append(svg("title", {}, `Mean score by category: ${names.map((name, place) => `${name} ${categories.map((category) => `${category} ${scoreOf(place, category)?.mean.toFixed(1) ?? "none"}`).join(", ")}`).join("; ")}`));
  for (const ring of [2, 4, 6, 8, 10]) picture.append(svg("polygon", { points: outline(categories.map(() => ring)), class: "ring" }));
  categories.forEach((category, index) => {
    const [x, y] = at(index, 10), [textX, textY] = at(index, 11.1);
    const anchor = Math.abs(textX - centre[0]) < 8 ? "middle" : textX > centre[0] ? "start" : "end";
    picture.append(
      svg("line", { x1: centre[0], y1: centre[1], x2: x, y2: y, class: "spoke" }),
      svg("text", { x: textX, y: textY + (Math.abs(textY - centre[1]) < 8 ? 4 : textY > centre[1] ? 10 : 0), "text-anchor": anchor }, short(category, 14)),
    );
  });
  names.forEach((_, place) => {
    const group = svg("g", { class: `s${place}` });
    const values = categories.map((category) => scoreOf(place, category)?.mean ?? 0);
    group.append(svg("polygon", { points: outline(values), class: "area" }));
    values.forEach((value, index) => {
      const [cx, cy] = at(index, value);
      group.append(svg("circle", { cx, cy, r: 3.2, class: "point" }, svg("title", {}, `${categories[index]}: ${value.toFixed(2)}`)));
    });
    picture.append(group);
  });
  for (const ring of [2, 4, 6, 8, 10]) picture.append(svg("text", { x: centre[0] + 4, y: at(0, ring)[1] + 4, class: "tick" }, ring));
  return picture;
}

function short(text, length) {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}

// Rows of bars; each row holds an estimate a model (null where there is none), drawn from 0 to `most`.
function bars(rows, most, show) {
  const width = 400, left = 108, right = 54, bar = names.length > 1 ? 13 : 16;
  const height = bar * names.length + 12;
  const scale = (value) => left + ((width - left - right) * Math.min(Math.max(value, 0), most)) / most;
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height * rows.length}`, role: "img" });
  picture.append(svg("title", {}, rows.map(([label, values]) => `${label}: ${values.map((one) => (one ? show(one.mean) : "none")).join(" and ")}`).join(", ")));
  rows.forEach(([label, values], row) => {
    const top = row * height + 4;
    picture.append(svg("text", { x: left - 10, y: top + (bar * names.length) / 2 + 4, "text-anchor": "end", class: "row" }, short(label, 15)));
    values.forEach((value, place) => {
      if (!value) return;
      const y = top + place * bar;
      const group = svg("g", { class: `s${place}` });
      group.append(svg("rect", { x: left, y: y + 1, width: Math.max(1, scale(value.mean) - left), height: bar - 2, rx: 2, class: "fill" }));
      if (value.low !== null) {
        const middle = y + bar / 2;
        group.append(svg("line", { x1: scale(value.low), x2: scale(value.high), y1: middle, y2: middle, class: "whisker" }));
        for (const end of [value.low, value.high]) group.append(svg("line", { x1: scale(end), x2: scale(end), y1: middle - 3, y2: middle + 3, class: "whisker" }));
      }
      group.append(svg("text", { x: width - 4, y: y + bar - 2, "text-anchor": "end", class: "value" }, show(value.mean)));
      picture.append(group);
    });
  });
  return picture;
}

// Wins, ties and losses as one bar a row.
function outcomeBars(rows) {
  const width = 400, left = 108, right = 8, height = 28;
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height * rows.length + 14}`, role: "img" });
  picture.append(svg("title", {}, rows.map((row) => `${rowLabel(row)}: ${row.wins} wins, ${row.ties} ties, ${row.losses} losses`).join("; ")));
  const scale = (width - left - right);
  rows.forEach((row, index) => {
    const y = index * height, total = row.wins + row.ties + row.losses;
    picture.append(svg("text", { x: left - 10, y: y + 17, "text-anchor": "end", class: "row" }, short(rowLabel(row), 15)));
    let x = left;
    for (const [count, kind] of [[row.wins, "win"], [row.ties, "even"], [row.losses, "lost"]]) {
      const part = total ? (scale * count) / total : 0;
      picture.append(svg("rect", { x, y: y + 4, width: part, height: 18, class: kind }, svg("title", {}, `${count} of ${total}`)));
      x += part;
    }
    const rate = row.adjusted_win_rate;
    if (rate && rate.low !== null) {
      const at = (value) => left + scale * value;
      picture.append(svg("line", { x1: at(rate.low), x2: at(rate.high), y1: y + 25, y2: y + 25, class: "whisker" }), svg("circle", { cx: at(rate.mean), cy: y + 25, r: 2.6 , class: "row" }));
    }
  });
  const middle = left + scale / 2;
  picture.append(svg("line", { x1: middle, x2: middle, y1: 0, y2: height * rows.length, class: "middle" }));
  picture.append(svg("text", { x: middle, y: height * rows.length + 12, "text-anchor": "middle", class: "tick" }, "half"));
  return picture;
}

function rowLabel(row) {
  return row.category === "all" ? (row.turn ? `turn ${row.turn}` : "all") : row.category;
}

function drawPlots() {
  const place = document.getElementById("plots");
  if (judged?.scores.some((rows) => rows.length)) {
    if (overview.categories.length > 2) place.append(plot("Scores by category", "mean of 1 to 10", radar(overview.categories)));
    const rows = ["all", ...overview.categories].map((category) => [category, names.map((_, at) => scoreOf(at, category))]);
    place.append(plot("Scores with their intervals", "mean of 1 to 10; the whisker is the 95% interval", bars(rows, 10, (value) => value.toFixed(2))));
  }
  if (judged?.win_rates.length) {
    const legend = [keys([[`${names[0]} wins`, "s0"], ["tie", "tie"], [`${names[1]} wins`, "s1"]])];
    place.append(plot("Wins, ties and losses", "a win takes both orders; below each bar the win rate with ties as half, and its 95% interval", outcomeBars(judged.win_rates), legend));
  }
  const checks = overview.checks.answers;
  const shares = [["ends by itself", "stopped"], ["ends in a loop", "looping"], ["repeated", "repeated"], ["same language", "same_language"]];
  const rows = shares.map(([label, name]) => [label, checks.map((one) => one[name])]);
  rows.push(["instructions", overview.checks.instructions.map((one) => one?.prompts_strict ?? null)]);
  const measured = rows.filter(([, values]) => values.some((value) => value));
  if (measured.length) place.append(plot("Without a judge", "shares of replies; the whisker is the 95% interval", bars(measured, 1, (value) => `${(100 * value).toFixed(0)}%`)));
}

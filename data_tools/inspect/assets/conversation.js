// One conversation: its tokens as the trainer reads them, and its texts before and after cleaning.

const spans = read("spans");

function tokens(from) {
  const paragraph = el("p", { class: "tokens", dir: "ltr" });
  let at = 0;
  from.runs.forEach((length, run) => {
    for (const end = at + length; at < end; at += 1) {
      const [text, isControl, ...ids] = spans[from.spans[at]];
      const kind = run % 2 ? "supervised" : isControl ? "control" : "context";
      const node = el("span", { class: isControl && run % 2 ? "supervised control" : kind, title: `${ids.join(", ")} ${kind}` });
      // The line breaks behind the token, so that its edge stands beside its last sign.
      const ends = text.endsWith("\n");
      node.textContent = ends ? text.slice(0, -1) : text;
      paragraph.append(node, ends ? "\n" : "");
    }
  });
  return paragraph;
}

function legend() {
  const kinds = [["control", "control"], ["context", "context"], ["supervised", "supervised"], ["supervised control", "its stop"]];
  const samples = kinds.map(([kind, label]) => el("span", { class: kind }, label));
  return el("p", { class: "legend tokens-legend" }, ...samples, el("span", { class: "dim" }, "point at a token for its id"));
}

// A long conversation has many documents: each is drawn when it comes near the eye.
const nearby = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (isIntersecting) {
      nearby.unobserve(target);
      target.draw();
    }
  }
}, { rootMargin: "600px" });

function documentCard(document_, index, all) {
  const share = `${number(document_.tokens)} tokens, ${percent(document_.supervised, document_.tokens)} supervised`;
  let body = el("div", { class: "waiting" });
  body.draw = () => body.replaceWith(tokens(document_));
  if (index) nearby.observe(body);
  else body = tokens(document_);
  return el("section", {}, el("h3", {}, `Document ${index + 1} of ${all}`, el("small", { class: "dim" }, `${words(document_.part)}, ${share}`)), body);
}

function tokensView(conversation) {
  if (!conversation.documents.length) return el("p", { class: "note" }, "No window holds a document of this conversation.");
  return el("div", {}, legend(), ...conversation.documents.map((one, index, all) => documentCard(one, index, all.length)));
}

// Where two texts part: what they share at both ends, and what differs between.
function parted(text, other) {
  const shorter = Math.min(text.length, other.length);
  let start = 0, end = 0;
  while (start < shorter && text[start] === other[start]) start += 1;
  while (end < shorter - start && text.at(-1 - end) === other.at(-1 - end)) end += 1;
  return [text.slice(0, start), text.slice(start, text.length - end), text.slice(text.length - end)];
}

function text(value, other) {
  const node = el("p", { class: "text", dir: "auto" });
  if (value === "") node.append(el("em", { class: "dim" }, "nothing"));
  else if (other === undefined) node.append(value);
  else {
    const [head, middle, tail] = parted(value, other);
    // Where nearly all differs, marking it would only hide the text.
    node.append(head, middle && middle.length < 0.8 * value.length ? el("mark", {}, middle) : middle, tail);
  }
  return node;
}

function badges(turn) {
  const list = [el("span", { class: `badge fate-${turn.fate}` }, turn.fate)];
  if (turn.rule) list.push(el("span", { class: "badge rule" }, turn.rule));
  for (const rule of turn.by ?? []) list.push(el("span", { class: "badge changed" }, rule));
  if (turn.tokens) list.push(el("small", { class: "dim" }, plural(turn.tokens, "token")));
  return list;
}

// What stands between a question and its reply: calls and answers of tools, and thoughts. Folded, since it is long.
const THOUGHTS = /^\s*<think>([^]*?)<\/think>\s*/;

function indented(value) {
  try {
    return JSON.stringify(JSON.parse(value), null, 2);
  } catch {
    return value;
  }
}

function panel(label, ...children) {
  const size = children.reduce((sum, child) => sum + child.textContent.length, 0);
  return el("details", { class: "panel" }, el("summary", {}, label, el("small", { class: "dim" }, plural(size, "character"))), ...children);
}

function said(turn) {
  if (turn.role === "tool") return [panel("Tool", text(indented(turn.after)))];
  if (turn.rule === "reasoning") return [panel("Thinking", text(turn.after))];
  const thoughts = turn.role === "assistant" && THOUGHTS.exec(turn.after);
  if (!thoughts) return [text(turn.after)];
  return [panel("Thinking", text(thoughts[1].trim())), text(turn.after.slice(thoughts[0].length))];
}

function turnCard(turn) {
  const head = el("h3", {}, turn.number >= 0 ? `${turn.number} ` : "", turn.role, ...badges(turn));
  if (turn.after === undefined) return el("section", { class: "turn" }, head, el("p", { class: "dim" }, "Its text cannot be shown: see the note at the top."));
  if (turn.before === undefined) return el("section", { class: "turn" }, head, ...said(turn));
  const sides = [["before", turn.before, turn.after], ["after", turn.after, turn.before]];
  return el("section", { class: "turn" }, head, el("div", { class: "sides" }, ...sides.map(([label, own, other]) => el("div", {}, el("small", { class: "dim" }, label), text(own, other)))));
}

function textsView(conversation) {
  return el("div", {}, ...conversation.turns.map((turn) => turnCard(turn)));
}

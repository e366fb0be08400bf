"use strict";

// Data reaches the page through text nodes and plain attributes alone; nothing of it is parsed as markup.

const SVG = "http://www.w3.org/2000/svg";

function read(id) {
  return JSON.parse(document.getElementById(id).textContent);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) node.setAttribute(name, "");
    else if (value !== false) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

function el(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function button(label, onClick, attributes = {}) {
  const node = el("button", { type: "button", ...attributes }, label);
  node.addEventListener("click", onClick);
  return node;
}

const whole = new Intl.NumberFormat("en");

function number(value) {
  return whole.format(value);
}

function percent(part, all) {
  return all ? `${((100 * part) / all).toFixed(1)}%` : "0%";
}

function plural(count, noun) {
  return `${number(count)} ${noun}${count === 1 ? "" : "s"}`;
}

function words(name) {
  return name.replaceAll("_", " ");
}

function table(headings, rows) {
  const cells = (kind, row) =>
    row.map((cell) => el(kind, typeof cell === "number" ? { class: "number" } : {}, typeof cell === "number" ? number(cell) : cell));
  return el(
    "div",
    { class: "scroll", tabindex: "0" },
    el("table", {}, el("thead", {}, el("tr", {}, ...cells("th", headings))), el("tbody", {}, ...rows.map((row) => el("tr", {}, ...cells("td", row))))),
  );
}

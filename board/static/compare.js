// Two windows, periods or runs side by side; its address can be shared.

import { get } from "./api.js";
import { address, byId, el, token } from "./dom.js";
import { count, figure, percent, times, withUnit } from "./format.js";
import { nothing } from "./shell.js";
import { ends, sides } from "./two-sides.js";
import { picture } from "./two-sides-picture.js";

const query = new URLSearchParams(location.search);
const run = query.get("run");
const chosen = query.getAll("column");
const FIGURES = [
  ["rows", "events", count],
  ["per_hour", "events an hour", figure],
  ["labels", "labels", count],
  ["coverage", "labels that came", percent],
  ["mae", "mean absolute error", figure],
  ["bias", "mean error", figure],
];
const SHARES = ["coverage"];
let shown = null;

function begin() {
  for (const name of ["a", "b"]) input(name).value = query.get(name) ?? "";
  byId("up").setAttribute("href", address("/", { run }));
  byId("form").addEventListener("submit", (event) => {
    event.preventDefault();
    location.assign(address("/compare", { a: input("a").value.trim(), b: input("b").value.trim(), run }));
  });
  byId("png").addEventListener("click", () => shown && save());
  if (query.get("a") && query.get("b")) load();
}

const input = (name) => /** @type {HTMLInputElement} */ (byId(name));

async function load() {
  const asked = { a: query.get("a"), b: query.get("b"), run };
  try {
    shown = await get("/api/compare", asked);
  } catch (error) {
    nothing(byId("empty"), error.message, error.remedy);
    byId("empty").hidden = false;
    return;
  }
  document.title = `${shown.a} and ${shown.b} · Driftline`;
  byId("csv").setAttribute("href", address("/compare.csv", asked));
  byId("figures").replaceChildren(period(), ...FIGURES.flatMap(row));
  const columns = shown.comparison.columns.filter(({ name }) => !chosen.length || chosen.includes(name));
  byId("columns").replaceChildren(...columns.map(column));
  byId("rest").hidden = columns.length === shown.comparison.columns.length;
  byId("rest").setAttribute("href", address("/compare", asked));
  byId("content").hidden = false;
}

const period = () => el("tr", {}, el("th", { scope: "row", text: "period" }), el("td", { class: "n", text: shown.a }), el("td", { class: "n", text: shown.b }), el("td"), el("td"));

function row([name, words, format]) {
  const { a, b, noise } = shown.comparison[name];
  if (a === null && b === null) return [];
  const unit = ["mae", "bias"].includes(name) ? shown.unit : null;
  const value = (each) => (each === null ? "" : unit ? withUnit(each, unit) : format(each));
  const apart = a === null || b === null ? "" : a === b ? "0" : `${b < a ? "−" : "+"}${SHARES.includes(name) ? percent(Math.abs(b - a)) : value(Math.abs(b - a))}`;
  const cells = [value(a), value(b), apart, value(noise)].map((text) => el("td", { class: "n", text }));
  return [el("tr", {}, el("th", { scope: "row", text: words }), ...cells)];
}

const ratio = ({ distance, noise }) => (distance !== null && noise ? distance / noise : null);

function column(each) {
  const much = ratio(each);
  return el("li", { "data-column": each.name, "data-band": much !== null && much > 2 ? "drift" : "calm" },
    el("p", {}, el("b", { text: each.name }), el("span", { class: "dim", text: ` ${each.unit ?? ""} ` }), el("span", { class: "much", text: much === null ? "" : times(much) })),
    el("div", { role: "img", "aria-label": `${each.name}: ${each.change}` }, sides(each.shape)),
    ends(each.shape),
    el("p", { class: "how", text: each.change }));
}

/** Save what is shown as a picture. */
async function save() {
  const blob = await picture(shown, { ink: token("--text"), dim: token("--dim"), ground: token("--panel"), a: token("--reference-fill"), b: token("--series-1") }, ratio);
  const link = el("a", { href: URL.createObjectURL(blob), download: "driftline-compare.png" });
  link.click();
  URL.revokeObjectURL(link.href);
}

begin();

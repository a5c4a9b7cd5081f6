// The distribution of one column on two sides.

import { el, svg } from "./dom.js";
import { figure } from "./format.js";

export const [WIDTH, HEIGHT] = [260, 60];

/** The outline of shares over equal bins, closed for a filled one. @param {number[]} shares @param {number} top */
export function outline(shares, top, closed = false) {
  const wide = WIDTH / shares.length;
  const steps = shares.map((share, i) => `V${(HEIGHT - 1 - (share / top) * (HEIGHT - 4)).toFixed(1)}H${((i + 1) * wide).toFixed(1)}`);
  return `M0 ${HEIGHT - 1}${steps.join("")}V${HEIGHT - 1}${closed ? "Z" : ""}`;
}

/** The largest share of either. @param {any} shape */
export const highest = ({ a, b }) => Math.max(1e-9, ...(a ?? []), ...(b ?? []));

/** @param {any} shape of a column of /api/compare */
export function sides(shape) {
  const top = highest(shape);
  return svg("svg", { class: "three-sides", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    shape.a && svg("path", { class: "reference", d: outline(shape.a, top, true) }),
    shape.b && svg("path", { class: "since", d: outline(shape.b, top) }));
}

/** The values at the ends of the axis. @param {any} shape */
export function ends({ kind, edges }) {
  if (kind !== "number") return "";
  return el("p", { class: "ends dim", "aria-hidden": "true" }, el("span", { text: figure(edges[0]) }), el("span", { text: figure(edges.at(-1)) }));
}

// What an alarm names: since its onset, a week earlier, and what the same hours usually hold.

import { svg } from "./dom.js";
import { figure, percent, withUnit } from "./format.js";

const [WIDTH, HEIGHT] = [260, 60];
const SIDES = ["reference", "before", "since"];

/** The sides as steps over the same bins, without axes. @param {any} column of /api/alarm-distributions */
export function threeSides(column) {
  const top = Math.max(1e-9, ...SIDES.flatMap((side) => column[side] ?? []));
  const wide = (shares) => WIDTH / shares.length;
  const path = (shares) => `M0 ${HEIGHT - 1}${shares.map((share, i) => `V${(HEIGHT - 1 - (share / top) * (HEIGHT - 4)).toFixed(1)}H${((i + 1) * wide(shares)).toFixed(1)}`).join("")}V${HEIGHT - 1}`;
  const marks = SIDES.filter((side) => column[side]).map((side) => svg("path", { class: side, d: side === "reference" ? `${path(column[side])}Z` : path(column[side]) }));
  return svg("svg", { class: "three-sides", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" }, ...marks);
}

/** In words: median 2.1 → 2.1 → 3.4 mi; or the values whose share has changed most. @param {any} column */
export function beforeAndSince(column) {
  const parts = column.kind === "number" ? [medians(column)] : shares(column);
  const { before, since } = column.missing;
  if (since !== null && Math.abs(since - (before ?? 0)) > 0.01) parts.push(`missing ${percent(before)} → ${percent(since)}`);
  return parts.join(", ");
}

function medians({ median, unit }) {
  return `median usually ${figure(median.reference)}, a week earlier ${figure(median.before)}, since ${withUnit(median.since, unit)}`;
}

function shares({ labels, reference, before, since }) {
  const was = before ?? reference;
  if (!was || !since) return ["nothing to compare it with"];
  const moved = labels.map((label, i) => ({ label, by: Math.abs(since[i] - was[i]), text: `${label}: ${percent(was[i])} → ${percent(since[i])}` }));
  return moved.sort((a, b) => b.by - a.by).filter(({ by }, i) => !i || by >= 0.005).slice(0, 3).map(({ text }) => text);
}

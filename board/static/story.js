// What happened in a window, in words. Pure.

import { count, figure, percent, plural, times, withUnit } from "./format.js";
import { DRIFT, NEAR } from "./severity.js";

/** The value below which a share of the rows lies, from shares per bin; null where it lies outside the bins.
 * @param {{edges: number[], below: any, above: any}} column @param {"reference"|"current"} side @param {number} share */
export function quantile(column, side, share) {
  let sum = column.below?.[side] ?? 0;
  if (sum >= share) return null;
  const shares = column[side];
  for (let i = 0; i < shares.length; i++) {
    if (shares[i] > 0 && sum + shares[i] >= share - 1e-9) {
      return column.edges[i] + ((share - sum) / shares[i]) * (column.edges[i + 1] - column.edges[i]);
    }
    sum += shares[i];
  }
  return null;
}

/** How the values of a column have moved: its median, or the category that gained or lost most; empty where it did not.
 * @param {any} shape of /api/distributions, null while it is not there @param {string|null} [unit] */
export function moved(shape, unit) {
  if (shape?.kind === "number") {
    const [before, now] = ["reference", "current"].map((side) => shape.median?.[side] ?? quantile(shape, side, 0.5));
    return before !== null && now !== null && figure(before) !== figure(now) ? `median ${withUnit(before, unit)} → ${withUnit(now, unit)}` : "";
  }
  if (shape?.kind === "category") {
    const [most] = shape.labels
      .map((label, i) => ({ label, before: shape.reference[i], now: shape.current[i] }))
      .sort((a, b) => Math.abs(b.now - b.before) - Math.abs(a.now - a.before));
    if (most && percent(most.before) !== percent(most.now)) return `${named(shape, most.label)}: ${percent(most.before)} → ${percent(most.now)}`;
  }
  return "";
}

/** A category with what people call it: 132 JFK Airport. @param {any} shape @param {string} label */
export const named = (shape, label) => (shape.names?.[label] ? `${label} ${shape.names[label]}` : label);

/** By how much more than the reference's own a share is told. */
export const TELLING = { missing: 0.005, new_categories: 0.005, out_of_range: 0.03 };

/** Whether a share stands out from the reference's, which has missing values and outliers of its own; unknown, it does not.
 * @param {any} column of /api/window @param {any} shape of /api/distributions @param {keyof typeof TELLING} name */
export function isNotable(column, shape, name) {
  const usual = name === "new_categories" ? 0 : shape?.usual?.[name];
  return Number.isFinite(usual) && column[name] - usual >= TELLING[name];
}

/** The same, and what else is wrong with it. @param {any} column of /api/window @param {any} shape */
export function change(column, shape) {
  const share = (name, what) => (isNotable(column, shape, name) ? `${percent(column[name])} ${what}` : "");
  return [moved(shape, column.unit), share("new_categories", "never seen before"), share("missing", "missing"), share("out_of_range", "out of range")]
    .filter(Boolean)
    .join(", ");
}

/** One or two sentences: which columns moved, the worst of them how. @param {any} window of /api/window @param {any} [distributions] */
export function story(window, distributions) {
  const { events } = window;
  if (!events) return "No figures of this window yet.";
  if (events.status === "insufficient") return `Only ${plural(events.rows, "row")}: too few to tell whether anything moved.`;
  const drifted = window.columns.filter((column) => column.severity >= DRIFT);
  const failed = window.columns.filter((column) => column.status === "failed");
  const [worst] = window.columns.filter((column) => Number.isFinite(column.severity));
  const broken = failed.length ? ` ${failed.map((column) => column.name).join(", ")} could not be computed${failed[0].reason ? `: ${failed[0].reason}` : ""}.` : "";
  if (!drifted.length) return calm(worst) + broken;
  const how = change(drifted[0], distributions?.columns?.[drifted[0].name]);
  const first = `${drifted[0].name} moved: ${times(drifted[0].severity).replace("×", "")} times its threshold${how ? `; ${how}` : ""}.`;
  return first + others(drifted.slice(1)) + broken;
}

function calm(worst) {
  if (!worst) return "No column was tested.";
  const near = worst.severity >= NEAR ? "Nothing moved beyond its threshold, but" : "Nothing moved:";
  return `${near} ${worst.name} came closest, at ${times(worst.severity).replace("×", "")} times its threshold.`;
}

function others(rest) {
  if (!rest.length) return " No other column did.";
  const named = rest.slice(0, 3).map((column) => `${column.name} (${times(column.severity)})`);
  const more = rest.length > 3 ? ` and ${count(rest.length - 3)} more` : "";
  const list = named.length > 1 && !more ? `${named.slice(0, -1).join(", ")} and ${named.at(-1)}` : named.join(", ");
  return ` So did ${list}${more}.`;
}

// The evidence curve: of each role and size, and the most of all, as alarms see it. Pure.

import { duration } from "./format.js";
import { lastAtOrBefore } from "./series.js";

/** @typedef {{size: string, role: string, x: Float64Array, end: Float64Array, value: number[], signal: (i: number) => string|null}} Curve
 *   x: where a window's end is on the shown axis; end: of event time */

/** Where evidence is shown: at the end of its window, or when that was closed by the wall clock; a window without
 * rows was never closed, and is where the one before it is.
 * @param {any} sent of /api/evidence @param {"event"|"wall"} axis @returns {Curve[]} */
export function curves(sent, axis) {
  return sent.curves.map(({ role, size, start, at, value, signal, signals, wall }) => {
    const ms = duration(size);
    const end = Float64Array.from(at, (n) => start + (n + 1) * ms);
    return { role, size, end, value, x: axis === "wall" ? closed(wall) : end, signal: (i) => signals[signal[i]] ?? null };
  }).map(known);
}

function closed(wall) {
  const found = Float64Array.from(wall ?? [], (at) => at ?? NaN);
  for (let i = 1; i < found.length; i++) if (!(found[i] >= found[i - 1]) && !Number.isNaN(found[i - 1])) found[i] = found[i - 1];
  return found;
}

/** Without windows before the first that was closed. */
function known(curve) {
  const first = curve.x.findIndex((x) => !Number.isNaN(x));
  if (first === 0) return curve;
  const from = first < 0 ? curve.end.length : first;
  return { ...curve, x: curve.x.subarray(from), end: curve.end.subarray(from), value: curve.value.slice(from), signal: (i) => curve.signal(i + from) };
}

/** The most evidence of all roles and sizes, after each window. It begins anew with a season, and after an alarm has
 * recovered.
 * @param {Curve[]} all @param {number[]} seasons starts @param {number[]} recovered
 * @returns {{x: number[], value: number[], by: {curve: number, i: number}[]}} by: whose it is */
export function most(all, seasons, recovered) {
  const points = all.flatMap((curve, c) => Array.from(curve.x, (x, i) => ({ x, end: curve.end[i], start: curve.end[i] - duration(curve.size), c, i })));
  points.sort((a, b) => a.x - b.x || a.end - b.end || a.c - b.c);
  const now = all.map(() => null);
  const found = { x: [], value: [], by: [] };
  let [season, overs] = [-1, -1];
  for (const { x, end, start, c, i } of points) {
    const of = lastAtOrBefore(seasons, start);
    const over = lastAtOrBefore(recovered, end - 1);
    if (of > season || over > overs) now.fill(null);
    if (of < season) continue; // of the season before, whose end came late
    [season, overs] = [of, Math.max(over, overs)];
    now[c] = { value: all[c].value[i], curve: c, i };
    const worst = now.reduce((a, b) => (b && (!a || b.value > a.value) ? b : a), null);
    const last = found.x.length - 1;
    if (found.x[last] === x) [found.value[last], found.by[last]] = [worst.value, worst];
    else found.x.push(x), found.value.push(worst.value), found.by.push(worst);
  }
  return found;
}

/** Steps of a curve within a range, at most two for each pixel: a value holds until the next one.
 * @param {ArrayLike<number>} x @param {ArrayLike<number>} value @param {[number, number]} range @param {number} width
 * @returns {[number, number][]} */
export function visible(x, value, range, width) {
  const first = Math.max(0, lastAtOrBefore(x, range[0]));
  const pixel = (range[1] - range[0]) / Math.max(1, width);
  const found = [];
  for (let i = first, next = first; i < x.length && x[i] <= range[1]; i = next) {
    let [top, last] = [i, i];
    for (next = i; next < x.length && x[next] < x[i] + pixel && x[next] <= range[1]; next++) {
      if (value[next] > value[top]) top = next;
      last = next;
    }
    for (const k of top === last ? [top] : [top, last]) found.push([x[k], value[k]]);
    next = Math.max(next, i + 1);
  }
  return found;
}

// What a severity means: below 0.75 calm, from there near, from 1 on drift. Pure.

export const NEAR = 0.75;
export const DRIFT = 1;
/** Where the scale ends: beyond, all look the same. */
export const FULL = 8;

/** @typedef {"none"|"calm"|"near"|"drift"} Band */

/** @param {number|null|undefined} severity @returns {Band} */
export function band(severity) {
  if (!Number.isFinite(severity)) return "none";
  return severity >= DRIFT ? "drift" : severity >= NEAR ? "near" : "calm";
}

/** A shape for each, for whom the colour does not tell. @type {Record<Band, string>} */
export const SHAPE = { none: "·", calm: "○", near: "◐", drift: "▲" };

/** @type {Record<Band, string>} */
export const WORD = { none: "not computed", calm: "calm", near: "near its threshold", drift: "drift" };

/** In [0, 1]: linear up to the threshold at one half, then by doublings, full at FULL. @param {number} severity */
export function position(severity) {
  if (severity <= 0) return 0;
  return severity < DRIFT ? severity / 2 : Math.min(1, 0.5 + Math.log2(severity) / Math.log2(FULL) / 2);
}

/** How much of a bar whose middle is the threshold: linear to twice the threshold. @param {number} severity */
export function fill(severity) {
  return Math.max(0, Math.min(1, position(severity)));
}

/** Colours for `STEPS` positions of the scale, as [r, g, b], from stops at positions.
 * @param {[number, string][]} stops position and #rrggbb; two at one position make an edge */
export function ramp(stops, steps = STEPS) {
  return Array.from({ length: steps }, (_, i) => between(stops, i / (steps - 1)));
}
export const STEPS = 256;

function between(stops, at) {
  let right = stops.findIndex(([position]) => position > at);
  if (right < 0) right = stops.length - 1;
  const [[from, a], [to, b]] = [stops[Math.max(0, right - 1)], stops[right]];
  const share = to > from ? Math.min(1, Math.max(0, (at - from) / (to - from))) : 1;
  const [x, y] = [rgb(a), rgb(b)];
  return x.map((part, i) => Math.round(part + (y[i] - part) * share));
}

function rgb(hex) {
  return [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
}

// A severity as a bar with its threshold in the middle, and a shape that says the same.

import { svg } from "./dom.js";
import { band, fill } from "./severity.js";

const [WIDTH, HEIGHT] = [72, 10];

/** @param {number|null} severity @returns {Element} for the eye: the figure is written beside it */
export function meter(severity, width = WIDTH) {
  const full = Number.isFinite(severity) ? Math.max(1.5, fill(severity) * width) : 0;
  return svg(
    "svg",
    { class: `meter ${band(severity)}`, viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, "aria-hidden": "true" },
    svg("rect", { class: "track", x: 0, y: 2, width, height: HEIGHT - 4, rx: 1.5 }),
    svg("rect", { class: "fill", x: 0, y: 2, width: full, height: HEIGHT - 4, rx: 1.5 }),
    svg("rect", { class: "limit", x: width / 2 - 0.5, y: 0, width: 1, height: HEIGHT }),
  );
}

// The evidence curve under the heat map, on its time axis: each size light, the most of all strong, against the line.

import { token } from "./dom.js";
import { visible } from "./evidence-series.js";
import { lastAtOrBefore } from "./series.js";
import { position } from "./severity.js";
import { AXIS, pictureOf, timeline } from "./timeline.js";

const TOP = 6;
const LEVELS = [0.5, 1, 2, 4, 8];
/** Of sizes, the smallest first. */
export const DASHES = [[], [5, 2], [2, 2], [8, 3, 2, 3]];

/** @param {HTMLElement} holder with two canvases */
export function evidence(holder) {
  const time = timeline(holder, TOP, () => parseFloat(token("--right")));

  /** @param {import("./timeline.js").Model & {curves: import("./evidence-series.js").Curve[], most: any}} model */
  function draw(model) {
    const sheet = time.begin(model);
    const room = sheet.height - TOP - AXIS;
    const y = (value) => TOP + room * (1 - position(value));
    time.shade(sheet.pen);
    scale(sheet, y);
    const sizes = [...new Set(model.curves.map(({ size }) => size))];
    clipped(sheet, () => {
      model.curves.forEach(({ x, value, size }) => line(sheet, visible(x, value, model.range, sheet.width), y, { colour: sheet.colours.size, width: 1, dash: DASHES[sizes.indexOf(size) % DASHES.length] }));
      strong(model, sheet, y);
    });
    time.axis(sheet.pen);
  }

  /** Above the line it is an alarm's. */
  function strong({ most, range }, sheet, y) {
    const found = visible(most.x, most.value, range, sheet.width);
    const { pen, colours, width } = sheet;
    pen.save();
    pen.beginPath();
    pen.rect(0, 0, width, y(1));
    pen.clip();
    pen.fillStyle = colours.driftSoft;
    pen.fill(path(found, y, y(0)));
    pen.restore();
    line(sheet, found, y, { colour: colours.text, width: 1.8, dash: [] });
  }

  function scale({ pen, colours, width }, y) {
    pen.textBaseline = "middle";
    for (const level of LEVELS) {
      const at = Math.round(y(level));
      const isLine = level === 1;
      pen.fillStyle = isLine ? colours.drift : colours.grid;
      if (isLine) for (let x = 0; x < width; x += 7) pen.fillRect(x, at, 4, 1);
      else pen.fillRect(0, at, width, 1);
      pen.fillStyle = isLine ? colours.drift : colours.dim;
      if (level < 8) pen.fillText(isLine ? "1 alarm" : `${level}`.replace("0.", "."), width + 6, at);
    }
  }

  function line({ pen }, found, y, { colour, width, dash }) {
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.setLineDash(dash);
    pen.lineJoin = "round";
    pen.stroke(path(found, y, null));
    pen.setLineDash([]);
  }

  /** Steps: a value holds until the next one. base: closed down to there. */
  function path(found, y, base) {
    const made = new Path2D();
    if (!found.length) return made;
    if (base !== null) made.moveTo(time.x(found[0][0]), base);
    found.forEach(([at, value], i) => {
      const x = time.x(at);
      if (i === 0 && base === null) made.moveTo(x, y(value));
      else made.lineTo(x, y(i ? found[i - 1][1] : value));
      made.lineTo(x, y(value));
    });
    const last = time.x(found.at(-1)[0]) + 2;
    made.lineTo(last, y(found.at(-1)[1]));
    if (base !== null) made.lineTo(last, base);
    return made;
  }

  function clipped({ pen, width, height }, act) {
    pen.save();
    pen.beginPath();
    pen.rect(0, 0, width, height);
    pen.clip();
    act();
    pen.restore();
  }

  return pictureOf(time, draw);
}

/** The most evidence at a moment of the shown axis, null before the first. @param {any} most @param {number} at */
export function evidenceAt(most, at) {
  const i = lastAtOrBefore(most.x, at);
  return i < 0 ? null : { value: most.value[i], ...most.by[i] };
}

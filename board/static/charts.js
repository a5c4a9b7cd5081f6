// Share of drifted columns and, where there are labels, error and label coverage over time, under the heat map and on its time axis.

import { token } from "./dom.js";
import { figure, percent } from "./format.js";
import { steps } from "./series.js";
import { levels } from "./ticks.js";
import { AXIS, pictureOf, timeline } from "./timeline.js";

const TOP = 6;
const [TALL, APART] = [0.28, 0.36]; // of the height: a chart, and from one to the next

/** @param {HTMLElement} holder with two canvases */
export function charts(holder) {
  const time = timeline(holder, TOP, () => parseFloat(token("--right")));

  /** @param {import("./timeline.js").Model} model */
  function draw(model) {
    const sheet = time.begin(model);
    const { pen, colours, width, height } = sheet;
    const { windows } = model;
    const room = height - TOP - AXIS;
    time.axis(pen, room);
    time.shade(pen);
    flags(model, sheet, room);
    const kinds = [
      { values: windows.share_drifted, top: shareTop(windows.share_drifted), colour: colours.drift, fill: colours.driftSoft, text: percent },
      { values: windows.mae, top: 1.06 * Math.max(greatest(windows.mae), greatest(windows.estimated_mae)) || 1, colour: colours.mae, text: figure, estimated: windows.estimated_mae },
      { values: windows.label_coverage, top: 1.04, colour: colours.labels, text: percent },
    ].slice(0, model.labelled ? 3 : 1);
    const tall = model.labelled ? TALL : 1;
    kinds.forEach((kind, k) => {
      const below = TOP + room * (k * APART + tall);
      const y = (value) => below - (value / kind.top) * room * tall;
      scale(sheet, kind, y);
      line(model, sheet, kind, y);
      if (kind.estimated) line(model, sheet, { values: kind.estimated, colour: kind.colour, dash: [3, 3] }, y);
    });
  }

  /** Marks of the values, at the right. */
  function scale({ pen, colours, width }, { top, text }, y) {
    pen.textBaseline = "middle";
    for (const level of levels(top, 3)) {
      pen.fillStyle = colours.grid;
      pen.fillRect(0, Math.round(y(level)), width, 1);
      pen.fillStyle = colours.dim;
      pen.fillText(text(level), width + 6, y(level));
    }
  }

  /** A line where there are values, and what is below it filled. */
  function line({ spans, range }, { pen, width, height }, { values, colour, fill, dash = [] }, y) {
    const found = steps(spans, values, range, width);
    const [over, under] = [new Path2D(), new Path2D()];
    let last = null; // x of the point before, null where the line is interrupted
    found.y.forEach((value, k) => {
      const px = time.x(found.x[k]);
      if (value === null) {
        if (last !== null) under.lineTo(last, y(0));
        last = null;
        return;
      }
      if (last === null) {
        over.moveTo(px, y(value));
        under.moveTo(px, y(0));
      }
      over.lineTo(px, y(value));
      under.lineTo(px, y(value));
      last = px;
    });
    if (last !== null) under.lineTo(last, y(0));
    pen.save();
    pen.beginPath();
    pen.rect(0, 0, width, height);
    pen.clip();
    if (fill) {
      pen.fillStyle = fill;
      pen.fill(under);
    }
    pen.strokeStyle = colour;
    pen.lineWidth = 1.5;
    pen.lineJoin = "round";
    pen.setLineDash(dash);
    pen.stroke(over);
    pen.restore();
  }

  /** Where alarms were raised. */
  function flags({ alarms }, { pen, colours, width }, room) {
    pen.save();
    pen.strokeStyle = colours.drift;
    pen.setLineDash([2, 2]);
    for (const { from } of alarms) {
      const left = Math.round(time.x(from)) + 0.5;
      if (left < 0 || left > width) continue;
      pen.beginPath();
      pen.moveTo(left, TOP);
      pen.lineTo(left, TOP + room);
      pen.stroke();
    }
    pen.restore();
  }

  return pictureOf(time, draw);
}

/** Room above the highest share, in steps, so that the axis holds still. */
function shareTop(shares) {
  const most = greatest(shares);
  return most <= 0.24 ? 0.25 : most <= 0.48 ? 0.5 : 1.04;
}

const greatest = (values) => values.reduce((top, value) => Math.max(top, value ?? 0), 0);

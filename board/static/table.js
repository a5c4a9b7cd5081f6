// The newest windows, newest first.

import { address, el } from "./dom.js";
import { count, errorTimes, figure, percent, span, times } from "./format.js";
import { worst } from "./series.js";
import { meter } from "./meter.js";

const PAGE = 12;

/** @param {HTMLElement} body of the table @param {HTMLElement} more the button */
export function table(body, more) {
  let shown = PAGE;
  let last = null;
  more.addEventListener("click", () => {
    shown += 4 * PAGE;
    if (last) draw(last);
  });

  /** Rows are kept by window and changed only where they differ, so that the focus stays where it is.
   * @param {{windows: import("./series.js").Windows, columns: string[], run: string, size: string, ms: number, shown: [number, number]}} data
   *   shown: the first and the end of the windows to list */
  function draw(data) {
    last = data;
    const { windows } = data;
    const [first, n] = data.shown;
    const wanted = Math.min(shown, n - first);
    const rows = new Map([...body.children].map((row) => [row.dataset.start, row]));
    const keep = [];
    for (let i = n - 1; i >= n - wanted; i--) {
      const key = `${windows.start[i]}`;
      const print = [data.run, data.size, windows.revision[i], windows.status[i], windows.rows[i], windows.mae[i], data.reference_mae, windows.label_coverage[i], windows.late[i]].join();
      const old = rows.get(key);
      keep.push(old?.dataset.print === print ? old : refreshed(old, row(data, i), key, print));
    }
    for (const row of rows.values()) if (!keep.includes(row)) row.remove();
    keep.forEach((row, i) => body.children[i] !== row && body.insertBefore(row, body.children[i] ?? null));
    more.hidden = n - first <= wanted;
  }

  return { draw };
}

function refreshed(old, fresh, key, print) {
  const row = old ?? el("tr");
  row.dataset.start = key;
  row.dataset.print = print;
  row.dataset.band = fresh.band;
  row.dataset.status = fresh.status;
  // The links stay the same elements: who has come to one by keyboard stays there.
  if (old) fresh.cells.forEach((cell, i) => i !== 0 && i !== fresh.cells.length - 1 && old.children[i].replaceWith(cell));
  else row.append(...fresh.cells);
  return row;
}

function row({ windows, columns, run, size, ms, reference_mae }, i) {
  const start = windows.start[i];
  const where = { run, size, start };
  const most = worst(windows, i);
  const drifted = windows.dataset_drift[i] ? "drift" : "calm";
  const name = span(start, start + ms);
  const cells = [
    el("th", { scope: "row" }, el("a", { href: address("/window", where), text: name })),
    el("td", {}, el("span", { class: `state ${windows.status[i]}`, text: state(windows, i) })),
    el("td", { class: "n", text: count(windows.rows[i]) }),
    el("td", { class: "n", text: windows.share_drifted[i] === null ? "–" : `${count(windows.columns_drifted[i])} · ${percent(windows.share_drifted[i])}` }),
    el("td", { class: "worst" }, most && el("span", { class: "worst-line" }, meter(most.severity), el("span", { class: "times", text: times(most.severity) }), el("span", { class: "column", text: columns[most.column] }))),
    el("td", { class: "n wide labelled", text: [figure(windows.mae[i]), errorTimes(windows.mae[i], reference_mae)].filter(Boolean).join(" · ") }),
    el("td", { class: "n wide labelled", text: percent(windows.label_coverage[i]) }),
    el("td", { class: "n wide", text: count(windows.late[i]) }),
    el("td", {}, el("a", { href: address("/report", where), "aria-label": `Full report of ${name}`, text: "report" })),
  ];
  return { cells, band: drifted, status: windows.status[i] };
}

function state(windows, i) {
  const status = windows.status[i] === "insufficient" ? "too few rows" : windows.status[i];
  return windows.revision[i] > 0 && windows.status[i] !== "open" ? `${status}, revised` : status;
}

// What every page has: the picker of runs, the state of the line, notices.

import { get } from "./api.js";
import { address, byId, el, marked, setText } from "./dom.js";
import { count, moment } from "./format.js";

const MANY = 20; // runs from which they can be searched
const AGAIN_MS = 5_000;
let finding = 0;

/** Fill the picker; the chosen one is there even when it is not among those listed.
 * @param {string|null} chosen @param {string} [find] part of the names @returns {Promise<any[]>} the runs, those of use first */
export async function runs(chosen, find = byId("find").value.trim()) {
  const { runs: found, total } = await get("/api/runs", { find });
  const picker = /** @type {HTMLSelectElement} */ (byId("run"));
  const names = found.map((each) => each.run);
  const shown = chosen && !names.includes(chosen) ? [{ run: chosen }, ...found] : found;
  picker.replaceChildren(
    ...grouped(shown),
    ...(total > found.length ? [el("option", { disabled: true, text: `… and ${count(total - found.length)} more: find them by name` })] : []),
  );
  if (!shown.length) picker.replaceChildren(el("option", { value: "", text: "none yet" }));
  if (chosen) picker.value = chosen;
  if (total > MANY) byId("find").hidden = false;
  return found;
}

/** Options of runs; by stream, where there are several. @param {any[]} runs @returns {HTMLElement[]} */
function grouped(runs) {
  const streams = [...new Set(runs.map(({ stream }) => stream).filter(Boolean))];
  if (streams.length < 2) return runs.map(option);
  const unknown = runs.filter(({ stream }) => !stream).map(option);
  return [...unknown, ...streams.map((name) => el("optgroup", { label: name }, ...runs.filter(({ stream }) => stream === name).map(option)))];
}

const option = ({ run, source, windows, started_at: at }) => el("option", { value: run, title: source ? `${source}, started ${moment(at, { local: true })}` : "", text: windows === 0 ? `${run} (no window)` : run });

/** List what is found while a name is typed. @param {() => string|null} chosen */
export function findRuns(chosen) {
  byId("find").addEventListener("input", () => {
    clearTimeout(finding);
    finding = setTimeout(() => runs(chosen()).catch(() => {}), 250);
  });
}

/** Links to runs that are there. @param {any[]} found @param {string} path */
export function links(found, path) {
  if (!found.length) return null;
  const items = found.slice(0, 12).map(({ run, source }) => el("li", {}, el("a", { href: address(path, { run }), text: run }), source ? el("span", { class: "dim", text: ` ${source}` }) : null));
  return el("ul", { class: "others", "aria-label": "Runs that are there" }, ...items);
}

const LINES = {
  connecting: "connecting",
  live: "live",
  ended: "ended",
  waiting: "waiting",
  lost: "disconnected, trying again",
};

/** @param {keyof typeof LINES} state */
export function line(state) {
  const holder = byId("line");
  holder.dataset.state = state;
  setText(holder, LINES[state]);
}

/** One line under the header, with a thing to do where there is one. Nothing: away with it.
 * @param {string} [text] @param {{label: string, act: () => void}} [offer] */
export function notice(text, offer) {
  const holder = byId("notice");
  holder.hidden = !text;
  if (!text) return holder.replaceChildren();
  const button = offer && el("button", { class: "small", type: "button", text: offer.label, onclick: offer.act });
  return holder.replaceChildren(el("span", { text }), ...(button ? [button] : []));
}

/** What to do where there is nothing to see. @param {HTMLElement} holder @param {string} what @param {string} remedy
 * with commands between backquotes @param {Node} [more] */
export function nothing(holder, what, remedy, more) {
  holder.replaceChildren(el("p", { class: "what", text: what }), el("p", { class: "do" }, ...marked(remedy)), ...(more ? [more] : []));
  holder.hidden = false;
}

/** Keep a page of one run up to date, and let the reader choose the run. The address names it; none is the newest.
 * @param {string} path of the page; its data are below /api
 * @param {(answer: any) => void} show draws an answer; asked for again every five seconds */
export function followRun(path, show) {
  const named = () => new URLSearchParams(location.search).get("run");
  let run = named();
  let turn = 0;
  let shown = null;

  async function load(mine) {
    try {
      const answer = await get(`/api${path}`, { run });
      if (mine !== turn) return;
      notice();
      shown = answer.run;
      show(answer);
    } catch (error) {
      if (mine !== turn) return;
      if (shown && error.status !== 404) notice(`${error.message}: ${error.remedy}`);
      else refuse(error);
    }
    setTimeout(() => mine === turn && load(mine), AGAIN_MS);
  }

  function refuse({ message, remedy, status }) {
    byId("content").hidden = true;
    nothing(byId("empty"), message, remedy);
    if (status === 404 && run) runs(null, "").then((found) => nothing(byId("empty"), message, remedy, links(found, path))).catch(() => {});
  }

  function start() {
    shown = null;
    byId("up").setAttribute("href", address("/", { run }));
    runs(run).then((found) => (run ??= found[0]?.run ?? null), () => {});
    load(++turn);
  }

  findRuns(() => shown ?? run);
  byId("run").addEventListener("change", ({ target }) => {
    run = /** @type {HTMLSelectElement} */ (target).value;
    history.pushState(null, "", address(path, { run }));
    start();
  });
  addEventListener("popstate", () => {
    run = named();
    start();
  });
  start();
}

// What every page has: the picker of runs, the state of the line, notices.

import { get } from "./api.js";
import { byId, el, say } from "./dom.js";
import { moment } from "./format.js";

/** Fill the picker; the chosen one is there even when it is not among the newest.
 * @param {string|null} chosen @returns {Promise<any[]>} the runs, newest first */
export async function runs(chosen) {
  const { runs: found } = await get("/api/runs");
  const picker = /** @type {HTMLSelectElement} */ (byId("run"));
  const names = found.map((each) => each.run);
  if (chosen && !names.includes(chosen)) found.push({ run: chosen });
  picker.replaceChildren(
    ...found.map(({ run, source, started_at: at }) => el("option", { value: run, title: source ? `${source}, started ${moment(at, { local: true })}` : "", text: run })),
  );
  if (!found.length) picker.replaceChildren(el("option", { value: "", text: "none yet" }));
  if (chosen) picker.value = chosen;
  return found;
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
  say(holder, LINES[state]);
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
  const words = remedy.split("`").map((part, i) => (i % 2 ? el("code", { text: part }) : part));
  holder.replaceChildren(el("p", { class: "what", text: what }), el("p", { class: "do" }, ...words), ...(more ? [more] : []));
  holder.hidden = false;
}

// The top of the board: what holds now.

import { address, byId, say } from "./dom.js";
import { ago, count, milliseconds, moment, percent, plural, span, times } from "./format.js";
import { SHAPE } from "./severity.js";

const WORDS = {
  ok: ["calm", "Calm"],
  drift: ["drift", "Drift"],
  dataset: ["drift", "Dataset drift"],
  insufficient: ["none", "Too few rows"],
  waiting: ["none", "Waiting"],
};
const STALE_MS = 30_000;

/** @param {any} status of the run @param {string} run */
export function showStatus(status, run) {
  verdict(status);
  readings(status);
  byId("dead").setAttribute("href", address("/dead-letters", { run }));
}

function verdict(status) {
  const { verdict } = status;
  const [state, word] = WORDS[verdict] ?? WORDS.waiting;
  const holder = byId("verdict");
  holder.dataset.verdict = verdict;
  holder.dataset.band = state;
  say(holder.querySelector(".shape"), SHAPE[state]);
  say(byId("word"), word);
  say(byId("why"), reason(status));
}

function reason(status) {
  const { verdict, newest, now } = status;
  if (!newest) return unseen(heard(status, now));
  if (verdict === "insufficient") return `${plural(newest.rows, "row")} in the newest window: too few to tell.`;
  const { worst, columns_drifted: drifted } = newest;
  if (!worst) return `${plural(newest.rows, "row")} in the newest window.`;
  if (verdict === "ok") return `closest to its threshold: ${worst.column}, at ${times(worst.severity)}`;
  const others = drifted > 1 ? `, and ${plural(drifted - 1, "more column")} beyond` : "";
  return `${worst.column} at ${times(worst.severity)} its threshold${others}`;
}

/** Why there is no window. @param {Map<string, number>} stages that were heard of lately */
function unseen(stages) {
  if (!stages.has("monitor")) return "No window yet, and no monitor is heard of: start `driftline monitor`.";
  return "No window has closed yet: the first does when the watermark has passed its end.";
}

function readings(status) {
  const { newest } = status;
  say(byId("drifted"), newest?.columns_tested ? `${newest.columns_drifted} of ${newest.columns_tested}` : "–");
  say(byId("drifted-note"), newest?.columns_tested ? `${percent(newest.share_drifted)} of the columns` : "none tested yet");
  say(byId("newest"), newest ? span(newest.start, newest.end) : "–");
  say(byId("newest-note"), newest ? `${plural(newest.rows, "row")}, ${newest.status}` : "event time");
  say(byId("watermark"), moment(status.watermark));
  say(byId("watermark-note"), Number.isFinite(status.latency_p95_ms) ? `close to row p95 ${milliseconds(status.latency_p95_ms)}` : "event time");
  say(byId("lag"), count(status.lag));
  say(byId("lag-note"), status.lag ? "records to read" : "all is read");
  say(byId("rows"), count(status.rows));
  say(byId("rows-note"), notes([[status.duplicates, "sent twice"], [status.missing, "missing"]]) || "none twice, none missing");
  say(byId("dead"), count((status.late ?? 0) + (status.dead ?? 0)));
  say(byId("dead-note"), `${count(status.late)} late, ${count(status.dead)} unusable`);
}

const notes = (pairs) => pairs.filter(([n]) => n).map(([n, what]) => `${count(n)} ${what}`).join(", ");

/** Seconds since the last row; called each second. @param {any} status @param {number} now ms by the server's clock */
export function tick(status, now) {
  const age = status?.written_at ? now - status.written_at : NaN;
  say(byId("age"), ago(age));
  const silent = status && !heard(status, now).has("monitor") ? "no monitor is heard of: start one" : "no window was written for a while";
  const text = status?.finished ? "the run has ended" : age > STALE_MS ? silent : "rows are coming in";
  say(byId("age-note"), Number.isFinite(age) ? text : "no row yet");
  byId("age").parentElement.dataset.stale = String(!status?.finished && age > STALE_MS);
}

/** Stages that were heard of lately. @param {any} status @param {number} now */
export function stages(status, now) {
  return [...heard(status, now)].map(([stage, n]) => (n > 1 ? `${n} × ${stage}` : stage)).join(" · ");
}

/** How many of each stage. @returns {Map<string, number>} */
function heard(status, now) {
  const tally = new Map();
  for (const { stage, at } of status.stages ?? []) if (Math.abs(now - at) < STALE_MS) tally.set(stage, (tally.get(stage) ?? 0) + 1);
  return tally;
}

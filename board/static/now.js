// The top of the board: what holds now.

import { headline, promiseAndRecord } from "./alarm-words.js";
import { address, byId, setText, setMarkedText } from "./dom.js";
import { ago, count, milliseconds, moment, percent, plural, span, times } from "./format.js";
import { SHAPE } from "./severity.js";

const WORDS = {
  ok: ["calm", "Calm"],
  drift: ["drift", "Drift"],
  dataset: ["drift", "Dataset drift"],
  insufficient: ["none", "Too few rows"],
  untested: ["none", "Not tested"],
  waiting: ["none", "Waiting"],
};
const STALE_MS = 30_000;

/** @param {any} data of the board, with its status @param {any} [zoom] what `zoomed` says of the shown time, where not all is shown */
export function showStatus(data, zoom) {
  const { status, run } = data;
  const alarm = zoom ? null : headline(data);
  if (alarm) verdict(alarm.state, [alarm.band, alarm.word], alarm.why);
  else verdict(zoom?.verdict ?? status.verdict, WORDS[zoom?.verdict ?? status.verdict] ?? WORDS.waiting, zoom ? ofShown(zoom) : reason(data));
  byId("verdict").classList.toggle("of-alarms", Boolean(alarm));
  promise(status.watch, run);
  readings(status, data.size);
  byId("dead").setAttribute("href", address("/dead-letters", { run }));
}

function verdict(verdict, [state, word], why) {
  const holder = byId("verdict");
  holder.dataset.verdict = verdict;
  holder.dataset.band = state;
  setText(holder.querySelector(".shape"), SHAPE[state]);
  setText(byId("word"), word);
  setMarkedText(byId("why"), why);
}

function promise(watch, run) {
  byId("promise").hidden = !watch;
  if (!watch) return;
  setText(byId("alarms"), promiseAndRecord(watch));
  byId("alarms").setAttribute("href", address("/alarms", { run }));
}

/** Of the time that is zoomed to. */
function ofShown({ tested, drifted, worst }) {
  if (!tested) return "zoomed: no window of the shown time was tested";
  const some = drifted ? `${count(drifted)} of the ${plural(tested, "window")} shown drifted` : `none of the ${plural(tested, "window")} shown drifted`;
  return `zoomed: ${some}; worst is ${worst.column}, at ${times(worst.severity)}, ${span(worst.start, worst.end)}`;
}

function reason(data) {
  const { verdict, newest, scarce } = data.status;
  if (!newest) return explainNoWindow(data);
  if (verdict === "insufficient") return scarce ? explainScarcity(scarce, data) : `${plural(newest.rows, "row")} in the newest window: too few to tell.`;
  if (verdict === "untested") return `${plural(newest.rows, "row")} in the newest window, and no column could be tested${newest.remark ? `: ${newest.remark}` : ""}.`;
  const { worst, columns_drifted: drifted } = newest;
  if (!worst) return `${plural(newest.rows, "row")} in the newest window.`;
  if (verdict === "ok") return `closest to its threshold: ${worst.column}, at ${times(worst.severity)}`;
  const others = drifted > 1 ? `, and ${plural(drifted - 1, "more column")} beyond` : "";
  return `${worst.column} at ${times(worst.severity)} its threshold${others}`;
}

const ENOUGH_TO_TELL = 12; // windows from which their usual rows are known

/** Why no window has a verdict, and which size would have some. @param {any} scarce of the status @param {any} data of the board */
export function explainScarcity({ windows, enough, needed, usual, useful, there }, { size, monitor }) {
  const have = `${enough ? count(enough) : "None"} of ${plural(windows, "window")} of ${size} had the ${needed} rows that a verdict needs (usual: ${count(usual)}).`;
  if (!useful || windows < ENOUGH_TO_TELL) return have;
  return `${have} ${there ? `Windows of ${useful} have them: choose ${useful} above.` : `About ${useful} is the smallest useful size: \`${monitor ?? "driftline monitor"} --sizes ${useful}\`.`}`;
}

const STARTING_MS = 120_000;

/** Why there is no window: nobody is told to start what is starting, nor a monitor that would pass the run over.
 * @param {any} data of the board */
export function explainNoWindow(data) {
  const { status, attended, monitor, started_at: at } = data;
  if (activeStages(status, status.now).has("monitor")) {
    if (isSkipped(data)) return `No window: the monitor compares with another model than the one that scored this run, and skips it. ${monitor ? `Start \`${monitor}\`` : "That model is not here"}.`;
    const { filling } = status;
    const few = filling && filling.rows < filling.needed ? ` It has ${count(filling.rows)} of the ${filling.needed} rows from which on it is shown before.` : "";
    const first = `No window has closed yet: the first does when the watermark has passed its end.${few}`;
    if (status.lag !== 0) return first;
    const other = monitor ? `start \`${monitor}\`` : "that model is not here";
    return `${first} If it has and none comes, another model scored this run than the monitor has, whose log says so: ${other}.`;
  }
  if (attended) return "No window yet: the monitor is starting, which takes a while.";
  if (!monitor) return "No window yet. The model that scored this run is not here, and a monitor with another one passes it over.";
  const start = `start \`${monitor}\``;
  return status.now - at < STARTING_MS ? `No window yet: a monitor that was just started takes a while; if none was, ${start}.` : `No window yet, and no monitor reports: ${start}.`;
}

/** Whether all monitors that report are known to compare with another model than the run's. @param {any} data of the board */
function isSkipped({ status, model }) {
  const known = status.stages.filter(({ stage, at }) => stage === "monitor" && Math.abs(status.now - at) < STALE_MS).map(({ measures }) => measures?.model);
  return Boolean(model) && known.every((each) => each && each !== model);
}

function readings(status, size) {
  const { newest } = status;
  setText(byId("drifted"), newest?.columns_tested ? `${newest.columns_drifted} of ${newest.columns_tested}` : "–");
  setText(byId("drifted-note"), newest?.columns_tested ? `${percent(newest.share_drifted)}, newest verdict` : "none tested yet");
  setText(byId("newest"), newest ? span(newest.start, newest.end).replace("–", "–\u2060") : "–");
  setText(byId("newest-note"), [newest && `${plural(newest.rows, "row")}, ${newest.status}`, next(status)].filter(Boolean).join("; ") || "no window yet");
  setText(byId("watermark"), moment(status.watermark));
  setText(byId("watermark-note"), Number.isFinite(status.latency_p95_ms) ? `close to result, ${size}: ${`p95 ${milliseconds(status.latency_p95_ms)}`.replaceAll(" ", "\u00a0")}` : "");
  setText(byId("lag"), count(status.lag));
  setText(byId("lag-note"), troubles(status) || (status.lag ? "records to read" : "all is read"));
  setText(byId("rows"), count(status.rows));
  setText(byId("rows-note"), sequence(status));
  setText(byId("dead"), count(status.dead_letters));
  setText(byId("dead-note"), `${count(status.late)} of them late${ofNoRun(status)}`);
}

/** The window that fills, while it has too few rows to be shown. */
const next = ({ filling }) => (filling && filling.rows < filling.needed ? `${count(filling.rows)} of ${filling.needed} rows in the next` : "");

/** What `seq` tells of the records that have one; of the others nobody knows. @param {any} status */
export function sequence({ duplicates, missing, numbered, unnumbered }) {
  if (!numbered) return unnumbered ? "without seq: repeats and gaps are not known" : "";
  const found = notes([[duplicates, "sent twice"], [missing, "missing"]]) || "none twice, none missing";
  return unnumbered ? `${found}, of those with seq; ${count(unnumbered)} have none` : found;
}

const MANY = 1_000; // more are not counted

/** Rejected records in which no run could be read, which came while this one was read. @param {any} status */
export function ofNoRun({ of_no_run: n }) {
  if (!n) return "";
  return n > MANY ? `, over ${count(MANY)} of no run` : `, ${count(n)} of no run`;
}

const notes = (pairs) => pairs.filter(([n]) => n).map(([n, what]) => `${count(n)} ${what}`).join(", ");

/** Seconds since the last result; called each second. @param {any} data of the board @param {number} now ms by the server's clock */
export function updateAge(data, now) {
  const status = data?.status;
  const age = status?.written_at ? now - status.written_at : NaN;
  setText(byId("age"), ago(age));
  const silent = data && !data.attended && !activeStages(status, now).has("monitor") ? "no monitor reports" : "no window was written for a while";
  const text = status?.finished ? "the run has ended" : age > STALE_MS ? silent : "results are coming in";
  setText(byId("age-note"), Number.isFinite(age) ? text : "none yet");
  byId("age").parentElement.dataset.stale = String(!status?.finished && age > STALE_MS);
}

/** What keeps stages from their work, in their own words. @param {any} status */
export function troubles({ stages, now }) {
  const said = (stages ?? []).filter(({ at, measures }) => Math.abs(now - at) < STALE_MS && measures?.trouble);
  return [...new Set(said.map(({ stage, measures }) => `${stage}: ${measures.trouble}`))].join("; ");
}

/** Stages that reported lately. @param {any} status @param {number} now */
export function stages(status, now) {
  return [...activeStages(status, now)].map(([stage, n]) => (n > 1 ? `${n} × ${stage}` : stage)).join(" · ");
}

/** How many of each stage. @returns {Map<string, number>} */
function activeStages(status, now) {
  const tally = new Map();
  for (const { stage, at } of status.stages ?? []) if (Math.abs(now - at) < STALE_MS) tally.set(stage, (tally.get(stage) ?? 0) + 1);
  return tally;
}

// What an alarm, a promise and its record are in words; who was told. Pure.

import { count, figure, moment, plural, times } from "./format.js";

const DAY = 86_400_000;
const NOUN = { drift: "drift", gap: "no rows", volume: "volume", coverage: "labels missing", error: "larger error" };
const JUDGED = { false: "false", known: "known", real: "real" };

/** What it is of, as one begins a sentence. @param {any} alarm */
export const noun = ({ kind }) => {
  const name = NOUN[kind] ?? kind ?? "alarm";
  return name[0].toUpperCase() + name.slice(1);
};

/** Days of it, without the clock: 15–22 Feb, 28 Feb – 3 Mar; the year where it is another than `year`.
 * @param {number} start @param {number|null} end exclusive */
export function days(start, end) {
  const [from, to] = [day(start), day(end === null ? start : Math.max(start, end - 1))];
  if (from.text === to.text) return from.text;
  return from.month === to.month ? `${from.date}–${to.text}` : `${from.text} – ${to.text}`;
}

function day(ms) {
  const [, date, month] = moment(ms).split(" ");
  return { date, month, text: `${date} ${month}` };
}

/** For how long a run was watched: 9 days, 8 weeks. @param {number} ms */
export function watchedFor(ms) {
  const whole = Math.round(ms / DAY);
  if (whole < 1) return "less than a day";
  return whole < 14 ? plural(whole, "day") : plural(Math.floor(whole / 7), "week");
}

/** The promise and how it was kept: one line. @param {any} watch of the status */
export function promiseAndRecord(watch) {
  const kept = watch.promise === null ? "no promise yet" : `at most ${rate(watch.promise)} a month on average`;
  return [kept, record(watch)].filter(Boolean).join("; ");
}

/** How the promise was kept: so far 8 weeks, 1 alarm, judged real; empty before the first window. @param {any} watch of the status */
export function record({ record: found, from, to }) {
  if (!Number.isFinite(from) || !Number.isFinite(to)) return "";
  return `so far ${watchedFor(to - from)}, ${found.alarms ? plural(found.alarms, "alarm") : "no alarm"}${judged(found)}`;
}

/** Evidence in units of the line: 0.41× the line. @param {number|null} value */
export const ofLine = (value) => `${times(value)} the line`;

/** At most one decimal: more would promise more. @param {number} promise */
export const tenth = (promise) => (promise < 0.1 ? figure(promise) : String(Number(promise.toFixed(1))));

/** @param {number} promise */
export const rate = (promise) => `${tenth(promise)} false ${tenth(promise) === "1" ? "alarm" : "alarms"}`;

function judged(record) {
  const known = Object.keys(JUDGED).filter((name) => record[name]);
  if (!record.alarms) return "";
  if (!known.length) return record.alarms === 1 ? ", not judged yet" : ", none judged yet";
  const told = known.reduce((sum, name) => sum + record[name], 0);
  if (known.length === 1 && told === record.alarms) return told === 1 ? `, judged ${known[0]}` : `, all judged ${known[0]}`;
  const parts = known.map((name) => `${count(record[name])} ${name}`);
  return `, judged: ${parts.join(", ")}${told < record.alarms ? `; ${count(record.alarms - told)} not yet` : ""}`;
}

/** Who was told of an alarm, a line for each target. @param {any[]} rows by target, in order */
export function told(rows) {
  const targets = [...new Set(rows.map(({ target }) => target))];
  return targets.map((target) => `${target}: ${rows.filter((row) => row.target === target).map(outcome).join(", ")}`);
}

function outcome({ state, outcome: what, sent_at, reminders, error }) {
  if (what === null) return `${state} waits${error ? ` (${error})` : ""}`;
  if (what !== "sent") return `${state} not told (${what === "silenced" ? "it ended while silenced" : "it was over before the target was added"})`;
  return `${state} ${moment(sent_at, { local: true })}${reminders ? ` (${plural(reminders, "reminder")})` : ""}`;
}

const LATELY = 7 * DAY;

/** The verdict on top: a band, a word and why; null where alarms say nothing of the run.
 * @param {any} data of the board @returns {{state: string, band: string, word: string, why: string}|null} */
export function headline(data) {
  const { watch, finished } = data.status;
  if (!watch || !Number.isFinite(watch.to)) return null;
  const [newest] = watch.alarms;
  if (finished && watch.done) return { state: "story", ...story(watch) };
  if (newest?.state === "firing") return firing(newest, watch);
  if (newest?.state === "pending") return pending(newest, watch);
  if (newest?.state === "recovered" && watch.to - newest.recovered_at <= LATELY) return recovered(newest);
  if (watch.promise === null) return { state: "no-promise", band: "none", word: "No promise yet", why: watch.refused ?? watch.about };
  return { state: "calm", band: "calm", word: "Calm", why: level(watch) };
}

/** What an alarm says, as the monitor worded it, but for the evidence, which comes last. @param {any} alarm */
export const sentences = ({ told }) => told.slice(0, Math.max(told.length - 1, 1)).map((text) => `${text}.`).join(" ");

function firing(alarm, watch) {
  const silenced = watch.silence ? ` Silenced until ${moment(watch.silence.until, { local: true })} by ${watch.silence.author}: ${watch.silence.reason}.` : "";
  return { state: "firing", band: "drift", word: `${noun(alarm)} since ${days(alarm.first_evidence, null)}`, why: `${sentences(alarm)} Fires since ${moment(alarm.fired_at)}.${silenced}` };
}

function pending(alarm, watch) {
  return { state: "pending", band: "near", word: "Watching", why: `Perhaps: ${alarm.told[0]}; ${evidence(watch)}. An alarm fires at 1.` };
}

function recovered(alarm) {
  return { state: "recovered", band: "calm", word: "Recovered", why: `${sentences(alarm)} Calm since.` };
}

/** Of a run that is over. */
function story(watch) {
  const fired = watch.alarms.filter(({ state }) => state !== "pending");
  const span = `${days(watch.from, watch.to)}`;
  if (!fired.length) {
    const kept = watch.promise === null ? `; ${lower(watch.refused ?? "nothing was promised")}` : "";
    return { band: watch.promise === null ? "none" : "calm", word: "Calm throughout", why: `${span}, no alarm${kept}` };
  }
  const [newest] = fired;
  const open = newest.state === "firing";
  const end = open ? "not over when the run ended" : "calm since";
  const band = open ? "drift" : "calm";
  if (fired.length === 1) return { band, word: episode(newest), why: `${sentences(newest)} ${open ? `It was ${end}` : "Calm since"}.` };
  const some = fired.slice(0, 3).reverse().map((alarm) => `${lower(episode(alarm))}: ${alarm.what}`);
  const every = Math.max(watch.record.alarms, fired.length); // the record is of the promise: it knows no harm
  const more = every > 3 ? `${count(every - 3)} before; ` : "";
  return { band, word: plural(every, "alarm"), why: `${more}${some.join("; ")}; ${end}` };
}

/** Drift 15–22 Feb. @param {any} alarm */
export const episode = (alarm) => (alarm.recovered_at ? `${noun(alarm)} ${days(alarm.first_evidence, alarm.recovered_at)}` : `${noun(alarm)} since ${days(alarm.first_evidence, null)}`);

/** What the events alone make expect of the error. @param {any} alarm */
export const estimate = ({ estimated, unestimated }) =>
  Number.isFinite(estimated) ? `estimated at up to ${(1 + estimated).toFixed(2)} × the usual` : unestimated ? `not estimated: ${unestimated}` : "";

const evidence = ({ level: at }) => `evidence ${ofLine(at)}`;

function level(watch) {
  return watch.level > 0 ? `${evidence(watch)}, most from ${watch.signal}` : "no evidence of a change";
}

const lower = (text) => text[0].toLowerCase() + text.slice(1);

const STATES = { pending: ["near", "◐", "watching"], firing: ["drift", "▲", "firing"], recovered: ["calm", "○", "recovered"], withdrawn: ["none", "·", "withdrawn"] };

/** Band, shape and word of a state; of an incident of the log, which has none, too. @param {string|null} state @returns {string[]} */
export const stateOf = (state) => STATES[state] ?? ["none", "·", "incident"];

/** What set the line: volume at 1d, in the week of Mon 14 Feb. @param {any} set */
export const setBy = (set) => (set ? `${set.signal} at ${set.size}, in the week of ${moment(set.season, { year: true }).replace(/ \d\d:\d\d$/, "")}` : "");

// Figures as text: one way for each kind, everywhere. Pure.

const GROUPED = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const NONE = "–";

/** A count: 1,234,567. @param {number|null|undefined} value */
export function count(value) {
  return Number.isFinite(value) ? GROUPED.format(value) : NONE;
}

/** A share as percent, so that little is not nothing: 0 %, <0.1 %, 4.2 %, 37 %, 100 %. @param {number|null|undefined} value */
export function percent(value) {
  if (!Number.isFinite(value)) return NONE;
  const hundredths = value * 100;
  if (hundredths === 0) return "0%";
  if (hundredths < 0.1) return "<0.1%";
  if (hundredths > 99.9 && hundredths < 100) return ">99.9%";
  return `${hundredths < 10 ? trimmed(hundredths.toFixed(1)) : Math.round(hundredths)}%`;
}

/** Three figures are enough to read: 0.0123, 4.05, 63.1, 1,250. @param {number|null|undefined} value */
export function figure(value) {
  if (!Number.isFinite(value)) return NONE;
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size >= 1000) return GROUPED.format(value);
  if (size < 0.001) return value.toExponential(1);
  return trimmed(value.toPrecision(3)).replace("-", "−");
}

/** The same with its unit: 4.05 mi, $12.5. @param {number|null|undefined} value @param {string|null} [unit] */
export function withUnit(value, unit) {
  const text = figure(value);
  if (!unit || text === NONE) return text;
  return unit === "$" ? text.replace(/^(−?)/, "$1$$") : `${text} ${unit}`;
}

/** How many times its threshold: 4.1×. Below it two digits, rounded down as in `schemas.figures.severity_text`: what has not
 * reached the threshold, or the band before it, never reads as if it had. @param {number|null|undefined} severity */
export function times(severity) {
  if (!Number.isFinite(severity)) return NONE;
  if (severity < 1) return `${Math.min(0.99, Math.floor(100 * severity + 1e-9) / 100).toFixed(2)}×`;
  return `${severity >= 100 ? GROUPED.format(severity) : severity.toFixed(severity < 10 ? 1 : 0)}×`;
}

/** How many times the reference's an error is: 2.0×; nothing where one is not known.
 * @param {number|null|undefined} error @param {number|null|undefined} reference */
export function errorTimes(error, reference) {
  return Number.isFinite(error) && reference > 0 ? `${(error / reference).toFixed(error / reference < 9.95 ? 1 : 0)}×` : "";
}

/** An error beside the reference's: 6.5 min, 2.0× the reference's 3.27.
 * @param {number|null|undefined} error @param {number|null|undefined} reference @param {string|null} [unit] */
export function errorText(error, reference, unit) {
  const more = errorTimes(error, reference);
  return more ? `${withUnit(error, unit)}, ${more} the reference’s ${figure(reference)}` : withUnit(error, unit);
}

/** A time that has passed: 0.4 s, 12 s, 3 min 5 s, 2 h 10 min, 3 d 4 h. @param {number|null|undefined} ms */
export function elapsed(ms) {
  if (!Number.isFinite(ms)) return NONE;
  const seconds = Math.max(0, ms / 1000);
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  const [big, small, per, of] =
    seconds < 3600 ? ["min", "s", 60, 1] : seconds < 86400 ? ["h", "min", 60, 60] : ["d", "h", 24, 3600];
  const whole = Math.floor(seconds / of);
  const rest = whole % per;
  return `${GROUPED.format(Math.floor(whole / per))} ${big}${rest ? ` ${rest} ${small}` : ""}`;
}

/** How long ago, in one unit, for where there is little room: 4 s ago, 48 min ago, 2 h ago. @param {number|null|undefined} ms */
export function ago(ms) {
  if (!Number.isFinite(ms)) return NONE;
  const [figure, unit] = elapsed(Math.floor(ms / 1000) * 1000).split(" ");
  return `${Math.floor(Number(figure.replaceAll(",", "")))} ${unit} ago`;
}

/** Milliseconds as such below ten seconds: 212 ms. @param {number|null|undefined} ms */
export function milliseconds(ms) {
  return Number.isFinite(ms) && ms < 10_000 ? `${GROUPED.format(ms)} ms` : elapsed(ms);
}

const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** The parts of a moment; event time is shown as it is, the wall clock in the reader's zone. */
function parts(ms, local) {
  const date = new Date(local ? ms - new Date(ms).getTimezoneOffset() * 60_000 : ms);
  const two = (n) => String(n).padStart(2, "0");
  return {
    day: `${DAYS[date.getUTCDay()]} ${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]}`,
    year: date.getUTCFullYear(),
    minutes: `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}`,
    seconds: two(date.getUTCSeconds()),
  };
}

/** Mon 14 Feb 06:00; with the year and seconds where wished.
 * @param {number|null|undefined} ms
 * @param {{local?: boolean, year?: boolean, seconds?: boolean}} [how] */
export function moment(ms, how = {}) {
  if (!Number.isFinite(ms)) return NONE;
  const { day, year, minutes, seconds } = parts(ms, how.local);
  return `${day}${how.year ? ` ${year}` : ""} ${minutes}${how.seconds ? `:${seconds}` : ""}`;
}

/** From and until, what both share said once: Mon 14 Feb 06:00–12:00; whole days: Mon 14 Feb.
 * @param {number} start @param {number} end @param {{local?: boolean, year?: boolean}} [how] */
export function span(start, end, how = {}) {
  const [from, to] = [parts(start, how.local), parts(end, how.local)];
  const year = how.year ? ` ${from.year}` : "";
  if (from.minutes === "00:00" && end - start === 86_400_000) return `${from.day}${year}`;
  const same = from.day === to.day && from.year === to.year;
  const midnight = to.minutes === "00:00" && end - start < 86_400_000;
  const until = same ? to.minutes : midnight ? "24:00" : `${to.day} ${to.minutes}`;
  return `${from.day}${year} ${from.minutes}–${until}`;
}

/** The moment as a command takes it: 2022-02-14T06:00. @param {number} ms */
export function iso(ms) {
  return new Date(ms).toISOString().replace(/(:00)?\.000Z$/, "").replace(/Z$/, "");
}

const UNITS = [["d", 86_400_000], ["h", 3_600_000], ["m", 60_000], ["s", 1_000], ["ms", 1]];

/** `6h` in milliseconds, NaN for anything else. @param {string} text */
export function duration(text) {
  const match = /^(\d+)(ms|s|m|h|d|w)$/.exec(text ?? "");
  if (!match) return NaN;
  return Number(match[1]) * (match[2] === "w" ? 604_800_000 : UNITS.find(([unit]) => unit === match[2])[1]);
}

/** One drifted column, two drifted columns. @param {number} n @param {string} one @param {string} [many] */
export function plural(n, one, many = `${one}s`) {
  return `${count(n)} ${n === 1 ? one : many}`;
}

function trimmed(text) {
  return text.includes(".") && !text.includes("e") ? text.replace(/\.?0+$/, "") : text;
}

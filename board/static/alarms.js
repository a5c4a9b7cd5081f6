// The alarms of a run, and how the promise was kept.

import { episode, ofLine, record, sentences, setBy, stateOf, tenth } from "./alarm-words.js";
import { address, byId, el, setText } from "./dom.js";
import { count, figure, moment } from "./format.js";
import { followRun, nothing } from "./shell.js";

let data = null;

function show(answer) {
  const same = JSON.stringify(answer) === JSON.stringify(data);
  data = answer;
  const { watch, alarms, calibrations } = answer;
  byId("content").hidden = !alarms.length && !calibrations.length;
  byId("empty").hidden = true;
  document.title = `Alarms of ${answer.run} · Driftline`;
  setText(byId("lead"), watch ? `${watch.about}${record(watch) ? ` ${sentence(record(watch))}` : ""}` : "Nothing of this run has become evidence: it was not watched, or has only begun.");
  if (!alarms.length && !calibrations.length) return nothing(byId("empty"), "no alarms", watch ? "Nothing has changed so far." : "A monitor watches a run from its first closed window on.");
  if (same) return;
  byId("list").replaceChildren(...(alarms.length ? alarms.map(item) : [el("li", {}, el("p", { class: "dim", text: "No alarm so far." }))]));
  byId("measured").hidden = !calibrations.length;
  byId("weeks").replaceChildren(...calibrations.map(week));
}

const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}.`;

function item(alarm) {
  const [band, shape, word] = stateOf(alarm.state);
  const name = alarm.state === null ? alarm.kind : episode(alarm);
  return el("li", { "data-band": band, "data-state": alarm.state },
    el("p", { class: "status" }, el("span", { class: "shape", "aria-hidden": "true", text: shape }), word),
    el("div", {}, el("a", { href: address("/alarm", { run: data.run, id: alarm.id }), text: name }), el("p", { class: "sub", text: when(alarm) })),
    el("p", { text: alarm.state === null ? alarm.told[0] : sentences(alarm) }),
    el("p", { text: alarm.state === null || !Number.isFinite(alarm.value) ? "" : `evidence ${ofLine(alarm.value)}` }),
    el("p", { text: alarm.ack ? `judged ${alarm.ack.verdict}` : "" }),
  );
}

function when({ state, fired_at: fired, pending_at: pending, recovered_at: recovered, withdrawn_at: withdrawn }) {
  if (state === "pending") return `suspected since ${moment(pending)}`;
  if (state === "withdrawn") return `fired ${moment(fired)}; its evidence was gone ${moment(withdrawn, { local: true })}`;
  return recovered ? `fired ${moment(fired)}, calm ${moment(recovered)}` : `since ${moment(fired)}`;
}

function week({ season, weeks, promise, refused, set_by: set }) {
  return el("tr", {},
    el("th", { scope: "row", text: moment(season, { year: true }).replace(/ \d\d:\d\d$/, "") }),
    el("td", { class: "n", text: count(weeks) }),
    el("td", {}, el("p", { class: "why", text: promise === null ? `none: ${refused ?? "nothing is watched"}` : `at most ${tenth(promise)} a month` })),
    el("td", { text: setBy(set) || "–" }),
  );
}

followRun("/alarms", show);

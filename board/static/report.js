// Wait for a report, then go there.

import { get } from "./api.js";
import { address, byId, setText } from "./dom.js";
import { duration, elapsed, span } from "./format.js";

const query = new URLSearchParams(location.search);
const asked = { run: query.get("run"), size: query.get("size"), start: query.get("start") };
const AGAIN_MS = 600;
const STATES = { none: "Requesting it", queued: "Waiting for its turn", making: "Being made", ready: "Ready", failed: "The report could not be made" };
let began = performance.now();
let over = false;

async function ask() {
  let answer;
  try {
    answer = await get("/api/report", asked);
  } catch (error) {
    if (error.status !== 0 && error.status !== 503) return failed(`${error.message}. ${error.remedy}`);
    show("lost", "Disconnected, trying again");
    setTimeout(ask, 2 * AGAIN_MS);
    return;
  }
  const { state, reason, url } = answer;
  if (state === "failed") return failed(reason ?? "The board's log says why.");
  show(state, STATES[state] ?? state);
  // An address of this site only.
  if (state === "ready" && url && new URL(url, location.href).origin === location.origin) location.replace(url);
  else setTimeout(ask, AGAIN_MS);
}

function show(state, text) {
  byId("making").dataset.state = state;
  setText(byId("state"), text);
}

function failed(reason) {
  over = true;
  show("failed", STATES.failed);
  setText(byId("hint"), reason);
  byId("again").hidden = false;
}

function updateAge() {
  if (!over) setText(byId("elapsed"), elapsed(Math.floor((performance.now() - began) / 1000) * 1000).replace(".0", ""));
}

byId("again").addEventListener("click", () => {
  over = false;
  began = performance.now();
  byId("again").hidden = true;
  ask();
});
const start = /^\d+$/.test(asked.start ?? "") ? Number(asked.start) : Date.parse(`${asked.start}Z`);
const size = duration(asked.size);
if (Number.isFinite(start) && Number.isFinite(size)) setText(byId("where"), `${asked.run} · ${span(start, start + size, { year: true })}`);
byId("window").setAttribute("href", address("/window", asked));
byId("up").setAttribute("href", address("/", { run: asked.run, size: asked.size }));
setInterval(updateAge, 1_000);
ask();

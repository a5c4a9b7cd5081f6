// Server-sent events that come back by themselves.

import { address } from "./dom.js";

const PATIENCE_MS = 12_000; // the server speaks at least every five seconds
const AGAIN_MS = 1_000;

/** Listen until `close`. `lost` is called when the line is cut, `back` when it stands again (not the first time).
 * @param {Record<string, any>} parameters of /api/events
 * @param {{on: Record<string, (data: any) => void>, lost: () => void, back: () => void, open: () => void}} told */
export function listen(parameters, told) {
  let source = null;
  let watchdog = 0;
  let retry = 0;
  let cut = false;
  let closed = false;

  function connect() {
    source?.close();
    source = new EventSource(address("/api/events", parameters));
    source.onopen = stands;
    source.onerror = lost;
    source.addEventListener("ping", alive);
    for (const [name, handle] of Object.entries(told.on)) {
      source.addEventListener(name, (event) => {
        alive();
        handle(JSON.parse(event.data));
      });
    }
    alive();
  }

  function stands() {
    alive();
    if (cut) told.back();
    else told.open();
    cut = false;
  }

  // The browser tries again by itself, but not after an answer that is no stream, such as 503.
  function lost() {
    if (closed) return;
    if (!cut) told.lost();
    cut = true;
    clearTimeout(retry);
    if (source.readyState === EventSource.CLOSED) retry = setTimeout(connect, AGAIN_MS);
  }

  // A line that is cut without a word (a laptop that slept) is silent, not closed.
  function alive() {
    clearTimeout(watchdog);
    watchdog = setTimeout(() => {
      source.close();
      lost();
    }, PATIENCE_MS);
  }

  connect();
  return {
    close() {
      closed = true;
      clearTimeout(watchdog);
      clearTimeout(retry);
      source.close();
    },
  };
}

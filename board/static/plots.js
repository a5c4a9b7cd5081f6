// plotly.js, loaded when it is needed: it is large, and the page is readable before it is there.

import { token } from "./dom.js";

let loading = null;

/** @returns {Promise<any>} Plotly */
export function plotly() {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = "/static/plotly.min.js";
    script.onload = () => resolve(globalThis.Plotly);
    script.onerror = () => {
      loading = null;
      reject(new Error("plotly.js was not served"));
    };
    document.head.append(script);
  });
  return loading;
}

export const CONFIG = { displayModeBar: false, displaylogo: false, responsive: true, doubleClick: false, showTips: false };

/** What all plots share, in the colours of the theme. */
export function layout(more = {}) {
  const font = { family: token("--sans"), size: 11, color: token("--dim") };
  return {
    font,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    margin: { l: 8, r: 8, t: 4, b: 24 },
    showlegend: false,
    hoverlabel: { bgcolor: token("--raised"), bordercolor: token("--edge"), font: { ...font, size: 12, color: token("--text") } },
    ...more,
  };
}

/** An axis in the colours of the theme. */
export function axis(more = {}) {
  return {
    gridcolor: token("--grid"), linecolor: token("--edge"), zeroline: false, fixedrange: true, automargin: false,
    tickfont: { color: token("--dim"), size: 11 }, ...more,
  };
}

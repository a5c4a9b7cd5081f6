// What a comparison shows, as a PNG: drawn anew, since a page's styles do not go along with its elements.

import { times } from "./format.js";
import { HEIGHT, WIDTH, highest, outline } from "./two-sides.js";

const [ACROSS, CELL_W, CELL_H, MARGIN, HEAD, SCALE] = [3, 300, 124, 24, 64, 2];
const FONT = "system-ui, sans-serif";

/** @param {any} shown answer of /api/compare @param {Record<string, string>} colours @param {(column: any) => number|null} ratio @returns {Promise<Blob>} */
export function picture(shown, colours, ratio) {
  const { columns } = shown.comparison;
  const canvas = document.createElement("canvas");
  const rows = Math.ceil(columns.length / ACROSS);
  canvas.width = SCALE * (2 * MARGIN + ACROSS * CELL_W);
  canvas.height = SCALE * (2 * MARGIN + HEAD + rows * CELL_H);
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  pen.scale(SCALE, SCALE);
  pen.fillStyle = colours.ground || "#fff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  write(pen, `A  ${shown.a}`, MARGIN, MARGIN + 14, colours.ink, "600 15px");
  write(pen, `B  ${shown.b}`, MARGIN, MARGIN + 36, colours.b, "600 15px");
  columns.forEach((column, i) => {
    const [x, y] = [MARGIN + (i % ACROSS) * CELL_W, MARGIN + HEAD + Math.floor(i / ACROSS) * CELL_H];
    cell(pen, column, ratio(column), x, y, colours);
  });
  return new Promise((done, failed) => canvas.toBlob((blob) => (blob ? done(blob) : failed(new Error("no picture could be made"))), "image/png"));
}

function cell(pen, column, much, x, y, colours) {
  write(pen, `${column.name}${much === null ? "" : `  ${times(much)}`}`, x, y + 12, colours.ink, "600 13px");
  pen.save();
  pen.translate(x, y + 20);
  const top = highest(column.shape);
  if (column.shape.a) {
    pen.fillStyle = colours.a;
    pen.fill(new Path2D(outline(column.shape.a, top, true)));
  }
  if (column.shape.b) {
    pen.strokeStyle = colours.b;
    pen.lineWidth = 1.6;
    pen.stroke(new Path2D(outline(column.shape.b, top)));
  }
  pen.strokeStyle = colours.dim;
  pen.lineWidth = 0.5;
  pen.strokeRect(0, HEIGHT - 0.5, WIDTH, 0.01);
  pen.restore();
  write(pen, column.change, x, y + 20 + HEIGHT + 16, colours.dim, "12px", CELL_W - 24);
}

function write(pen, text, x, y, colour, font, widest = Infinity) {
  pen.font = `${font} ${FONT}`;
  pen.fillStyle = colour || "#000";
  let shown = text;
  while (shown.length > 1 && pen.measureText(shown).width > widest) shown = `${shown.slice(0, -2).trimEnd()}…`;
  pen.fillText(shown, x, y);
}

"use strict";
const all = (where, what) => [...where.querySelectorAll(what)];
const readout = document.querySelector("output");

/* Tables: a press on a column's head sorts, a second one reverses. */
function value(cell) {
  const text = (cell.firstChild || cell).textContent.trim();
  if (/^\d+(:\d\d)+(\.\d+)?$/.test(text)) return text.split(":").reduce((sum, part) => 60 * sum + Number(part), 0);
  return /^-?[\d.]+( %)?$/.test(text) ? parseFloat(text) : text;
}
function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), undefined, { numeric: true });
}
for (const head of all(document, "th[data-column]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...head.childNodes);
  head.append(button);
  button.addEventListener("click", () => {
    const table = head.closest("table"), column = Number(head.dataset.column);
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of all(table, "th[aria-sort]")) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const rows = [...table.tBodies[0].rows].map(row => [value(row.cells[column]), row]);
    rows.sort((a, b) => (down ? -1 : 1) * compare(a[0], b[0]));
    table.tBodies[0].append(...rows.map(([, row]) => row));
  });
}

/* The filter: rows of tables and timelines that hold all its words. */
const filter = document.querySelector("#filter");
filter.addEventListener("input", () => {
  const words = filter.value.toLowerCase().split(/\s+/);
  for (const row of all(document, "tbody tr, .strip[data-name]")) {
    const text = (row.dataset.name || all(row, ".key, .text").map(cell => cell.textContent).join(" ")).toLowerCase();
    row.hidden = !words.every(word => text.includes(word));
  }
});

/* Timelines: zoom, and the segment that is pointed at, touched or reached by keys. */
const zoom = document.querySelector("#zoom") || document.createElement("input");
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600].map(s => 1000 * s);
const pad = number => String(number).padStart(2, "0");
function clock(ms, digits) {
  const s = Math.floor(ms / 1000);
  const text = `${pad(Math.floor(s / 3600))}:${pad(Math.floor(s / 60) % 60)}:${pad(s % 60)}`;
  return digits ? `${text}.${String(Math.round(ms) % 1000).padStart(3, "0")}` : text;
}
function drawAxes() {
  const factor = 2 ** Number(zoom.value);
  for (const lanes of all(document, ".lanes")) {
    const axis = lanes.querySelector(".axis > div"), length = Number(axis.dataset.length);
    const middle = (lanes.scrollLeft + lanes.clientWidth / 2) / lanes.scrollWidth;
    lanes.style.setProperty("--zoom", factor);
    const most = Math.max(2, axis.clientWidth / 75);
    const step = STEPS.find(each => length / each <= most) || STEPS[STEPS.length - 1];
    axis.replaceChildren();
    for (let at = 0; at < length; at += step) {
      const tick = document.createElement("span");
      tick.style.left = `${100 * at / length}%`;
      tick.textContent = step % 60000 ? clock(at) : clock(at).slice(0, -3);
      axis.append(tick);
    }
    lanes.scrollLeft = middle * lanes.scrollWidth - lanes.clientWidth / 2;
  }
}
zoom.addEventListener("input", drawAxes);
addEventListener("resize", drawAxes);
drawAxes();
/* Timelines of one length move together. */
const lengthOf = lanes => lanes.querySelector(".axis > div").dataset.length;
for (const lanes of all(document, ".lanes")) {
  lanes.addEventListener("scroll", () => {
    for (const other of all(document, ".lanes"))
      if (other !== lanes && lengthOf(other) === lengthOf(lanes) && Math.abs(other.scrollLeft - lanes.scrollLeft) > 1)
        other.scrollLeft = lanes.scrollLeft;
  });
}

const known = new WeakMap();
function segments(svg) {
  if (!known.has(svg)) {
    const found = [];
    for (const path of all(svg, "path")) {
      const group = path.parentNode, high = Number(group.getAttribute("stroke-width"));
      for (const [, x, y, length] of path.getAttribute("d").matchAll(/M(\d+) ([\d.]+)h(\d+)/g))
        found.push({ x: +x, foot: +y + high / 2, high, length: +length, name: group.dataset.name,
          nothing: "nothing" in group.dataset });
    }
    known.set(svg, found.sort((a, b) => a.x - b.x || a.foot - b.foot));
  }
  return known.get(svg);
}
function shown(svg, ms) {
  const [after, by, before, then] = (svg.dataset.change || "Infinity,0").split(",");
  const changed = ms >= after, near = svg.dataset.change && Math.abs(ms - after) <= 3600000;
  const text = clock(Number(svg.dataset.shown) + ms + (changed ? Number(by) : 0), true);
  return near ? `${text} (${changed ? then : before})` : text;
}
function choose(svg, segment) {
  for (const old of all(document, "svg .chosen")) old.remove();
  readout.textContent = "";
  if (!segment) return;
  const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  for (const [name, of] of Object.entries({ x: segment.x, y: segment.foot - segment.high, width: segment.length,
    height: segment.high, class: "chosen" })) rect.setAttribute(name, of);
  svg.append(rect);
  const where = svg.closest(".strip").dataset.name;
  readout.textContent = `${segment.name}, ${shown(svg, segment.x)} to ${shown(svg, segment.x + segment.length)}, ` +
    `${clock(segment.length, true)} long. ${where}`;
}
function pointed(svg, event) {
  const box = svg.getBoundingClientRect(), view = svg.viewBox.baseVal;
  const x = (event.clientX - box.left) / box.width * view.width;
  const y = (event.clientY - box.top) / box.height * view.height;
  const slack = 3 / box.width * view.width;
  const near = segments(svg).filter(each => each.x - slack <= x && x <= each.x + each.length + slack);
  const rank = each => [Math.max(y - each.foot, 0) + Math.max(each.foot - 23 - y, 0), each.nothing, each.high];
  return near.sort((a, b) => { const p = rank(a), q = rank(b); return p[0] - q[0] || p[1] - q[1] || p[2] - q[2]; })[0];
}
const chosen = new WeakMap();
for (const svg of all(document, "svg")) {
  const take = event => { const segment = pointed(svg, event); chosen.set(svg, segment); choose(svg, segment); };
  svg.addEventListener("pointermove", event => { if (event.pointerType === "mouse") take(event); });
  svg.addEventListener("click", take);
  svg.addEventListener("keydown", event => {
    const music = segments(svg).filter(each => !each.nothing), place = music.indexOf(chosen.get(svg));
    const last = music.length - 1;
    const next = { ArrowRight: Math.min(place + 1, last), ArrowLeft: Math.max(place - 1, 0), Home: 0, End: last }[event.key];
    if (event.key === "Escape") return choose(svg, null);
    if (next === undefined || !music.length) return;
    event.preventDefault();
    chosen.set(svg, music[next]);
    choose(svg, music[next]);
    const lanes = svg.closest(".lanes"), scale = svg.clientWidth / svg.viewBox.baseVal.width;
    const at = (music[next].x + music[next].length / 2) * scale;
    lanes.scrollLeft = at - (lanes.clientWidth - lanes.scrollWidth + svg.clientWidth) / 2;
  });
}

/* A doubtful minute is shown at its place, and marked. */
for (const link of all(document, "a[data-from]")) {
  link.addEventListener("click", event => {
    const strip = document.getElementById(link.hash.slice(1)), svg = strip.querySelector("svg");
    event.preventDefault();
    for (let part = strip.closest("details"); part; part = part.parentElement.closest("details")) part.open = true;
    const begin = Number(link.dataset.from), end = Number(link.dataset.to), length = svg.viewBox.baseVal.width;
    zoom.value = Math.max(Number(zoom.value), Math.min(5, Math.log2(length / 1800000)));
    drawAxes();
    strip.scrollIntoView({ block: "center" });
    const lanes = strip.closest(".lanes"), at = (begin + end) / 2 * svg.clientWidth / length;
    for (const each of all(document, ".lanes"))
      if (lengthOf(each) === lengthOf(lanes))
        each.scrollLeft = at - (lanes.clientWidth - lanes.scrollWidth + svg.clientWidth) / 2;
    choose(svg, { x: begin, length: end - begin, foot: svg.viewBox.baseVal.height, high: svg.viewBox.baseVal.height,
      name: `Doubtful minute, found: ${link.closest("tr").querySelector("[class*=c-]").textContent}` });
    svg.focus({ preventScroll: true });
  });
}

/* Everything is printed. */
let folded = [];
addEventListener("beforeprint", () => {
  folded = all(document, "details:not([open])");
  for (const part of folded) part.open = true;
});
addEventListener("afterprint", () => { for (const part of folded) part.open = false; });
document.querySelector("#print").addEventListener("click", () => print());
for (const part of all(document, "[data-script]")) part.hidden = false;

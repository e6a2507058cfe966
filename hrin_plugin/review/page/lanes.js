// The timeline: axis, and for each station its waveform and its segments, drawn as far as they are seen.

const AXIS = 26, NAME = 18, STRIP = 46, GAP = 14, LEAST_WAVE = 60, MOST_WAVE = 200;
const STEPS = [10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5,
  36e5, 72e5, 108e5, 216e5, 432e5, 864e5, 1728e5, 6048e5, 12096e5, 24192e5];
const LEAST_MS = 1000, FACTOR = 8, LEVELS = 5, FINE_MS = 8000, GRIP = 6;

export class Lanes {
  constructor(canvas, store, clock) {
    Object.assign(this, {canvas, store, clock, from: store.from, to: store.to, chosen: null, cursor: null, playing: null, drag: null});
    this.context = canvas.getContext("2d");
    this.dirty = false;
    new ResizeObserver(() => this.resize()).observe(canvas.parentElement);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.resize());
    this.resize();
  }

  resize() {
    const box = this.canvas.parentElement, scale = devicePixelRatio || 1;
    this.width = Math.max(box.clientWidth, 100);
    const free = (box.clientHeight - 1 - AXIS) / this.store.lanes.length - NAME - STRIP - GAP;
    this.wave = Math.round(Math.min(Math.max(free, LEAST_WAVE), MOST_WAVE));
    this.lane = NAME + this.wave + STRIP + GAP;
    this.height = Math.max(AXIS + this.lane * this.store.lanes.length, box.clientHeight - 1);
    Object.assign(this.canvas, {width: this.width * scale, height: this.height * scale});
    Object.assign(this.canvas.style, {width: `${this.width}px`, height: `${this.height}px`});
    this.context.setTransform(scale, 0, 0, scale, 0, 0);
    const style = getComputedStyle(document.documentElement);
    this.colours = Object.fromEntries(["ink", "dim", "line", "page", "band", "wave", "mark", "done"]
      .map(name => [name, style.getPropertyValue(`--${name}`).trim()]));
    this.draw();
  }

  draw() {
    if (this.dirty) return;
    this.dirty = true;
    requestAnimationFrame(() => { this.dirty = false; this.#draw(); });
  }

  x(time) { return (time - this.from) / (this.to - this.from) * this.width; }
  time(x) { return this.from + x / this.width * (this.to - this.from); }

  show(from, to) {
    const {store} = this, most = (store.to - store.from) * 1.05 + 1000;
    const length = Math.min(Math.max(to - from, LEAST_MS), most), middle = (from + to) / 2;
    const held = Math.min(Math.max(middle, store.from), store.to);
    [this.from, this.to] = [held - length / 2, held + length / 2];
    this.draw();
    this.onshow?.();
  }

  zoom(factor, x = this.width / 2) {
    const at = this.time(x), share = x / this.width, length = (this.to - this.from) * factor;
    if (length < LEAST_MS && factor < 1) return;
    this.show(at - share * length, at + (1 - share) * length);
  }

  pan(share) { const by = share * (this.to - this.from); this.show(this.from + by, this.to + by); }

  // Keeps a stretch in view.
  reveal(from, to) {
    const length = this.to - this.from;
    if (to - from > length || (to - from) / length < 4 / this.width) this.show(from - 2 * (to - from), to + 2 * (to - from));
    else if (from < this.from || to > this.to) this.show((from + to - length) / 2, (from + to + length) / 2);
    const lane = this.store.lanes.findIndex(each => each.items.includes(this.chosen?.item));
    const box = this.canvas.parentElement, top = AXIS + lane * this.lane;
    if (lane >= 0 && (top < box.scrollTop || top + this.lane > box.scrollTop + box.clientHeight)) box.scrollTop = top - AXIS;
    this.draw();
  }

  #items(lane) { return lane.items.filter(item => item.end > this.from && item.begin < this.to); }

  // What lies at a point: recording, time in it, segment, and the edge that can be taken hold of.
  at(x, y) {
    const lane = this.store.lanes[Math.floor((y - AXIS) / this.lane)], time = this.time(x);
    const item = lane?.items.findLast(each => each.begin <= time && time < each.end);
    if (!item) return null;
    const ms = Math.round(time - item.begin), state = this.store.state(item.number);
    const found = {item, ms, state, edge: null, segment: state && segmentAt(state.segments, ms)};
    for (const segment of state?.segments ?? []) {
      const away = Math.abs(this.x(item.begin + segment[0]) - x);
      if (segment[0] && away <= GRIP && (found.edge === null || away < found.away)) Object.assign(found, {edge: segment[0], away});
    }
    return found;
  }

  #draw() {
    const {context: c, colours, store} = this;
    c.clearRect(0, 0, this.width, this.height);
    this.#axis();
    store.lanes.forEach((lane, place) => {
      const top = AXIS + place * this.lane + NAME;
      c.fillStyle = colours.band;
      c.fillRect(0, top, this.width, this.wave + STRIP);
      for (const item of this.#items(lane)) this.#item(item, top);
      c.font = "600 13px system-ui, sans-serif";
      c.fillStyle = colours.ink;
      c.fillText(lane.name, 6, top - 5);
    });
    for (const [mark, colour, wide] of [[this.cursor, colours.mark, 1], [this.playing, colours.done, 2]]) {
      if (!mark) continue;
      const place = store.lanes.findIndex(lane => lane.items.includes(mark.item));
      c.fillStyle = colour;
      c.fillRect(this.x(mark.item.begin + mark.ms) - wide / 2, AXIS + place * this.lane + 14, wide, this.wave + STRIP + 8);
    }
  }

  #axis() {
    const {context: c, colours} = this, length = this.to - this.from;
    const step = STEPS.find(each => each / length * this.width >= 110) ?? STEPS.at(-1);
    c.font = "12px system-ui, sans-serif";
    for (const tick of this.clock.ticks(this.from, this.to, step)) {
      const x = Math.round(this.x(tick));
      c.fillStyle = colours.line;
      c.fillRect(x, 0, 1, this.height);
      c.fillStyle = colours.dim;
      c.fillText(this.clock.tick(tick, step), x + 4, 16);
    }
  }

  #item(item, top) {
    const {context: c, colours, store} = this;
    const left = Math.max(this.x(item.begin), -1), right = Math.min(this.x(item.end), this.width + 1);
    if (item.heard) this.#wave(item, top, left, right);
    const state = store.state(item.number), strip = top + this.wave;
    if (!state) return;
    c.save();
    c.beginPath();
    c.rect(left, top - 4, Math.max(right - left, 1), this.wave + STRIP + 8);
    c.clip();
    if (state.segments.length > 1.5 * (this.x(item.end) - this.x(item.begin))) this.#dense(item, state, strip, left, right);
    else this.#segments(item, state, strip);
    c.restore();
    if (state.reviewed) { c.fillStyle = colours.done; c.fillRect(left, top - 3, right - left, 3); }
    c.fillStyle = colours.line;
    if (right - left > 3) c.fillRect(left, top, 1, this.wave + STRIP);
  }

  #block(label, x, width, strip) {
    const {context: c, store} = this, n = store.classes.length;
    const share = label === 0 ? .2 : 1 - .4 * (label - 1) / Math.max(n - 2, 1);
    c.fillStyle = store.classes[label].colour;
    c.fillRect(x, strip + STRIP * (1 - share), width, STRIP * share);
    return strip + STRIP * (1 - share);
  }

  #dense(item, state, strip, left, right) {
    for (let x = Math.max(Math.floor(left), 0); x < right; x++) {
      const ms = Math.min(Math.max(this.time(x + .5) - item.begin, 0), item.length - 1);
      const segment = segmentAt(state.segments, ms);
      if (segment) this.#block(this.#label(item, segment), x, 1, strip);
    }
  }

  #label(item, segment) {
    return this.store.classes.findIndex(each => each.label === item.labels[segment[2]]);
  }

  #segments(item, state, strip) {
    const {context: c, colours, chosen, drag} = this;
    let segments = state.segments;
    if (drag?.item === item) segments = segments.map(s => s[0] === drag.edge ? [drag.to, ...s.slice(1)] : s[1] === drag.edge ? [s[0], drag.to, ...s.slice(2)] : s);
    for (const segment of segments) {
      const x = this.x(item.begin + segment[0]), end = this.x(item.begin + segment[1]);
      if (end < 0 || x > this.width) continue;
      const label = this.#label(item, segment), y = this.#block(label, x, Math.max(end - x - (end - x > 4), .5), strip);
      if (end - x > 90) {
        const text = `${segment[3] ? "✓ " : ""}${this.store.classes[label].name}`, at = Math.max(x, 0) + 6;
        c.font = "12px system-ui, sans-serif";
        c.fillStyle = label === 0 ? colours.dim : "#fff";
        c.fillText(text, at, label === 0 ? y - 4 : y + 16);
      } else if (segment[3] && end - x > 8) { c.fillStyle = colours.ink; c.fillText("✓", x + 1, strip + 10); }
      if (chosen?.item === item && chosen.onset === segment[0]) {
        c.strokeStyle = colours.mark;
        c.lineWidth = 2;
        c.strokeRect(x + 1, strip - this.wave + 1, Math.max(end - x - 2, 2), this.wave + STRIP - 2);
      }
    }
  }

  #wave(item, top, left, right) {
    const {context: c, store} = this, perPixel = (this.to - this.from) / this.width;
    const fine = perPixel < 1000 / store.rate;
    let level = LEVELS - 1, bucket = 1000 / store.rate * FACTOR ** level;
    while (level > 0 && bucket > perPixel) { level--; bucket /= FACTOR; }
    const length = fine ? FINE_MS : store.buckets * bucket, middle = top + this.wave / 2;
    if (fine) bucket = 1;
    c.fillStyle = this.colours.wave;
    const first = Math.floor(Math.max(this.from - item.begin, 0) / length);
    const last = Math.floor(Math.min(this.to - item.begin, item.length - 1) / length);
    for (let number = first; number <= last; number++) {
      const from = number * length, values = fine
        ? store.fine(item.number, from, Math.min(from + length, item.length)) : store.tile(item.number, level, number);
      if (!values) continue;
      const begin = Math.max(left, this.x(item.begin + from)), end = Math.min(right, this.x(item.begin + from + values.length / 2 * bucket));
      for (let x = Math.max(Math.floor(begin), 0); x < end; x++) {
        const a = Math.max(Math.floor((this.time(x) - item.begin - from) / bucket), 0);
        const b = Math.min(Math.max(Math.ceil((this.time(x + 1) - item.begin - from) / bucket), a + 1), values.length / 2);
        let low = 127, high = -128;
        for (let k = a; k < b; k++) { low = Math.min(low, values[2 * k]); high = Math.max(high, values[2 * k + 1]); }
        if (high >= low) c.fillRect(x, middle - high / 128 * this.wave / 2, 1, Math.max((high - low) / 128 * this.wave / 2, 1));
      }
    }
  }
}

// The segment in which a time lies; segments are in order.
export function segmentAt(segments, ms) {
  let low = 0, high = segments.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (segments[middle][0] <= ms) low = middle; else high = middle - 1;
  }
  return segments[low];
}

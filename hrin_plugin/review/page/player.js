// Sound from any time of a recording on; the next recording follows where it goes on.

const MOST_MS = 600_000, GAP_MS = 5000, WHEEL = 0.0015;

export class Player {
  constructor(audio, store, tell) {
    Object.assign(this, {audio, store, item: null, from: 0});
    audio.addEventListener("ended", () => this.#goOn());
    audio.addEventListener("error", () => { if (this.item) tell("this cannot be heard"); this.item = null; });
    const frame = () => { this.onmove?.(this.place()); if (this.item) requestAnimationFrame(frame); };
    audio.addEventListener("playing", () => requestAnimationFrame(frame));
  }

  get isPlaying() { return this.item !== null; }

  // Where it plays, or null.
  place() { return this.item && {item: this.item, ms: this.from + this.audio.currentTime * 1000}; }

  play(item, ms) {
    if (!item.heard) return item.problem;
    this.item = item;
    this.from = Math.max(Math.min(Math.round(ms), item.length - 1), 0);
    this.to = Math.min(this.from + MOST_MS, item.length);
    this.audio.src = `/sound/${item.number}?from=${this.from}&to=${this.to}`;
    this.audio.play().catch(() => {}); // an error is told by its event
    return "";
  }

  stop() {
    this.item = null;
    this.audio.pause();
    this.audio.removeAttribute("src");
    this.audio.load();
    this.onmove?.(null);
  }

  #goOn() {
    const {item, to} = this;
    if (!item) return;
    if (to < item.length) return void this.play(item, to);
    const next = this.store.lanes.find(lane => lane.items.includes(item)).items
      .find(each => each.begin > item.begin && Math.abs(each.begin - item.end) <= GAP_MS && each.heard);
    if (next && this.store.hasClock) this.play(next, 0); else this.stop();
  }
}

// Mouse, pen and fingers on the timeline: click, drag an edge, drag the view, pinch, wheel.
export function listen(lanes, on) {
  const {canvas} = lanes, held = new Map();
  let start = null, moved = false;
  const place = event => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
  canvas.addEventListener("pointerdown", event => {
    if (event.button) return;
    canvas.setPointerCapture(event.pointerId);
    const [x, y] = place(event), found = lanes.at(x, y);
    held.set(event.pointerId, [x, y]);
    moved = false;
    start = {x, from: lanes.from, to: lanes.to, found};
    if (found?.edge != null && held.size === 1) lanes.drag = {item: found.item, edge: found.edge, to: found.edge, ...bounds(found)};
  });
  canvas.addEventListener("pointermove", event => {
    const [x, y] = place(event), before = held.get(event.pointerId);
    if (!before) {
      canvas.style.cursor = lanes.at(x, y)?.edge != null ? "ew-resize" : "crosshair";
      return;
    }
    if (held.size === 2) { // pinch
      const [other] = [...held].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
      const [old, now] = [Math.abs(before[0] - other[0]), Math.abs(x - other[0])];
      if (old > 10 && now > 10) lanes.zoom(old / now, (x + other[0]) / 2);
      lanes.drag = null;
      moved = true;
    } else if (lanes.drag) {
      moved ||= Math.abs(x - start.x) > 2;
      const {drag} = lanes, to = Math.round(drag.edge + (x - start.x) / lanes.width * (lanes.to - lanes.from));
      if (moved) drag.to = Math.min(Math.max(to, drag.least), drag.most);
      lanes.draw();
      if (moved) on.drag(drag);
    } else if (moved || Math.abs(x - start.x) > 4) {
      moved = true;
      const by = (start.x - x) / lanes.width * (start.to - start.from);
      lanes.show(start.from + by, start.to + by);
    }
    held.set(event.pointerId, [x, y]);
  });
  const end = event => {
    if (!held.delete(event.pointerId) || held.size) return;
    const {drag} = lanes;
    lanes.drag = null;
    if (event.type === "pointercancel") lanes.draw();
    else if (drag && moved) on.move(drag);
    else if (!moved && start.found) on.click(start.found);
  };
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
  canvas.addEventListener("wheel", event => {
    event.preventDefault();
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) lanes.pan((event.deltaX || event.deltaY) / lanes.width);
    else lanes.zoom(Math.exp(event.deltaY * WHEEL), place(event)[0]);
  }, {passive: false});
}

// Between which times an edge may go.
function bounds({state, edge}) {
  const after = state.segments.findIndex(segment => segment[0] === edge);
  return {least: state.segments[after - 1][0] + 10, most: state.segments[after][1] - 10};
}

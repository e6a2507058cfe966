// The page: keys, buttons, the queue, and what is told of the chosen segment.
import {Store} from "/store.js";
import {Lanes, segmentAt} from "/lanes.js";
import {Player, listen} from "/player.js";
import {Clock, lasting} from "/clock.js";

const get = id => document.getElementById(id);
const SPANS = {everything: 0, "a week": 6048e5, "a day": 864e5, "an hour": 36e5, "10 minutes": 6e5, "a minute": 6e4, "10 seconds": 1e4, "a second": 1e3};

const store = new Store(), clock = new Clock();
let lanes, player, chosen = null, cursor = null;

const say = text => { get("message").textContent = text ?? ""; };
const stateOf = item => store.state(item.number);
const current = () => chosen && stateOf(chosen.item)?.segments.find(segment => segment[0] === chosen.onset);
const classOf = label => store.classes.find(each => each.label === label);

function describe(item, segment) {
  const [from, to] = segment.map(ms => clock.text(item.begin + ms));
  const sure = segment[3] ? "a person decided" : segment[4] === null ? "" : `${Math.round(100 * segment[4])} % sure`;
  return [classOf(item.labels[segment[2]]).name, `${from} to ${to}`, `${lasting(segment[1] - segment[0])} long`, sure, item.name].filter(Boolean).join(" · ");
}

function tell() {
  const segment = current(), state = chosen && stateOf(chosen.item);
  if (segment) {
    const at = cursor?.item === chosen.item && cursor.ms !== chosen.onset ? ` · cursor ${clock.text(cursor.item.begin + cursor.ms)}` : "";
    get("told").textContent = describe(chosen.item, segment) + at;
  }
  get("undo").disabled = !state?.undo;
  get("redo").disabled = !state?.redo;
  get("reviewed").setAttribute("aria-pressed", Boolean(state?.reviewed));
  get("reviewed").title = state?.reviewed ? `by ${state.reviewed.join(", ")}` : "";
  get("outdated").hidden = !state?.outdated;
  if (state?.problem) say(state.problem);
  for (const button of get("queue").querySelectorAll("button")) {
    button.setAttribute("aria-current", Boolean(chosen) && button.dataset.place === `${chosen.item.number}:${chosen.onset}`);
  }
  remember();
}

function choose(item, onset, ms = onset) {
  chosen = {item, onset};
  cursor = {item, ms};
  Object.assign(lanes, {chosen, cursor});
  tell();
  lanes.draw();
}

// After a change from elsewhere the chosen segment may begin at another time.
function settle() {
  if (chosen && !current()) {
    const state = stateOf(chosen.item);
    if (!state) return;
    chosen.onset = segmentAt(state.segments, Math.min(cursor?.item === chosen.item ? cursor.ms : chosen.onset, chosen.item.length - 1))[0];
    lanes.chosen = chosen;
  }
  tell();
  lanes.draw();
}

function reveal() {
  const segment = current();
  if (segment) lanes.reveal(chosen.item.begin + segment[0], chosen.item.begin + segment[1]);
}

function hear(item, ms) { say(player.play(item, ms)); }

async function send(order, then) {
  if (!chosen) return say("no segment is chosen; press N, or click into the timeline");
  if (await store.change(chosen.item.number, order)) then?.();
  settle();
}

async function step(by) {
  if (!chosen) return next();
  const {item} = chosen, {segments} = await store.load(item.number);
  const at = segments.findIndex(segment => segment[0] === chosen.onset) + by;
  const items = store.lanes.find(lane => lane.items.includes(item)).items;
  const other = items[items.indexOf(item) + by];
  if (segments[at]) choose(item, segments[at][0]);
  else if (other) choose(other, (await store.load(other.number)).segments.at(by > 0 ? 0 : -1)[0]);
  reveal();
}

async function otherLane(by) {
  const at = store.lanes.findIndex(lane => lane.items.includes(chosen?.item)), lane = store.lanes[at + by];
  if (!chosen || !lane) return;
  const time = chosen.item.begin + cursor.ms;
  const item = lane.items.findLast(each => each.begin <= time) ?? lane.items[0];
  const ms = Math.min(Math.max(time - item.begin, 0), item.length - 1);
  choose(item, segmentAt((await store.load(item.number)).segments, ms)[0], ms);
  reveal();
}

async function next() {
  const {doubts} = store.queue, key = chosen && `${chosen.item.number}:${chosen.onset}`;
  const at = doubts.findIndex(([, , number, onset]) => `${number}:${onset}` === key);
  const found = doubts[(at + 1) % doubts.length];
  if (!found) return say("no segment is doubtful any more");
  const item = store.items[found[2]];
  await store.load(item.number);
  choose(item, found[3]);
  reveal();
}

function moveCursor(by) {
  if (!cursor) return;
  const ms = Math.min(Math.max(cursor.ms + by, 0), cursor.item.length - 1);
  choose(cursor.item, segmentAt(stateOf(cursor.item).segments, ms)[0], ms);
  const time = cursor.item.begin + ms;
  if (time < lanes.from || time > lanes.to) lanes.reveal(time - 1, time + 1);
}

const ACTIONS = {
  " ": () => player.isPlaying ? player.stop() : chosen ? hear(chosen.item, chosen.onset) : next(),
  p: () => cursor && hear(cursor.item, cursor.ms),
  Enter: () => send({do: "confirm", at: chosen?.onset}),
  n: () => next(),
  s: () => send({do: "split", at: cursor?.ms}, () => choose(cursor.item, cursor.ms)),
  m: () => send({do: "merge", at: chosen?.onset}),
  u: () => send({do: "undo"}), U: () => send({do: "redo"}), y: () => send({do: "redo"}),
  r: () => send({do: "reviewed", value: !stateOf(chosen.item).reviewed}),
  "[": () => send({do: "move", edge: chosen?.onset, to: cursor?.ms}),
  "]": () => send({do: "move", edge: current()?.[1], to: cursor?.ms}),
  ArrowLeft: () => step(-1), ArrowRight: () => step(1), ArrowUp: () => otherLane(-1), ArrowDown: () => otherLane(1),
  ",": () => moveCursor(-100), ".": () => moveCursor(100), "<": () => moveCursor(-1000), ">": () => moveCursor(1000),
  ";": () => moveCursor(-1000), ":": () => moveCursor(1000),
  "+": () => lanes.zoom(.5), "-": () => lanes.zoom(2), "=": () => lanes.zoom(.5), 0: () => lanes.show(store.from, store.to),
  f: () => { const s = current(), b = chosen?.item.begin; s && lanes.show(b + 2 * s[0] - s[1], b + 2 * s[1] - s[0]); },
  "?": () => get("help").showModal(),
};

function relabel(place) {
  const {label} = store.classes[place] ?? {};
  if (label && chosen?.item.labels.includes(label)) return send({do: "relabel", at: chosen.onset, label});
  if (label) say(chosen ? "the results of this recording have no such class" : "no segment is chosen; press N, or click into the timeline");
}

// What is done waits for what was asked before: a digit right after N is meant for the segment that N brings.
let turn = Promise.resolve();

function inTurn(action) {
  turn = turn.then(action).catch(error => setTimeout(() => { throw error; }));
}

function act(key) {
  inTurn(() => {
    if (key === "r" && !chosen) return say("no recording is chosen; click into the timeline");
    return /^[1-9]$/.test(key) ? relabel(+key - 1) : ACTIONS[key]?.();
  });
}

document.addEventListener("keydown", event => {
  const {target} = event, ctrl = event.ctrlKey || event.metaKey;
  if (!lanes || get("help").open || target.matches("input, select") || event.altKey) return;
  if (target.matches("button") && (event.key === " " || event.key === "Enter")) return;
  let key = event.key.length === 1 && event.key !== "U" ? event.key.toLowerCase() : event.key;
  if (ctrl) key = {z: event.shiftKey ? "U" : "u", y: "U"}[key.toLowerCase()];
  if (!key || (!(key in ACTIONS) && !/^[1-9]$/.test(key))) return;
  event.preventDefault();
  act(key);
});

function showQueue() {
  const {doubts, all} = store.queue;
  get("left").textContent = all;
  get("order").textContent = doubts[0]?.[0] === 0 ? "least sure first" : doubts.length ? "shortest first; the results tell no confidence" : "none is left";
  get("queue").replaceChildren(...doubts.slice(0, 40).map(([kind, value, number, onset, label]) => {
    const item = store.items[number], row = document.createElement("li"), button = document.createElement("button");
    const detail = document.createElement("small");
    button.style.borderLeftColor = classOf(label).colour;
    detail.textContent = `${item.station || item.name} · ${classOf(label).name} · ${kind ? lasting(1000 * value) : `${Math.round(100 * value)} % sure`}`;
    button.append(clock.text(item.begin + onset, true), detail);
    button.dataset.place = `${number}:${onset}`;
    button.addEventListener("click", () => inTurn(async () => { await store.load(number); choose(item, onset); reveal(); hear(item, onset); }));
    row.append(button);
    return row;
  }));
  tell();
}

function showProgress() {
  get("progress").textContent = store.waveforms ? `waveforms: ${store.waveforms} recordings to go` : "";
}

// A reload comes back to the same place.
function remember() {
  clearTimeout(remember.timer);
  const parts = [lanes.from, lanes.to, chosen?.item.number, chosen?.onset, cursor?.ms];
  remember.timer = setTimeout(() => history.replaceState(null, "", `#${parts.map(part => part === undefined ? "" : Math.round(part)).join(",")}`), 200);
}

async function recall() {
  const [from, to, number, onset, ms] = location.hash.slice(1).split(",").map(text => text === "" ? NaN : +text);
  if (to > from) lanes.show(from, to); else lanes.show(store.from, store.to);
  const item = store.items[number];
  if (!item || !(onset >= 0)) return;
  await store.load(number);
  choose(item, onset, ms >= 0 ? ms : onset);
  settle();
}

function wire() {
  get("classes").append(...store.classes.slice(0, 9).map((each, place) => {
    const button = document.createElement("button"), key = document.createElement("kbd");
    key.textContent = place + 1;
    button.append(`${each.name} `, key);
    button.type = "button";
    button.dataset.key = place + 1;
    button.style.borderLeftColor = each.colour;
    return button;
  }));
  for (const button of document.querySelectorAll("[data-key]")) button.addEventListener("click", () => act(button.dataset.key));
  get("help-open").addEventListener("click", () => act("?"));
  get("in").addEventListener("click", () => lanes.zoom(.5));
  get("out").addEventListener("click", () => lanes.zoom(2));
  get("back").addEventListener("click", () => lanes.pan(-.8));
  get("on").addEventListener("click", () => lanes.pan(.8));
  get("keep").addEventListener("click", () => send({do: "keep"}));
  get("restart").addEventListener("click", () => send({do: "restart"}));
  get("span").append(...Object.keys(SPANS).map(name => new Option(name)));
  get("span").addEventListener("change", ({target}) => {
    const span = SPANS[target.value], at = cursor ? cursor.item.begin + cursor.ms : (lanes.from + lanes.to) / 2;
    if (span === 0) lanes.show(store.from, store.to); else if (span) lanes.show(...clock.around(at, span));
    target.value = "";
    get("lanes").focus();
  });
  get("who").value = store.reviewer = sessionStorage.getItem("who") || store.reviewer;
  get("who").addEventListener("change", ({target}) => {
    target.value = store.reviewer = target.value.trim() || store.reviewer;
    sessionStorage.setItem("who", store.reviewer);
  });
  listen(lanes, {
    click: ({item, ms, segment}) => { if (segment) { choose(item, segment[0], ms); hear(item, ms); } },
    drag: ({item, to}) => { get("told").textContent = `edge at ${clock.text(item.begin + to)}`; },
    move: ({item, edge, to}) => {
      chosen = {item, onset: to};
      cursor = {item, ms: to};
      Object.assign(lanes, {chosen, cursor});
      if (edge !== to) send({do: "move", edge, to}); else settle();
    },
  });
}

store.addEventListener("problem", ({detail}) => say(detail));
try {
  await store.open();
  clock.set(store.hasClock ? store.zone : null);
  lanes = new Lanes(get("lanes"), store, clock);
  lanes.onshow = remember;
  player = new Player(get("audio"), store, say);
  player.onmove = place => { lanes.playing = place; lanes.draw(); };
  wire();
  showQueue();
  await recall();
  store.addEventListener("change", settle);
  store.addEventListener("draw", () => lanes.draw());
  store.addEventListener("queue", showQueue);
  store.addEventListener("progress", showProgress);
  get("lanes").focus({preventScroll: true});
  document.body.dataset.ready = "";
} catch (error) { say(error.message); }

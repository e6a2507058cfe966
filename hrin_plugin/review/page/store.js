// What the server knows, as far as this window needs it.

const MOST = 300; // recordings or tiles of one request
const POLL_MS = 1500;

async function ask(path, options) {
  const answer = await fetch(path, options);
  if (answer.status === 403) throw new Error("this window is no longer known; open the address that 'hrin review' printed");
  return answer;
}

async function read(path) {
  const answer = await ask(path);
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.problem);
  return content;
}

export class Store extends EventTarget {
  #states = new Map(); // number to state
  #wanted = new Set();
  #tiles = new Map(); // key to Int8Array, or null while it is on its way
  #tilesWanted = new Map(); // level to keys
  #fine = new Map();
  #order = Promise.resolve();

  async open() {
    Object.assign(this, await read("/library"));
    const timed = this.items.filter(item => item.start !== null);
    let next = timed.length ? Math.min(...timed.map(item => item.start)) : 0;
    this.hasClock = timed.length > 0;
    this.items.forEach((item, number) => {
      item.number = number;
      if (item.start === null) { item.begin = next; next += item.length; item.lane = this.hasClock ? "without time" : ""; }
      else { item.begin = item.start; item.lane = item.station; }
      item.end = item.begin + item.length;
    });
    this.lanes = [...new Set(this.items.map(item => item.lane))]
      .map(name => ({name, items: this.items.filter(item => item.lane === name).sort((a, b) => a.begin - b.begin)}));
    this.from = Math.min(...this.items.map(item => item.begin));
    this.to = Math.max(...this.items.map(item => item.end));
    await this.refreshQueue();
    setTimeout(() => this.#poll(), POLL_MS);
  }

  #tell(name, detail) { this.dispatchEvent(new CustomEvent(name, {detail})); }
  #fail(error) { this.#tell("problem", error.message === "Failed to fetch" ? "the server does not answer; is 'hrin review' still running?" : error.message); }

  // The state of a recording, or undefined until it is there.
  state(number) {
    if (!this.#states.has(number) && !this.#wanted.has(number)) {
      if (!this.#wanted.size) setTimeout(() => this.#fetchStates());
      this.#wanted.add(number);
    }
    return this.#states.get(number);
  }

  async load(number) {
    if (!this.#states.has(number)) this.#keep(await read(`/segments?numbers=${number}`));
    return this.#states.get(number);
  }

  async #fetchStates() {
    const numbers = [...this.#wanted];
    try {
      for (let at = 0; at < numbers.length; at += MOST) {
        this.#keep(await read(`/segments?numbers=${numbers.slice(at, at + MOST)}`));
      }
    } catch (error) { this.#fail(error); }
    this.#wanted.clear();
    this.#tell("change");
  }

  #keep(states) {
    for (const [number, state] of Object.entries(states)) {
      this.#states.set(+number, state);
      this.items[number].reviewed = state.reviewed;
    }
    this.#tell("change");
  }

  // A tile of a waveform, or undefined until it is there.
  tile(number, level, tile) {
    const key = `${level}/${number}:${tile}`, found = this.#tiles.get(key);
    if (found) return found;
    if (found === undefined) {
      if (!this.#tilesWanted.size) setTimeout(() => this.#fetchTiles());
      this.#tilesWanted.set(level, [...(this.#tilesWanted.get(level) ?? []), `${number}:${tile}`]);
      this.#tiles.set(key, null);
    }
  }

  async #fetchTiles() {
    const wanted = this.#tilesWanted;
    this.#tilesWanted = new Map();
    try {
      for (const [level, keys] of wanted) {
        for (let at = 0; at < keys.length; at += MOST) {
          const found = await read(`/peaks?level=${level}&tiles=${keys.slice(at, at + MOST)}`);
          for (const [key, text] of Object.entries(found)) {
            if (text !== null) this.#tiles.set(`${level}/${key}`, Int8Array.from(atob(text), letter => letter.charCodeAt(0)));
          }
        }
      }
    } catch (error) { this.#fail(error); }
    this.#tell("draw");
  }

  // A waveform of a millisecond a bucket, or undefined until it is there.
  fine(number, from, to) {
    const key = `${number}:${from}`;
    if (!this.#fine.has(key)) {
      this.#fine.set(key, undefined);
      ask(`/fine/${number}?from=${from}&to=${to}`)
        .then(async answer => {
          if (answer.ok) this.#fine.set(key, new Int8Array(await answer.arrayBuffer()));
          if (this.#fine.size > 200) this.#fine.delete(this.#fine.keys().next().value);
          this.#tell("draw");
        }, error => this.#fail(error));
    }
    return this.#fine.get(key);
  }

  // Changes are sent one after another, each with the revision that the window sees.
  change(number, order) {
    const sent = this.#order.then(() => this.#send(number, order));
    this.#order = sent.catch(() => {});
    return sent;
  }

  async #send(number, order) {
    const revision = (await this.load(number)).revision;
    const body = JSON.stringify({...order, number, revision, who: this.reviewer});
    try {
      const answer = await ask("/change", {method: "POST", headers: {"Content-Type": "application/json"}, body});
      const content = await answer.json();
      if (content.state) this.#keep({[number]: content.state});
      this.#tell("problem", content.problem ?? "");
      if (answer.ok || answer.status === 409) await this.refreshQueue();
      return answer.ok;
    } catch (error) { this.#fail(error); return false; }
  }

  async refreshQueue() {
    this.queue = await read("/queue");
    this.#tell("queue");
  }

  async #poll() {
    try {
      const told = await read(`/news?since=${this.news}`);
      this.news = told.news;
      const known = told.changed.filter(number => this.#states.has(number));
      for (let at = 0; at < known.length; at += MOST) {
        this.#keep(await read(`/segments?numbers=${known.slice(at, at + MOST)}`));
      }
      if (told.changed.length) await this.refreshQueue();
      if (told.waveforms || this.waveforms) { // those that were missing may be there now
        for (const [key, tile] of this.#tiles) if (tile === null) this.#tiles.delete(key);
        this.#tell("draw");
      }
      if (this.waveforms !== told.waveforms) { this.waveforms = told.waveforms; this.#tell("progress"); }
      if (this.silent) { this.silent = false; this.#tell("problem", ""); }
    } catch (error) { this.silent = true; this.#fail(error); }
    setTimeout(() => this.#poll(), POLL_MS);
  }
}

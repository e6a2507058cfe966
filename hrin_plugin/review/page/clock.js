// Times for people: by the clock of the recordings' zone, or from the beginning where that is not known.

const two = number => String(number).padStart(2, "0");

// A length in words.
export function lasting(ms) {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${(ms / 1000).toFixed(1)} s`;
  const hours = Math.floor(seconds / 3600), rest = `${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return hours ? `${hours}:${rest} h` : `${rest} min`;
}

export class Clock {
  set(zone) {
    this.format = zone && new Intl.DateTimeFormat("en-GB", {timeZone: zone, hourCycle: "h23", weekday: "short", year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit"});
  }

  #parts(time) {
    if (!this.format) {
      const seconds = Math.floor(time / 1000);
      return {hour: Math.floor(seconds / 3600), minute: two(Math.floor(seconds / 60) % 60), second: two(seconds % 60)};
    }
    return Object.fromEntries(this.format.formatToParts(time).map(({type, value}) => [type, value]));
  }

  // How far the zone's clock is ahead of UTC.
  #offset(time) {
    if (!this.format) return 0;
    const p = this.#parts(time), whole = Math.floor(time / 1000) * 1000;
    return Date.UTC(p.year, p.month - 1, p.day, p.hour, p.minute, p.second) - whole;
  }

  text(time, short = false) {
    time = Math.round(time);
    const p = this.#parts(time), ms = short ? "" : `.${String(((time % 1000) + 1000) % 1000).padStart(3, "0")}`;
    const day = this.format ? `${p.year}-${p.month}-${p.day} ` : "";
    return `${day}${p.hour}:${p.minute}:${p.second}${ms}`;
  }

  // Label of a tick of the axis.
  tick(time, step) {
    const p = this.#parts(time), clock = `${p.hour}:${p.minute}`;
    if (step < 1000) return `${clock}:${p.second}.${String(Math.round(time) % 1000).padStart(3, "0")}`;
    if (step < 60_000) return `${clock}:${p.second}`;
    const isMidnight = this.format && p.hour === "00" && p.minute === "00";
    return isMidnight || (this.format && step >= 864e5) ? `${p.weekday} ${p.month}-${p.day}` : clock;
  }

  // The times between two at which the local clock shows whole steps.
  *ticks(from, to, step) {
    for (let at = from; at <= to + step; at += step) {
      const offset = this.#offset(at), tick = Math.ceil((at + offset) / step) * step;
      const time = tick - this.#offset(tick - offset);
      if (time >= from && time <= to) yield time;
    }
  }

  // A span around a time; a day is the local one.
  around(time, span) {
    if (span !== 864e5 && span !== 36e5) return [time - span / 2, time + span / 2];
    const offset = this.#offset(time), begin = Math.floor((time + offset) / span) * span - offset;
    return [begin, begin + span];
  }
}

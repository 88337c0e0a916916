/* How long somebody has been looking, and what other tabs of theirs hold. */

const PAUSE_ENDS_SESSION_MS = 10 * 60_000;
const TICK_MS = 15_000;
const TAB_FORGOTTEN_MS = 3 * 60_000;
const MINUTE_MS = 60_000;

const read = (store, name) => {
  try {
    return JSON.parse(store.getItem(name) ?? "null");
  } catch {
    return null;
  }
};
const write = (store, name, value) => {
  try {
    store.setItem(name, JSON.stringify(value));
  } catch {
    /* a browser that keeps nothing */
  }
};

/* Time since the first vote after a pause; once it is long, a pause is suggested, never forced. */
export class Session {
  constructor(root, { minutes, fill }) {
    this.clock = root.querySelector("[data-clock]");
    this.pause = root.querySelector("[data-pause]");
    this.fill = fill;
    this.limit = minutes;
    this.seenAt = Date.now();
    this.said = 0;
    this.pause.querySelector("[data-pause-over]").addEventListener("click", () => this.#goOn());
    setInterval(() => this.#draw(), TICK_MS);
    this.#draw();
  }

  /* Somebody is here. */
  isHere() {
    this.seenAt = Date.now();
  }

  worked() {
    const now = Date.now();
    const kept = read(sessionStorage, "vitrine-session");
    const from = kept && now - kept.last < PAUSE_ENDS_SESSION_MS ? kept.from : now;
    write(sessionStorage, "vitrine-session", { from, last: now });
    this.#draw();
  }

  get minutes() {
    const kept = read(sessionStorage, "vitrine-session");
    const isOn = kept && Date.now() - kept.last < PAUSE_ENDS_SESSION_MS;
    return isOn ? Math.floor((Date.now() - kept.from) / MINUTE_MS) : 0;
  }

  #draw() {
    const { minutes } = this;
    this.clock.hidden = minutes < 1;
    this.clock.textContent = this.fill("minutes", { n: minutes });
    const isDue = this.limit > 0 && minutes >= this.limit + this.said;
    if (!isDue || !this.pause.hidden) return;
    this.pause.querySelector("p").textContent = this.fill("pause", { n: minutes });
    this.pause.hidden = false;
  }

  #goOn() {
    this.said = this.minutes;
    this.pause.hidden = true;
  }
}

/* Assignments held by other tabs of this browser, so that two tabs show different pictures. A page that is
   loaded again is the same tab; the farewell of the page before it may come late and then means nothing. */
export class Tabs {
  constructor(user) {
    this.store = `vitrine-label-tabs-${user}`;
    this.page = Math.random().toString(36).slice(2);
    this.me = read(sessionStorage, "vitrine-tab") ?? this.page;
    write(sessionStorage, "vitrine-tab", this.me);
  }

  #all() {
    const since = Date.now() - TAB_FORGOTTEN_MS;
    return Object.entries(read(localStorage, this.store) ?? {}).filter(([, tab]) => tab.at >= since);
  }

  others() {
    return this.#all().filter(([name]) => name !== this.me).flatMap(([, tab]) => tab.holds);
  }

  hold(assignments) {
    const mine = { at: Date.now(), page: this.page, holds: assignments };
    write(localStorage, this.store, { ...Object.fromEntries(this.#all()), [this.me]: mine });
  }

  leave() {
    const rest = this.#all().filter(([, tab]) => tab.page !== this.page);
    write(localStorage, this.store, Object.fromEntries(rest));
  }
}

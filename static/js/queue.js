/* The pictures ahead: leased, fetched and decoded before anybody asks for them. The first of them is on the
   stage. A vote that is sent brings the next ones along; only an empty stock asks by itself.

   ``Asker`` is how every page of answers (Label, Compare, Grid) asks for more. */

import { post, read, write } from "./journal.js";

const ASK_AGAIN_MS = 20_000; // after nothing was left
const TRY_AGAIN_MS = 3_000; // after no answer came
const KNOWN_AGAIN_MS = 300;
const MOST_NAMED = 200;
const TAB_FORGOTTEN_MS = 3 * 60_000;
const ASKING_KINDS = new Set(["submit", "skip"]);

/* Asks for what comes next: one question at a time, none while answers wait to be sent, again a while after
   silence or after nothing was left. ``wish()`` is the question, null for none; ``take(data)`` keeps what came
   and says whether anything did. */
export class Asker {
  constructor({ url, csrf, journal, wish, take, onChange }) {
    Object.assign(this, { url, csrf, journal, wish, take, onChange });
    this.nothing = null; // why nothing came, if nothing did
    this.isAsking = false;
    this.isAway = false; // nobody answered the last time
    this.quietUntil = 0;
  }

  get isQuiet() {
    return Date.now() < this.quietUntil;
  }

  /* The wish, for an answer that is sent anyway to bring the next along; nothing while a question is out. */
  get asides() {
    const next = !this.isAsking && this.wish();
    return next ? { next } : {};
  }

  async topUp() {
    const wish = this.wish();
    if (this.isAsking || !wish || this.journal.waiting.length) return;
    this.isAsking = true;
    try {
      const { ok, status, data } = await post(this.url, wish, this.csrf);
      if (ok) this.came(data);
      else if (status === 401) this.#later("signedOut");
      else if (data.code === "other_person") this.#later("otherPerson");
      else if (status < 500 && status !== 429) this.came({ nothing: data });
      else this.#later("");
    } catch {
      this.#later("");
    } finally {
      this.isAsking = false;
    }
    this.onChange();
  }

  #later(trouble) {
    this.isAway = true;
    if (trouble) this.journal.troubled(trouble);
    this.askIn(TRY_AGAIN_MS);
  }

  askIn(ms) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.topUp(), ms);
  }

  came(data) {
    this.isAway = false;
    this.journal.troubled("");
    if (this.take(data) || !data.nothing) return;
    this.nothing = data.nothing;
    this.quietUntil = Date.now() + ASK_AGAIN_MS;
    this.askIn(ASK_AGAIN_MS + 100);
  }
}

export class Queue {
  constructor({ config, csrf, journal, onChange, onLost }) {
    Object.assign(this, { config, csrf, journal, onChange, onLost });
    this.entries = []; // {card, img, isReady, isBroken, answer}
    this.tabs = new Tabs(config.user);
    this.asker = new Asker({
      url: config.urls.next,
      csrf,
      journal,
      wish: () => this.wish,
      take: (data) => this.#came(data),
      onChange,
    });
  }

  get nothing() {
    return this.asker.nothing;
  }

  get isAway() {
    return this.asker.isAway;
  }

  get first() {
    return this.entries[0];
  }

  get assignments() {
    return this.entries.map(({ card }) => card.assignment);
  }

  get unsent() {
    return this.journal.waiting.map((record) => record.body.assignment).filter(Boolean);
  }

  /* What must not come again: at hand, voted on but not sent yet, or in another tab. */
  get holding() {
    return [...new Set([...this.assignments, ...this.unsent, ...this.tabs.others()])];
  }

  /* How many pictures to ask for, and which not; null when none are wanted now. */
  get wish() {
    const count = this.config.ahead + 1 - this.entries.length;
    if (count <= 0 || this.asker.isQuiet) return null;
    const { project, user } = this.config;
    return { count, holding: this.holding.slice(0, MOST_NAMED), project, rater: user };
  }

  has(assignment) {
    return this.assignments.includes(assignment);
  }

  /* A vote or skip on its way asks for the next pictures in the same breath. */
  asksWith(record) {
    return ASKING_KINDS.has(record.kind) ? this.asker.asides : {};
  }

  topUp() {
    return this.asker.topUp();
  }

  /* What the server sent, along with a vote or for the asking. */
  came(data) {
    this.asker.came(data);
    this.onChange();
  }

  #came({ cards = [] }) {
    const before = this.entries.length;
    this.take(cards);
    // Some, or all, may be known already, from another tab that was a moment quicker: ask for the rest.
    if (cards.length) this.asker.askIn(this.entries.length > before ? 0 : KNOWN_AGAIN_MS);
    return cards.length > 0;
  }

  take(cards, drawn = null) {
    const known = new Set(this.holding);
    const fresh = cards.filter((card) => !known.has(card.assignment));
    if (fresh.length) this.asker.nothing = null;
    this.#set([...this.entries, ...fresh.map((card) => this.entryOf(card, drawn))]);
  }

  shift() {
    this.#set(this.entries.slice(1));
  }

  unshift(entry) {
    this.#set([entry, ...this.entries]);
  }

  drop(assignments) {
    const { first } = this;
    this.#set(this.entries.filter((entry) => !assignments.includes(entry.card.assignment)));
    if (first && first !== this.first) this.onLost();
    this.topUp();
  }

  #set(entries) {
    this.entries = entries;
    this.tabs.hold(this.assignments);
    this.onChange();
  }

  entryOf(card, drawn = null, answer = null) {
    const img = drawn ?? Object.assign(new Image(card.width, card.height), { draggable: false, alt: card.title });
    const entry = { card, img, isReady: false, isBroken: false, answer };
    if (!drawn) img.src = card.picture;
    img.decode().catch(() => undefined).then(() => {
      entry.isReady = img.complete && img.naturalWidth > 0;
      entry.isBroken = !entry.isReady;
      if (entry === this.first) this.onChange();
    });
    return entry;
  }

  /* The heartbeat. Pictures that went to somebody else meanwhile leave. */
  async extend() {
    const { assignments } = this;
    if (!assignments.length) return;
    this.tabs.hold(assignments);
    try {
      const { ok, data } = await post(
        this.config.urls.extend, { assignments, rater: this.config.user }, this.csrf,
      );
      if (!ok) return;
      this.until = data.until;
      const lost = assignments.filter((assignment) => !data.held.includes(assignment));
      if (lost.length) this.drop(lost);
    } catch {
      /* offline: a vote that comes late is taken as long as nobody else has the picture */
    }
  }

  /* The page closes: others may have what is not voted on. What the same tab, loaded again, has leased anew
     by the time this arrives ends later than ``until`` and stays. */
  release() {
    this.tabs.leave();
    const unsent = new Set(this.unsent);
    const rest = this.entries.filter(({ card }) => !unsent.has(card.assignment));
    if (!rest.length) return;
    const body = new URLSearchParams({ csrfmiddlewaretoken: this.csrf(), rater: this.config.user });
    for (const { card } of rest) body.append("assignments", card.assignment);
    body.append("until", [this.until ?? "", ...rest.map(({ card }) => card.lease_until)].sort().at(-1));
    navigator.sendBeacon(this.config.urls.release, body);
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

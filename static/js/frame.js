/* What stands around the picture: whether everything is saved, how far the day is and how long it has been,
   a hint, and what a screen reader is told. */

import { read, write } from "./journal.js";

const PAUSE_ENDS_SESSION_MS = 10 * 60_000;
const TICK_MS = 15_000;
const MINUTE_MS = 60_000;
const HINT_MS = 4_000;
const FLASH_MS = 180;
const WAITING_SHOWN_AFTER_MS = 600; // what is sent within a blink never shows as waiting
const WORDS_OF = {
  saved: () => "saved",
  waiting: () => "waiting",
  offline: (n) => (n ? "offlineWaiting" : "offline"),
  signedOut: (n) => (n ? "signedOut" : ""),
  otherPerson: (n) => (n ? "otherPerson" : ""),
};
const NEEDS_LOGIN = new Set(["signedOut", "otherPerson"]);

export class Frame {
  constructor(root, { words, fill, login }) {
    Object.assign(this, { root, words, fill, login });
    this.state = root.querySelector("[data-state]");
    this.hinted = root.querySelector("[data-hint]");
    this.said = root.querySelector("[data-says]");
    this.progress = root.querySelector("[data-progress-words]");
    this.bar = root.querySelector("[data-progress-bar]");
  }

  /* Saved, waiting, or cut off; always told, and told aloud when it goes wrong. */
  drawState(journal) {
    const { trouble, waiting } = journal;
    this.state.dataset.waiting = waiting.length;
    clearTimeout(this.stateTimer);
    const isBlink = waiting.length && !trouble && this.state.dataset.state === "saved";
    if (isBlink) this.stateTimer = setTimeout(() => this.#sayState(journal), WAITING_SHOWN_AFTER_MS);
    else this.#sayState(journal);
    if (trouble && trouble !== this.trouble) this.say(this.state.textContent);
    this.trouble = trouble;
  }

  #sayState({ trouble, waiting, store }) {
    const n = waiting.length;
    const name = trouble || (n ? "waiting" : "saved");
    const word = WORDS_OF[name](n);
    this.state.textContent = word && this.fill(word, { n });
    this.state.dataset.state = name;
    this.state.title = store && !store.isLasting ? this.words.notKept : "";
    this.state.hidden = false;
    if (NEEDS_LOGIN.has(name)) this.state.append(" ", this.#loginLink());
  }

  /* In a tab of its own: this one keeps what waits and sends it as soon as the login is there. */
  #loginLink() {
    const link = document.createElement("a");
    link.href = `${this.login}?next=${encodeURIComponent(location.pathname)}`;
    link.target = "_blank";
    link.textContent = this.words.logIn;
    return link;
  }

  /* One vote more or less. */
  count(by) {
    const done = Math.max(0, Number(this.progress.dataset.done) + by);
    const left = Math.max(0, Number(this.progress.dataset.left) - by);
    Object.assign(this.progress.dataset, { done, left });
    const digits = new Intl.NumberFormat(document.documentElement.lang);
    this.progress.textContent = this.fill("today", { done: digits.format(done), all: digits.format(done + left) });
    [this.bar.max, this.bar.value] = [Math.max(1, done + left), done];
  }

  /* The button of a key answers, since the picture has gone by then. */
  flash(name) {
    const button = this.root.querySelector(`[data-does="${name}"]`);
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    button?.animate([{ filter: "invert(1)" }, { filter: "none" }], { duration: FLASH_MS });
  }

  hint(word, values) {
    this.hinted.textContent = this.fill(word, values);
    this.hinted.hidden = false;
    clearTimeout(this.hintTimer);
    this.hintTimer = setTimeout(() => (this.hinted.hidden = true), HINT_MS);
    this.say(this.hinted.textContent);
  }

  say(text) {
    this.said.textContent = text;
  }

  sayWord(word, values) {
    this.say(this.fill(word, values));
  }
}

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

/* The Label page: one key, no wait, nothing lost.

   Pictures are leased and decoded ahead, so the next one is on the stage in the frame after the key. An
   answer goes into the journal (journal.js) and is sent from there; the vote that is sent brings the next
   pictures along. Without this script the page is a plain form that does the same, one page a vote. */

import { Journal, newKey, post } from "./journal.js";
import { KeyList, Keys, keyName } from "./keys.js";
import { Panel } from "./panel.js";
import { Session, Tabs } from "./session.js";
import { Stage } from "./stage.js";

const TOO_SOON_MS = 100; // a key that bounces must not rate a picture nobody has seen
const HEARTBEAT_MS = 60_000;
const ASK_AGAIN_MS = 20_000;
const HINT_MS = 4_000;
const WAITING_SHOWN_AFTER_MS = 600;
const UNDO_KEPT = 100;

const config = JSON.parse(document.getElementById("label-config").textContent);
const { words } = config;
const fill = (word, values = {}) => words[word].replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");

class Label {
  constructor(root) {
    this.root = root;
    this.queue = []; // {card, img, isReady, isBroken, answer}; the first is on the stage
    this.given = config.votes
      .map((vote) => ({ kind: "submit", key: vote.key, rating: vote.rating, entry: null }))
      .reverse(); // what undo walks back through, newest last
    this.nothing = null;
    this.quietUntil = 0;
    this.form = root.querySelector("[data-form]");
    this.keys = new Keys({ store: "vitrine-keys", space: words.space });
    this.panel = new Panel(root.querySelector("[data-panel]"), { words, fill });
    this.stage = new Stage(root.querySelector("[data-stage]"), { words, onSwipe: (way) => this.swiped(way) });
    this.tabs = new Tabs(config.user);
    this.session = new Session(root, { minutes: config.sessionMinutes, fill });
    this.journal = new Journal({
      user: config.user,
      csrf: this.csrf,
      asks: (record) => this.asksWith(record),
      tell: (what, record, data) => this.heard(what, record, data),
    });
    this.keyList = new KeyList({
      dialog: document.querySelector("[data-keys]"),
      keys: this.keys,
      actions: config.actions,
      words,
      fill,
      onChange: () => this.drawCaps(),
    });
  }

  csrf = () => {
    const kept = document.cookie.split("; ").find((one) => one.startsWith(`${config.csrfCookie}=`));
    return kept?.slice(config.csrfCookie.length + 1) || config.csrf;
  };

  async start() {
    this.drawCaps();
    this.listen();
    for (const part of this.root.querySelectorAll("[data-tools], [data-does=flag], .label-more")) part.hidden = false;
    this.root.classList.add("is-live");
    await this.journal.open();
    for (const record of this.journal.waiting) this.remember(record);
    for (const record of this.journal.refused) this.showRefusal(record);
    if (config.card) this.take([config.card], this.stage.drawn);
    this.journal.drain();
    this.topUp();
    this.drawActs();
    setInterval(() => this.extend(), HEARTBEAT_MS);
  }

  // --- pictures ------------------------------------------------------------------------------------
  get current() {
    return this.queue[0];
  }

  get holding() {
    const unsent = this.journal.waiting.map((record) => record.body.assignment).filter(Boolean);
    return [...new Set([...this.queue.map(({ card }) => card.assignment), ...unsent, ...this.tabs.others()])];
  }

  /* How many pictures to ask for, and which not; null when none are wanted now. */
  get wish() {
    const count = config.ahead + 1 - this.queue.length;
    if (count <= 0 || Date.now() < this.quietUntil) return null;
    return { count, holding: this.holding.slice(0, 200), project: config.project };
  }

  /* A vote or skip on its way asks for the next pictures in the same breath. */
  asksWith(record) {
    if (!["submit", "skip"].includes(record.kind) || this.isAsking || !this.wish) return {};
    return { next: this.wish };
  }

  async topUp() {
    if (this.isAsking || !this.wish || this.journal.waiting.length) return;
    this.isAsking = true;
    try {
      const answer = await post(config.urls.next, this.wish, this.csrf);
      if (answer.ok) this.came(answer.data);
      else if (answer.status < 500 && answer.status !== 401) this.came({ cards: [], nothing: answer.data });
      else this.askLater();
    } catch {
      this.askLater();
    } finally {
      this.isAsking = false;
    }
    this.show();
  }

  askLater() {
    this.isAway = true;
    clearTimeout(this.askTimer);
    this.askTimer = setTimeout(() => this.topUp(), 3_000);
  }

  came({ cards = [], nothing = null }) {
    this.isAway = false;
    const before = this.queue.length;
    this.take(cards);
    if (this.queue.length > before) setTimeout(() => this.topUp()); // some were known: ask for the rest
    if (cards.length || !nothing) return;
    this.nothing = nothing;
    this.quietUntil = Date.now() + ASK_AGAIN_MS;
    clearTimeout(this.askTimer);
    this.askTimer = setTimeout(() => this.topUp(), ASK_AGAIN_MS + 100);
    this.show();
  }

  take(cards, drawn = null) {
    const known = new Set(this.holding);
    for (const card of cards) {
      if (known.has(card.assignment)) continue;
      this.nothing = null;
      this.queue.push(this.entryOf(card, drawn));
    }
    this.tabs.hold(this.queue.map(({ card }) => card.assignment));
    this.show();
  }

  entryOf(card, drawn = null) {
    const img = drawn ?? Object.assign(new Image(card.width, card.height), { draggable: false, alt: card.title });
    const entry = { card, img, isReady: false, isBroken: false, answer: null };
    if (!drawn) img.src = card.picture;
    img.decode().then(
      () => (entry.isReady = true),
      () => (entry.isBroken = !(img.complete && img.naturalWidth)),
    ).then(() => {
      entry.isReady ||= !entry.isBroken;
      if (entry === this.current) this.show();
    });
    return entry;
  }

  /* Put the first picture of the queue on the stage, or say why there is none. */
  show() {
    const entry = this.current;
    const isOver = !entry && Boolean(this.nothing) && !this.journal.waiting.length;
    this.root.toggleAttribute("data-empty", isOver);
    this.root.querySelector("[data-nothing]").hidden = !isOver;
    if (isOver) this.showNothing();
    if (!entry) this.stage.say(this.isAway || this.journal.trouble ? words.comingOffline : words.coming);
    if (entry === this.shown && entry?.isReady === this.shownReady) return;
    this.leave();
    [this.shown, this.shownReady] = [entry, entry?.isReady];
    if (entry) {
      this.panel.show(entry.card, entry.answer);
      if (entry.isReady) {
        this.stage.show(entry.img, entry.card.findings);
        entry.since = performance.now();
        this.announce("announcePicture", { title: entry.card.title, score: this.scoreWords(entry.card) });
      } else this.stage.say(entry.isBroken ? words.brokenPicture : words.coming);
    }
    this.drawActs();
  }

  /* Keep what was said of the picture on the stage and how long it was looked at. */
  leave() {
    const entry = this.shown;
    if (!entry?.since) return;
    entry.answer = { ...entry.answer, ...this.panel.answer() };
    entry.looked = this.lookedAt(entry);
    entry.since = 0;
  }

  lookedAt(entry) {
    const away = document.hidden ? performance.now() - (this.hiddenAt ?? performance.now()) : 0;
    return (entry.looked ?? 0) + (entry.since ? performance.now() - entry.since - away : 0);
  }

  drop(assignments) {
    const before = this.current;
    this.queue = this.queue.filter((entry) => !assignments.has(entry.card.assignment));
    if (before && before !== this.current) this.hint("lost");
    this.show();
    this.topUp();
  }

  showNothing() {
    this.root.querySelector("[data-nothing-words]").textContent = this.nothing.detail;
    this.root.querySelector("[data-again]").hidden = !this.nothing.skipped;
    this.root.querySelector("[data-undo-form]").hidden = !this.given.length;
  }

  // --- acts ----------------------------------------------------------------------------------------
  /* The picture may be answered: it is on the stage, whole, and not since a blink. */
  get isSeen() {
    const entry = this.current;
    if (!entry?.isReady || !this.stage.isShowing(entry.img)) {
      if (entry && !entry.isBroken) this.hint("loadingHint");
      return false;
    }
    return performance.now() - entry.since >= TOO_SOON_MS;
  }

  rate(rating) {
    const row = this.panel.dimension;
    if (row) return this.announceNow(this.panel.rateDimension(row, rating));
    this.rateWhole(rating);
  }

  rateWhole(rating) {
    if (this.current && this.isSeen) this.vote({ rating });
  }

  accept() {
    const prediction = this.current?.card.prediction;
    if (!this.current) return;
    if (!prediction) return this.hint(this.current.card.is_blind ? "blindHint" : "noScoreHint");
    if (this.isSeen) this.vote({ accept: true }, prediction.rating);
  }

  vote(said, rating = said.rating) {
    const entry = this.current;
    const { card } = entry;
    this.leave();
    const key = newKey();
    const body = {
      assignment: card.assignment,
      key,
      ...said,
      score: card.prediction?.id ?? null,
      dimensions: entry.answer.dimensions,
      defects: entry.answer.defects,
      is_flagged: entry.answer.is_flagged,
      note: entry.answer.note,
      duration_ms: Math.round(entry.looked),
      rater: config.user,
    };
    entry.answer.rating = rating;
    this.send("submit", config.urls.submit, body, card, rating);
    this.give({ kind: "submit", key, rating, entry });
    this.flash(`rate${rating}`);
    this.count(1);
    this.session.worked();
    this.advance();
  }

  skip() {
    const entry = this.current;
    if (!entry) return;
    this.leave();
    const { assignment } = entry.card;
    this.send("skip", config.urls.skip, { assignment, rater: config.user }, entry.card, null);
    this.give({ kind: "skip", key: assignment, rating: null, entry });
    this.flash("skip");
    this.advance();
  }

  send(kind, url, body, card, rating) {
    this.journal.add(kind, url, body, { title: card.title, thumbnail: card.thumbnail, rating });
  }

  advance() {
    if (this.panel.dimension) document.activeElement.blur(); // the next digit is for the next picture
    this.queue.shift();
    this.tabs.hold(this.queue.map(({ card }) => card.assignment));
    this.show();
  }

  give(act) {
    this.given.push(act);
    this.given.splice(0, this.given.length - UNDO_KEPT);
  }

  /* An answer the last page had not sent yet: undo reaches it too. */
  remember({ kind, body, about }) {
    if (kind === "submit") this.give({ kind, key: body.key, rating: about.rating, entry: null });
    if (kind === "skip") this.give({ kind, key: body.assignment, rating: null, entry: null });
    if (kind === "undo") this.given = this.given.filter((act) => act.key !== body.vote);
    if (kind === "back") this.given = this.given.filter((act) => act.key !== body.assignment);
  }

  /* Back by one answer. What never left the browser is forgotten, the rest is taken back by the server. */
  async undo() {
    const act = this.given.pop();
    if (!act) return this.hint("nothingToUndo");
    this.leave();
    if (act.entry) {
      this.queue.unshift(act.entry);
      this.show();
    }
    if (act.kind === "submit") this.count(-1);
    this.announceNow(words.announceUndo);
    this.drawActs();
    const isMeant = ({ kind, body }) =>
      kind === act.kind && (kind === "submit" ? body.key : body.assignment) === act.key;
    const isGone = this.journal.takeBack(isMeant);
    const about = { title: "", rating: act.rating };
    if (act.kind === "submit") {
      const body = { vote: act.key, key: newKey(), rater: config.user };
      this.journal.addUnless(isGone, "undo", config.urls.undo, body, about);
    } else {
      const body = { assignment: act.key, back: true, rater: config.user };
      this.journal.addUnless(isGone, "back", config.urls.skip, body, about);
    }
    if (!act.entry && (await isGone)) this.topUp();
  }

  swiped(way) {
    way === "right" ? this.accept() : this.skip();
  }

  flag() {
    const { flag, note } = this.panel;
    if (!this.current) return;
    flag.checked = true;
    this.drawActs();
    note.focus();
    note.scrollIntoView({ block: "nearest" });
    this.announceNow(words.flagged);
  }

  unflag() {
    this.panel.flag.checked = false;
    this.panel.note.value = "";
    this.announceNow(words.unflagged);
    this.drawActs();
  }

  boxes() {
    if (!this.stage.boxes()) this.hint("noBoxes");
    this.drawActs();
  }

  /* What the grades mean here: pictures whose label is settled. */
  examples() {
    const dialog = document.querySelector("[data-examples]");
    dialog ? dialog.showModal() : this.hint("noExamples");
  }

  zoom() {
    this.stage.zoom();
    this.drawActs();
  }

  act(name) {
    if (name.startsWith("rate")) return this.rate(Number(name.slice(4)));
    if (name.startsWith("defect:")) return this.current && this.announceNow(this.panel.toggleDefect(name.slice(7)));
    if (name === "help") return this.keyList.open();
    return this[name]();
  }

  // --- the journal speaks ----------------------------------------------------------------------------
  heard(what, record, data) {
    if (what === "sent") this.sent(record, data);
    if (what === "refused") this.wasRefused(record);
    this.drawState();
    if (what === "elsewhere") this.topUp();
    if (what === "changed" || what === "elsewhere") this.show();
  }

  sent(record, data) {
    if (data.cards && record.kind !== "back") this.came(data);
    const card = record.kind === "undo" ? data.card : record.kind === "back" ? data.cards?.[0] : null;
    if (card) this.isBack(card);
    else if (record.kind === "back") this.drop(new Set([record.body.assignment]));
    this.topUp();
  }

  /* A picture taken back that this page had not kept. */
  isBack(card) {
    const kept = this.queue.find((entry) => entry.card.assignment === card.assignment);
    if (kept) return;
    this.leave();
    this.queue.unshift(this.entryOf(card));
    this.tabs.hold(this.queue.map((entry) => entry.card.assignment));
    this.show();
  }

  wasRefused(record) {
    const key = record.body.key ?? record.body.assignment;
    this.given = this.given.filter((act) => act.key !== key);
    if (record.kind === "submit") this.count(-1);
    this.showRefusal(record);
    this.drawActs();
    this.topUp();
  }

  /* What was not taken, why, and what to do about it. */
  showRefusal(record) {
    const { about, refusal, kind } = record;
    const notice = document.createElement("div");
    notice.className = "notice notice-warning";
    notice.setAttribute("role", "alert");
    const text = document.createElement("p");
    const values = { title: about.title, rating: about.rating ?? "", why: refusal.detail ?? "" };
    text.textContent = fill(kind === "submit" ? "refused" : "refusedSkip", values);
    notice.append(text);
    const button = (said, act) => {
      const one = Object.assign(document.createElement("button"), { type: "button", textContent: said });
      one.className = "button button-small";
      one.addEventListener("click", () => {
        notice.remove();
        act();
      });
      notice.append(one);
    };
    if (refusal.live) {
      button(fill("keepEarlier", { rating: refusal.live.rating }), () => this.journal.dismiss(record));
      button(fill("replaceEarlier", { rating: about.rating }), () => {
        this.count(1);
        this.journal.retry(record, { key: newKey(), supersedes: refusal.live.id });
      });
    } else {
      if (refusal.status === 403) button(words.tryAgain, () => this.journal.retry(record));
      button(words.gotIt, () => this.journal.dismiss(record));
    }
    this.root.querySelector("[data-notices]").append(notice);
  }

  // --- leases ----------------------------------------------------------------------------------------
  /* The heartbeat, while somebody is here: a tab left alone gives its pictures to others in the end. */
  async extend() {
    const held = this.queue.map(({ card }) => card.assignment);
    const isHere = Date.now() - this.session.seenAt < config.leaseMinutes * 60_000;
    if (!held.length || document.hidden || !isHere) return;
    this.tabs.hold(held);
    this.extendedAt = Date.now();
    try {
      const answer = await post(config.urls.extend, { assignments: held }, this.csrf);
      if (!answer.ok) return;
      this.until = answer.data.until;
      const kept = new Set(answer.data.held);
      const lost = held.filter((assignment) => !kept.has(assignment));
      if (lost.length) this.drop(new Set(lost));
    } catch {
      /* offline: a vote that comes late is taken as long as nobody else has the picture */
    }
  }

  release() {
    this.tabs.leave();
    const unsent = new Set(this.journal.waiting.map((record) => record.body.assignment));
    const rest = this.queue.filter(({ card }) => !unsent.has(card.assignment));
    if (!rest.length) return;
    const body = new URLSearchParams({ csrfmiddlewaretoken: this.csrf() });
    for (const { card } of rest) body.append("assignments", card.assignment);
    body.append("until", [this.until ?? "", ...rest.map(({ card }) => card.lease_until)].sort().at(-1));
    navigator.sendBeacon(config.urls.release, body);
  }

  // --- what is seen around the picture -----------------------------------------------------------------
  scoreWords(card) {
    if (card.is_blind) return words.modelHidden;
    if (!card.prediction) return words.notScored;
    return fill("modelSays", { score: Math.round(card.prediction.score), grade: card.prediction.grade_words });
  }

  drawActs() {
    const entry = this.current;
    const last = this.given.at(-1);
    for (const button of this.root.querySelectorAll("[data-does]")) {
      const name = button.dataset.does;
      if (name === "undo") button.disabled = !last;
      else if (name === "accept") button.disabled = !entry?.card.prediction;
      else if (name !== "help" && name !== "examples") button.disabled = !entry;
      if (name.startsWith("rate")) {
        const isOld = entry?.answer?.rating === Number(name.slice(4));
        isOld ? button.setAttribute("aria-pressed", "true") : button.removeAttribute("aria-pressed");
      }
      if (name === "flag") button.setAttribute("aria-pressed", this.panel.flag.checked);
      if (name === "zoom") button.setAttribute("aria-pressed", this.stage.isZoomed);
      if (name === "boxes") button.setAttribute("aria-pressed", this.stage.hasBoxes);
    }
    this.root.querySelector("[data-accept]").textContent = entry?.card.prediction?.rating ?? "";
    this.root.querySelector("[data-undo]").textContent = !last
      ? words.undo
      : last.kind === "skip" ? words.undoSkip : fill("undoWords", { rating: last.rating });
  }

  drawCaps() {
    for (const cap of document.querySelectorAll("[data-key-of]")) {
      cap.textContent = this.keys.capOf(cap.dataset.keyOf);
      const control = cap.closest("button, label");
      const names = this.keys.keysOf(cap.dataset.keyOf).join(" ");
      if (control?.matches("button")) control.setAttribute("aria-keyshortcuts", names);
    }
  }

  /* "Saved" stays quiet: what is sent within a blink never shows as waiting. */
  drawState() {
    const { trouble, waiting, store } = this.journal;
    const n = waiting.length;
    const line = this.root.querySelector("[data-state]");
    const show = () => {
      const said = { offline: n ? "offlineWaiting" : "offline", signedOut: "signedOut", otherPerson: "otherPerson" }[trouble];
      line.textContent = fill(said ?? (this.journal.waiting.length ? "waiting" : "saved"), { n: this.journal.waiting.length });
      line.dataset.state = trouble || (this.journal.waiting.length ? "waiting" : "saved");
      if (trouble === "signedOut" || trouble === "otherPerson") {
        const link = Object.assign(document.createElement("a"), { href: config.urls.login, textContent: words.logIn });
        link.search = `?next=${encodeURIComponent(location.pathname)}`;
        link.target = "_blank";
        line.append(" ", link);
      }
      line.title = store && !store.isLasting ? words.notKept : "";
      line.hidden = false;
    };
    line.dataset.waiting = n;
    clearTimeout(this.stateTimer);
    if (n && !trouble && line.dataset.state === "saved") this.stateTimer = setTimeout(show, WAITING_SHOWN_AFTER_MS);
    else show();
    if (trouble !== this.toldTrouble) {
      this.toldTrouble = trouble;
      if (trouble) this.announceNow(line.textContent);
    }
  }

  count(by) {
    const line = this.root.querySelector("[data-progress-words]");
    const done = Math.max(0, Number(line.dataset.done) + by);
    const left = Math.max(0, Number(line.dataset.left) - by);
    Object.assign(line.dataset, { done, left });
    const digits = new Intl.NumberFormat(document.documentElement.lang);
    line.textContent = fill("today", { done: digits.format(done), all: digits.format(done + left) });
    const bar = this.root.querySelector("[data-progress-bar]");
    [bar.max, bar.value] = [Math.max(1, done + left), done];
  }

  flash(name) {
    const button = this.root.querySelector(`[data-does="${name}"]`);
    button?.animate?.([{ filter: "invert(1)" }, { filter: "none" }], { duration: 180 });
  }

  hint(word, values) {
    const line = this.root.querySelector("[data-hint]");
    line.textContent = fill(word, values);
    line.hidden = false;
    clearTimeout(this.hintTimer);
    this.hintTimer = setTimeout(() => (line.hidden = true), HINT_MS);
    this.announceNow(line.textContent);
  }

  announce(word, values) {
    this.announceNow(fill(word, values));
  }

  announceNow(text) {
    this.root.querySelector("[data-says]").textContent = text;
  }

  // --- listening -----------------------------------------------------------------------------------
  listen() {
    document.addEventListener("keydown", (event) => this.pressed(event));
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.root.addEventListener("click", (event) => this.clicked(event));
    this.root.addEventListener("submit", (event) => event.target.matches("[data-undo-form]") && event.preventDefault());
    this.panel.root.addEventListener("change", () => this.drawActs());
    this.panel.root.addEventListener("focusin", () => {
      const row = this.panel.dimension;
      if (row && row !== this.row) this.hint("dimensionHint", { dimension: this.panel.nameOf(row) });
      this.row = row;
    });
    this.panel.root.addEventListener("focusout", () => (this.row = null));
    document.addEventListener("visibilitychange", () => this.turned());
    addEventListener("pagehide", () => this.release());
    addEventListener("pageshow", (event) => event.persisted && location.reload());
    addEventListener("beforeunload", (event) => {
      if (!this.journal.store?.isLasting && this.journal.waiting.length) event.preventDefault();
    });
  }

  turned() {
    if (document.hidden) {
      this.hiddenAt = performance.now();
      return;
    }
    if (this.shown?.since && this.hiddenAt) this.shown.since += performance.now() - this.hiddenAt;
    this.session.isHere();
    this.extend();
    this.journal.drain();
  }

  pressed(event) {
    this.session.isHere();
    const at = event.target;
    const open = document.querySelector("dialog[open]");
    if (open?.matches("[data-examples]") && this.keys.actionOf(keyName(event)) === "examples") return open.close();
    if (event.defaultPrevented || open) return;
    if (at === this.panel.note) return this.pressedInNote(event);
    if (at.matches("input:not([type=radio], [type=checkbox]), textarea, select, [contenteditable]")) return;
    if (event.key === "Escape" && this.panel.dimension) return at.blur();
    if (this.stage.move(event.key)) return event.preventDefault();
    const name = keyName(event);
    if (name === "Enter" && at.matches("a, button, summary")) return; // these belong to what has the focus
    if (name === "Space" && at.matches("a, button, summary, input")) return;
    const action = this.keys.actionOf(name);
    if (!action) return;
    event.preventDefault();
    if (!event.repeat) this.act(action);
  }

  pressedInNote(event) {
    if (event.key === "Escape") this.unflag();
    else if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.panel.note.blur();
    this.drawActs();
  }

  clicked(event) {
    this.session.isHere();
    const button = event.target.closest("[data-does]");
    if (!button) return;
    event.preventDefault();
    if (event.detail) button.blur(); // a mouse leaves no focus behind that would catch the next key
    const name = button.dataset.does;
    if (name === "flag" && this.panel.flag.checked) this.unflag();
    else if (name.startsWith("rate")) this.rateWhole(Number(name.slice(4)));
    else this.act(name);
  }
}

new Label(document.querySelector("[data-label]")).start();

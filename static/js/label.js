/* The Label page: one key, no wait, nothing lost.

   Pictures are leased and decoded ahead, so the next one is on the stage in the frame after the key. An
   answer goes into the journal (journal.js) and is sent from there; the vote that is sent brings the next
   pictures along. Without this script the page is a plain form that does the same, one page a vote. */

import { Frame, Session } from "./frame.js";
import { Journal, newKey } from "./journal.js";
import { KeyList, Keys, keyName } from "./keys.js";
import { Panel } from "./panel.js";
import { Queue } from "./queue.js";
import { Stage } from "./stage.js";

const TOO_SOON_MS = 100; // a key that bounces must not rate a picture nobody has seen
const HEARTBEAT_MS = 60_000;
const UNDO_KEPT = 100;
const PICTURES_KEPT = 20; // of those answered; older ones are fetched again if somebody goes back so far

const config = JSON.parse(document.getElementById("label-config").textContent);
const { words } = config;
const fill = (word, values = {}) => words[word].replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");

class Label {
  constructor(root) {
    this.root = root;
    this.given = config.votes
      .map((vote) => ({ kind: "submit", key: vote.key, rating: vote.rating, entry: null }))
      .reverse(); // what undo walks back through, newest last
    this.form = root.querySelector("[data-form]");
    this.keys = new Keys({ store: "vitrine-keys", space: words.space });
    this.panel = new Panel(root.querySelector("[data-panel]"), { words, fill });
    this.stage = new Stage(root.querySelector("[data-stage]"), {
      words,
      scale: root.querySelector("[data-scale]"),
      onSwipe: (way) => this.swiped(way),
      onNoHeat: () => this.noHeat(),
    });
    this.frame = new Frame(root, { words, fill, login: config.urls.login });
    this.session = new Session(root, { minutes: config.sessionMinutes, fill });
    this.journal = new Journal({
      user: config.user,
      kinds: new Set(["submit", "undo", "skip", "back"]),
      csrf: this.csrf,
      asks: (record) => this.queue.asksWith(record),
      tell: (what, record, data) => this.heard(what, record, data),
    });
    this.queue = new Queue({
      config,
      csrf: this.csrf,
      journal: this.journal,
      onChange: () => this.show(),
      onLost: () => this.frame.hint("lost"),
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
    if (config.card) this.queue.take([config.card], this.stage.drawn);
    this.journal.drain();
    this.queue.topUp();
    this.show();
    setInterval(() => this.extend(), HEARTBEAT_MS);
  }

  // --- pictures ------------------------------------------------------------------------------------
  get current() {
    return this.queue.first;
  }

  /* Put the first picture of the queue on the stage, or say why there is none. */
  show() {
    const entry = this.current;
    const isOver = !entry && Boolean(this.queue.nothing) && !this.journal.waiting.length;
    const elsewhere = { paused: !this.journal.waiting.length, qualify_first: isOver }[this.queue.nothing?.code];
    if (elsewhere) return location.assign(config.urls[this.queue.nothing.code]);
    this.root.toggleAttribute("data-empty", isOver);
    this.root.querySelector("[data-nothing]").hidden = !isOver;
    if (isOver) this.showNothing();
    if (!entry) this.stage.say(this.queue.isAway || this.journal.trouble ? words.comingOffline : words.coming);
    if (entry === this.shown && entry?.isReady === this.shownReady) return;
    this.leave();
    [this.shown, this.shownReady] = [entry, entry?.isReady];
    if (entry) {
      this.panel.show(entry.card, entry.answer);
      if (entry.isReady) {
        this.stage.show(entry.img, entry.card);
        entry.since = performance.now();
        this.frame.sayWord("announcePicture", { title: entry.card.title, score: this.scoreWords(entry.card) });
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

  showNothing() {
    this.root.querySelector("[data-nothing-words]").textContent = this.queue.nothing.detail;
    this.root.querySelector("[data-again]").hidden = !this.queue.nothing.skipped;
    this.root.querySelector("[data-undo-form]").hidden = !this.given.length;
  }

  // --- acts ----------------------------------------------------------------------------------------
  /* The picture may be answered: it is on the stage, whole, and not since a blink. */
  get isSeen() {
    const entry = this.current;
    if (!entry?.isReady || !this.stage.isShowing(entry.img)) {
      if (entry && !entry.isBroken) this.frame.hint("loadingHint");
      return false;
    }
    return !this.isTooSoon(entry);
  }

  isTooSoon(entry) {
    return entry.since && performance.now() - entry.since < TOO_SOON_MS;
  }

  rate(rating) {
    const row = this.panel.dimension;
    if (row) return this.frame.say(this.panel.rateDimension(row, rating));
    this.rateWhole(rating);
  }

  rateWhole(rating) {
    if (this.current && this.isSeen) this.vote({ rating });
  }

  accept() {
    const prediction = this.current?.card.prediction;
    if (!this.current) return;
    if (!prediction) return this.frame.hint(this.current.card.is_blind ? "blindHint" : "noScoreHint");
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
    this.frame.flash(`rate${rating}`);
    this.frame.count(1);
    this.session.worked();
    this.advance();
  }

  skip() {
    const entry = this.current;
    if (!entry || this.isTooSoon(entry)) return;
    this.leave();
    const { assignment } = entry.card;
    this.send("skip", config.urls.skip, { assignment, rater: config.user }, entry.card, null);
    this.give({ kind: "skip", key: assignment, rating: null, entry });
    this.frame.flash("skip");
    this.advance();
  }

  send(kind, url, body, card, rating) {
    this.journal.add(kind, url, body, { title: card.title, thumbnail: card.thumbnail, rating });
  }

  advance() {
    if (this.panel.dimension) document.activeElement.blur(); // the next digit is for the next picture
    this.queue.shift();
  }

  give(act) {
    this.given.push(act);
    this.given.splice(0, this.given.length - UNDO_KEPT);
    const old = this.given.at(-1 - PICTURES_KEPT);
    if (old?.entry) old.entry.img = null;
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
    if (!act) return this.frame.hint("nothingToUndo");
    this.leave();
    if (act.entry) {
      const { card, answer, img } = act.entry;
      this.queue.unshift(img ? act.entry : this.queue.entryOf(card, null, answer));
    }
    if (act.kind === "submit") this.frame.count(-1);
    this.frame.say(words.announceUndo);
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
    if (!act.entry && (await isGone)) this.queue.topUp();
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
    this.frame.say(words.flagged);
  }

  unflag() {
    this.panel.flag.checked = false;
    this.panel.note.value = "";
    this.frame.say(words.unflagged);
    this.drawActs();
  }

  boxes() {
    if (!this.stage.boxes()) this.frame.hint("noBoxes");
    this.drawActs();
  }

  /* The model still wakes up, or nobody is reached: the heatmap is not shown, and not for no reason. */
  noHeat() {
    this.frame.hint(navigator.onLine ? "noHeat" : "noHeatOffline");
    this.drawActs();
  }

  /* What the grades mean here: pictures whose label is settled. */
  examples() {
    const dialog = document.querySelector("[data-examples]");
    dialog ? dialog.showModal() : this.frame.hint("noExamples");
  }

  zoom() {
    this.stage.zoom();
    this.drawActs();
  }

  act(name) {
    if (name.startsWith("rate")) return this.rate(Number(name.slice(4)));
    if (name.startsWith("defect:")) return this.current && this.frame.say(this.panel.toggleDefect(name.slice(7)));
    if (name === "help") return this.keyList.open();
    return this[name]();
  }

  // --- the journal speaks ----------------------------------------------------------------------------
  heard(what, record, data) {
    if (what === "sent") this.sent(record, data);
    if (what === "refused") this.wasRefused(record);
    this.frame.drawState(this.journal);
    if (what === "elsewhere") this.queue.topUp();
    if (what === "changed" || what === "elsewhere") this.show();
  }

  sent(record, data) {
    if (data.cards && record.kind !== "back") this.queue.came(data);
    const card = record.kind === "undo" ? data.card : record.kind === "back" ? data.cards?.[0] : null;
    if (card) this.isBack(card);
    else if (record.kind === "back") this.queue.drop([record.body.assignment]);
    this.queue.topUp();
  }

  /* A picture taken back that this page had not kept. */
  isBack(card) {
    if (this.queue.has(card.assignment)) return;
    this.leave();
    this.queue.unshift(this.queue.entryOf(card));
  }

  wasRefused(record) {
    const key = record.body.key ?? record.body.assignment;
    this.given = this.given.filter((act) => act.key !== key);
    if (record.kind === "submit") this.frame.count(-1);
    this.showRefusal(record);
    this.drawActs();
    this.queue.topUp();
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
        this.frame.count(1);
        this.journal.retry(record, { key: newKey(), supersedes: refusal.live.id });
      });
    } else {
      if (refusal.status === 403) button(words.tryAgain, () => this.journal.retry(record));
      button(words.gotIt, () => this.journal.dismiss(record));
    }
    this.root.querySelector("[data-notices]").append(notice);
  }

  /* The heartbeat, while somebody is here: a tab left alone gives its pictures to others in the end. */
  extend() {
    const isHere = Date.now() - this.session.seenAt < config.leaseMinutes * 60_000;
    if (isHere && !document.hidden) this.queue.extend();
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

  // --- listening -----------------------------------------------------------------------------------
  listen() {
    document.addEventListener("keydown", (event) => this.pressed(event));
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.root.addEventListener("click", (event) => this.clicked(event));
    this.root.addEventListener("submit", (event) => event.target.matches("[data-undo-form]") && event.preventDefault());
    this.panel.root.addEventListener("change", () => this.drawActs());
    this.panel.root.addEventListener("focusin", () => {
      const row = this.panel.dimension;
      if (row && row !== this.row) this.frame.hint("dimensionHint", { dimension: this.panel.nameOf(row) });
      this.row = row;
    });
    this.panel.root.addEventListener("focusout", () => (this.row = null));
    document.addEventListener("visibilitychange", () => this.turned());
    addEventListener("pagehide", () => this.queue.release());
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
    if (event.key === "Tab" && !event.shiftKey && at === document.body && this.current) {
      event.preventDefault(); // nothing has the focus: to the dimensions, not to the top of the page
      return this.panel.enter();
    }
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

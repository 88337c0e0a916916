/* The Compare page: two pictures, one key. Pairs are fetched and decoded ahead; an answer goes into the
   journal (journal.js) and is sent from there, and what is sent brings the next pairs along. Without this
   script the page is a plain form that does the same. */

import { Frame, Session } from "./frame.js";
import { Journal, newKey } from "./journal.js";
import { keyName } from "./keys.js";
import { Asker } from "./queue.js";

const TOO_SOON_MS = 100; // a key that bounces must not answer for a pair nobody has seen
const UNDO_KEPT = 100;
const PAIRS_KEPT = 10; // of those answered; older ones come from the server if somebody goes back so far
const SWIPE_PX = 48;
const SIDES = ["left", "right"];
const TALL = matchMedia("(max-width: 30rem) and (orientation: portrait)"); // then they stand below each other
const TALL_WORDS = { left: "upper", right: "lower" };
const ACTS = {
  ArrowLeft: "left",
  ArrowRight: "right",
  ArrowDown: "cannot_say",
  Backspace: "undo",
  z: "zoom",
  "?": "help",
};

const config = JSON.parse(document.getElementById("compare-config").textContent);
const { words } = config;
const fill = (word, values = {}) => words[word].replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");

class Compare {
  constructor(root) {
    this.root = root;
    this.stage = root.querySelector("[data-stage]");
    this.sides = SIDES.map((side) => root.querySelector(`[data-side=${side}]`));
    this.today = root.querySelector("[data-today]");
    this.given = config.given.map(({ key, answer }) => ({ key, answer, entry: null })).reverse();
    this.entries = []; // {pair, imgs, isReady, isBroken}
    this.frame = new Frame(root, { words, fill, login: config.urls.login });
    this.session = new Session(root, { minutes: config.sessionMinutes, fill });
    this.journal = new Journal({
      user: config.user,
      kinds: new Set(["compare", "compare-undo"]),
      csrf: this.csrf,
      asks: (record) => this.asksWith(record),
      tell: (what, record, data) => this.heard(what, record, data),
    });
    this.asker = new Asker({
      url: config.urls.pairs,
      csrf: this.csrf,
      journal: this.journal,
      wish: () => this.wish,
      take: (data) => this.came(data),
      onChange: () => this.show(),
    });
  }

  csrf = () => {
    const kept = document.cookie.split("; ").find((one) => one.startsWith(`${config.csrfCookie}=`));
    return kept?.slice(config.csrfCookie.length + 1) || config.csrf;
  };

  async start() {
    this.listen();
    for (const part of this.root.querySelectorAll("[data-tools], .label-more")) part.hidden = false;
    this.root.classList.add("is-live");
    await this.journal.open();
    for (const record of this.journal.waiting) this.remember(record);
    for (const record of this.journal.refused) this.showRefusal(record);
    if (config.pair) this.take([config.pair], this.sides.map((side) => side.querySelector("img")));
    this.journal.drain();
    this.asker.topUp();
    this.show();
  }

  /* --- pairs ---------------------------------------------------------------------------------------- */
  get first() {
    return this.entries[0];
  }

  get unsent() {
    return this.journal.waiting.filter(({ kind }) => kind === "compare").flatMap(({ body }) => [body.left, body.right]);
  }

  get wish() {
    const count = config.ahead + 1 - this.entries.length;
    if (count <= 0 || this.asker.isQuiet) return null;
    const held = this.entries.flatMap(({ pair }) => SIDES.map((side) => pair[side].item));
    const holding = [...new Set([...held, ...this.unsent])].slice(0, 200);
    return { count, holding, project: config.project, rater: config.user };
  }

  asksWith(record) {
    return record.kind === "compare" ? this.asker.asides : {};
  }

  came({ pairs = [] }) {
    this.take(pairs);
    return pairs.length > 0;
  }

  take(pairs, drawn = null) {
    const known = new Set([...this.entries.flatMap(({ pair }) => SIDES.map((side) => pair[side].item)), ...this.unsent]);
    const fresh = pairs.filter((pair) => !SIDES.some((side) => known.has(pair[side].item)));
    if (fresh.length) this.asker.nothing = null;
    this.entries.push(...fresh.map((pair) => this.entryOf(pair, drawn)));
    this.show();
  }

  entryOf(pair, drawn = null) {
    const imgs = drawn ?? SIDES.map((side) => {
      const { width, height, title, picture } = pair[side];
      const img = Object.assign(new Image(width, height), { draggable: false, alt: title });
      img.src = picture;
      return img;
    });
    const entry = { pair, imgs, isReady: false, isBroken: false };
    Promise.allSettled(imgs.map((img) => img.decode())).then(() => {
      entry.isReady = true;
      entry.isBroken = imgs.some((img) => !img.complete || !img.naturalWidth);
      if (entry === this.first) this.show();
    });
    return entry;
  }

  show() {
    const entry = this.first;
    const isOver = !entry && Boolean(this.asker.nothing) && !this.journal.waiting.length;
    this.root.toggleAttribute("data-empty", isOver);
    this.root.querySelector("[data-nothing]").hidden = !isOver;
    const heading = this.root.querySelector("[data-question]");
    heading.textContent = isOver ? heading.dataset.title : heading.dataset.question;
    if (isOver) this.root.querySelector("[data-nothing-words]").textContent = this.asker.nothing.detail;
    this.root.querySelector("[data-undo-form]").hidden = !this.given.length;
    if (!entry?.isReady) this.say(this.asker.isAway || this.journal.trouble ? words.comingOffline : words.coming);
    else if (entry !== this.shown) this.draw(entry);
    else this.stage.classList.remove("is-waiting");
    this.drawActs();
  }

  draw(entry) {
    this.shown = entry;
    this.zoom(false);
    this.sides.forEach((side, place) => {
      const img = entry.imgs[place];
      const box = side.querySelector("[data-picture]");
      if (box.firstElementChild !== img) box.replaceChildren(img);
      side.querySelector("[data-title]").textContent = entry.pair[SIDES[place]].title;
    });
    this.say("");
    if (entry.isBroken) this.frame.hint("brokenPair");
    entry.since = performance.now();
    this.frame.sayWord("announcePair", { left: entry.pair.left.title, right: entry.pair.right.title });
  }

  /* Words instead of pictures; none shows the pictures. */
  say(text) {
    const said = this.root.querySelector("[data-stage-words]");
    said.textContent = text;
    said.hidden = !text;
    this.stage.classList.toggle("is-waiting", Boolean(text));
    if (text) this.shown = null;
  }

  /* --- acts ----------------------------------------------------------------------------------------- */
  answer(which) {
    const entry = this.first;
    if (!entry) return;
    if (!entry.isReady || entry !== this.shown) return this.frame.hint("loadingHint");
    if (performance.now() - entry.since < TOO_SOON_MS) return;
    const { left, right } = entry.pair;
    const body = {
      left: left.item,
      right: right.item,
      answer: which,
      key: newKey(),
      duration_ms: Math.round(performance.now() - entry.since),
      rater: config.user,
    };
    this.journal.add("compare", config.urls.compare, body, {
      title: `${left.title} / ${right.title}`,
      rating: which,
    });
    this.given.push({ key: body.key, answer: which, entry });
    this.given.splice(0, this.given.length - UNDO_KEPT);
    const old = this.given.at(-1 - PAIRS_KEPT);
    if (old) old.entry = null;
    this.frame.flash(which);
    this.count(1);
    this.session.worked();
    this.entries.shift();
    this.frame.say(words[(TALL.matches && TALL_WORDS[which]) || which]);
    this.show();
  }

  async undo() {
    const act = this.given.pop();
    if (!act) return this.frame.hint("nothingToUndo");
    if (act.entry) this.entries.unshift(act.entry);
    this.count(-1);
    this.frame.say(words.announceUndo);
    this.show();
    const isGone = this.journal.takeBack(({ kind, body }) => kind === "compare" && body.key === act.key);
    const body = { comparison: act.key, key: newKey(), rater: config.user };
    this.journal.addUnless(isGone, "compare-undo", config.urls.undo, body, { title: "", rating: act.answer });
    if (!act.entry && (await isGone)) this.asker.topUp();
  }

  /* An answer the last page had not sent yet. */
  remember({ kind, body }) {
    if (kind === "compare") this.given.push({ key: body.key, answer: body.answer, entry: null });
    if (kind === "compare-undo") this.given = this.given.filter(({ key }) => key !== body.comparison);
  }

  count(by) {
    const done = Math.max(0, Number(this.today.dataset.done) + by);
    this.today.dataset.done = done;
    this.today.textContent = fill("today", { n: new Intl.NumberFormat(document.documentElement.lang).format(done) });
  }

  zoom(isZoomed = !this.isZoomed) {
    this.isZoomed = isZoomed;
    this.root.classList.toggle("is-zoomed", isZoomed);
    for (const side of this.sides) {
      const scroll = side.querySelector("[data-scroll]");
      scroll.scrollTo((scroll.scrollWidth - scroll.clientWidth) / 2, (scroll.scrollHeight - scroll.clientHeight) / 2);
      if (isZoomed) scroll.tabIndex = 0;
      else scroll.removeAttribute("tabindex");
    }
    this.root.querySelector("[data-does=zoom]").setAttribute("aria-pressed", isZoomed);
  }

  act(name) {
    if (name === "help") return document.querySelector("[data-keys]").showModal();
    if (name === "undo") return this.undo();
    if (name === "zoom") return this.zoom();
    this.answer(name);
  }

  /* --- the journal speaks --------------------------------------------------------------------------- */
  heard(what, record, data) {
    if (what === "sent") {
      if (data.pairs) this.asker.came(data);
      if (data.pair) this.isBack(data.pair);
      this.asker.topUp();
    }
    if (what === "refused") {
      this.given = this.given.filter(({ key }) => key !== record.body.key);
      if (record.kind === "compare") this.count(-1);
      this.showRefusal(record);
      this.asker.topUp();
    }
    this.frame.drawState(this.journal);
    if (what === "elsewhere") this.asker.topUp();
    this.show();
  }

  /* A pair taken back that this page had not kept. */
  isBack(pair) {
    const isHere = ({ pair: one }) => SIDES.every((side) => one[side].item === pair[side].item);
    if (!this.entries.some(isHere)) this.entries.unshift(this.entryOf(pair));
    this.show();
  }

  showRefusal(record) {
    const notice = document.createElement("div");
    notice.className = "notice notice-warning";
    notice.setAttribute("role", "alert");
    const text = document.createElement("p");
    text.textContent = fill("refused", { title: record.about.title, why: record.refusal.detail ?? "" });
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
    if (record.refusal.status === 403) button(words.tryAgain, () => this.journal.retry(record));
    button(words.gotIt, () => this.journal.dismiss(record));
    this.root.querySelector("[data-notices]").append(notice);
  }

  drawActs() {
    for (const button of this.root.querySelectorAll("[data-does]")) {
      const name = button.dataset.does;
      if (name === "undo") button.disabled = !this.given.length;
      else if (name !== "help") button.disabled = !this.first;
    }
  }

  /* --- listening ------------------------------------------------------------------------------------ */
  listen() {
    document.addEventListener("keydown", (event) => this.pressed(event));
    this.root.addEventListener("submit", (event) => event.preventDefault());
    this.root.addEventListener("click", (event) => this.clicked(event));
    for (const side of this.sides) {
      const scroll = side.querySelector("[data-scroll]");
      scroll.addEventListener("scroll", () => this.scrolled(scroll), { passive: true });
    }
    this.swipes();
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) return;
      this.session.isHere();
      this.journal.drain();
    });
    addEventListener("pageshow", (event) => event.persisted && location.reload());
    addEventListener("beforeunload", (event) => {
      if (!this.journal.store?.isLasting && this.journal.waiting.length) event.preventDefault();
    });
  }

  pressed(event) {
    this.session.isHere();
    if (event.defaultPrevented || document.querySelector("dialog[open]")) return;
    const at = event.target;
    if (at.matches("input:not([type=hidden]), textarea, select, summary")) return;
    const act = ACTS[event.altKey || event.ctrlKey || event.metaKey ? "" : event.key] ?? ACTS[keyName(event)];
    if (!act) return;
    event.preventDefault();
    if (!event.repeat) this.act(act);
  }

  clicked(event) {
    this.session.isHere();
    const button = event.target.closest("[data-does]");
    if (button) {
      event.preventDefault();
      if (event.detail) button.blur();
      return this.act(button.dataset.does);
    }
    const side = event.target.closest("[data-picture] img") && event.target.closest("[data-side]");
    if (side && !this.isZoomed) this.answer(side.dataset.side);
  }

  /* Both pictures show the same part. */
  scrolled(from) {
    if (!this.isZoomed || from === this.follows) return (this.follows = null);
    const share = (where, size) => where / Math.max(1, size);
    const x = share(from.scrollLeft, from.scrollWidth - from.clientWidth);
    const y = share(from.scrollTop, from.scrollHeight - from.clientHeight);
    const other = this.sides.map((side) => side.querySelector("[data-scroll]")).find((one) => one !== from);
    const [left, top] = [x * (other.scrollWidth - other.clientWidth), y * (other.scrollHeight - other.clientHeight)];
    if (Math.abs(other.scrollLeft - left) < 1 && Math.abs(other.scrollTop - top) < 1) return;
    this.follows = other;
    other.scrollTo(left, top);
  }

  /* Towards the better one; across that way for "can't say". */
  swipes() {
    let from = null;
    this.stage.addEventListener("touchstart", (event) => {
      const isOne = event.touches.length === 1 && !this.isZoomed;
      from = isOne ? { x: event.touches[0].clientX, y: event.touches[0].clientY } : null;
    }, { passive: true });
    this.stage.addEventListener("touchend", (event) => {
      if (!from) return;
      const [dx, dy] = [event.changedTouches[0].clientX - from.x, event.changedTouches[0].clientY - from.y];
      from = null;
      const isAcross = Math.abs(dx) >= SWIPE_PX && Math.abs(dx) > 2 * Math.abs(dy);
      const isAlong = Math.abs(dy) >= SWIPE_PX && Math.abs(dy) > 2 * Math.abs(dx);
      if (!isAcross && !isAlong) return;
      if (event.cancelable) event.preventDefault(); // no click follows
      if (TALL.matches) this.answer(isAcross ? "cannot_say" : dy < 0 ? "left" : "right");
      else if (isAcross) this.answer(dx < 0 ? "left" : "right");
      else if (dy > 0) this.answer("cannot_say");
    });
    this.stage.addEventListener("touchcancel", () => (from = null));
  }
}

new Compare(document.querySelector("[data-compare]")).start();

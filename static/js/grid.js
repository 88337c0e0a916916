/* The Grid page: a sheet of clear cases, confirmed by one key, exceptions by arrows and a digit. The next
   sheet is leased and its thumbnails are fetched while this one is looked at; an answer goes into the journal
   (journal.js) and is sent from there. Without this script the sheet is a plain form. */

import { Frame, Session } from "./frame.js";
import { Journal, newKey, post, read, write } from "./journal.js";
import { keyName } from "./keys.js";
import { Asker } from "./queue.js";

const TOO_SOON_MS = 400; // a sheet takes longer to look at than one picture
const HEARTBEAT_MS = 60_000;
const UNDO_KEPT = 5; // sheets this tab can take back, also when it is loaded again
const SKIP = "skip";

const config = JSON.parse(document.getElementById("grid-config").textContent);
const { words, ratings } = config;
const fill = (word, values = {}) => words[word].replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
const number = (value) => new Intl.NumberFormat(document.documentElement.lang).format(value);

class Grid {
  constructor(root) {
    this.root = root;
    this.list = root.querySelector("[data-sheet]");
    this.today = root.querySelector("[data-today]");
    this.large = document.querySelector("[data-large]");
    this.sheets = []; // {rating, cards, answers: Map of assignment to rating or "skip"}
    this.store = `vitrine-sheets-${config.user}-${config.project}`;
    this.given = this.kept(); // sheets sent from this tab, newest last: {key, sheet, rated}
    this.frame = new Frame(root, { words, fill, login: config.urls.login });
    this.session = new Session(root, { minutes: config.sessionMinutes, fill });
    this.journal = new Journal({
      user: config.user,
      kinds: new Set(["sheet", "sheet-undo"]),
      csrf: this.csrf,
      asks: (record) => (record.kind === "sheet" ? this.asker.asides : {}),
      tell: (what, record, data) => this.heard(what, record, data),
    });
    this.asker = new Asker({
      url: config.urls.sheet,
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

  /* What this tab sent before it was loaded again. */
  kept() {
    const revive = ({ sheet, ...act }) => ({ ...act, sheet: { ...sheet, answers: new Map(sheet.answers) } });
    return (read(sessionStorage, this.store) ?? []).map(revive);
  }

  keep(given) {
    this.given = given.slice(-UNDO_KEPT);
    const plain = ({ sheet, ...act }) => ({ ...act, sheet: { ...sheet, answers: [...sheet.answers] } });
    write(sessionStorage, this.store, this.given.map(plain));
  }

  async start() {
    this.listen();
    for (const part of this.root.querySelectorAll("[data-tools], .label-more, .sheet-bar [data-does=undo]")) part.hidden = false;
    this.root.classList.add("is-live");
    await this.journal.open();
    for (const record of this.journal.refused) this.showRefusal(record);
    if (config.sheet) this.take(config.sheet);
    this.journal.drain();
    this.asker.topUp();
    this.show();
    setInterval(() => this.extend(), HEARTBEAT_MS);
  }

  /* --- sheets --------------------------------------------------------------------------------------- */
  get first() {
    return this.sheets[0];
  }

  get held() {
    return this.sheets.flatMap(({ cards }) => cards.map(({ assignment }) => assignment));
  }

  get unsent() {
    const waiting = this.journal.waiting.filter(({ kind }) => kind === "sheet");
    return waiting.flatMap(({ body }) => body.answers.map(({ assignment }) => assignment));
  }

  get wish() {
    if (this.sheets.length > 1 || this.asker.isQuiet) return null;
    const holding = [...new Set([...this.held, ...this.unsent])].slice(0, 200);
    return { holding, project: config.project, rater: config.user };
  }

  came({ sheet = null }) {
    if (sheet) this.take(sheet);
    return Boolean(sheet);
  }

  take({ rating, cards }) {
    const known = new Set([...this.held, ...this.unsent]);
    const fresh = cards.filter(({ assignment }) => !known.has(assignment));
    if (!fresh.length) return;
    this.asker.nothing = null;
    this.sheets.push({ rating, cards: fresh, answers: new Map() });
    for (const { thumbnail } of fresh) new Image().src = thumbnail;
    this.show();
  }

  show() {
    const sheet = this.first;
    const isOver = !sheet && Boolean(this.asker.nothing) && !this.journal.waiting.length;
    this.root.toggleAttribute("data-empty", isOver);
    this.root.querySelector("[data-nothing]").hidden = !isOver;
    if (isOver) {
      const question = this.root.querySelector("[data-question]");
      question.textContent = question.dataset.question; // nothing is asked any more
      this.root.querySelector("[data-nothing-words]").textContent = this.asker.nothing.detail;
    }
    const said = this.root.querySelector("[data-stage-words]");
    said.hidden = Boolean(sheet);
    said.textContent = this.asker.isAway || this.journal.trouble ? words.comingOffline : words.coming;
    if (sheet !== this.shown) this.draw(sheet);
    this.drawActs();
  }

  draw(sheet) {
    this.shown = sheet;
    if (!sheet) return this.list.replaceChildren();
    const spoken = ratings[sheet.rating];
    this.root.querySelector("[data-question]").textContent = fill("question", { words: spoken });
    const drawn = new Map([...this.list.children].map((tile) => [Number(tile.dataset.tile), tile]));
    this.list.replaceChildren(...sheet.cards.map((card) => this.tile(card, sheet, drawn.get(card.assignment))));
    this.list.scrollTop = 0;
    this.since = performance.now();
    this.go(this.list.children[0], { quiet: true });
    this.frame.sayWord("announceSheet", { n: sheet.cards.length, words: spoken });
  }

  tile(card, sheet, drawn) {
    const tile = drawn ?? document.createElement("li");
    if (!drawn) {
      tile.className = "sheet-tile";
      tile.dataset.tile = card.assignment;
      const img = Object.assign(new Image(256, 256), { src: card.thumbnail, alt: card.title, draggable: false });
      const select = document.createElement("select");
      select.setAttribute("aria-label", card.title);
      const option = (value, text) => select.append(new Option(text, value));
      option("", `✓ ${sheet.rating} ${ratings[sheet.rating]}`);
      for (const [vote, said] of Object.entries(ratings)) {
        if (Number(vote) !== sheet.rating) option(vote, `${vote} ${said}`);
      }
      option(SKIP, this.root.dataset.skip ?? SKIP);
      tile.append(img, select);
    }
    tile.tabIndex = -1;
    this.mark(tile, sheet.answers.get(card.assignment) ?? "");
    return tile;
  }

  mark(tile, answer) {
    tile.querySelector("select").value = answer;
    tile.classList.toggle("is-other", answer !== "");
  }

  /* --- acts ----------------------------------------------------------------------------------------- */
  get tileAt() {
    return document.activeElement?.closest?.("[data-tile]") ?? this.list.querySelector("[tabindex='0']");
  }

  cardOf(tile) {
    return this.first?.cards.find(({ assignment }) => assignment === Number(tile?.dataset.tile));
  }

  go(tile, { quiet = false } = {}) {
    if (!tile) return;
    for (const other of this.list.children) other.tabIndex = other === tile ? 0 : -1;
    if (!quiet || document.activeElement === document.body) tile.focus({ preventScroll: quiet });
  }

  move(key) {
    const tiles = [...this.list.children];
    const at = Math.max(0, tiles.indexOf(this.tileAt));
    const wide = tiles.filter((tile) => tile.offsetTop === tiles[0].offsetTop).length;
    const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -wide, ArrowDown: wide }[key];
    const next = at + by;
    if (next >= 0 && next < tiles.length) this.go(tiles[next]);
  }

  /* A digit sets; the sheet's own digit takes a change back. */
  set(tile, value) {
    const card = this.cardOf(tile);
    if (!card) return;
    const { answers, rating } = this.first;
    const answer = String(value) === String(rating) ? "" : String(value);
    if (answer) answers.set(card.assignment, answer);
    else answers.delete(card.assignment);
    this.mark(tile, answer);
    const { title } = card;
    const said = answer === SKIP ? "tileSkipped" : answer ? "tileRated" : "tileClear";
    this.frame.sayWord(said, { title, rating: answer });
    this.drawActs();
  }

  confirm() {
    const sheet = this.first;
    if (!sheet || sheet !== this.shown) return;
    const looked = performance.now() - this.since;
    if (looked < TOO_SOON_MS) return;
    const answers = sheet.cards.map(({ assignment, prediction }) => {
      const answer = sheet.answers.get(assignment) ?? "";
      const rating = answer && answer !== SKIP ? Number(answer) : null;
      return { assignment, score: prediction?.id ?? null, rating, skip: answer === SKIP };
    });
    const body = { key: newKey(), answers, duration_ms: Math.round(looked), rater: config.user };
    const rated = answers.filter(({ skip }) => !skip).length;
    const about = { title: fill("sheet", { n: answers.length }), rating: sheet.rating };
    this.journal.add("sheet", config.urls.confirm, body, about);
    this.keep([...this.given, { key: body.key, sheet, rated }]);
    this.count(rated);
    this.session.worked();
    this.frame.sayWord("announceConfirm", { n: rated });
    this.sheets.shift();
    this.show();
  }

  undo() {
    const act = this.given.at(-1);
    if (!act) return this.frame.hint("nothingToUndo");
    this.keep(this.given.slice(0, -1));
    this.sheets.unshift(act.sheet);
    this.count(-act.rated);
    this.frame.say(words.announceUndo);
    this.show();
    const isGone = this.journal.takeBack(({ kind, body }) => kind === "sheet" && body.key === act.key);
    const body = {
      sheet: act.key,
      assignments: act.sheet.cards.map(({ assignment }) => assignment),
      key: newKey(),
      rater: config.user,
    };
    this.journal.addUnless(isGone, "sheet-undo", config.urls.undo, body, { title: "", rating: "" });
  }

  count(by) {
    const done = Math.max(0, Number(this.today.dataset.done) + by);
    this.today.dataset.done = done;
    this.today.textContent = fill("today", { n: number(done) });
  }

  look() {
    if (this.large.open) return this.large.close();
    const card = this.cardOf(this.tileAt);
    if (!card) return;
    const img = Object.assign(new Image(card.width, card.height), { src: card.picture, alt: card.title });
    this.large.querySelector("[data-large-title]").textContent = card.title;
    this.large.querySelector("[data-large-stage]").replaceChildren(img);
    this.large.showModal();
  }

  /* --- the journal speaks --------------------------------------------------------------------------- */
  heard(what, record, data) {
    if (what === "sent") {
      if (data.results) this.settle(data.results);
      if (data.cards) this.leased(data.cards);
      if ("sheet" in data) this.asker.came(data);
      this.asker.topUp();
    }
    if (what === "refused") {
      const act = this.given.find(({ key }) => key === record.body.key);
      if (act) this.count(-act.rated);
      this.keep(this.given.filter(({ key }) => key !== record.body.key));
      this.showRefusal(record);
      this.asker.topUp();
    }
    this.frame.drawState(this.journal);
    if (what === "elsewhere") this.asker.topUp();
    this.show();
  }

  /* A sheet taken back is leased anew, and longer. */
  leased(cards) {
    const until = new Map(cards.map((card) => [card.assignment, card.lease_until]));
    for (const card of this.sheets.flatMap((sheet) => sheet.cards)) {
      card.lease_until = until.get(card.assignment) ?? card.lease_until;
    }
  }

  /* Some pictures may have gone to somebody else while we looked. */
  settle(results) {
    const lost = results.filter(({ code }) => code);
    if (!lost.length) return;
    this.count(-lost.length);
    this.notice(fill("partly", { n: lost.length, all: results.length, why: lost[0].detail }));
  }

  showRefusal(record) {
    const text = fill("refused", { title: record.about.title, why: record.refusal.detail ?? "" });
    const acts = [[words.gotIt, () => this.journal.dismiss(record)]];
    if (record.refusal.status === 403) acts.unshift([words.tryAgain, () => this.journal.retry(record)]);
    this.notice(text, acts);
  }

  notice(text, acts = [[words.gotIt, () => undefined]]) {
    const notice = document.createElement("div");
    notice.className = "notice notice-warning";
    notice.setAttribute("role", "alert");
    notice.append(Object.assign(document.createElement("p"), { textContent: text }));
    for (const [said, act] of acts) {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: said });
      button.className = "button button-small";
      button.addEventListener("click", () => {
        notice.remove();
        act();
      });
      notice.append(button);
    }
    this.root.querySelector("[data-notices]").append(notice);
  }

  drawActs() {
    const sheet = this.first;
    for (const button of this.root.querySelectorAll("[data-does=undo]")) {
      button.disabled = !this.given.length;
      if (button.closest("[data-nothing]")) button.hidden = !this.given.length;
    }
    this.root.querySelector("[data-does=confirm]").disabled = !sheet;
    if (!sheet) return;
    const changed = sheet.answers.size;
    const n = sheet.cards.length - changed;
    this.root.querySelector("[data-confirm]").textContent = fill(changed ? "confirmSome" : "confirmAll", { n, changed });
  }

  /* The heartbeat, while somebody is here. Pictures that went to somebody else leave. */
  async extend() {
    const isHere = Date.now() - this.session.seenAt < config.leaseMinutes * 60_000;
    if (!isHere || document.hidden || !this.held.length) return;
    try {
      const body = { assignments: this.held, rater: config.user };
      const { ok, data } = await post(config.urls.extend, body, this.csrf);
      if (!ok) return;
      this.until = data.until;
      const held = new Set(data.held);
      const whole = this.sheets.every(({ cards }) => cards.every(({ assignment }) => held.has(assignment)));
      if (whole) return;
      for (const sheet of this.sheets) sheet.cards = sheet.cards.filter(({ assignment }) => held.has(assignment));
      this.sheets = this.sheets.filter(({ cards }) => cards.length);
      this.shown = null;
      this.asker.topUp();
      this.show();
    } catch {
      /* offline: a vote that comes late is taken as long as nobody else has the picture */
    }
  }

  release() {
    const unsent = new Set(this.unsent);
    const cards = this.sheets.flatMap((sheet) => sheet.cards).filter(({ assignment }) => !unsent.has(assignment));
    if (!cards.length) return;
    const body = new URLSearchParams({ csrfmiddlewaretoken: this.csrf(), rater: config.user });
    for (const { assignment } of cards) body.append("assignments", assignment);
    body.append("until", [this.until ?? "", ...cards.map((card) => card.lease_until)].sort().at(-1));
    navigator.sendBeacon(config.urls.release, body);
  }

  /* --- listening ------------------------------------------------------------------------------------ */
  listen() {
    document.addEventListener("keydown", (event) => this.pressed(event));
    this.root.addEventListener("submit", (event) => event.preventDefault());
    this.root.addEventListener("click", (event) => this.clicked(event));
    this.list.addEventListener("change", ({ target }) => this.set(target.closest("[data-tile]"), target.value || this.first?.rating));
    this.list.addEventListener("focusin", ({ target }) => {
      const tile = target.closest("[data-tile]");
      for (const other of this.list.children) other.tabIndex = other === tile ? 0 : -1;
    });
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) return;
      this.session.isHere();
      this.extend();
      this.journal.drain();
    });
    addEventListener("pagehide", () => this.release());
    addEventListener("pageshow", (event) => event.persisted && location.reload());
    addEventListener("beforeunload", (event) => {
      if (!this.journal.store?.isLasting && this.journal.waiting.length) event.preventDefault();
    });
  }

  pressed(event) {
    this.session.isHere();
    const name = keyName(event);
    if (this.large.open && name === "z") return this.look();
    if (event.defaultPrevented || document.querySelector("dialog[open]") || !name) return;
    const at = event.target;
    if (at.matches("summary, a") || (at.matches("button") && (name === "Enter" || name === "Space"))) return;
    if (at.matches("select") && (name === "Space" || name.startsWith("Arrow"))) return;
    const act = this.actOf(name);
    if (!act) return;
    event.preventDefault();
    if (!event.repeat || name.startsWith("Arrow")) act();
  }

  actOf(name) {
    const tile = this.tileAt;
    if (/^[1-5]$/.test(name)) return () => this.set(tile, Number(name));
    if (name.startsWith("Arrow")) return () => this.move(name);
    const isChanged = this.first?.answers.has(Number(tile?.dataset.tile));
    return {
      Enter: () => this.confirm(),
      s: () => this.set(tile, SKIP),
      z: () => this.look(),
      "?": () => document.querySelector("[data-keys]").showModal(),
      Backspace: () => (isChanged ? this.set(tile, this.first.rating) : this.undo()),
      Delete: () => isChanged && this.set(tile, this.first.rating),
    }[name];
  }

  clicked(event) {
    this.session.isHere();
    const button = event.target.closest("[data-does]");
    if (button) {
      event.preventDefault();
      if (event.detail) button.blur();
      const name = button.dataset.does;
      return name === "help" ? document.querySelector("[data-keys]").showModal() : this[name]();
    }
    const tile = event.target.matches("[data-tile] img") && event.target.closest("[data-tile]");
    if (!tile) return;
    this.go(tile);
    this.look();
  }
}

new Grid(document.querySelector("[data-grid]")).start();

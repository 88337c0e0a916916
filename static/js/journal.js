/* The journal: answers are written into the browser first and sent from there, in order, with their keys.
   A network that fails, a page that is loaded again or a browser that dies loses nothing, and an answer
   that is sent twice is one vote, since the server knows its key.

   One record: {seq, user, kind, url, body, about, tries, state, refusal}. Kinds: submit, undo, skip, back of the
   Label page, compare and compare-undo of the Compare page, sheet and sheet-undo of the Grid page. Every page sends what waits, whoever wrote it; what
   was refused is told on the page it comes from.
   waiting -> gone when the server has it, or refused, when it must be shown to the person. */

const NAME = "vitrine-label";
const STORE = "answers";
const GIVE_UP_MS = 15_000;
const RETRY_MS = [1_000, 2_000, 4_000, 8_000, 15_000];
const NOT_WORTH_TELLING = {
  undo: [404, 409],
  back: [404, 409],
  skip: [404],
  compare: [409],
  "compare-undo": [404, 409],
  "sheet-undo": [404, 409],
};

export const newKey = () => {
  const bytes = crypto.getRandomValues(new Uint8Array(16)); // randomUUID wants HTTPS, a house may have none
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
};

/* Small things kept in localStorage and sessionStorage, as JSON. */
export const read = (store, name) => {
  try {
    return JSON.parse(store.getItem(name) ?? "null");
  } catch {
    return null;
  }
};
export const write = (store, name, value) => {
  try {
    store.setItem(name, JSON.stringify(value));
  } catch {
    /* a browser that keeps nothing */
  }
};

/* One POST to the API. Throws only when no answer came. */
export async function post(url, body, csrf) {
  const answer = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": csrf() },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(GIVE_UP_MS),
  });
  const isJson = answer.headers.get("Content-Type")?.includes("json");
  return { status: answer.status, ok: answer.ok, data: isJson ? await answer.json() : {} };
}

const settled = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/* Records in IndexedDB. */
class Kept {
  isLasting = true;

  async open() {
    const asked = indexedDB.open(NAME, 1);
    asked.onupgradeneeded = () => {
      const store = asked.result.createObjectStore(STORE, { keyPath: "seq", autoIncrement: true });
      store.createIndex("user", "user");
    };
    this.db = await settled(asked);
    return this;
  }

  #store(mode) {
    return this.db.transaction(STORE, mode).objectStore(STORE);
  }

  all(user) {
    return settled(this.#store("readonly").index("user").getAll(user));
  }

  async put(record) {
    const store = this.#store("readwrite");
    const written = new Promise((resolve, reject) => {
      store.transaction.oncomplete = resolve;
      store.transaction.onabort = () => reject(store.transaction.error);
    });
    const seq = await settled(store.put(record));
    await written;
    return seq;
  }

  remove(seq) {
    return settled(this.#store("readwrite").delete(seq));
  }

  /* Read a record and, in the same breath, change or remove it: ``change`` gives the new one, or null. */
  async change(seq, change) {
    const store = this.#store("readwrite");
    const record = await settled(store.get(seq));
    if (!record) return undefined;
    const changed = change(record);
    await settled(changed ? store.put(changed) : store.delete(seq));
    return changed;
  }
}

/* The same in memory, for browsers that keep nothing. */
class Forgetful {
  isLasting = false;
  records = new Map();
  last = 0;

  async all() {
    return [...this.records.values()];
  }

  async put(record) {
    const seq = record.seq ?? (this.last += 1);
    this.records.set(seq, { ...record, seq });
    return seq;
  }

  async remove(seq) {
    this.records.delete(seq);
  }

  async change(seq, change) {
    if (!this.records.has(seq)) return undefined;
    const changed = change(this.records.get(seq));
    changed ? this.records.set(seq, changed) : this.records.delete(seq);
    return changed;
  }
}

export class Journal {
  /* ``kinds``: answers of this page. ``asks()`` adds to an answer the wish for the next pictures; ``tell`` hears: sent, refused, changed, and
     elsewhere when another tab changed something, which may have sent an answer of this one. */
  constructor({ user, kinds, csrf, asks, tell }) {
    Object.assign(this, { user, kinds, csrf, asks, tell });
    this.records = [];
    this.trouble = ""; // "", offline, signedOut, otherPerson
    this.failures = 0;
    this.tail = Promise.resolve();
    this.channel = "BroadcastChannel" in window ? new BroadcastChannel(NAME) : null;
    this.channel?.addEventListener("message", () => this.#reload());
    addEventListener("online", () => this.drain());
    addEventListener("offline", () => this.troubled("offline"));
  }

  async open() {
    try {
      this.store = await new Kept().open();
    } catch {
      this.store = new Forgetful();
    }
    this.records = await this.store.all(this.user);
    this.tell("changed");
  }

  get waiting() {
    return this.records.filter((record) => record.state === "waiting");
  }

  get refused() {
    return this.records.filter(({ state, kind }) => state === "refused" && this.kinds.has(kind));
  }

  /* Write an answer down and send it. Answers are written in the order in which they were given. */
  add(...answer) {
    const record = this.#noted(...answer);
    return this.#next(() => this.#write(record));
  }

  #noted(kind, url, body, about) {
    const record = { user: this.user, kind, url, body, about, tries: 0, state: "waiting", refusal: null };
    this.records.push(record);
    this.tell("changed");
    return record;
  }

  async #write(record) {
    try {
      record.seq = await this.store.put(record);
    } catch {
      await this.#forget(record);
    }
    this.drain();
  }

  /* The same, unless ``isNeedless`` turns out true; it keeps its place in the order. */
  addUnless(isNeedless, ...answer) {
    return this.#next(async () => {
      if (!(await isNeedless)) await this.#write(this.#noted(...answer));
    });
  }

  /* Take back what never left the browser; true if it had not. ``isMeant`` picks the record. */
  takeBack(isMeant) {
    return this.#next(async () => {
      const record = this.records.findLast((one) => one.state === "waiting" && isMeant(one));
      if (!record) return false;
      const left = await this.store.change(record.seq, (kept) => (kept.tries === 0 ? null : kept));
      if (left) return false;
      this.#drop(record);
      return left === null;
    });
  }

  /* The person has read of a refusal. */
  async dismiss(record) {
    await this.store.remove(record.seq);
    this.#drop(record);
  }

  async retry(record, body = {}) {
    const again = { ...record, body: { ...record.body, ...body }, state: "waiting", refusal: null, tries: 0 };
    await this.store.put(again);
    this.records = this.records.map((one) => (one.seq === again.seq ? again : one));
    this.tell("changed");
    this.drain();
  }

  /* Send what waits, oldest first, one at a time, from one tab at a time. */
  async drain() {
    if (this.isDraining) {
      this.isAgain = true;
      return;
    }
    this.isDraining = true;
    clearTimeout(this.timer);
    try {
      do {
        this.isAgain = false;
        await this.#alone(() => this.#sendAll());
      } while (this.isAgain && !this.trouble);
    } finally {
      this.isDraining = false;
    }
  }

  async #sendAll() {
    for (;;) {
      const record = (await this.store.all(this.user)).find((one) => one.state === "waiting");
      if (!record) {
        this.records = this.records.filter((one) => one.state !== "waiting" || one.seq === undefined);
        return this.troubled("");
      }
      const tried = await this.store.change(record.seq, (kept) => ({ ...kept, tries: kept.tries + 1 }));
      if (tried && !(await this.#send(tried))) return;
    }
  }

  /* True when the server has decided on the record, whatever it decided. */
  async #send(record) {
    let answer;
    try {
      answer = await post(record.url, { ...record.body, ...(this.kinds.has(record.kind) ? this.asks(record) : {}) }, this.csrf);
    } catch {
      return this.#later("offline");
    }
    const { status, data, ok } = answer;
    if (status === 401 || (status === 403 && data.code === "permission_denied")) return this.#later("signedOut");
    if (data.code === "other_person") return this.#later("otherPerson");
    if (status === 429 || status >= 500) return this.#later("offline");
    this.failures = 0;
    this.troubled("");
    if (ok || NOT_WORTH_TELLING[record.kind]?.includes(status)) {
      await this.store.remove(record.seq);
      this.#drop(record);
      if (this.kinds.has(record.kind)) this.tell("sent", record, ok ? data : {});
    } else {
      const refused = { ...record, state: "refused", refusal: { ...data, status } };
      await this.store.put(refused);
      this.records = this.records.map((one) => (one.seq === refused.seq ? refused : one));
      this.#changed();
      if (this.kinds.has(refused.kind)) this.tell("refused", refused);
    }
    return true;
  }

  #later(trouble) {
    this.troubled(trouble);
    const pause = RETRY_MS[Math.min(this.failures, RETRY_MS.length - 1)];
    this.failures += 1;
    this.timer = setTimeout(() => this.drain(), pause);
    return false;
  }

  /* What stands between us and the server, as far as anybody noticed. */
  troubled(trouble) {
    if (this.trouble === trouble) return;
    this.trouble = trouble;
    this.tell("changed");
  }

  #drop(record) {
    this.records = this.records.filter((one) => (record.seq === undefined ? one !== record : one.seq !== record.seq));
    this.#changed();
  }

  #changed() {
    this.channel?.postMessage("changed");
    this.tell("changed");
  }

  async #reload() {
    const unwritten = this.records.filter((one) => one.seq === undefined);
    this.records = [...(await this.store.all(this.user)), ...unwritten];
    this.tell("elsewhere");
  }

  /* The disk is full or closed to us: go on in memory with everything at hand. */
  async #forget(record) {
    if (this.store.isLasting) {
      const memory = new Forgetful();
      for (const one of this.records) if (one !== record && one.seq !== undefined) await memory.put(one);
      memory.last = Math.max(0, ...memory.records.keys());
      this.store = memory;
    }
    record.seq = await this.store.put(record);
    this.tell("changed");
  }

  #next(act) {
    const done = this.tail.then(act);
    this.tail = done.catch(() => undefined);
    return done;
  }

  #alone(act) {
    return navigator.locks ? navigator.locks.request(`${NAME}-${this.user}`, act) : act();
  }
}

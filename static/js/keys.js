/* Which key does what on the Label page. Defaults stand here, changes in the browser's localStorage.
   A key has a name: "1", "s", "Shift+o", "Enter", "Space", "?". Letters and digits are known by what is
   printed on them, and where a layout or an input method hides that, by their place. */

const DEFAULTS = {
  rate1: ["1"],
  rate2: ["2"],
  rate3: ["3"],
  rate4: ["4"],
  rate5: ["5"],
  accept: ["Enter", "Space"],
  undo: ["Backspace"],
  skip: ["s"],
  flag: ["f"],
  zoom: ["z"],
  boxes: ["h"],
  examples: ["r"],
  help: ["?"],
  "defect:defocus_blur": ["Shift+o"],
  "defect:motion_blur": ["Shift+m"],
  "defect:noise": ["Shift+n"],
  "defect:jpeg_artefacts": ["Shift+j"],
  "defect:under_exposed": ["Shift+u"],
  "defect:over_exposed": ["Shift+e"],
  "defect:low_contrast": ["Shift+l"],
  "defect:colour_cast": ["Shift+c"],
  "defect:upscaled": ["Shift+r"],
  "defect:cluttered_background": ["Shift+b"],
  "defect:product_too_small": ["Shift+s"],
  "defect:off_centre": ["Shift+p"],
  "defect:cropped": ["Shift+x"],
  "defect:border": ["Shift+d"],
  "defect:text_overlay": ["Shift+t"],
  "defect:collage": ["Shift+g"],
};
const DRAWN = { Enter: "↵", Backspace: "⌫", Delete: "⌦" };
const NEEDED_ELSEWHERE = /^(Shift\+)?(Tab|Escape|Arrow\w+|F\d+|Home|End|Page\w+|ContextMenu)$/;
const SILENT = new Set(["Shift", "Control", "Alt", "AltGraph", "Meta", "CapsLock", "NumLock", "Dead", "Fn"]);

/* The name of the key of an event; "" for chords of the browser, dead keys and half-typed characters. */
export function keyName(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || SILENT.has(event.key)) return "";
  const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code);
  if (/^\d$/.test(event.key)) return event.key;
  if (digit && !event.shiftKey) return digit[1];
  if (event.key === " ") return "Space";
  const latin = /^[a-z]$/i.test(event.key) ? event.key : /^Key([A-Z])$/.exec(event.code)?.[1];
  if (latin) return (event.shiftKey ? "Shift+" : "") + latin.toLowerCase();
  if (event.key === "Process" || event.key === "Unidentified") return "";
  return event.shiftKey && event.key.length > 1 ? `Shift+${event.key}` : event.key;
}

export class Keys {
  constructor({ store, space }) {
    this.store = store;
    this.space = space;
    this.changed = this.#read();
    this.#index();
  }

  /* The action of a key, undefined for a key that does nothing. */
  actionOf(name) {
    return this.byKey.get(name);
  }

  keysOf(action) {
    return this.changed[action] ?? DEFAULTS[action] ?? [];
  }

  /* What stands on the cap: the action's first key. */
  capOf(action) {
    return this.capOfKey(this.keysOf(action)[0] ?? "");
  }

  capOfKey(name) {
    if (name === "Space") return this.space;
    const [, shift, letter] = /^(Shift\+)?([a-z])$/.exec(name) ?? [];
    return letter ? (shift ? "⇧" : "") + letter.toUpperCase() : (DRAWN[name] ?? name.replace("Shift+", "⇧"));
  }

  /* Give an action another key: "" when done, "reserved", or the action that has the key already. */
  change(action, name) {
    if (NEEDED_ELSEWHERE.test(name)) return "reserved";
    const holder = this.actionOf(name);
    if (holder && holder !== action) return holder;
    this.changed[action] = [name];
    this.#write();
    return "";
  }

  reset() {
    this.changed = {};
    this.#write();
  }

  #read() {
    try {
      const kept = Object.entries(JSON.parse(localStorage.getItem(this.store) ?? "{}"));
      return Object.fromEntries(kept.filter(([action, names]) => action in DEFAULTS && Array.isArray(names)));
    } catch {
      return {};
    }
  }

  #write() {
    this.#index();
    try {
      localStorage.setItem(this.store, JSON.stringify(this.changed));
    } catch {
      /* a browser that keeps nothing: the keys hold until the page is left */
    }
  }

  #index() {
    this.byKey = new Map();
    for (const action of Object.keys(DEFAULTS)) {
      for (const name of this.keysOf(action)) this.byKey.set(name, action);
    }
  }
}

/* The list under "?": every action with its key, each of which can be changed by pressing another. */
export class KeyList {
  constructor({ dialog, keys, actions, words, fill, onChange }) {
    Object.assign(this, { dialog, keys, actions, words, fill, onChange });
    this.list = dialog.querySelector("[data-keys-list]");
    this.said = dialog.querySelector("[data-keys-said]");
    this.asked = "";
    this.list.addEventListener("click", (event) => this.#ask(event.target.closest("button")));
    dialog.querySelector("[data-keys-reset]").addEventListener("click", () => {
      keys.reset();
      this.#changed("");
    });
    dialog.addEventListener("keydown", (event) => this.#hear(event));
    dialog.addEventListener("close", () => (this.asked = ""));
  }

  open() {
    this.asked = "";
    this.said.textContent = "";
    this.#draw();
    this.dialog.showModal();
  }

  #draw() {
    const groups = Map.groupBy
      ? Map.groupBy(this.actions, (action) => action.group)
      : this.actions.reduce((all, one) => all.set(one.group, [...(all.get(one.group) ?? []), one]), new Map());
    this.list.replaceChildren(
      ...[...groups].map(([group, actions]) => {
        const section = document.createElement("section");
        const title = document.createElement("h3");
        title.textContent = group;
        section.append(title, ...actions.map((action) => this.#row(action)));
        return section;
      }),
    );
  }

  #row({ id, words }) {
    const row = document.createElement("p");
    const name = document.createElement("span");
    const button = document.createElement("button");
    const caps = this.keys.keysOf(id).map((key) => this.keys.capOfKey(key)).join(" · ");
    name.textContent = words;
    button.type = "button";
    button.className = "key";
    button.dataset.action = id;
    button.textContent = id === this.asked ? this.words.pressKey : caps;
    button.setAttribute("aria-label", this.fill("change", { action: words, key: caps }));
    row.append(name, button);
    return row;
  }

  #ask(button) {
    if (!button) return;
    this.asked = button.dataset.action;
    this.said.textContent = this.words.pressKey;
    this.#draw();
    this.list.querySelector(`[data-action="${CSS.escape(this.asked)}"]`).focus();
  }

  #hear(event) {
    if (!this.asked) return;
    if (event.key === "Escape") {
      event.preventDefault();
      return this.#changed("");
    }
    const name = keyName(event);
    if (!name) return;
    event.preventDefault();
    const refusal = this.keys.change(this.asked, name);
    const key = this.keys.capOfKey(name);
    const wordsOf = (id) => this.actions.find((action) => action.id === id)?.words ?? id;
    if (refusal === "reserved") this.said.textContent = this.fill("keyReserved", { key });
    else if (refusal) this.said.textContent = this.fill("keyTaken", { key, action: wordsOf(refusal) });
    else this.#changed(this.fill("keySet", { key, action: wordsOf(this.asked) }));
  }

  #changed(said) {
    const asked = this.asked;
    this.asked = "";
    this.said.textContent = said;
    this.#draw();
    this.list.querySelector(`[data-action="${CSS.escape(asked)}"]`)?.focus();
    this.onChange();
  }
}

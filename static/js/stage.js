/* The stage: one picture on fixed grey, at its native pixels when it fits, else whole. Zoom shows single
   pixels and is moved by mouse, finger and arrow keys; boxes show where the defects are, a heatmap where points are lost. */

const SWIPE_PX = 64;
const STEP_PX = 80;
const MARGIN_PX = 10; // grey all around, so that an edge of the picture is seen as one
const SVG = "http://www.w3.org/2000/svg";

export class Stage {
  constructor(root, { words, scale, onSwipe, onNoHeat }) {
    Object.assign(this, { root, words, onNoHeat });
    this.scroll = root.querySelector("[data-scroll]");
    this.figure = root.querySelector("[data-picture]");
    this.said = root.querySelector("[data-stage-words]");
    this.scale = scale;
    this.isZoomed = false;
    this.hasBoxes = false;
    this.findings = [];
    this.heat = "";
    new ResizeObserver(() => this.#fit()).observe(this.scroll);
    this.#pan();
    this.#swipe(onSwipe);
  }

  /* The picture the server has drawn already, to be used as it is. */
  get drawn() {
    return this.figure.querySelector("img");
  }

  show(img, { findings, heatmap }) {
    this.findings = findings;
    this.heat = heatmap;
    this.isZoomed = false;
    if (this.drawn !== img) this.figure.replaceChildren(img);
    this.said.hidden = true;
    this.figure.hidden = false;
    this.#fit();
    this.#drawBoxes();
  }

  /* Words instead of a picture. */
  say(text) {
    this.figure.hidden = true;
    this.said.textContent = text;
    this.said.hidden = false;
    this.scale.textContent = "";
  }

  isShowing(img) {
    return !this.figure.hidden && this.drawn === img;
  }

  zoom(at) {
    const img = this.drawn;
    if (!img || this.figure.hidden) return;
    const box = img.getBoundingClientRect();
    const x = at && box.width ? (at.x - box.left) / box.width : 0.5;
    const y = at && box.height ? (at.y - box.top) / box.height : 0.5;
    this.isZoomed = !this.isZoomed;
    this.#fit();
    const [width, height] = [this.scroll.scrollWidth, this.scroll.scrollHeight];
    this.scroll.scrollTo(x * width - this.scroll.clientWidth / 2, y * height - this.scroll.clientHeight / 2);
  }

  /* Move the zoomed picture; true if the key was one of the arrows and did. */
  move(key) {
    const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
    if (!by || !this.isZoomed) return false;
    this.scroll.scrollBy(by[0] * STEP_PX, by[1] * STEP_PX);
    return true;
  }

  /* Show or hide the places of the defects and the heatmap; false where neither is known. */
  boxes() {
    if (!this.hasBoxes && !this.heat && !this.findings.some((found) => found.box)) return false;
    this.hasBoxes = !this.hasBoxes;
    this.#drawBoxes();
    return true;
  }

  /* One pixel of the picture on one of the screen, less where it would not fit; zoomed the other way. */
  #fit() {
    const img = this.drawn;
    if (!img) return;
    const [width, height] = [Number(img.getAttribute("width")), Number(img.getAttribute("height"))];
    const native = 1 / (window.devicePixelRatio || 1);
    const [wide, high] = [this.root.clientWidth, this.root.clientHeight].map((side) => side - 2 * MARGIN_PX);
    const room = Math.min(wide / width, high / height);
    const fitted = Math.min(native, room);
    const shown = this.isZoomed ? (fitted < native ? native : native * 2) : fitted;
    img.style.width = `${width * shown}px`;
    img.style.height = `${height * shown}px`;
    this.root.classList.toggle("is-zoomed", this.isZoomed);
    this.root.classList.toggle("is-magnified", shown > native);
    if (this.isZoomed) this.scroll.tabIndex = 0;
    else this.scroll.removeAttribute("tabindex");
    const times = shown / native;
    this.scale.textContent = times === 1 ? this.words.native : `${Math.round(times * 100)} %`;
  }

  #drawBoxes() {
    for (const old of this.figure.querySelectorAll("svg, .label-heat")) old.remove();
    for (const name of this.figure.querySelectorAll("figcaption")) name.remove();
    if (this.hasBoxes && this.heat) this.#drawHeat();
    const placed = this.findings.filter((found) => found.box);
    if (!this.hasBoxes || !placed.length) return;
    const drawing = document.createElementNS(SVG, "svg");
    drawing.setAttribute("viewBox", "0 0 1 1");
    drawing.setAttribute("preserveAspectRatio", "none");
    drawing.setAttribute("aria-hidden", "true");
    const named = new Map(); // defects of one place share a box
    for (const found of placed) {
      const place = found.box.join();
      named.set(place, [...(named.get(place) ?? []), found]);
    }
    for (const [first, ...others] of named.values()) {
      const [left, top, right, bottom] = first.box;
      for (const edge of ["edge", "mark"]) {
        const rect = document.createElementNS(SVG, "rect");
        rect.setAttribute("class", `label-box-${edge}`);
        for (const [name, value] of Object.entries({ x: left, y: top, width: right - left, height: bottom - top })) {
          rect.setAttribute(name, value);
        }
        drawing.append(rect);
      }
      const name = document.createElement("figcaption");
      name.textContent = [first, ...others].map((found) => found.words).join(", ");
      name.style.left = `${left * 100}%`;
      name.style.top = `${top * 100}%`;
      this.figure.append(name);
    }
    this.figure.append(drawing);
  }

  /* Measured by the server when first asked for. Where it cannot be, that is said, and the key asks anew. */
  #drawHeat() {
    const heat = new Image();
    heat.className = "label-heat";
    heat.alt = "";
    heat.addEventListener("error", () => {
      if (!heat.isConnected) return; // switched off, or the picture has gone
      heat.remove();
      if (!this.findings.some((found) => found.box)) this.hasBoxes = false;
      this.onNoHeat();
    });
    heat.src = this.heat;
    this.figure.append(heat);
  }

  #pan() {
    let from = null;
    this.scroll.addEventListener("pointerdown", (event) => {
      if (!this.isZoomed || event.pointerType === "touch" || event.button !== 0) return;
      from = { x: event.clientX + this.scroll.scrollLeft, y: event.clientY + this.scroll.scrollTop };
      this.scroll.setPointerCapture(event.pointerId);
    });
    this.scroll.addEventListener("pointermove", (event) => {
      if (from) this.scroll.scrollTo(from.x - event.clientX, from.y - event.clientY);
    });
    for (const end of ["pointerup", "pointercancel"]) this.scroll.addEventListener(end, () => (from = null));
    this.scroll.addEventListener("dblclick", (event) => this.zoom({ x: event.clientX, y: event.clientY }));
  }

  #swipe(onSwipe) {
    let from = null;
    const follow = (dx) => (this.figure.style.translate = dx ? `${dx}px` : "");
    this.scroll.addEventListener("touchstart", (event) => {
      const isOne = event.touches.length === 1 && !this.isZoomed;
      from = isOne ? { x: event.touches[0].clientX, y: event.touches[0].clientY } : null;
      if (!isOne) follow(0);
    }, { passive: true });
    this.scroll.addEventListener("touchmove", (event) => {
      if (!from) return;
      const [dx, dy] = [event.touches[0].clientX - from.x, event.touches[0].clientY - from.y];
      follow(Math.abs(dx) > Math.abs(dy) ? dx : 0);
    }, { passive: true });
    this.scroll.addEventListener("touchend", (event) => {
      if (!from) return;
      const [dx, dy] = [event.changedTouches[0].clientX - from.x, event.changedTouches[0].clientY - from.y];
      from = null;
      follow(0);
      if (Math.abs(dx) >= SWIPE_PX && Math.abs(dx) > 2 * Math.abs(dy)) onSwipe(dx > 0 ? "right" : "left");
    });
    this.scroll.addEventListener("touchcancel", () => {
      from = null;
      follow(0);
    });
  }
}

/* What stands beside the picture: the model's score, the dimensions, the defects, the flag. It shows a card
   and collects what the person changed. */

export class Panel {
  constructor(root, { words, fill }) {
    this.root = root;
    this.words = words;
    this.fill = fill;
    this.note = root.querySelector("[name=note]");
    this.flag = root.querySelector("[name=is_flagged]");
    this.dimensions = [...root.querySelectorAll("[data-dimension]")];
    this.defects = [...root.querySelectorAll("[data-defect]")];
  }

  #find(name) {
    return this.root.querySelector(`[data-${name}]`);
  }

  /* Show a card; ``answer`` is what the person had said of it before an undo. */
  show(card, answer) {
    this.card = card;
    this.#find("title").textContent = card.title;
    this.#find("category").textContent = card.category;
    this.#find("returned").hidden = !card.returned;
    this.#find("returned-words").textContent = card.returned;
    this.#showScore(card);
    for (const row of this.dimensions) this.#showDimension(row, card, answer?.dimensions);
    for (const row of this.defects) this.#showDefect(row, card, answer?.defects);
    this.flag.checked = answer?.is_flagged ?? false;
    this.note.value = answer?.note ?? "";
    this.root.scrollTop = 0;
  }

  #showScore(card) {
    const said = card.prediction;
    this.#find("score-shown").hidden = !said;
    this.#find("score-blind").hidden = !card.is_blind;
    this.#find("score-none").hidden = Boolean(said) || card.is_blind;
    this.#find("score-number").textContent = said ? Math.round(said.score) : "";
    this.#find("score-std").textContent = said ? Math.round(said.std) : "";
    this.#find("score-grade").textContent = said ? said.grade_words : "";
  }

  #showDimension(row, card, votes) {
    const code = row.dataset.dimension;
    const score = card.dimensions[code];
    row.querySelector("[data-bar-of]").setAttribute("width", score ?? 0);
    row.querySelector("[data-value-of]").textContent = score === undefined ? "" : Math.round(score);
    for (const radio of row.querySelectorAll("input")) radio.checked = Number(radio.value) === votes?.[code];
  }

  #showDefect(row, card, said) {
    const code = row.dataset.defect;
    const found = card.findings.find((one) => one.defect === code);
    row.classList.toggle("is-found", Boolean(found));
    row.querySelector("input").checked = said?.[code] ?? Boolean(found);
    row.querySelector("[data-cause]").textContent = found ? found.cause : "";
  }

  /* What the person said beside the rating: only what they touched. */
  answer() {
    const dimensions = {};
    const defects = {};
    for (const row of this.dimensions) {
      const chosen = row.querySelector("input:checked");
      if (chosen) dimensions[row.dataset.dimension] = Number(chosen.value);
    }
    for (const row of this.defects) {
      const code = row.dataset.defect;
      const isOn = row.querySelector("input").checked;
      if (isOn !== this.card.findings.some((one) => one.defect === code)) defects[code] = isOn;
    }
    return { dimensions, defects, is_flagged: this.flag.checked, note: this.note.value.trim() };
  }

  toggleDefect(code) {
    const row = this.defects.find((one) => one.dataset.defect === code);
    const box = row.querySelector("input");
    box.checked = !box.checked;
    const words = row.querySelector(".label-defect-name").textContent;
    return this.fill(box.checked ? "defectOn" : "defectOff", { defect: words });
  }

  /* The dimension the keyboard is in, if any. */
  get dimension() {
    return document.activeElement?.closest("[data-dimension]") ?? null;
  }

  /* Bring the keyboard into the first dimension. */
  enter() {
    const [first] = this.dimensions;
    (first.querySelector("input:checked") ?? first.querySelector("input")).focus();
  }

  rateDimension(row, rating) {
    const radio = row.querySelector(`input[value="${rating}"]`);
    radio.checked = true;
    radio.focus();
    return this.fill("dimensionSet", { dimension: this.nameOf(row), rating });
  }

  nameOf(row) {
    return row.querySelector("legend").textContent;
  }
}

/* Bring in: files that are chosen or dropped (folders too) go out in several requests, with progress per
   file. Pictures of one choice share one import; archives and tables are one each. Without this script the
   same form posts everything at once. */

const FILES_AT_ONCE = 20;
const BYTES_AT_ONCE = 32 * 1024 * 1024;
const OWN_IMPORT = /\.(zip|csv|tsv|jsonl|ndjson|txt)$/i;

for (const form of document.querySelectorAll("[data-bring]")) attach(form);

function attach(form) {
  const input = form.querySelector('input[type="file"]');
  form.classList.add("is-live");
  input.removeAttribute("aria-describedby");
  input.addEventListener("change", () => {
    const files = [...input.files];
    input.value = "";
    if (files.length) new Sending(form, files).run();
  });
  let depth = 0;
  form.addEventListener("dragenter", () => form.classList.toggle("is-over", ++depth > 0));
  form.addEventListener("dragleave", () => form.classList.toggle("is-over", --depth > 0));
  form.addEventListener("dragover", (event) => event.preventDefault());
  form.addEventListener("drop", async (event) => {
    event.preventDefault();
    depth = 0;
    form.classList.remove("is-over");
    const files = await dropped(event.dataTransfer);
    if (files.length) new Sending(form, files).run();
  });
}

/* What was dropped, folders opened up; names beginning with a dot are left out. */
async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files];
  const found = [];
  for (const entry of entries) await walk(entry, found);
  return found;
}

async function walk(entry, found) {
  if (entry.name.startsWith(".")) return;
  if (entry.isFile) {
    found.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return;
    for (const one of some) await walk(one, found);
  }
}

class Sending {
  constructor(form, files) {
    this.form = form;
    this.words = form.dataset;
    this.box = document.querySelector("[data-sending]");
    this.atOnce = Math.min(FILES_AT_ONCE, Number(form.dataset.filesAtOnce));
    this.rows = files.map((file) => ({ file, sent: 0, state: "waiting" }));
    this.isStopped = false;
    this.pending = null;
    this.addresses = [];
    this.draw();
  }

  draw() {
    const list = this.box.querySelector("[data-sending-list]");
    const template = this.box.querySelector("[data-sending-row]");
    list.replaceChildren();
    for (const row of this.rows) {
      row.element = template.content.cloneNode(true).firstElementChild;
      row.element.querySelector("[data-name]").textContent = row.file.name;
      row.element.querySelector("[data-part]").setAttribute("aria-label", row.file.name);
      list.append(row.element);
      this.say(row, this.words.wordsWaiting);
    }
    const stop = this.box.querySelector("[data-sending-stop]");
    stop.hidden = false;
    stop.onclick = () => this.stop();
    this.box.querySelector("[data-sending-link]").hidden = true;
    this.box.hidden = false;
    this.tell();
  }

  say(row, words, isRefused = false) {
    row.element.querySelector("[data-state]").textContent = words;
    row.element.querySelector("[data-part]").value = row.file.size ? row.sent / row.file.size : row.sent;
    row.element.classList.toggle("is-refused", isRefused);
  }

  tell() {
    const sent = this.rows.filter((row) => row.state === "sent").length;
    const bytes = this.rows.reduce((sum, row) => sum + row.file.size, 0) || 1;
    const gone = this.rows.reduce((sum, row) => sum + row.sent, 0);
    this.box.querySelector("[data-sending-all]").value = gone / bytes;
    this.box.querySelector("[data-sending-title]").textContent = this.words.wordsCount
      .replace("%sent%", sent)
      .replace("%all%", this.rows.length);
  }

  stop() {
    this.isStopped = true;
    this.pending?.abort();
  }

  /* Everything in order; what cannot be sent says why, the rest goes on. */
  async run() {
    const cap = Number(this.words.byteCap);
    const fits = this.rows.filter((row) => OWN_IMPORT.test(row.file.name) || row.file.size <= cap);
    for (const row of this.rows) {
      if (!fits.includes(row)) this.refuse(row, this.words.wordsTooLarge);
    }
    const pictures = fits.filter((row) => !OWN_IMPORT.test(row.file.name));
    let address = this.form.action;
    for (const batch of batches(pictures, this.atOnce)) {
      const answer = await this.send(address, batch);
      if (answer?.files_url) address = answer.files_url;
    }
    for (const row of fits.filter((one) => OWN_IMPORT.test(one.file.name))) await this.send(this.form.action, [row]);
    this.end();
  }

  async send(address, batch) {
    if (this.isStopped) {
      for (const row of batch) this.refuse(row, this.words.wordsStopped);
      return null;
    }
    try {
      const answer = await this.post(address, batch);
      const job = answer.imports ? answer.imports[0] : answer;
      for (const row of batch) {
        row.state = "sent";
        row.sent = row.file.size;
        this.say(row, this.words.wordsSent);
      }
      this.tell();
      if (!this.addresses.includes(job.url)) this.addresses.push(job.url);
      document.body.dispatchEvent(new CustomEvent("imports-begun"));
      return job;
    } catch (error) {
      for (const row of batch) this.refuse(row, this.isStopped ? this.words.wordsStopped : error.message);
      return null;
    }
  }

  /* One request. XMLHttpRequest, since fetch tells no progress of what goes out. */
  post(address, batch) {
    const body = new FormData();
    body.append("csrfmiddlewaretoken", this.form.elements.csrfmiddlewaretoken.value);
    body.append("votes_for", this.form.elements.votes_for?.value ?? "");
    for (const row of batch) body.append("files", row.file, row.file.name);
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      this.pending = request;
      request.open("POST", address);
      request.setRequestHeader("Accept", "application/json");
      request.responseType = "json";
      request.upload.onprogress = (event) => this.spread(batch, event.loaded);
      request.onload = () =>
        request.status < 300 && request.response
          ? resolve(request.response)
          : reject(new Error(request.response?.detail ?? this.words.wordsLost));
      request.onerror = () => reject(new Error(this.words.wordsLost));
      request.onabort = () => reject(new Error(this.words.wordsStopped));
      request.send(body);
    });
  }

  /* Files go out one after the other, so the bytes gone tell which file is how far. */
  spread(batch, loaded) {
    let left = loaded;
    for (const row of batch) {
      row.sent = Math.max(0, Math.min(row.file.size, left));
      left -= row.file.size;
      row.element.querySelector("[data-part]").value = row.file.size ? row.sent / row.file.size : 1;
    }
    this.tell();
  }

  refuse(row, words) {
    row.state = "refused";
    row.sent = 0;
    this.say(row, words, true);
    this.tell();
  }

  end() {
    this.pending = null;
    this.box.querySelector("[data-sending-stop]").hidden = true;
    const link = this.box.querySelector("[data-sending-link]");
    link.hidden = this.addresses.length !== 1;
    if (this.addresses.length === 1) link.href = this.addresses[0];
  }
}

function* batches(rows, atOnce) {
  let batch = [];
  let bytes = 0;
  for (const row of rows) {
    if (batch.length && (batch.length >= atOnce || bytes + row.file.size > BYTES_AT_ONCE)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(row);
    bytes += row.file.size;
  }
  if (batch.length) yield batch;
}

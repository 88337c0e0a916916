/* The reviewer's keys. Each presses a link or a button of the page; without this file those still work. */

const desk = () => document.getElementById("desk");
const ticked = new Set();
let moving = null; // asked for, not here yet: what stands here is not what the next key is meant for
const AS = { ArrowDown: "j", ArrowUp: "k" };

const isTyping = (target) =>
  target instanceof Element && target.closest("textarea, select, input:not([type=checkbox], [type=radio])");

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat && !(event.key in AS)) return;
  if (document.querySelector("dialog[open]") || !desk()) return;
  if (event.key === "Escape") return closeReasons();
  if (isTyping(event.target)) return;
  if (event.target instanceof Element && event.target.matches("[type=radio]") && event.key in AS) return;
  if (press(event)) event.preventDefault();
});

/* What a key does; false for a key that means nothing here. */
function press(event) {
  if (moving) return false;
  const key = AS[event.key] ?? event.key.toLowerCase();
  if (event.shiftKey && key === "a") return click('[data-keyed="Shift+A"]');
  if (event.shiftKey && event.key !== "?") return false;
  if (key === "x") return tick();
  if (key === "z") return toggleNative();
  const open = desk().querySelector("[data-decisions] details[open]");
  if (open && /^[1-5a]$/.test(key)) return pick(open, key);
  const found = desk().querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (!found) return false;
  if (found instanceof HTMLDetailsElement) openReasons(found);
  else found.click();
  return true;
}

function click(selector) {
  const found = desk().querySelector(selector);
  found?.click();
  return Boolean(found);
}

function openReasons(details) {
  closeReasons();
  details.open = true;
  details.querySelector("[type=radio]")?.focus();
}

/* While reasons are open a digit picks one and rates nothing. */
function pick(details, digit) {
  const reason = details.querySelector(`[data-pick="${digit}"]`);
  if (!reason) return true;
  reason.checked = true;
  reason.focus();
  return true;
}

function closeReasons() {
  for (const details of desk().querySelectorAll("[data-decisions] details[open]")) {
    details.open = false;
    details.querySelector("summary").focus();
  }
}

function toggleNative() {
  return desk().querySelector("[data-stage]")?.classList.toggle("is-native") !== undefined;
}

/* --- ticks outlive the swap of the desk ------------------------------------------------------------------ */
const boxes = () => [...(desk()?.querySelectorAll("[data-queue] [type=checkbox]") ?? [])];

function tick() {
  const box = desk().querySelector("[data-queue] li:has([aria-current]) [type=checkbox]");
  if (!box) return false;
  box.checked = !box.checked;
  remember();
  return true;
}

function remember() {
  ticked.clear();
  for (const box of boxes()) if (box.checked) ticked.add(box.value);
  count();
}

function count() {
  const place = desk()?.querySelector("[data-ticked]");
  if (place) place.textContent = ticked.size ? String(ticked.size) : "";
}

document.addEventListener("change", (event) => {
  if (event.target instanceof Element && event.target.matches("[data-queue] [type=checkbox]")) remember();
});

/* --- before and after the server's answer ------------------------------------------------------------------- */
document.addEventListener("htmx:beforeRequest", (event) => {
  if (desk()?.contains(event.detail.elt)) moving = event.detail.xhr;
  const form = event.detail.elt.closest("form[method=post]");
  if (!form || !desk()?.contains(form)) return;
  const going = form.matches("[data-bulk]")
    ? boxes().filter((box) => box.checked).map((box) => box.closest("li"))
    : [desk().querySelector("[data-queue] li:has([aria-current])")];
  for (const line of going) line?.classList.add("is-leaving");
});

document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.xhr === moving) moving = null;
});

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.id === "desk" || event.detail.elt.id === "desk") arrive({ moved: true });
});

/* Ticks again, the current line in sight, the next picture on its way, focus where reading goes on. */
function arrive({ moved }) {
  const found = desk();
  if (!found) return;
  for (const box of boxes()) box.checked = ticked.has(box.value);
  remember();
  const line = found.querySelector("[data-queue] [aria-current]")?.closest("li");
  const list = line?.parentElement;
  if (list) {
    list.scrollTop = line.offsetTop - list.offsetTop - list.clientHeight / 3;
    list.scrollLeft = line.offsetLeft - list.offsetLeft - list.clientWidth / 3;
  }
  if (found.dataset.nextPicture) new Image().src = found.dataset.nextPicture;
  if (moved && document.activeElement === document.body) {
    found.querySelector("#case-title")?.focus({ preventScroll: true });
  }
}

arrive({ moved: false });

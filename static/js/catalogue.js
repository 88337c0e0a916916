/* The catalogue by keyboard: "/" searches, arrows walk the wall. Everything works without. */

const isTyping = (target) => target instanceof Element && target.closest("input, select, textarea, [contenteditable]");

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  if (event.key === "/") {
    const search = document.querySelector("[data-catalogue-form] [type=search]");
    if (search) {
      event.preventDefault();
      search.focus();
      search.select();
    }
    return;
  }
  const wall = event.target instanceof Element && event.target.closest("[data-tiles]");
  if (wall && walk(wall, event.key)) event.preventDefault();
});

/* Focus the tile beside, above or below the one in focus; false where there is none. */
function walk(wall, key) {
  const tiles = [...wall.querySelectorAll("a.tile")];
  const at = tiles.indexOf(document.activeElement);
  const top = tiles[0].getBoundingClientRect().top;
  const columns = tiles.filter((tile) => tile.getBoundingClientRect().top === top).length;
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[key];
  const next = step && at >= 0 ? tiles[at + step] : undefined;
  next?.focus();
  return next !== undefined;
}

/* Empty filters stay out of the address. */
document.addEventListener("htmx:configRequest", (event) => {
  const { elt, formData } = event.detail;
  if (!elt.matches("[data-catalogue-form]")) return;
  for (const [name, value] of [...formData.entries()]) {
    if (value === "") formData.delete(name);
  }
});

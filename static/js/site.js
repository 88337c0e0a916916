/* What every page can do. Attaches by data- attributes on the document, so swapped content works too. */

import { rememberTheme } from "./theme.js";

const on = (type, selector, act) =>
  document.addEventListener(type, (event) => {
    const found = event.target instanceof Element && event.target.closest(selector);
    if (found) act(found, event);
  });

on("click", "[data-opens]", (button) => document.getElementById(button.dataset.opens)?.showModal());
on("click", "[data-closes]", (button) => button.closest("dialog")?.close());
on("click", "[data-closes-notice]", (button) => button.closest("[data-notice]")?.remove());
on("change", "[data-submits-itself]", (form) => form.requestSubmit());
on("submit", "[data-theme-switch]", rememberTheme);

/* On a narrow screen the menu scrolls sideways: show the entry one is on. */
const here = document.querySelector(".site-nav [aria-current]");
if (here) {
  const row = here.closest(".site-nav");
  row.scrollLeft = here.offsetLeft - (row.clientWidth - here.offsetWidth) / 2;
}

/* A menu closes by Escape and by a click elsewhere. */
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("[data-menu][open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("[data-menu][open]")) {
    menu.open = false;
    menu.querySelector("summary")?.focus();
  }
});

/* The server fell silent: say so once, in words the page brought along. */
const sayLost = () => {
  const words = document.getElementById("notice-lost");
  const notices = document.getElementById("notices");
  if (words && notices && !notices.querySelector("[data-lost]")) {
    notices.append(words.content.cloneNode(true));
    notices.lastElementChild.dataset.lost = "";
  }
};
document.addEventListener("htmx:sendError", sayLost);
document.addEventListener("htmx:timeout", sayLost);
document.addEventListener("htmx:responseError", sayLost);

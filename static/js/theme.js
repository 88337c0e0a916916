/* The theme: shown at once, and kept in the cookie from which the server draws the next page. */

const THEMES = ["auto", "light", "dark"];
const YEAR_S = 31_536_000;

export function rememberTheme(form, event) {
  event.preventDefault();
  const button = form.querySelector("[name=theme]");
  const theme = button.value;
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `vitrine-theme=${theme}; path=/; max-age=${YEAR_S}; samesite=lax${secure}`;
  document.documentElement.dataset.theme = theme;
  button.value = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
  button.setAttribute("aria-label", form.dataset[`words${theme[0].toUpperCase()}${theme.slice(1)}`]);
}

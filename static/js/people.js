/* Copy a login link; where the clipboard is out of reach the text is selected instead. */

document.addEventListener("click", async (event) => {
  const button = event.target instanceof Element && event.target.closest("[data-copies]");
  if (!button) return;
  const field = document.getElementById(button.dataset.copies);
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
    button.querySelector("span").textContent = button.dataset.wordsDone;
  } catch {
    field.focus();
  }
});

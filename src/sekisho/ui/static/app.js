// Small manners of every page: theme, "/" for search, copying, rows by keyboard. Everything
// works without this file but copying; nothing here writes HTML or style.
"use strict";

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function toggleTheme() {
  const theme = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  document.cookie = `sekisho_theme=${theme}; Path=/; Max-Age=31536000; SameSite=Lax`;
}

async function copyBeside(button) {
  const source = button.closest(".cmd").querySelector("code");
  try {
    await navigator.clipboard.writeText(source.textContent);
  } catch {
    // No clipboard on a page without TLS: mark the text so that Ctrl+C takes it.
    getSelection().selectAllChildren(source);
    return;
  }
  button.classList.add("copied");
  setTimeout(() => button.classList.remove("copied"), 2000);
}

// A list of choices that many dialogs share stands on the page once, in a template.
function openDialog(dialog) {
  for (const select of dialog.querySelectorAll("select[data-options]:empty")) {
    select.append(document.getElementById(select.dataset.options).content.cloneNode(true));
    select.value = select.dataset.chosen;
  }
  dialog.showModal();
}

document.addEventListener("click", (event) => {
  const target = event.target.closest("[data-theme-toggle], [data-copy], [data-dialog], [data-close]");
  if (!target) return;
  if ("themeToggle" in target.dataset) toggleTheme();
  if ("copy" in target.dataset) copyBeside(target);
  if (target.dataset.dialog) openDialog(document.getElementById(target.dataset.dialog));
  if ("close" in target.dataset) target.closest("dialog").close();
});

function isTyping(element) {
  return element.matches("input, textarea, select, [contenteditable]");
}

// "/" goes to the search of the page (or of the head line), j and k walk the rows of a table.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  if (event.key === "/") {
    const search = document.querySelector("main [data-slash]") || document.querySelector("[data-slash]");
    if (search && search.offsetParent) {
      event.preventDefault();
      search.focus();
    }
  }
  if (event.key === "j" || event.key === "k") walkRows(event.key === "j" ? 1 : -1);
});

function walkRows(step) {
  const rows = [...document.querySelectorAll("main tr.row th a, main .todo li .go a")];
  if (!rows.length) return;
  const at = rows.indexOf(document.activeElement);
  const next = at < 0 ? (step > 0 ? 0 : rows.length - 1) : at + step;
  rows[Math.max(0, Math.min(rows.length - 1, next))].focus();
}

// One box that ticks all boxes of a form, wherever on the page they stand; a form that counts
// what is ticked says so.
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-all]")) {
    for (const box of document.forms[event.target.dataset.all].elements) {
      if (box.type === "checkbox") box.checked = event.target.checked;
    }
  }
  for (const place of document.querySelectorAll("[data-ticked]")) {
    const boxes = [...place.closest("form").elements].filter((box) => box.type === "checkbox");
    place.textContent = boxes.filter((box) => box.checked).length;
  }
});

// How many rows each saved view lists is asked for once the page is there.
async function countViews(nav) {
  const answer = await fetch(nav.dataset.counts, { headers: { Accept: "application/json" } });
  if (!answer.ok || !(answer.headers.get("content-type") || "").includes("json")) return;
  for (const [view, number] of Object.entries(await answer.json())) {
    const place = nav.querySelector(`[data-count="${view}"]`);
    if (place) place.textContent = number.toLocaleString();
  }
}
document.querySelectorAll("[data-counts]").forEach(countViews);

// A choice that changes what a form asks for sends the form at once when it says so.
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
});

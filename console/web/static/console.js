// Conveniences for the pages. All pages work without scripts.
"use strict";

// Add up amounts such as "-12.50" in cents, because sums of floating-point numbers are not exact.
function addUp(boxes) {
  let cents = 0n;
  for (const { dataset } of boxes) {
    if (dataset.amount) cents += BigInt(dataset.amount.replace(".", ""));
  }
  const digits = String(cents < 0n ? -cents : cents).padStart(3, "0");
  const dollars = digits.slice(0, -2).replace(/\B(?=(\d{3})+$)/g, ",");
  return `${cents < 0n ? "\u2212" : ""}$${dollars}.${digits.slice(-2)}`;
}

// Let one checkbox select all rows of a table, and show the number of selected rows and their sum on the button.
function countSelected(form) {
  const name = form.dataset.select;
  const boxes = () => [...document.querySelectorAll(`input[type=checkbox][name="${name}"]`)].filter((box) => box.form === form);
  const all = form.querySelector("[data-all]") || document.querySelector(`[data-all="${name}"]`);
  const button = [...document.querySelectorAll("[data-counts]")].find((each) => each.form === form);
  const plain = button ? button.textContent : "";
  // Without scripts, the button leads to a page that shows what is selected.
  if (button) button.removeAttribute("formaction");
  function show() {
    const ticked = boxes().filter((box) => box.checked);
    const selected = ticked.length;
    if (button) {
      button.disabled = selected === 0;
      const sum = ticked.some((box) => box.dataset.amount) ? ` (${addUp(ticked)})` : "";
      button.textContent = selected ? button.dataset.counts.replace("{n}", selected) + sum : plain;
    }
    if (all) {
      all.checked = selected > 0 && selected === boxes().length;
      all.indeterminate = selected > 0 && selected < boxes().length;
    }
  }
  if (all) {
    all.hidden = boxes().length === 0;
    all.addEventListener("change", () => {
      for (const box of boxes()) box.checked = all.checked;
      show();
    });
  }
  document.addEventListener("change", (event) => { if (event.target.name === name) show(); });
  window.addEventListener("pageshow", show);
  show();
}

for (const form of document.querySelectorAll("form[data-select]")) countSelected(form);

// A checkbox for everything and those for single values exclude each other, also in a form that htmx has loaded.
document.addEventListener("change", ({ target }) => {
  if (!target.checked || !target.form) return;
  for (const each of target.form.elements) {
    if (target.dataset.insteadOf ? each.name === target.dataset.insteadOf : each.dataset.insteadOf === target.name) each.checked = false;
  }
});

// Ignore a second submit of a form while the first is being sent. If the answer does not come, because the network
// failed or the visitor stopped it, the form works again after some seconds.
const RESEND_AFTER_MS = 5000;
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  if (form.dataset.sent) return event.preventDefault();
  form.dataset.sent = "yes";
  setTimeout(() => delete form.dataset.sent, RESEND_AFTER_MS);
});
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

// Remember a preference for a year.
function setCookie(name, value) {
  const secure = location.protocol === "https:" ? "; secure" : "";
  const age = value ? 31536000 : 0;
  document.cookie = `${name}=${encodeURIComponent(value)}; path=/; max-age=${age}; samesite=lax${secure}`;
}

// Send the time zone of the browser to the server, which shows times in it.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone) setCookie("payments_zone", zone);

// Let the user choose light or dark colours. The server renders the choice, so that no page flashes.
for (const group of document.querySelectorAll("[data-themes]")) {
  const buttons = [...group.querySelectorAll("[data-theme-choice]")];
  group.hidden = false;
  for (const button of buttons) {
    button.addEventListener("click", () => {
      const theme = button.dataset.themeChoice;
      setCookie("payments_theme", theme);
      if (theme) document.documentElement.dataset.theme = theme;
      else delete document.documentElement.dataset.theme;
      for (const each of buttons) each.setAttribute("aria-pressed", each === button);
    });
  }
}

// Show a form that htmx has loaded in the dialog of the page.
const dialog = document.getElementById("dialog");
if (dialog) {
  document.addEventListener("htmx:afterSwap", (event) => { if (event.detail.target.id === "dialog-body") dialog.showModal(); });
  dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
}

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}

// Close an open menu when Escape is pressed or something else is clicked.
function closeMenus(except) {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(except)) menu.open = false;
}
document.addEventListener("click", (event) => closeMenus(event.target));
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = document.querySelector("details.menu[open]");
  closeMenus(null);
  if (menu) menu.querySelector("summary").focus();
});

// What a page asks for without its user does not keep the session alive.
const REFRESH = { "X-Payments-Request": "refresh" };
document.addEventListener("htmx:configRequest", (event) => {
  if (!event.detail.triggeringEvent) Object.assign(event.detail.headers, REFRESH);
});

// Ask nothing while nobody looks.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden && !event.detail.requestConfig.triggeringEvent) event.preventDefault();
});

// Refresh the progress of a run every second; reload the page when it has ended. If the network fails, keep the page
// and try again.
async function refresh(section) {
  let response, text;
  try {
    response = await fetch(location.href, { headers: REFRESH });
    text = await response.text();
  } catch {
    return refreshLater(section, RESEND_AFTER_MS);
  }
  const page = new DOMParser().parseFromString(text, "text/html");
  if (!response.ok || !page.querySelector("[data-refresh]")) return location.reload();
  for (const live of section.querySelectorAll("[data-live]")) {
    const fresh = page.querySelector(`[data-live="${live.dataset.live}"]`);
    if (live.tagName === "PROGRESS") live.value = fresh.value;
    else if (live.textContent !== fresh.textContent) live.innerHTML = fresh.innerHTML;
  }
  refreshLater(section, 1000);
}
function refreshLater(section, milliseconds) {
  setTimeout(() => refresh(section).catch(() => location.reload()), milliseconds);
}
for (const section of document.querySelectorAll("[data-refresh]")) refreshLater(section, 1000);

// Focus the search field when / is pressed.
document.addEventListener("keydown", (event) => {
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  const field = document.querySelector("[data-focus]");
  if (event.key === "/" && field && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    field.focus();
    field.select();
  }
});

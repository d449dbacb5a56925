// Conveniences for the pages. All pages work without scripts.
"use strict";

// Let one checkbox select all rows of a table, and show the number of selected rows on the button.
function countSelected(form) {
  const name = form.dataset.select;
  const boxes = () => [...document.querySelectorAll(`input[type=checkbox][name="${name}"]`)].filter((box) => box.form === form);
  const all = form.querySelector("[data-all]") || document.querySelector(`[data-all="${name}"]`);
  const button = [...document.querySelectorAll("[data-counts]")].find((each) => each.form === form);
  const plain = button ? button.textContent : "";
  function show() {
    const selected = boxes().filter((box) => box.checked).length;
    if (button) {
      button.disabled = selected === 0;
      button.textContent = selected ? button.dataset.counts.replace("{n}", selected) : plain;
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

// Send the time zone of the browser to the server, which shows times in it.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone) {
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `payments_zone=${encodeURIComponent(zone)}; path=/; max-age=31536000; samesite=lax${secure}`;
}

// Refresh the progress of a run every second; reload the page when it has ended. If the network fails, keep the page
// and try again.
async function refresh(section) {
  let response, text;
  try {
    response = await fetch(location.href);
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

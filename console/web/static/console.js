// What makes pages quicker to work with; everything works without it.
"use strict";

// Tick all rows of a table, and say on the button how many are ticked.
function follow(form) {
  const name = form.dataset.ticks;
  const boxes = () => [...document.querySelectorAll(`input[type=checkbox][name="${name}"]`)].filter((box) => box.form === form);
  const all = form.querySelector("[data-all]") || document.querySelector(`[data-all="${name}"]`);
  const button = [...document.querySelectorAll("[data-counts]")].find((each) => each.form === form);
  const plain = button ? button.textContent : "";
  function show() {
    const ticked = boxes().filter((box) => box.checked).length;
    if (button) {
      button.disabled = ticked === 0;
      button.textContent = ticked ? button.dataset.counts.replace("{n}", ticked) : plain;
    }
    if (all) {
      all.checked = ticked > 0 && ticked === boxes().length;
      all.indeterminate = ticked > 0 && ticked < boxes().length;
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

for (const form of document.querySelectorAll("form[data-ticks]")) follow(form);

// A second click on a button that posts does nothing: the first is on its way.
document.addEventListener("submit", (event) => {
  if (event.target.method !== "post") return;
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
});
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

// Times are shown where the visitor is; the server learns from this where that is.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone) {
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `payments_zone=${encodeURIComponent(zone)}; path=/; max-age=31536000; samesite=lax${secure}`;
}

// What goes on is looked at again each second; once it has ended, the page is loaded anew.
async function watch(part) {
  const answer = await fetch(location.href);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (!answer.ok || !page.querySelector("[data-goes-on]")) return location.reload();
  for (const live of part.querySelectorAll("[data-live]")) {
    const fresh = page.querySelector(`[data-live="${live.dataset.live}"]`);
    if (live.tagName === "PROGRESS") live.value = fresh.value;
    else if (live.textContent !== fresh.textContent) live.innerHTML = fresh.innerHTML;
  }
  setTimeout(() => watch(part).catch(() => location.reload()), 1000);
}
for (const part of document.querySelectorAll("[data-goes-on]")) setTimeout(() => watch(part).catch(() => location.reload()), 1000);

// The key / leads to the search field.
document.addEventListener("keydown", (event) => {
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  const field = document.querySelector("[data-focus]");
  if (event.key === "/" && field && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    field.focus();
    field.select();
  }
});

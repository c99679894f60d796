// What every page does beside being read: renew itself, and obey the keyboard. Nothing here decides anything.
"use strict";

const asked = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const typing = (target) => target.matches("input, textarea, select, [contenteditable]");

// ---- live: a stream says that something has changed, the page is fetched again and morphed into place -------------------

const live = {
  source: null,
  sign: null,
  tries: 0,

  start() {
    this.sign = asked("#live");
    if (!this.sign) return;
    this.connect();
    document.addEventListener("visibilitychange", () => (document.hidden ? this.close() : this.back()));
    addEventListener("pageshow", (event) => event.persisted && this.back());
    addEventListener("pagehide", () => this.close());
  },

  connect() {
    const query = new URLSearchParams(this.sign.dataset.query);
    query.set("seen", this.sign.dataset.seen);
    this.source = new EventSource(`${this.sign.dataset.live}?${query}`);
    this.source.addEventListener("open", () => ((this.tries = 0), this.say("on")));
    this.source.addEventListener("changed", (event) => this.renew(event.data));
    this.source.onerror = () => {
      this.say("off");
      if (this.source?.readyState === EventSource.CLOSED) this.lost();
    };
  },

  close() {
    this.source?.close();
    this.source = null;
  },

  back() {
    if (this.source === null) this.connect();
  },

  // A browser gives up for good when the answer is not a stream: the session is over, or too many pages are open.
  async lost() {
    this.close();
    const answer = await this.fetched().catch(() => null);
    if (answer?.status === 401) return this.say("ended");
    setTimeout(() => this.back(), this.pause(answer));
  },

  // As long as the server asks for, else longer with every try, a minute at most.
  pause(answer) {
    this.tries += 1;
    const asked = Number(answer?.headers.get("retry-after")) || 0;
    return Math.max(asked * 1000, Math.min(60000, 1000 * 2 ** this.tries));
  },

  fetched() {
    return fetch(location.href, { headers: { "tazco-by-itself": "1" }, redirect: "manual" });
  },

  async renew(seen) {
    const answer = await this.fetched().catch(() => null);
    if (answer?.status === 401) return this.say("ended");
    if (!answer?.ok) {
      this.say("off");
      if (answer?.status === 404) return location.reload();
      return void setTimeout(() => this.renew(seen), this.pause(answer));
    }
    this.tries = 0;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    this.sign.dataset.seen = seen;
    document.dispatchEvent(new CustomEvent("tazco:before-renewal", { detail: fresh }));
    Idiomorph.morph(asked("#main"), asked("#main", fresh).innerHTML, {
      morphStyle: "innerHTML",
      ignoreActiveValue: true,
      callbacks: { beforeNodeMorphed: (node) => !node.matches?.("[data-typed], .chart") },
    });
    document.title = fresh.title;
    document.dispatchEvent(new CustomEvent("tazco:renewed"));
    this.say("on");
  },

  say(state) {
    this.sign.className = `live ${state === "on" ? "" : state}`;
    asked(".word", this.sign).textContent = this.sign.dataset[state];
  },
};

// A form that somebody types into stays as it is when the page renews itself, and a fold that somebody opened stays open.
document.addEventListener("input", (event) => event.target.closest("main form")?.setAttribute("data-typed", ""));
document.addEventListener("tazco:before-renewal", (event) => {
  for (const fold of all("#main details[id][open]")) asked(`#${CSS.escape(fold.id)}`, event.detail)?.setAttribute("open", "");
});

// The row that the keys have reached stays reached, wherever it is now; a word about what was done has been read.
let reached = null;
document.addEventListener("tazco:before-renewal", (event) => {
  reached = asked("tr.at a")?.getAttribute("href") ?? null;
  asked("#main .said.done", event.detail)?.remove();
});
document.addEventListener("tazco:renewed", () => {
  for (const row of all("tr.at")) row.classList.remove("at");
  if (reached) asked(`tr a[href="${CSS.escape(reached)}"]`)?.closest("tr").classList.add("at");
});
const place = new URL(location);
if (place.searchParams.has("said")) {
  place.searchParams.delete("said");
  history.replaceState(null, "", place);
}

// ---- the menu of who is signed in closes like one --------------------------------------------------------------------------

const menu = asked("details.who");
document.addEventListener("pointerdown", (event) => menu?.open && !menu.contains(event.target) && menu.removeAttribute("open"));
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  if (menu?.open) menu.removeAttribute("open"), asked("summary", menu).focus();
  else if (typing(event.target)) event.target.blur();
});

// ---- keys ------------------------------------------------------------------------------------------------------------------

const keys = {
  going: false,

  pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    if (asked("dialog[open]")) return;
    const key = event.key;
    if (this.going) {
      this.going = false;
      const place = asked(`[data-go="${CSS.escape(key)}"]`);
      if (place) return event.preventDefault(), place.click();
    }
    if (key === "g") this.going = true;
    else if (key === "/") event.preventDefault(), asked("#find")?.focus();
    else if (key === "?") event.preventDefault(), asked("#keys")?.showModal();
    else if (key === "j" || key === "k") this.move(key === "j" ? 1 : -1);
    else if (key === "Enter" && event.target.matches("body, main")) asked("tr.at a")?.click();
    else {
      const field = asked(`[data-key="${CSS.escape(key)}"]`);
      if (field) {
        event.preventDefault();
        field.closest("details")?.setAttribute("open", "");
        field.focus();
      }
    }
  },

  move(step) {
    const rows = all("table[data-rows] tbody tr");
    if (!rows.length) return;
    const at = rows.findIndex((row) => row.classList.contains("at"));
    const next = rows[Math.min(rows.length - 1, Math.max(0, at + step))];
    rows[at]?.classList.remove("at");
    next.classList.add("at");
    next.scrollIntoView({ block: "nearest" });
  },
};

document.addEventListener("keydown", (event) => keys.pressed(event));
document.addEventListener("DOMContentLoaded", () => live.start());
asked("#refusal")?.focus();

// On a narrow screen the menu is one line: show where we are.
const here = asked(".side [aria-current]");
if (here) here.closest(".side").scrollLeft = here.offsetLeft - innerWidth / 3;

// Parts of a page are made by the server; what differs is put in the place of what was there.
"use strict";

const parts = (root) =>
  [...root.children].flatMap((part) => (part.tagName === "MAIN" ? [...part.children] : [part]));

const follow = (root) => {
  let known = parts(root).map((part) => part.outerHTML);
  let source = null;
  let ended = false;

  const show = (html) => {
    const fresh = document.createElement("template");
    fresh.innerHTML = html;
    const next = parts(fresh.content);
    const texts = next.map((part) => part.outerHTML);
    const now = parts(root);
    if (now.length !== next.length) {
      root.replaceChildren(fresh.content);
    } else {
      // A part that stays keeps what was opened, selected and scrolled in it.
      now.forEach((part, at) => known[at] !== texts[at] && part.replaceWith(next[at]));
    }
    known = texts;
  };
  const close = () => {
    source?.close();
    source = null;
  };
  const open = () => {
    if (source || ended || document.hidden) return;
    source = new EventSource(root.dataset.live);
    source.onmessage = (event) => {
      const part = JSON.parse(event.data);
      if (part.html) show(part.html);
      if (part.ended) {
        ended = true;
        close();
      }
    };
  };
  // A browser has few connections to one server: pages in the background leave them to others.
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  open();
};

document.querySelectorAll("[data-live]").forEach(follow);
document.querySelectorAll("form.sql textarea").forEach((box) =>
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) box.form.requestSubmit();
  }),
);

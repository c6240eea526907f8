"use strict";
(() => {
  const dialog = document.querySelector("dialog");
  const large = dialog.querySelector("img");
  const caption = dialog.querySelector("p");
  const [previous, next, close] = dialog.querySelectorAll("button");
  const buttons = () => [...document.querySelectorAll("figure button")];
  let current = null;

  // A picture that this browser cannot show says so, in its place.
  const replace = (image) => {
    const fault = document.createElement("div");
    fault.className = "fault";
    fault.textContent = `This browser cannot show it (${image.dataset.type}): use fetch.`;
    image.closest("button").replaceWith(fault);
  };
  for (const image of document.querySelectorAll("figure img")) {
    image.addEventListener("error", () => replace(image), { once: true });
    if (image.complete && image.naturalWidth === 0) replace(image);
  }

  const show = (button) => {
    const image = button.querySelector("img");
    current = button;
    large.src = image.src;
    large.alt = image.alt;
    caption.textContent = image.alt;
  };
  const neighbour = (from, by) => {
    const all = buttons();
    return all[(all.indexOf(from) + by + all.length) % all.length];
  };
  const target = (key, from) => {
    if (key === "ArrowRight" || key === "ArrowDown") return neighbour(from, 1);
    if (key === "ArrowLeft" || key === "ArrowUp") return neighbour(from, -1);
    if (key === "Home") return buttons()[0];
    if (key === "End") return buttons().at(-1);
    return null;
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("figure button");
    if (!button) return;
    show(button);
    dialog.showModal();
  });
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const focused = document.activeElement.closest("figure button");
    const from = dialog.open ? current : focused;
    // An arrow key that finds nothing chosen begins with the first picture, but leaves scrolling to the others.
    if (!from && event.key !== "ArrowRight") return;
    const chosen = from ? target(event.key, from) : buttons()[0];
    if (!chosen) return;
    event.preventDefault();
    if (dialog.open) show(chosen);
    else chosen.focus();
  });
  previous.addEventListener("click", () => show(neighbour(current, -1)));
  next.addEventListener("click", () => show(neighbour(current, 1)));
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    large.removeAttribute("src");
    current?.focus();
  });
})();

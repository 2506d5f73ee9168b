// All styles with their previews: a click chooses one, Shift-click or its plus mixes.

import { make } from "./elements.js";
import { signature } from "./order.js";

const STEPS = { ArrowLeft: -1, ArrowRight: 1 };

export class Gallery {
  constructor(list, order) {
    this.list = list;
    this.order = order;
    this.stop = this.filled = null;
    list.addEventListener("keydown", (event) => this.walk(event));
    order.addEventListener("change", () => this.show());
    this.show();
  }

  /** A card for each style that there is. */
  fill() {
    this.filled = this.order.cards;
    this.list.replaceChildren();
    const cards = [...this.filled.values()].sort((one, other) => one.title.localeCompare(other.title));
    this.buttons = cards.map((card) => this.add(card));
  }

  add(card) {
    const button = make(
      "button", { type: "button", className: "style" },
      make("img", { src: `/api/styles/${card.name}/preview`, alt: "", loading: "lazy", width: 320, height: 180 }),
      make("b", { textContent: card.title }),
      make("small", {}, make("span", { textContent: card.author }), make("time", { textContent: card.year })),
    );
    button.dataset.style = card.name;
    button.addEventListener("click", (event) => {
      if (event.shiftKey || event.ctrlKey || event.metaKey) this.order.toggle(card.name);
      else this.order.choose(card.name);
    });
    // By keyboard a plus on the style itself does the same, so that the gallery needs one tab stop, not thirty.
    const plus = make("button", { type: "button", className: "add", tabIndex: -1, ariaLabel: `Mix ${card.title} in` });
    plus.addEventListener("click", () => this.order.toggle(card.name));
    this.list.append(make("li", {}, button, plus));
    return button;
  }

  show() {
    if (this.filled !== this.order.cards) this.fill();
    const { weights, network, cards } = this.order;
    for (const button of this.buttons) {
      const name = button.dataset.style, chosen = weights.has(name), plus = button.nextSibling;
      const fits = cards.get(name).networks.includes(network);
      button.setAttribute("aria-pressed", String(chosen));
      button.disabled = plus.disabled = !fits;
      button.title = [cards.get(name).title, signature(cards.get(name))].filter(Boolean).join(", ");
      if (!fits) button.title += ": the other network has this style";
      plus.setAttribute("aria-pressed", String(chosen && weights.size > 1));
      plus.textContent = chosen && weights.size > 1 ? "−" : "+";
      button.tabIndex = -1;
    }
    const stop = this.buttons.find((button) => weights.has(button.dataset.style)) || this.buttons[0];
    if (!stop) return;
    stop.tabIndex = 0;
    if (stop === this.stop) return; // another control was turned: what its user looks at stays where it is
    this.stop = stop;
    this.reveal(stop);
  }

  /** Within the gallery only: the page itself stays where its user has scrolled it. */
  reveal(button) {
    const card = button.parentElement.getBoundingClientRect(), seen = this.list.getBoundingClientRect();
    this.list.scrollLeft += beyond(card.left, card.right, seen.left, seen.right);
    this.list.scrollTop += beyond(card.top, card.bottom, seen.top, seen.bottom);
  }

  /** Arrow keys move within the gallery, + mixes the style that has the focus. */
  walk(event) {
    const usable = this.buttons.filter((button) => !button.disabled);
    const at = usable.indexOf(document.activeElement);
    if (at < 0) return;
    if (event.key === "+") {
      this.order.toggle(usable[at].dataset.style);
      usable[at].focus();
    } else if (event.key in STEPS) {
      usable[(at + STEPS[event.key] + usable.length) % usable.length].focus();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      this.nextRow(usable, at, event.key === "ArrowDown" ? 1 : -1)?.focus();
    } else {
      return;
    }
    event.preventDefault();
  }

  /** The style above or below: the first in that direction which stands in the same column. */
  nextRow(usable, at, step) {
    const column = usable[at].parentElement.offsetLeft;
    for (let index = at + step; index >= 0 && index < usable.length; index += step) {
      if (usable[index].parentElement.offsetLeft === column) return usable[index];
    }
    return undefined;
  }
}

/** How far a stretch reaches out of another, below 0 where it does so at the beginning. */
function beyond(from, to, first, last) {
  return Math.min(0, from - first) + Math.max(0, to - last);
}

// What the controls say: the order that goes to the server with every picture, film and live session.

import { byId, fill, make } from "./elements.js";

const LIGHTEST = 0.1, HEAVIEST = 3;

const NETWORKS = {
  live: ["Fast", "The network called live: fast enough for cameras"],
  classic: ["Fine", "The network called classic: finer, and much slower"],
};

export class Order extends EventTarget {
  /** `styles` are the cards of all styles by name. */
  constructor(styles, networks, chosen) {
    super();
    this.cards = styles;
    this.weights = new Map([[chosen, 1]]);
    this.networks = networks;
    this.network = networks[0];
    this.moving = true;
    for (const id of ["strength", "stroke", "keep-colors", "stabilize"]) {
      byId(id).addEventListener("input", () => this.changed());
    }
    for (const name of networks) this.addNetwork(name);
    this.changed();
  }

  addNetwork(name) {
    const [title, hint] = NETWORKS[name];
    const button = make("button", { type: "button", title: hint, textContent: title });
    button.dataset.network = name;
    button.addEventListener("click", () => this.chooseNetwork(name));
    byId("networks").append(button);
  }

  /** The styles that there are by now: some may have been trained or removed meanwhile. */
  learn(styles) {
    this.cards = styles;
    this.chooseNetwork(this.network);
  }

  /** With those of the chosen styles that it has; one that has none of the styles cannot be chosen. */
  chooseNetwork(name) {
    const fitting = [...this.weights].filter(([style]) => this.cards.get(style)?.networks.includes(name));
    const first = [...this.cards.values()].find((card) => card.networks.includes(name));
    if (!first) return;
    this.network = name;
    this.weights = new Map(fitting.length ? fitting : [[first.name, 1]]);
    this.changed();
  }

  /** One style alone. */
  choose(name) {
    this.weights = new Map([[name, 1]]);
    this.changed();
  }

  /** Into the mix, or out of it; one style always stays. */
  toggle(name) {
    if (!this.weights.has(name)) this.weights.set(name, 1);
    else if (this.weights.size > 1) this.weights.delete(name);
    this.changed();
  }

  /** All controls as an earlier or another page's order says, as far as its styles and its network are here. */
  take(order) {
    const known = order.styles.filter(([name]) => this.cards.has(name));
    if (!known.length || !this.networks.includes(order.network)) return;
    this.weights = new Map(known);
    this.network = order.network;
    byId("strength").value = order.strength;
    byId("stroke").value = Math.log2(order.stroke);
    byId("keep-colors").checked = order.keep_colors;
    byId("stabilize").checked = order.stabilize;
    this.changed();
  }

  /** The switch for steady strokes is for what moves. */
  setMoving(moving) {
    this.moving = moving;
    byId("stabilize-row").hidden = !moving;
  }

  lockNetwork(locked) {
    for (const button of byId("networks").querySelectorAll("button")) button.disabled = locked;
  }

  /** As the server reads it. */
  toJSON() {
    return {
      styles: [...this.weights],
      network: this.network,
      strength: Number(byId("strength").value),
      stroke: Math.round(100 * 2 ** byId("stroke").value) / 100,
      keep_colors: byId("keep-colors").checked,
      stabilize: this.moving && byId("stabilize").checked,
    };
  }

  changed() {
    const { strength, stroke } = this.toJSON();
    for (const [id, text] of [["strength", `${Math.round(100 * strength)} %`], ["stroke", `${stroke}×`]]) {
      byId(`${id}-text`).textContent = text;
      fill(byId(id), text);
    }
    for (const button of byId("networks").querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(button.dataset.network === this.network));
    }
    this.showMix();
    this.dispatchEvent(new Event("change"));
  }

  showMix() {
    const list = byId("mix");
    const shown = [...list.children].map((row) => row.dataset.style).join(" ");
    if (shown !== [...this.weights.keys()].join(" ")) {
      list.replaceChildren(...[...this.weights.keys()].map((name) => this.row(name)));
    }
    const total = [...this.weights.values()].reduce((sum, weight) => sum + weight, 0);
    if (this.weights.size === 1) return;
    for (const row of list.children) {
      const weight = this.weights.get(row.dataset.style), slider = row.querySelector("input");
      const share = `${Math.round((100 * weight) / total)} %`;
      row.querySelector(".share").textContent = share;
      slider.value = weight;
      fill(slider, share);
    }
  }

  row(name) {
    const card = this.cards.get(name);
    const row = make(
      "li", {},
      make("img", { src: `/api/styles/${name}/preview`, alt: "" }),
      make("span", { className: "name", textContent: card.title, title: card.title }),
    );
    row.dataset.style = name;
    if (this.weights.size === 1) {
      row.append(make("span", { className: "by", textContent: signature(card) }));
      return row;
    }
    const weight = make("input", { type: "range", min: LIGHTEST, max: HEAVIEST, step: 0.1, ariaLabel: `Weight of ${card.title}` });
    weight.addEventListener("input", () => {
      this.weights.set(name, Number(weight.value));
      this.changed();
    });
    const remove = make("button", { type: "button", textContent: "×", ariaLabel: `Take ${card.title} out of the mix` });
    remove.addEventListener("click", () => {
      this.toggle(name);
      (byId("mix").querySelector("button") || byId("strength")).focus(); // the button that had it is gone
    });
    row.append(make("span", { className: "share" }), weight, remove);
    return row;
  }
}

/** Painter and year, as far as they are known. */
export function signature(card) {
  return [card.author, card.year].filter(Boolean).join(", ");
}

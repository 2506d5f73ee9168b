// Puts the page together.

import { complain, get, upload } from "./api.js";
import { byId, make } from "./elements.js";
import { Gallery } from "./gallery.js";
import { Jobs } from "./jobs.js";
import { Live } from "./live.js";
import { Order } from "./order.js";
import { Stage } from "./stage.js";

const KEPT = "studio"; // the tab's own storage, under this name

class Studio {
  constructor(values) {
    const cards = byName(values.styles);
    const chosen = cards.has(values.default_style) ? values.default_style : values.styles[0].name;
    this.largest = values.largest_upload;
    this.sources = new Map();
    this.order = new Order(cards, values.networks, chosen);
    this.stage = new Stage(this.order);
    this.jobs = new Jobs(this.order, this.stage, values.folder);
    this.live = new Live(this.order, this.stage, this.jobs);
    new Gallery(byId("styles"), this.order);
    values.sources.forEach((source) => this.add(source));
    this.listen();
    this.restore(kept());
  }

  /** Go on where this tab was before it was loaded anew. */
  restore({ order, source, at, live }) {
    if (order) this.order.take(order);
    if (this.sources.has(source)) this.show(source, at);
    else this.show("scene");
    if (live) this.setMode(true);
  }

  /** What `restore` needs. */
  keep() {
    const order = { ...this.order.toJSON(), stabilize: byId("stabilize").checked };
    const values = { order, source: this.stage.source.id, at: Number(byId("at").value), live: this.isLive };
    sessionStorage.setItem(KEPT, JSON.stringify(values));
  }

  listen() {
    byId("open").addEventListener("click", () => byId("file").click());
    byId("file").addEventListener("change", () => {
      const files = [...byId("file").files];
      byId("file").value = "";
      this.takeAll(files);
    });
    byId("source").addEventListener("change", () => this.show(byId("source").value));
    byId("mode-still").addEventListener("click", () => this.setMode(false));
    byId("mode-live").addEventListener("click", () => this.setMode(true));
    addEventListener("focus", () => this.refresh());
    addEventListener("pagehide", () => this.keep());
    document.addEventListener("dragover", (event) => {
      event.preventDefault();
      byId("drop").hidden = false;
    });
    document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) byId("drop").hidden = true; });
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      byId("drop").hidden = true;
      this.takeAll([...event.dataTransfer.files]);
    });
  }

  setMode(live) {
    byId("mode-still").setAttribute("aria-pressed", String(!live));
    byId("mode-live").setAttribute("aria-pressed", String(live));
    byId("still-actions").hidden = byId("source").hidden = live;
    this.jobs.close();
    this.order.setMoving(live || this.stage.source.kind === "film");
    byId("moment").hidden = live || !this.stage.source.seconds;
    return this.live.show(live);
  }

  get isLive() {
    return byId("mode-live").getAttribute("aria-pressed") === "true";
  }

  /** What another tab, or a command, has opened, started or made meanwhile. */
  async refresh() {
    this.live.look();
    try {
      const { sources, styles } = await get("/api/studio");
      const known = JSON.stringify([...this.order.cards.values()]);
      if (JSON.stringify(styles) !== known) this.live.learn(byName(styles));
      sources.filter((source) => !this.sources.has(source.id)).forEach((source) => this.add(source));
      if (this.isLive) this.live.listCameras(); // one may have been plugged in
    } catch {
      // the studio is closed; what the user does next says so
    }
  }

  add(source) {
    this.sources.set(source.id, source);
    const name = source.id === "scene" ? "The scene" : source.name;
    byId("source").append(make("option", { value: source.id, textContent: name }));
  }

  show(id, at) {
    const source = this.sources.get(id);
    byId("source").value = id;
    this.order.setMoving(source.kind === "film");
    this.stage.show(source, at);
    this.jobs.setSource(source);
    if (this.isLive) this.setMode(false);
  }

  /** Take the files that were chosen or dropped; the last one is shown, and of each that is refused why. */
  async takeAll(files) {
    const refused = [];
    byId("open").disabled = true;
    for (const file of files) {
      try {
        await this.take(file);
      } catch (error) {
        byId("status").textContent = "";
        refused.push(error.message);
      }
    }
    byId("open").disabled = false;
    if (refused.length) complain(new Error(refused.join("\n")));
  }

  /** One of them. Throws what refuses it. */
  async take(file) {
    if (file.size > this.largest) {
      throw new Error(`${file.name} is larger than ${Math.round(this.largest / 2 ** 30)} GiB; render it on the command line.`);
    }
    const source = await upload(file, (share) => {
      byId("status").textContent = share < 1 ? `Opening ${file.name}: ${Math.round(100 * share)} %` : `Opening ${file.name}…`;
    });
    this.add(source);
    if (this.isLive && source.kind === "film") await this.live.listCameras(source.id);
    else this.show(source.id);
  }
}

function byName(styles) {
  return new Map(styles.map((card) => [card.name, card]));
}

/** What this tab kept when it was loaded anew; nothing in a new one, or where the browser keeps nothing. */
function kept() {
  try {
    return JSON.parse(sessionStorage.getItem(KEPT)) || {};
  } catch {
    return {};
  }
}

try {
  new Studio(await get("/api/studio"));
} catch (error) {
  byId("veil").textContent = error.message; // nothing else works: it stays
  byId("veil").hidden = false;
}

// The picture in the middle: the original, the painting over it, and the wipe between them.

import { ask, complain, send } from "./api.js";
import { byId, fill } from "./elements.js";

const PAGE = crypto.getRandomValues(new Uint32Array(2)).join("-");
const BUSY_AFTER = 250; // ms: what is quicker needs no sign that it is being done
const PATIENCE = 3000; // ms after which the user is told why it takes so long
const EXPLANATION = {
  live: "Painting… the very first picture takes longest: the network is fitted to this machine, once.",
  classic: "Painting… the classic network is fine and slow; its very first picture takes longest.",
};

export class Stage {
  constructor(order) {
    this.order = order;
    this.source = null;
    this.wanted = null;
    this.painting = false;
    this.drawing = Promise.resolve();
    this.asleep = false;
    this.original = null;
    byId("wipe").addEventListener("input", () => this.wipe());
    byId("at").addEventListener("input", () => this.moveTo(Number(byId("at").value)));
    order.addEventListener("change", () => this.paint());
    this.wipe();
  }

  wipe() {
    const share = byId("wipe").value;
    byId("frame").style.setProperty("--wipe", share);
    byId("wipe").setAttribute("aria-valuetext", `${Math.round(share)} % original`);
  }

  /** Show another film or picture, as it is after so many seconds. */
  show(source, at) {
    this.source = source;
    for (const id of ["before", "after"]) clear(byId(id)); // no painting of one picture over another
    this.original = null;
    const last = source.seconds ? Math.max(0, source.seconds - 1 / (source.rate || 25)) : 0;
    byId("moment").hidden = !last;
    byId("at").max = last;
    byId("at").step = source.rate ? 1 / source.rate : 0.04;
    this.ratio(source.aspect);
    this.moveTo(at ?? (source.id === "scene" ? 4 : last / 3));
  }

  ratio(value) {
    byId("frame").style.setProperty("--ratio", value);
  }

  /** Another frame of the film. */
  moveTo(seconds) {
    byId("at").value = seconds;
    const at = Number(byId("at").value);
    byId("at-text").textContent = `${Math.floor(at / 60)}:${(at % 60).toFixed(2).padStart(5, "0")}`;
    fill(byId("at"), byId("at-text").textContent);
    this.paint();
  }

  /** While live, nothing is painted here. */
  sleep(asleep) {
    this.asleep = asleep;
    byId("frame").classList.toggle("live", asleep);
    if (!asleep && this.source) {
      byId("veil").hidden = true;
      this.ratio(this.source.aspect);
      this.paint();
    }
  }

  /** Have the picture painted as the controls say now. One request is on its way at a time; of those that
      come meanwhile only the last is kept. */
  async paint() {
    if (!this.source || this.asleep) return;
    this.wanted = { page: PAGE, source: this.source.id, at: Number(byId("at").value), order: this.order.toJSON() };
    if (this.painting) return;
    this.painting = true;
    while (this.wanted) {
      const wish = this.wanted;
      this.wanted = null;
      await this.paintOne(wish);
    }
    this.painting = false;
  }

  async paintOne(wish) {
    const busy = setTimeout(() => this.busy("Painting…"), BUSY_AFTER);
    const slow = setTimeout(() => this.busy(EXPLANATION[wish.order.network]), PATIENCE);
    try {
      const [answer] = await Promise.all([send("/api/paint", wish), this.showOriginal(wish)]);
      const jpeg = await answer.blob();
      await this.drawing; // only now: while one painting is drawn, the next is already being painted
      this.drawing = draw(byId("after"), jpeg).then(() => this.tell(answer.headers));
    } catch (error) {
      if (error.superseded) return;
      byId("status").textContent = "";
      complain(error);
    } finally {
      clearTimeout(busy);
      clearTimeout(slow);
      byId("frame").classList.remove("busy");
    }
  }

  /** The film's own picture, if it is not there already. */
  async showOriginal({ source, at }) {
    const key = `${source} ${at}`;
    if (this.original === key) return;
    const answer = await ask(`/api/sources/${source}/picture?at=${at}`);
    await draw(byId("before"), await answer.blob());
    this.original = key;
  }

  busy(text) {
    byId("frame").classList.add("busy");
    byId("status").textContent = text;
  }

  tell(headers) {
    const { width, height } = this.source, engine = headers.get("X-Engine");
    const painted = engine ? `painted in ${headers.get("X-Milliseconds")} ms by ${engine}` : "as it is";
    byId("status").textContent = `${width} × ${height} · ${painted}`;
  }
}

function clear(canvas) {
  canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
}

/** Draw a JPEG without the flicker that an image element has between two pictures. */
async function draw(canvas, blob) {
  const picture = await createImageBitmap(blob);
  if (canvas.width !== picture.width || canvas.height !== picture.height) {
    canvas.width = picture.width;
    canvas.height = picture.height;
  }
  canvas.getContext("2d").drawImage(picture, 0, 0);
  picture.close();
}

// The live session: a camera, painted in the page, in OBS and in the virtual camera.

import { complain, copy, get, make, post } from "./api.js";

const byId = (id) => document.getElementById(id);
const OFTEN = 1000; // ms between two looks at the figures

export class Live {
  constructor(order, stage) {
    this.order = order;
    this.stage = stage;
    this.shown = false;
    this.runs = false;
    this.looking = 0;
    this.turning = false;
    this.wanted = false;
    this.adopting = false;
    byId("live-toggle").addEventListener("click", () => (this.runs ? this.stop() : this.start()));
    byId("copy-obs").addEventListener("click", (event) => copy(byId("obs").textContent, event.target));
    byId("mirror").addEventListener("input", () => this.turn());
    byId("live-picture").addEventListener("error", () => this.look());
    order.addEventListener("change", () => this.turn());
  }

  /** Enter or leave the live part of the page; a session goes on meanwhile. */
  async show(shown) {
    this.shown = shown;
    byId("live-actions").hidden = !shown;
    this.stage.sleep(shown);
    if (!shown) {
      this.hidePicture();
      this.order.lockNetwork(false);
      return;
    }
    await this.listCameras();
    await this.look();
  }

  /** The cameras and films there are; `chosen` is selected if it is among them. */
  async listCameras(chosen = byId("camera").value) {
    try {
      const { cameras, virtual } = await get("/api/live/cameras");
      const { sources } = await get("/api/studio");
      const films = sources.filter((source) => source.kind === "film").reverse();
      byId("camera").replaceChildren(
        ...cameras.map((camera) => make("option", { value: camera.id, textContent: camera.name })),
        ...films.map((film) => make("option", { value: film.id, textContent: `Film: ${film.name}` })),
        make("option", { value: "synthetic", textContent: "Test pattern" }),
      );
      if ([...byId("camera").options].some((option) => option.value === chosen)) byId("camera").value = chosen;
      byId("virtual").disabled = !virtual;
      byId("virtual-hint").hidden = virtual;
    } catch (error) {
      complain(error);
    }
  }

  async start() {
    byId("live-toggle").disabled = true;
    this.veil("Starting…");
    try {
      const wish = { camera: byId("camera").value, order: this.order.toJSON(), mirror: byId("mirror").checked, virtual: byId("virtual").checked };
      this.follow(await post("/api/live/start", wish));
    } catch (error) {
      complain(error);
      this.veil("Choose a camera or a film, then start.");
    }
    byId("live-toggle").disabled = false;
  }

  async stop() {
    byId("live-toggle").disabled = true;
    try {
      this.follow(await post("/api/live/stop"));
    } catch (error) {
      complain(error);
    }
    byId("live-toggle").disabled = false;
  }

  /** The controls were turned: tell the session, one request at a time, the last one for certain. */
  async turn() {
    if (!this.runs || !this.shown || this.adopting) return;
    this.wanted = true;
    if (this.turning) return;
    this.turning = true;
    while (this.wanted) {
      this.wanted = false;
      try {
        await post("/api/live/look", { order: this.order.toJSON(), mirror: byId("mirror").checked });
      } catch (error) {
        complain(error);
      }
    }
    this.turning = false;
  }

  async look() {
    clearTimeout(this.looking);
    if (!this.shown && !this.runs) return;
    try {
      this.follow(await get("/api/live"));
    } catch (error) {
      complain(error);
      this.follow({ state: "off" });
    }
  }

  follow(state) {
    const ran = this.runs;
    this.runs = state.state === "starting" || state.state === "live";
    byId("live-toggle").textContent = this.runs ? "Stop" : "Start the camera";
    byId("live-toggle").classList.toggle("ending", this.runs);
    byId("mode-live").classList.toggle("on-air", this.runs);
    byId("figures").hidden = !this.runs;
    byId("camera").disabled = this.runs;
    byId("virtual").disabled = this.runs || !byId("virtual-hint").hidden;
    clearTimeout(this.looking);
    if (this.runs) this.looking = setTimeout(() => this.look(), OFTEN);
    if (!this.shown) return;
    this.order.lockNetwork(this.runs);
    if (this.runs) this.showSession(state);
    else this.showNothing(state, ran);
  }

  /** The network is the session's as long as it runs, whoever started it; nothing is turned on air by that. */
  adopt(network) {
    if (this.order.network === network) return;
    this.adopting = true;
    this.order.chooseNetwork(network);
    this.adopting = false;
  }

  showSession(state) {
    this.adopt(state.network);
    byId("fps").textContent = state.fps_now ? state.fps_now.toFixed(1) : "–";
    const delay = state.latency_ms.p50;
    byId("delay").textContent = delay === null ? "–" : `${Math.round(delay)} ms`;
    byId("obs").textContent = state.address;
    const engine = state.backend ? `${state.backend} on ${state.device}, ${state.precision}` : "";
    const trouble = [state.camera_message, ...Object.values(state.trouble), ...state.warnings];
    byId("status").textContent = [state.camera, engine, ...trouble].filter(Boolean).join(" · ");
    if (!state.size) return;
    this.stage.ratio(state.size[0] / state.size[1]);
    const picture = byId("live-picture");
    if (picture.hidden && state.state === "live") {
      picture.src = `/api/live/stream?${Date.now()}`;
      picture.hidden = false;
      byId("veil").hidden = true;
    }
  }

  showNothing(state, ran) {
    this.hidePicture();
    byId("status").textContent = "";
    if (state.state === "failed") complain(new Error(state.error));
    this.veil(ran && state.state === "ended" ? "The film is over." : "Choose a camera or a film, then start.");
  }

  hidePicture() {
    const picture = byId("live-picture");
    picture.hidden = true;
    picture.removeAttribute("src");
  }

  veil(text) {
    byId("veil").textContent = text;
    byId("veil").hidden = false;
  }
}

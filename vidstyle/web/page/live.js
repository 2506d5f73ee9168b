// The live session: a camera, painted in the page, in OBS and in the virtual camera.

import { complain, copy, get, post } from "./api.js";
import { byId, make } from "./elements.js";

const OFTEN = 1000, SELDOM = 3000; // ms between two looks at the session, and where the studio does not answer

export class Live {
  constructor(order, stage, jobs) {
    this.order = order;
    this.stage = stage;
    this.jobs = jobs;
    this.shown = false;
    this.runs = false;
    this.looking = 0;
    this.turning = false;
    this.wanted = false;
    this.turns = 0;
    this.said = "";
    this.adopting = false;
    this.recording = false;
    this.kept = "";
    byId("live-toggle").addEventListener("click", () => (this.runs ? this.stop() : this.start()));
    byId("record").addEventListener("click", () => this.keep("record", { on: !this.recording }));
    byId("snapshot").addEventListener("click", () => this.keep("snapshot"));
    byId("copy-obs").addEventListener("click", (event) => copy(byId("obs").textContent, event.target));
    byId("mirror").addEventListener("input", () => this.turn());
    byId("live-picture").addEventListener("error", () => {
      this.hidePicture();
      clearTimeout(this.looking);
      this.looking = setTimeout(() => this.look(), OFTEN);
    });
    order.addEventListener("change", () => this.turn());
    this.look(); // another tab, or this page before it was loaded anew, may have started it
  }

  /** Enter or leave the live part of the page; a session goes on meanwhile. */
  async show(shown) {
    this.shown = shown;
    byId("live-actions").hidden = !shown;
    this.stage.sleep(shown);
    if (!shown) {
      this.said = "";
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
      this.chooseCamera(chosen);
      byId("virtual").disabled = this.runs || !virtual;
      byId("virtual-hint").hidden = virtual;
    } catch (error) {
      complain(error);
    }
  }

  chooseCamera(id) {
    if ([...byId("camera").options].some((option) => option.value === id)) byId("camera").value = id;
  }

  async start() {
    byId("live-toggle").disabled = true;
    this.veil("Starting…");
    try {
      const wish = { camera: byId("camera").value, order: this.order.toJSON(), mirror: byId("mirror").checked, virtual: byId("virtual").checked };
      const state = await post("/api/live/start", wish);
      this.runs = true;
      this.follow(state);
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

  /** Record what is on air, or take a picture of it; what is whole stands among the jobs. */
  async keep(what, values) {
    try {
      this.follow(await post(`/api/live/${what}`, values), false);
    } catch (error) {
      complain(error);
    }
  }

  /** The controls were turned: tell the session, one request at a time, the last one for certain; but not before
      they say what is on air. */
  async turn() {
    if (!this.runs || !this.said || this.adopting) return;
    this.wanted = true;
    if (this.turning) return;
    this.turning = true;
    while (this.wanted) {
      this.wanted = false;
      try {
        const state = await post("/api/live/look", { order: this.order.toJSON(), mirror: byId("mirror").checked });
        this.said = settings(state);
      } catch (error) {
        complain(error);
      }
    }
    this.turning = false;
    this.turns += 1;
  }

  async look() {
    clearTimeout(this.looking);
    const turns = this.turns;
    let state;
    try {
      state = await get("/api/live");
    } catch (error) {
      this.lose(error);
      return;
    }
    this.follow(state, turns === this.turns && !this.turning);
  }

  /** The studio does not answer: the session may go on, and is looked for. */
  lose(error) {
    clearTimeout(this.looking);
    if (this.shown || this.runs) this.looking = setTimeout(() => this.look(), SELDOM);
    if (!this.shown) return;
    this.hidePicture();
    this.veil(error.message);
  }

  /** `current` is false where a control was turned since the state was asked for. */
  follow(state, current = true) {
    const ran = this.runs;
    this.runs = state.state === "starting" || state.state === "live";
    byId("live-toggle").textContent = this.runs ? "Stop" : "Start";
    byId("live-toggle").classList.toggle("ending", this.runs);
    byId("mode-live").classList.toggle("on-air", this.runs);
    byId("figures").hidden = !this.runs;
    byId("keeping").hidden = state.state !== "live";
    this.showKept(state);
    byId("camera").disabled = this.runs;
    byId("virtual").disabled = this.runs || !byId("virtual-hint").hidden;
    clearTimeout(this.looking);
    if (this.runs) this.looking = setTimeout(() => this.look(), OFTEN);
    if (ran && state.state === "failed") complain(new Error(state.error));
    if (!this.shown) return;
    this.order.lockNetwork(this.runs);
    if (this.runs) this.showSession(state, current);
    else this.showNothing(state, ran);
  }

  /** Whether it is recorded, and what the session says of that; the jobs say what is whole. */
  showKept(state) {
    const kept = `${state.session} ${state.kept}`;
    this.recording = this.runs && state.recording;
    byId("record").textContent = this.recording ? "Stop recording" : "Record";
    byId("record").classList.toggle("recording", this.recording);
    byId("said").textContent = this.runs ? state.said : "";
    if (this.kept !== kept) this.jobs.look();
    this.kept = kept;
  }

  /** The controls know other styles from now on. That turns nothing on air: what they say of it is looked up anew. */
  learn(styles) {
    this.said = "";
    this.order.learn(styles);
    this.look();
  }

  /** The controls say what is on air, whoever turned it last; nothing is turned on air by that. */
  adopt(state) {
    if (settings(state) === this.said) return;
    this.said = settings(state);
    this.adopting = true;
    this.order.take(state.order);
    this.adopting = false;
    byId("mirror").checked = state.mirror;
  }

  showSession(state, current) {
    if (current) this.adopt(state);
    this.chooseCamera(state.source);
    byId("virtual").checked = state.virtual;
    byId("fps").textContent = state.fps_now ? state.fps_now.toFixed(1) : "–";
    const delay = state.latency_ms.p50;
    byId("delay").textContent = delay === null ? "–" : `${Math.round(delay)} ms`;
    byId("obs").textContent = state.address;
    const engine = state.backend ? `${state.backend} on ${state.device}, ${state.precision}` : "";
    const trouble = [state.camera_message, ...Object.values(state.trouble), ...state.warnings];
    byId("status").textContent = [state.camera, engine, ...trouble].filter(Boolean).join(" · ");
    if (state.state === "starting") {
      this.hidePicture();
      this.veil("Starting…");
    }
    if (!state.size) return;
    this.stage.ratio(state.size[0] / state.size[1]);
    const picture = byId("live-picture"), stream = `/api/live/stream?${state.session}`;
    if (state.state === "live" && picture.getAttribute("src") !== stream) {
      picture.src = stream;
      picture.hidden = false;
      byId("veil").hidden = true;
    }
  }

  showNothing(state, ran) {
    this.hidePicture();
    byId("status").textContent = "";
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

/** What a session is told and can be turned by, to compare. */
function settings(state) {
  return JSON.stringify([state.session, state.order, state.mirror]);
}

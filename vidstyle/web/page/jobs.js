// Films and pictures that are painted to the end: started, followed, cancelled, looked at.

import { complain, copy, get, post } from "./api.js";
import { byId, make } from "./elements.js";

const OFTEN = 500, SELDOM = 4000; // ms between two looks, while something is painted and otherwise
const ENDED = ["done", "failed", "cancelled"];

export class Jobs {
  constructor(order, stage, folder) {
    this.order = order;
    this.stage = stage;
    this.rows = new Map();
    this.opener = null;
    this.looking = 0;
    this.commanding = 0;
    byId("folder").textContent = `Kept in ${folder}`;
    byId("render").addEventListener("click", () => this.start());
    byId("copy-command").addEventListener("click", (event) => copy(byId("command").textContent, event.target));
    byId("result-close").addEventListener("click", () => this.back());
    for (const id of ["result-film", "result-picture"]) byId(id).addEventListener("error", () => this.miss());
    byId("result").addEventListener("keydown", (event) => { if (event.key === "Escape") this.back(); });
    order.addEventListener("change", () => {
      this.close();
      this.command();
    });
    document.addEventListener("visibilitychange", () => this.look());
    this.look();
  }

  /** Another film or picture is on the stage. */
  setSource(source) {
    byId("render").textContent = source.kind === "film" ? "Paint the film" : "Save the picture";
    this.close();
    this.command();
  }

  /** The same for a terminal, once the sliders rest. */
  command() {
    clearTimeout(this.commanding);
    this.commanding = setTimeout(async () => {
      if (!this.stage.source) return;
      try {
        const wish = { source: this.stage.source.id, order: this.order.toJSON() };
        byId("command").textContent = (await post("/api/command", wish)).command;
      } catch {
        byId("command").textContent = ""; // the picture itself says what is wrong with the order
      }
    }, 150);
  }

  async start() {
    byId("render").disabled = true;
    try {
      await post("/api/jobs", { source: this.stage.source.id, order: this.order.toJSON() });
      await this.look();
      byId("jobs-section").scrollIntoView({ block: "nearest" });
    } catch (error) {
      complain(error);
    }
    byId("render").disabled = false;
  }

  async look() {
    clearTimeout(this.looking);
    if (document.hidden) return;
    let active = false;
    try {
      const { jobs } = await get("/api/jobs");
      active = jobs.some((job) => !ENDED.includes(job.state));
      this.show(jobs);
    } catch {
      // the studio is closed, or will answer the next time; what the user does says so
    }
    clearTimeout(this.looking);
    this.looking = setTimeout(() => this.look(), active ? OFTEN : SELDOM);
  }

  show(jobs) {
    byId("jobs-section").hidden = !jobs.length;
    for (const job of jobs) {
      let row = this.rows.get(job.id);
      if (row?.state !== job.state) {
        const fresh = this.row(job);
        if (row) row.element.replaceWith(fresh);
        else byId("jobs").prepend(fresh);
        row = { element: fresh, state: job.state };
        this.rows.set(job.id, row);
      }
      this.update(row.element, job);
    }
    const order = jobs.map((job) => this.rows.get(job.id).element);
    order.forEach((element, index) => {
      if (byId("jobs").children[index] !== element) byId("jobs").insertBefore(element, byId("jobs").children[index]);
    });
    while (byId("jobs").children.length > jobs.length) byId("jobs").lastChild.remove(); // of a studio before this one
  }

  row(job) {
    const element = make("li", {}, make("span", { className: "name", textContent: job.name, title: job.name }));
    if (!ENDED.includes(job.state)) {
      const cancel = make("button", { type: "button", className: "quiet", textContent: "Cancel", ariaLabel: `Cancel ${job.name}` });
      cancel.addEventListener("click", async () => {
        cancel.disabled = true;
        try {
          await post(`/api/jobs/${job.id}/cancel`);
        } catch (error) {
          complain(error);
        }
        this.look();
      });
      element.append(cancel, make("progress", { max: 1, ariaLabel: `Progress of ${job.name}` }));
    }
    element.append(make("p", { className: `about ${job.state}` }));
    if (job.warnings.length) element.append(make("p", { className: "about", textContent: job.warnings.join("; ") }));
    if (job.state === "done") element.append(this.offers(job));
    return element;
  }

  offers(job) {
    const result = `/api/jobs/${job.id}/result`;
    const look = make("button", { type: "button", className: "quiet", textContent: job.kind === "film" ? "Play" : "Look" });
    look.ariaLabel = `${look.textContent} ${job.name}`;
    look.addEventListener("click", () => this.open(job, result, look));
    const save = make("a", { href: `${result}?save`, textContent: "Download", download: job.name, ariaLabel: `Download ${job.name}` });
    return make("div", { className: "doing" }, look, save);
  }

  update(element, job) {
    const progress = element.querySelector("progress");
    if (progress && job.total) progress.value = job.frames / job.total;
    element.querySelector(".about").textContent = about(job);
  }

  /** The finished film or picture, in place of the stage; `opener` has the focus again afterwards. */
  open(job, address, opener) {
    this.opener = opener;
    const film = byId("result-film"), picture = byId("result-picture"), isFilm = job.kind === "film";
    film.hidden = !isFilm;
    picture.hidden = isFilm;
    if (isFilm) {
      film.src = address;
      film.play().catch(() => {}); // the browser may want a click first; its own button is there
    } else {
      picture.src = address;
    }
    byId("result-name").textContent = job.name;
    for (const id of ["frame", "moment", "status"]) byId(id).classList.add("away");
    byId("result").hidden = false;
    byId("result-close").focus();
  }

  /** The browser gets nothing that it can show; why, it does not tell. */
  miss() {
    const name = byId("result-name").textContent;
    complain(new Error(`${name} cannot be shown: it is no longer where it was, or this browser cannot play it.`));
  }

  back() {
    this.close();
    this.opener.focus();
  }

  close() {
    if (byId("result").hidden) return;
    const film = byId("result-film");
    film.pause();
    film.removeAttribute("src");
    film.load();
    byId("result").hidden = true;
    for (const id of ["frame", "moment", "status"]) byId(id).classList.remove("away");
  }
}

/** What a job's line says. */
function about(job) {
  const total = job.total ? ` of ${job.total}` : "";
  const rate = job.fps >= 10 ? job.fps.toFixed(0) : job.fps.toFixed(1);
  switch (job.state) {
    case "waiting": return "Waiting for its turn";
    case "preparing": return "Preparing…";
    case "painting": {
      if (job.kind === "picture") return "Painting…";
      const left = job.seconds_left === null ? "" : ` · ${clock(job.seconds_left)} left`;
      return `${job.frames}${total} frames · ${rate} a second${left}`;
    }
    case "done": {
      if (job.seconds === null) return job.kind === "film" ? "Recorded live" : "Taken live";
      const what = job.kind === "film" ? `${job.frames_out} frames` : "Painted";
      return [`${what} in ${clock(job.seconds)}`, job.engine].filter(Boolean).join(" · ");
    }
    case "cancelled": return "Cancelled";
    default: return job.error;
  }
}

function clock(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

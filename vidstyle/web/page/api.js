// Questions to the studio's server, and the one place where errors are shown.

import { byId } from "./elements.js";

const message = byId("message");
let hiding = 0;

message.querySelector("button").addEventListener("click", () => { message.hidden = true; });

/** An error that the server gave; `superseded` where a newer request has taken its place. */
class Refusal extends Error {
  constructor(text, status) {
    super(text);
    this.superseded = status === 409;
  }
}

/** Show one line for a while. */
export function complain(error) {
  message.querySelector("p").textContent = error.message || String(error);
  message.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => { message.hidden = true; }, 12000);
}

async function answered(question) {
  let answer;
  try {
    answer = await question;
  } catch {
    throw new Refusal("The studio does not answer. Is `vidstyle serve` still running?", 0);
  }
  if (!answer.ok) throw new Refusal(await reason(answer), answer.status);
  return answer;
}

async function reason(answer) {
  try {
    return (await answer.json()).error;
  } catch {
    return `The studio answered with ${answer.status}.`;
  }
}

/** GET; the whole answer. */
export function ask(path) {
  return answered(fetch(path));
}

/** GET; the answer as plain values. */
export async function get(path) {
  return (await ask(path)).json();
}

/** POST plain values; the whole answer. */
export function send(path, values = {}) {
  const headers = { "Content-Type": "application/json" };
  return answered(fetch(path, { method: "POST", headers, body: JSON.stringify(values) }));
}

/** POST plain values; the answer as plain values. */
export async function post(path, values) {
  return (await send(path, values)).json();
}

/** Send a file; `follow(share)` is told how much of it has gone, 0..1. */
export function upload(file, follow) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/api/sources?name=${encodeURIComponent(file.name)}`);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => follow(event.loaded / (event.total || 1)));
    request.addEventListener("load", () => {
      if (request.status === 200 && request.response) resolve(request.response);
      else reject(new Refusal(request.response?.error || "The file was not taken.", request.status));
    });
    request.addEventListener("error", () => reject(new Refusal("The file could not be sent to the studio.", 0)));
    request.send(file);
  });
}

/** Copy `text` and say so on the button for a moment. */
export async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    complain(new Error("The browser does not allow copying here; select the text instead."));
    return;
  }
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
}

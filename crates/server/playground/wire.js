// Every request that this page sends goes through `send`, which keeps it for the list at the bottom.

import { h, show, sentence } from "./dom.js";

const KINDS = {
  page: "the playground's own",
  backend: "page → your backend",
  browser: "page → the vendor",
};

let requests = [];
let keys = [];

export class Unreachable extends Error {}

// The secret credentials of the chosen connector: a request with one of them would be a fault.
export function watchFor(secrets) {
  keys = secrets;
}

export async function send(kind, method, url, { headers = [], body, title } = {}) {
  const entry = { kind, title, method, url: new URL(url, location.href).href, headers, body: body ?? "", status: "…", keys };
  requests.push(entry);
  render();
  try {
    const response = await fetch(url, {
      method, body: body || undefined, headers, credentials: "omit", cache: "no-store", redirect: "error",
    });
    const text = await response.text();
    entry.status = response.status;
    return { status: response.status, headers: [...response.headers], text, json: parse(text) };
  } catch {
    entry.status = "no answer";
    throw new Unreachable(`no answer from ${new URL(entry.url).host}`);
  } finally {
    render();
  }
}

function parse(text) {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch {
    return undefined;
  }
}

export function forget() {
  requests = [];
  render();
}

function hasKey({ url, headers, body, keys: secrets }) {
  const sent = [url, decode(url), body, decode(body), ...headers.flat()].join("\n");
  return secrets.some((key) => sent.includes(key));
}

function decode(text) {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return text;
  }
}

export function render() {
  const open = document.querySelector("#wire details")?.open ?? false;
  const opened = new Set([...document.querySelectorAll("#wire li details[open]")].map((it) => it.dataset.nth));
  const leaks = requests.filter(hasKey).length;
  const count = `${requests.length} ${requests.length === 1 ? "request" : "requests"}`;
  show("wire", h("details", { open },
    h("summary", null,
      h("strong", null, "What left this page: "), h("span", { id: "sent" }, count), " · ",
      h("span", { id: "leaks", class: leaks ? "bad" : "good" }, `the API key was in ${leaks} of them`)),
    h("p", { class: "muted" },
      "Your backend holds the key. The page asks the backend, the backend asks Daypass, and the page gets the day pass. ",
      "With it, the page calls the vendor directly. ",
      "Here the sandbox plays the vendor, and this server plays your backend."),
    requests.length
      ? h("ol", { tabindex: "0", "aria-label": "Requests of this page" }, requests.map((entry, nth) => row(entry, nth, opened)))
      : h("p", { class: "muted" }, "No request yet.")));
}

function row(entry, nth, opened) {
  const lines = entry.headers.map(([name, value]) => `${name}: ${value}`);
  return h("li", null, h("details", { open: opened.has(String(nth)), "data-nth": String(nth) },
    h("summary", null,
      h("span", { class: `kind ${entry.kind}` }, KINDS[entry.kind]),
      h("code", null, `${entry.method} ${entry.url.replace(location.origin, "")}`),
      h("span", { class: "status" }, String(entry.status)),
      h("span", { class: hasKey(entry) ? "bad" : "good" }, hasKey(entry) ? "has the key" : "no key")),
    entry.title && h("p", { class: "muted" }, sentence(entry.title)),
    h("pre", { tabindex: "0" }, [...lines, "", entry.body].join("\n").trim() || "no headers of its own, no body")));
}

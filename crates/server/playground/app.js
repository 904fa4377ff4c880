// The page: what was chosen, what was asked, what came back. The other files draw its parts. It is
// longer than 400 lines: all changes of the page's state are here, and nowhere else.

import { announce, byId, coloured, copy, h, icon, masked, show, tabs } from "./dom.js";
import { show_catalog } from "./catalog.js";
import { as_text, as_value, focus_fault, show_fields } from "./form.js";
import { body_with, card_of, read_card, refused, show_checkout, unsendable } from "./checkout.js";
import { remaining, show_card } from "./pass.js";
import { LANGUAGES } from "./snippets.js";
import { Unreachable, forget, render as show_wire, send, watchFor } from "./wire.js";

const JSON_TYPE = ["content-type", "application/json"];
const THEMES = ["system", "light", "dark"];
// Seconds past the expiry, so that a rounded expiry has passed.
const MARGIN_SECONDS = 5;
const HIDDEN = /^(access_token|refresh_token)$/;

let registry;
const chosen = { connector: "stripe", grant: undefined, values: {}, ttl: "", outcome: "" };
const page = { language: "grpcurl", answer: "Answer", theme: "system", revealed: false };
let call = fresh_call();
let view = fresh_view(0);

function fresh_call() {
  return { reference: `token_${crypto.getRandomValues(new Uint32Array(1))[0].toString(36)}`, sent: false };
}

function fresh_view(ahead = view.ahead) {
  return {
    state: "empty", pass: undefined, error: undefined, response: undefined, explained: undefined, ahead,
    line: undefined, uses: undefined, card: undefined, results: {}, faults: {}, busy: false,
    typed: { number: "4242 4242 4242 4242", expiry: "12/30", cvc: "123" },
  };
}

const connector = () => registry.connectors.find((known) => known.connector === chosen.connector);
const grant = () => connector().grants.find((known) => known.name === chosen.grant);

// The inputs of the grant that the page fills. `scopes` is common to all grants that have scopes.
function inputs() {
  const { scopes, inputs: own } = grant();
  if (!scopes) return own;
  const accepts = Array.isArray(scopes) ? `a list among ${scopes.join(", ")}` : "a list of the vendor's scopes";
  return [...own, { field: "scopes", type: "texts", required: false, accepts }];
}

// --- what was chosen ---

function default_grant(of) {
  return (of.grants.find((known) => known.default) ?? of.grants[0]).name;
}

function choose_grant(name) {
  watchFor(secrets());
  chosen.grant = connector().grants.some((known) => known.name === name) ? name : default_grant(connector());
  chosen.values = Object.fromEntries(inputs()
    .filter((input) => input.field in (grant().example ?? {}))
    .map((input) => [input.field, as_text(input, grant().example[input.field])]));
  chosen.ttl = "";
}

function choose_connector(id) {
  chosen.connector = registry.connectors.some((known) => known.connector === id) ? id : "stripe";
  chosen.outcome = "";
  choose_grant();
  start_over();
}

function changed({ grant: name, values, ttl, outcome }) {
  if (name) choose_grant(name);
  if (values) Object.assign(chosen.values, values);
  if (ttl !== undefined) chosen.ttl = ttl;
  if (outcome !== undefined) chosen.outcome = outcome;
  if (name) start_over();
  else {
    if (call.sent) call = fresh_call();
    save_link();
    show_call();
  }
  if (name) byId("grant").focus();
}

function start_over() {
  call = fresh_call();
  view = fresh_view();
  save_link();
  show_all();
}

// The choice is in the fragment of the URL, secrets excepted.
function save_link() {
  const link = new URLSearchParams({ connector: chosen.connector, grant: chosen.grant });
  for (const input of inputs()) {
    const example = as_text(input, grant().example?.[input.field]);
    const value = chosen.values[input.field] ?? "";
    if (input.type !== "secret" && value !== example) link.set(`input.${input.field}`, value);
  }
  if (chosen.ttl) link.set("ttl_seconds", chosen.ttl);
  history.replaceState(null, "", `#${link}`);
}

function read_link() {
  const link = new URLSearchParams(location.hash.slice(1));
  const id = link.get("connector") ?? "stripe";
  chosen.connector = registry.connectors.some((known) => known.connector === id) ? id : "stripe";
  choose_grant(link.get("grant") ?? undefined);
  for (const input of inputs()) {
    const value = link.get(`input.${input.field}`);
    if (value !== null && input.type !== "secret") chosen.values[input.field] = value;
  }
  chosen.ttl = link.get("ttl_seconds") ?? "";
}

// The message of the RPC. Only what differs from the documented call is added to it. The backend
// adds secret inputs, as it adds the credentials: the page sends none.
function message({ with_secrets = false } = {}) {
  const data = {};
  if (!grant().default) data.grant = chosen.grant;
  if (grant().audience === "server") data.audience = "server";
  for (const input of inputs()) {
    const text = chosen.values[input.field] ?? "";
    if (input.type === "secret" && !with_secrets) continue;
    if (text !== "") data[input.field] = as_value(input, text);
  }
  if (chosen.ttl !== "") data.ttl_seconds = as_value({ type: "integer" }, chosen.ttl);
  const body = { merchant_access_token_id: call.reference, connector: connector().enum, test_mode: true };
  if (Object.keys(data).length) body.connector_feature_data = JSON.stringify(data);
  return body;
}

function context() {
  const name = chosen.connector[0].toUpperCase() + chosen.connector.slice(1);
  return { connector: chosen.connector, auth: { [name]: connector().sandbox_credentials }, body: message({ with_secrets: true }), host: location.host };
}

// --- what was asked ---

async function get() {
  if (view.busy) return;
  if (call.sent) call = fresh_call();
  call.sent = true;
  view = { ...fresh_view(), state: "asking", busy: true };
  show_call();
  show_pass();
  try {
    // The backend brings the sandbox's clock back to the present.
    view.ahead = 0;
    const outcome = chosen.outcome ? `?outcome=${chosen.outcome}` : "";
    const response = await send("backend", "POST", `backend/${chosen.connector}${outcome}`, {
      title: "your backend, please get a day pass", headers: [JSON_TYPE], body: JSON.stringify(message()),
    });
    view.response = response;
    if (response.status === 200 && response.json?.status === "SUCCESS") await take(response.json);
    else if (response.status === 200) refuse(response.json);
    else mistake(response);
  } catch (error) {
    unreachable(error);
  }
  view.busy = false;
  page.answer = ["Log", "Vendor call"].includes(page.answer) ? page.answer : "Answer";
  show_all();
  if (view.state === "mistake") focus_fault();
  else if (matchMedia("(max-width: 1020px)").matches) byId("pass").scrollIntoView({ block: "start" });
  announce({
    alive: `A day pass of ${connector().name} for ${view.pass?.audience.toLowerCase()} use`,
    refused: "The connector refused", mistake: "The call is not right yet", unreachable: "The server does not answer",
  }[view.state]);
}

async function take(json) {
  view.state = "alive";
  view.pass = {
    token: json.access_token, audience: json.audience, grant: json.grant, scopes: json.scopes ?? [],
    parameters: json.client_parameters ?? {}, expires_at: Number(json.expires_at) || undefined,
    lifetime: Number(json.lifetime_seconds) || 0, answered: performance.now(), reference: call.reference,
    use_once: grant().single_use || grant().lifetime === "until_used", used: false,
  };
  if (json.audience === "CLIENT") await learn_uses();
}

async function learn_uses() {
  const { token, grant: name, parameters, reference } = view.pass;
  const body = JSON.stringify({ grant: name, token, client_parameters: parameters, reference });
  const { status, json } = await send("page", "POST", `uses/${chosen.connector}`, {
    title: "which calls does a client of this grant make?", headers: [JSON_TYPE], body,
  });
  view.uses = status === 200 ? json : undefined;
  view.card = view.uses && card_of(view.uses.allowed, registry.test_cards);
}

function refuse(json) {
  const { connector_details: theirs = {}, unified_details: ours = {} } = json?.error ?? {};
  view.state = "refused";
  view.error = {
    facts: [
      ["Status", `${json?.status} · ${json?.status_code}`],
      ["Its code", theirs.code], ["Its words", theirs.message ?? theirs.reason], ["Our code", ours.code],
    ],
    remedy: ours.user_guidance_message ?? ours.description ?? ours.message,
  };
}

function mistake({ status, json }) {
  const details = (json?.details ?? []).map((detail) => detail.debug ?? {});
  const violations = details.flatMap((detail) => detail.fieldViolations ?? detail.field_violations ?? []);
  for (const { field, description } of violations) {
    const name = field.split(".").pop();
    view.faults[name] = description;
  }
  const reason = details.find((detail) => detail.reason)?.reason;
  const ours = ["invalid_argument", "failed_precondition", "already_exists"].includes(json?.code);
  view.state = ours ? "mistake" : "refused";
  view.error = {
    facts: [["Code", json?.code ?? `HTTP ${status}`], ["Reason", reason], ["Message", json?.message]],
    remedy: details.find((detail) => detail.metadata?.guidance)?.metadata.guidance,
  };
}

function unreachable(error) {
  if (!(error instanceof Unreachable)) throw error;
  view.state = "unreachable";
  view.error = { facts: [["What happened", error.message]], remedy: "Start it again with: daypass serve --sandbox" };
}

async function explain() {
  view.explained = "asked";
  try {
    const { json } = await send("page", "POST", `explain/${chosen.connector}`, {
      title: "which call goes to the vendor?", headers: [JSON_TYPE], body: JSON.stringify(message()),
    });
    view.explained = json;
  } catch (error) {
    unreachable(error);
  }
  show_answer();
}

// The line that the service wrote of the call, once it has answered.
async function read_line() {
  view.line = "asked";
  const [, id] = view.response.headers.find(([name]) => name === "x-request-id") ?? [];
  try {
    view.line = await send("page", "GET", `log/${encodeURIComponent(id)}`, { title: "which log line did the service write?" });
  } catch (error) {
    unreachable(error);
  }
  show_answer();
}

async function set_clock(seconds) {
  await send("page", "POST", "clock", {
    title: "the sandbox's clock", headers: [JSON_TYPE], body: JSON.stringify({ seconds_ahead: seconds }),
  });
  view.ahead = seconds;
}

// --- the token in use ---

async function use(name, form) {
  if (view.busy) return;
  let card;
  if (form) {
    const read = read_card(form.elements, registry.test_cards);
    view.card_faults = read.faults;
    if (Object.keys(read.faults).length) {
      show_use();
      document.querySelector("#checkout [aria-invalid=true]")?.focus();
      return;
    }
    card = read.card;
  }
  view.busy = true;
  show_use();
  try {
    if (name === "late") await before_late();
    const asked = name === "forbidden" ? view.uses.forbidden : view.uses.allowed;
    const own = unsendable(asked);
    const headers = asked.headers.filter((header) => !own.includes(header));
    const body = card && view.card ? body_with(view.card, card) : asked.body;
    const answer = await send("browser", asked.method, asked.url, { title: asked.title, headers, body });
    const note = own.length ? `this page is ${location.origin}, not ${own.map(([, value]) => value).join(", ")}` : undefined;
    view.results[name] = { ...answer, refused: refused(answer, registry.refusals), note };
    if (name === "allowed" && !view.results[name].refused) used();
    announce(`${asked.title}: ${view.results[name].refused ? "refused" : "accepted"} with ${answer.status}`);
  } catch (error) {
    unreachable(error);
  }
  view.busy = false;
  show_pass();
  byId(`do-${name}`)?.focus({ preventScroll: true });
}

function used() {
  view.pass.used = true;
  if (grant().single_use && view.state === "alive") view.state = "used";
}

// A pass that was used may be refused for that. So the call after the expiry has a pass of its own.
async function before_late() {
  if (view.pass.used) {
    view.ahead = 0;
    const results = view.results;
    call = fresh_call();
    call.sent = true;
    const response = await send("backend", "POST", `backend/${chosen.connector}`, {
      title: "your backend, please get another day pass: the first one is used", headers: [JSON_TYPE], body: JSON.stringify(message()),
    });
    if (response.json?.status !== "SUCCESS") throw new Unreachable("no second day pass was made");
    view.response = response;
    view.line = undefined;
    await take(response.json);
    view.results = results;
    show_call();
    show_answer();
  }
  await set_clock(Math.max(0, remaining({ ...view, ahead: 0 })) + MARGIN_SECONDS);
  view.state = "expired";
}

const act = {
  reveal: () => { page.revealed = !page.revealed; show_pass(); show_answer(); byId("reveal")?.focus(); },
  expired: () => { view.state = "expired"; show_pass(); },
  use,
  type: (name, value) => { view.typed[name] = value; },
  present: async () => {
    try {
      await set_clock(0);
      if (remaining(view) > 0) view.state = "alive";
      delete view.results.late;
    } catch (error) {
      unreachable(error);
    }
    show_pass();
    byId("do-late")?.focus({ preventScroll: true });
  },
};

// --- what is shown ---

function show_call() {
  const text = LANGUAGES[page.language](context());
  const choose = (language) => { page.language = language; show_call(); };
  show("snippets",
    h("div", { class: "bar" },
      tabs("Language", Object.keys(LANGUAGES), page.language, choose, "snippet"),
      h("button", { type: "button", class: "quiet", id: "copy", onclick: (event) => copy(text, event.currentTarget) }, icon("copy"), "Copy")),
    h("pre", { id: "snippet", role: "tabpanel", tabindex: "0", "aria-label": `The call with ${page.language}` }, coloured(text)));
}

function show_answer() {
  const choose = (name) => { page.answer = name; show_answer(); };
  const names = ["Answer", "Headers", "Log", "Vendor call"];
  const meta = view.response && h("span", { class: "muted", id: "http" }, `HTTP ${view.response.status}`);
  show("answer",
    h("div", { class: "bar" }, tabs("Answer", names, page.answer, choose, "reply"), meta),
    h("pre", { id: "reply", role: "tabpanel", tabindex: "0", "aria-label": page.answer, class: view.response || page.answer === "Vendor call" ? "" : "blank" },
      { Answer: answer_text, Headers: headers_text, Log: line_text, "Vendor call": vendor_text }[page.answer]()));
}

function answer_text() {
  if (view.state === "asking") return "…";
  if (view.state === "unreachable") return view.error.facts[0][1];
  if (!view.response) return "The answer appears here.";
  const { json, text } = view.response;
  if (!json) return text;
  const secrets = new Set([view.pass?.token, ...Object.values(view.pass?.parameters ?? {}),
    ...Object.entries(json).filter(([name]) => HIDDEN.test(name)).map(([, value]) => value)].map((value) => JSON.stringify(value)));
  const mask = (literal) => (page.revealed || !secrets.has(literal) ? literal : `"${masked(JSON.parse(literal))}"`);
  return coloured(JSON.stringify(json, null, 2), mask);
}

function headers_text() {
  if (!view.response) return "The headers of the answer appear here.";
  return view.response.headers.map(([name, value]) => `${name}: ${value}`).join("\n");
}

function vendor_text() {
  if (!view.explained) { explain(); return "…"; }
  if (view.explained === "asked") return "…";
  if (view.explained.message) return view.explained.message;
  const { call: made } = view.explained;
  if (!made) return "The token is made here, without a call to the vendor.";
  return [`${made.method} ${made.url}`, ...made.headers.map(([name, value]) => `${name}: ${value}`), "", made.body].join("\n").trim();
}

function line_text() {
  if (!view.response) return "The service's log line of the call appears here.";
  if (!view.line) read_line();
  const { json, text } = view.line ?? {};
  if (!text) return "…";
  return json?.message && json.request_id === undefined ? json.message : coloured(JSON.stringify(json, null, 2));
}

function show_use() {
  show_checkout({ ...view, faults: view.card_faults ?? {} }, act);
}

function show_pass() {
  show_card({ ...view, connector: connector(), grant: grant(), revealed: page.revealed }, act);
  show_use();
}

function show_all() {
  const { values, ttl, outcome } = chosen;
  show_fields({ connector: connector(), grant: { ...grant(), inputs: inputs() }, values, ttl, outcome, outcomes: registry.outcomes, faults: view.faults }, changed);
  byId("get").disabled = view.busy;
  show_call();
  show_answer();
  show_pass();
}

function set_theme(theme) {
  page.theme = theme;
  document.documentElement.dataset.theme = theme;
  show("theme", `Theme: ${theme}`);
}

// --- start ---

function on_key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest?.("input, select, textarea")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const keys = { "/": () => byId("search").focus(), c: () => copy(byId("snippet").textContent, byId("copy")), r: () => view.pass && act.reveal() };
  if (event.key === "Enter" && event.target === document.body) keys.Enter = get;
  if (!keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
}

// The secret credentials, also inside objects, and the secret inputs. Shorter ones are words.
function secrets() {
  const leaves = (value) => (value && typeof value === "object" ? Object.values(value).flatMap(leaves) : [String(value)]);
  const credentials = connector().credentials.filter((field) => field.secret)
    .flatMap((field) => leaves(connector().sandbox_credentials[field.field]));
  const secret_inputs = connector().grants.flatMap((known) => known.inputs.filter((input) => input.type === "secret")
    .map((input) => known.example?.[input.field])).filter(Boolean);
  return [...credentials, ...secret_inputs].filter((value) => value.length >= 6);
}

function forget_tokens() {
  view = fresh_view();
  page.revealed = false;
  call = fresh_call();
  forget();
  if (registry) show_all();
}

async function start() {
  set_theme("system");
  byId("theme").addEventListener("click", () => set_theme(THEMES[(THEMES.indexOf(page.theme) + 1) % THEMES.length]));
  show_wire();
  try {
    registry = (await send("page", "GET", "connectors.json", { title: "the list of connectors" })).json;
    registry.connectors.sort((one, other) => one.name.localeCompare(other.name));
  } catch (error) {
    show("card", h("div", { class: "ticket failed" }, h("p", { class: "lead" }, "The server does not answer"), h("p", null, error.message)));
    return;
  }
  const grants = registry.connectors.reduce((sum, known) => sum + known.grants.length, 0);
  show("count", `${registry.connectors.length} connectors · ${grants} grants`);
  read_link();
  show_catalog(registry.connectors, () => chosen.connector, choose_connector);
  show_all();
  byId("form").addEventListener("submit", (event) => { event.preventDefault(); get(); });
  document.addEventListener("keydown", on_key);
  addEventListener("hashchange", () => {
    read_link();
    show_catalog(registry.connectors, () => chosen.connector, choose_connector);
    call = fresh_call();
    view = fresh_view();
    show_all();
  });
  addEventListener("pagehide", forget_tokens);
  document.documentElement.dataset.ready = "true";
}

start();

// The token in use, as the browser of a shopper uses it: the calls go straight from this page to the
// vendor, which the sandbox plays.

import { h, show, icon, sentence } from "./dom.js";

// Headers that a page cannot set (Fetch standard, forbidden request-headers): the browser sets them.
const BROWSERS_OWN = ["origin", "referer", "cookie", "host", "user-agent"];

// The parts of a card, by the names that vendors give them.
const ROLES = [
  ["cvc", /cvc|cvv|cvn|security_?code/i],
  ["month", /exp\w*\W*month|^month$/i],
  ["year", /exp\w*\W*year|^year$/i],
  ["expiry", /expir|expdate/i],
];

// The places of a card in the body of a call: their roles and values, and a body with other values.
export function card_of(call, test_cards) {
  const places = [];
  const place = (name, value, set) => {
    const text = String(value);
    if (test_cards.includes(text.replace(/\D/g, ""))) places.push({ role: "number", value: text, set });
    else {
      const role = ROLES.find(([, pattern]) => pattern.test(name))?.[0];
      if (role) places.push({ role, value: text, set });
    }
  };
  let json;
  try {
    json = JSON.parse(call.body);
  } catch { /* A form, or no body. */ }
  let body = () => call.body;
  if (json && typeof json === "object") {
    const walk = (object) => {
      for (const [name, value] of Object.entries(object)) {
        if (value && typeof value === "object") walk(value);
        else place(name, value, (text) => { object[name] = typeof value === "number" ? Number(text) : text; });
      }
    };
    walk(json);
    body = () => JSON.stringify(json);
  } else if (call.headers.some(([, value]) => value.startsWith("application/x-www-form-urlencoded"))) {
    const form = new URLSearchParams(call.body);
    for (const [name, value] of [...form]) place(name, value, (text) => form.set(name, text));
    body = () => form.toString();
  }
  if (!places.some(({ role }) => role === "number")) return undefined;
  return { places, roles: new Set(places.map(({ role }) => role)), body };
}

// An expiry in the form that the vendor has: 1230, 12/30, 12/2030, 2030-12.
function written(sample, month, year) {
  if (/^\d{4}-\d\d$/.test(sample)) return `${year}-${month}`;
  if (/^\d\d\/?\d{4}$/.test(sample)) return sample.includes("/") ? `${month}/${year}` : `${month}${year}`;
  return sample.includes("/") ? `${month}/${year.slice(2)}` : `${month}${year.slice(2)}`;
}

export function body_with(card, { number, expiry, cvc }) {
  const [month, year] = expiry;
  for (const { role, value, set } of card.places) {
    set({ number, cvc, month, year: value.length === 2 ? year.slice(2) : year, expiry: written(value, month, year) }[role]);
  }
  return card.body();
}

// The card as typed, or the faults by field.
export function read_card(form, test_cards) {
  const faults = {};
  const number = form.number.value.replace(/[\s-]/g, "");
  if (!/^\d{12,19}$/.test(number)) faults.number = "A card number has 12 to 19 digits.";
  else if (!test_cards.includes(number)) faults.number = "Test numbers only, such as 4242 4242 4242 4242. This number was not sent.";
  const expiry = /^\s*(0[1-9]|1[0-2])\s*\/?\s*(?:20)?(\d\d)\s*$/.exec(form.expiry?.value ?? "12/30");
  if (!expiry) faults.expiry = "Month and year, as in 12/30.";
  const cvc = form.cvc?.value.trim() ?? "123";
  if (!/^\d{3,4}$/.test(cvc)) faults.cvc = "Three or four digits.";
  return { card: { number, cvc, expiry: expiry ? [expiry[1], `20${expiry[2]}`] : [] }, faults };
}

export function unsendable(call) {
  return call.headers.filter(([name]) => BROWSERS_OWN.includes(name.toLowerCase()));
}

// Whether the vendor's answer is a refusal: by its status, or by the members that say so at 200.
export function refused({ status, json }, refusals) {
  const at = (pointer) => pointer.split("/").slice(1).reduce((value, name) => value?.[name], json);
  return status >= 400 || (Array.isArray(json?.errors) && json.errors.length > 0)
    || refusals.some(([pointer, values]) => values.includes(at(pointer)));
}

// `view`: pass, uses, card, results by step, faults, typed, ahead, busy.
export function show_checkout(view, act) {
  const { pass, uses } = view;
  const heading = h("h3", null, "Use it as a browser would");
  if (!pass || !uses) {
    const why = pass && pass.audience !== "CLIENT"
      ? "No browser may hold this token. It stays in your backend."
      : "The token goes from this page to the vendor. First an allowed call, then a forbidden one, then one after the expiry.";
    show("checkout", heading, h("p", { class: "muted" }, why));
    return;
  }
  const expires = Boolean(pass.expires_at);
  show("checkout", heading,
    h("ol", { class: "uses" },
      h("li", null, step("allowed", uses.allowed.title, view, act, view.card ? card_form(view, act) : undefined)),
      h("li", null, step("forbidden", uses.forbidden.title, view, act)),
      expires && h("li", null, step("late", "the same call after the expiry", view, act))));
}

const BUTTONS = { allowed: "Do it", forbidden: "Try it", late: "Jump there" };
const EXPECTED = { allowed: "accepted", forbidden: "refused", late: "refused" };

function step(name, title, view, act, form) {
  const result = view.results[name];
  const back = name === "late" && view.ahead > 0;
  const label = form ? sentence(title) : back ? "Back to now" : BUTTONS[name];
  const button = h("button", {
    type: form ? "submit" : "button",
    class: name === "allowed" ? "second" : "quiet bordered",
    disabled: view.busy,
    id: `do-${name}`,
    onclick: form ? undefined : back ? act.present : () => act.use(name),
  }, label);
  const ahead = back && h("span", { class: "muted" }, ` · the clock is ${view.ahead} s ahead`);
  const line = h("p", { class: "title" }, sentence(title), ahead);
  return [
    form ? h("form", { class: "card-form", novalidate: true, autocomplete: "off", onsubmit: (event) => { event.preventDefault(); act.use(name, event.target); } },
      form, h("div", { class: "act" }, button)) : h("div", { class: "act-row" }, line, button),
    result && outcome(name, result),
  ];
}

function outcome(name, result) {
  const verdict = result.refused ? "refused" : "accepted";
  const right = verdict === EXPECTED[name];
  return h("details", { class: `result ${right ? "good" : "bad"}` },
    h("summary", null, icon(verdict === "refused" ? (right ? "shield" : "cross") : "check"),
      h("strong", null, `${sentence(verdict)} · ${result.status}`),
      h("span", { class: "muted" }, result.note ?? (right && verdict === "refused" ? "as it must be" : ""))),
    h("pre", { tabindex: "0" }, result.text || "(an empty body)"));
}

function card_form({ card, typed, faults }, act) {
  const fields = [
    ["number", "Card number", typed.number, 23],
    (card.roles.has("month") || card.roles.has("year") || card.roles.has("expiry")) && ["expiry", "Expiry", typed.expiry, 7],
    card.roles.has("cvc") && ["cvc", "CVC", typed.cvc, 4],
  ].filter(Boolean);
  return h("div", { class: "card-fields" }, fields.map(([name, label, value, size]) =>
    h("div", { class: `field ${name}` },
      h("label", { for: `card-${name}` }, label),
      h("input", {
        id: `card-${name}`, name, value, inputmode: "numeric", autocomplete: "off", maxlength: size, spellcheck: "false",
        "aria-invalid": faults[name] ? "true" : undefined,
        "aria-describedby": faults[name] ? `card-${name}-fault` : undefined,
        oninput: (event) => act.type(name, event.target.value),
      }),
      faults[name] && h("p", { class: "fault", id: `card-${name}-fault` }, faults[name]))));
}

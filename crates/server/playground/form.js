// The fields of one grant, made from the registry: a field for each input, and the words of the
// registry beside it.

import { h, show, byId } from "./dom.js";

// `values` has the texts of the fields by their names, `faults` the messages.
export function show_fields({ connector, grant, values, ttl, outcome, outcomes, faults }, changed) {
  const given = (input) => input.required || input.field in (grant.example ?? {}) || input.field in values
    || grant.one_of.flat().includes(input.field);
  const [first, more] = [grant.inputs.filter(given), grant.inputs.filter((input) => !given(input))];
  const grants = connector.grants.map((known) =>
    h("option", { value: known.name, selected: known.name === grant.name }, `${known.name} · ${known.audience}`));
  const faulty = more.some((input) => faults[input.field]);
  show("fields",
    h("div", { class: "field" },
      h("label", { for: "grant" }, "Grant"),
      h("select", { id: "grant", onchange: (event) => changed({ grant: event.target.value }) }, grants),
      h("p", { class: "hint" }, `The holder may ${grant.allows}.`)),
    first.map((input) => field(input, values, faults, changed)),
    grant.ttl_seconds && field({
      field: "ttl_seconds", type: "integer", ...grant.ttl_seconds,
      accepts: `seconds, ${grant.ttl_seconds.min} to ${grant.ttl_seconds.max}`, placeholder: String(grant.lifetime),
    }, { ttl_seconds: ttl }, faults, ({ values: { ttl_seconds } }) => changed({ ttl: ttl_seconds })),
    more.length > 0 && h("details", { class: "more", open: faulty },
      h("summary", null, `${more.length} more ${more.length === 1 ? "input" : "inputs"}`),
      more.map((input) => field(input, values, faults, changed))),
    h("div", { class: "field" },
      h("label", { for: "outcome" }, "The vendor"),
      h("select", { id: "outcome", onchange: (event) => changed({ outcome: event.target.value }) },
        outcomes.map(({ word, meaning }) => h("option", { value: word, selected: word === outcome }, meaning)))),
    h("details", { class: "more" },
      h("summary", null, "Credentials of the sandbox"),
      h("p", { class: "hint" }, "Your backend holds them. This page shows them only to make the calls complete."),
      h("pre", { tabindex: "0" }, JSON.stringify(connector.sandbox_credentials, null, 2))));
}

function field(input, values, faults, changed) {
  const id = `input-${input.field}`;
  const fault = faults[input.field];
  const attributes = {
    id,
    name: input.field,
    "aria-describedby": fault ? `${id}-fault ${id}-hint` : `${id}-hint`,
    "aria-invalid": fault ? "true" : undefined,
    "aria-required": input.required ? "true" : undefined,
    autocomplete: "off",
    spellcheck: "false",
    placeholder: input.placeholder,
  };
  const value = values[input.field] ?? "";
  const change = (event) => changed({ values: { [input.field]: event.target.value } });
  return h("div", { class: "field" },
    h("label", { for: id }, input.field, input.required && h("span", { class: "muted" }, " required")),
    control(input, value, attributes, change),
    fault && h("p", { class: "fault", id: `${id}-fault` }, fault),
    h("p", { class: "hint", id: `${id}-hint` }, hint(input)));
}

function control(input, value, attributes, change) {
  const choice = input.type === "boolean" ? ["true", "false"] : input.options;
  if (choice) {
    return h("select", { ...attributes, onchange: change },
      ["", ...choice].map((known) => h("option", { value: known, selected: known === value }, known || "not sent")));
  }
  if (input.type === "object" || input.type === "objects") {
    return h("textarea", { ...attributes, rows: Math.min(6, value.split("\n").length), oninput: change }, value);
  }
  if (input.type === "secret") return h("input", { ...attributes, type: "text", readonly: true, value: value && "added by your backend" });
  const mode = input.type === "integer" ? "numeric" : undefined;
  return h("input", { ...attributes, type: "text", inputmode: mode, value, oninput: change });
}

function hint(input) {
  if (input.type === "texts") return `${input.accepts}, separated by commas`;
  return input.accepts;
}

// The text of a field for a value of the registry's example.
export function as_text(input, value) {
  if (value === undefined) return "";
  if (Array.isArray(value) && value.every((item) => typeof item === "string")) return value.join(", ");
  return typeof value === "object" ? JSON.stringify(value, null, 2) : String(value);
}

// The value of a field's text. A text without the type stays a text, and the service refuses it.
export function as_value(input, text) {
  if (input.type === "texts") return text.split(",").map((item) => item.trim()).filter(Boolean);
  if (!["integer", "boolean", "object", "objects"].includes(input.type)) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

export function focus_fault() {
  const faulty = document.querySelector("#fields [aria-invalid=true]");
  faulty?.closest("details")?.setAttribute("open", "");
  (faulty ?? byId("get")).focus();
}

// Two requests, field by field.

// Headers that every HTTP client adds, and headers about the transfer. `accept` is among them: SDKs accept more than they read.
const DECORATION = [
  "accept", "accept-charset", "accept-encoding", "accept-language", "cache-control", "connection", "content-length",
  "host", "keep-alive", "pragma", "sec-fetch-mode", "transfer-encoding", "user-agent",
];

/**
 * The faults of a pair of requests, in words, the fields that it has, and those
 * whose declared difference is there. `rules` says what may differ:
 *
 * - `decoration`: headers of the SDK about itself
 * - `only`: the fields to compare, or beginnings of their names, where the SDK has no such call; `host` is a field for this
 * - `jwts`: fields whose value is a JWT: header and claims are compared, the signature is left to the case
 * - `renamed`: { their field: our field }
 * - `varies`: { field: [form, reason] }: both have it, each in this form, with a value of its own
 * - `differs`: { field: reason }: the two are not equal
 */
export function compare(ours, theirs, rules) {
  const { renamed = {}, varies = {}, differs = {} } = rules;
  ours = fields(ours, rules);
  theirs = fields(theirs, rules);
  const [faults, differing] = [[], []];
  for (const [from, to] of Object.entries(renamed)) {
    if (!theirs.has(from)) faults.push(`${from} is not in the SDK's request, though it is declared as renamed`);
    else {
      theirs.set(to, theirs.get(from));
      theirs.delete(from);
    }
  }
  for (const field of [...new Set([...ours.keys(), ...theirs.keys()])].sort()) {
    const [a, b] = [ours.get(field), theirs.get(field)];
    const show = `ours ${JSON.stringify(a)}, the SDK's ${JSON.stringify(b)}`;
    if (field in differs) {
      if (a !== b) differing.push(field);
    } else if (field in varies) {
      const form = new RegExp(`^(?:${varies[field][0]})$`);
      if (![a, b].every((value) => value !== undefined && form.test(String(value)))) {
        faults.push(`${field} is not in the form ${form}: ${show}`);
      }
    } else if (a !== b) faults.push(`${field}: ${show}`);
  }
  return { faults, differing, seen: [...ours.keys(), ...theirs.keys()] };
}

/** The fields of a request: a map from a name such as `json /amount/value` to its value. */
export function fields(request, { decoration = [], jwts = [], only } = {}) {
  const url = new URL(request.url);
  const all = new Map([["method", request.method], ["url", `${url.origin}${url.pathname}`]]);
  for (const [name, value] of url.searchParams) all.set(`query ${name}`, value);
  for (const [name, value] of Object.entries(request.headers)) {
    if (name !== "content-type" && !DECORATION.includes(name) && !decoration.includes(name)) {
      all.set(`header ${name}`, value);
    }
  }
  const type = (request.headers["content-type"] ?? "").split(";")[0].trim().toLowerCase();
  // A type says something only where there is a body.
  if (request.body && !decoration.includes("content-type")) all.set("header content-type", type);
  if (request.body) {
    bodyFields(request.body, type, all);
  }
  for (const name of jwts.filter((name) => all.has(name))) {
    const [head, claims] = all.get(name).replace(/^Bearer /, "").split(".");
    all.delete(name);
    const decode = (part) => JSON.parse(Buffer.from(part, "base64url").toString());
    flatten(`${name} `, { head: decode(head), claims: decode(claims) }, all);
  }
  if (!only) return all;
  all.set("host", url.host);
  return new Map([...all].filter(([name]) => only.some((wanted) => name === wanted || name.startsWith(`${wanted} `))));
}

function bodyFields(body, type, all) {
  // One SDK's type is no type at all, though it sends JSON.
  if (type.endsWith("json") || /^\s*\{/.test(body)) flatten("json ", JSON.parse(body.replace(/^\uFEFF/, "")), all);
  else if (type === "application/x-www-form-urlencoded") {
    for (const [name, value] of new URLSearchParams(body)) all.set(`form ${name}`, value);
  } else if (type.endsWith("xml")) all.set("body", body.replace(/>\s+</g, "><").trim());
  else all.set("body", body);
}

/** Each leaf under its JSON pointer. */
function flatten(name, value, all) {
  if (value !== null && typeof value === "object" && Object.keys(value).length > 0) {
    for (const [key, member] of Object.entries(value)) flatten(`${name}/${key}`, member, all);
  } else all.set(name, typeof value === "object" ? JSON.stringify(value) : value);
}

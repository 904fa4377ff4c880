// The check must see what differs: each kind of difference is a fault.

import assert from "node:assert/strict";
import test from "node:test";

import { compare } from "./compare.mjs";

const request = {
  method: "POST",
  url: "https://api.vendor.example/v1/sessions?shop=1",
  headers: { authorization: "Bearer key", "content-type": "application/json; charset=utf-8", "user-agent": "sdk" },
  body: '{"amount":{"value":10,"currency":"EUR"},"tags":["a"],"at":"2026-01-01"}',
};
const faults = (change, rules = {}) => compare({ ...request, ...change }, request, rules).faults.length;
const json = (value) => ({ body: JSON.stringify(value) });
const same = JSON.parse(request.body);

test("equal requests are equal, whatever the order of members and the name of the client", () => {
  const headers = { ...request.headers, "user-agent": "daypass", "content-type": "application/json" };
  assert.equal(faults({ headers, ...json({ at: same.at, tags: same.tags, amount: same.amount }) }), 0);
});

test("each other difference is a fault", () => {
  const others = {
    method: { method: "GET" },
    host: { url: request.url.replace("api", "apl") },
    path: { url: request.url.replace("sessions", "session") },
    query: { url: request.url.replace("shop=1", "shop=2") },
    header: { headers: { ...request.headers, authorization: "Basic key" } },
    "missing header": { headers: { ...request.headers, authorization: undefined } },
    "further header": { headers: { ...request.headers, "x-version": "1" } },
    value: json({ ...same, tags: ["b"] }),
    "type of a value": json({ ...same, amount: { ...same.amount, value: "10" } }),
    "further member": json({ ...same, further: null }),
    "missing member": json({ ...same, tags: undefined }),
  };
  for (const [name, change] of Object.entries(others)) assert.notEqual(faults(change), 0, name);
});

test("a value of its own must have the form", () => {
  const varies = { "json /at": ["\\d{4}-\\d\\d-\\d\\d", "a day"] };
  assert.equal(faults(json({ ...same, at: "2027-02-03" }), { varies }), 0);
  assert.equal(faults(json({ ...same, at: "tomorrow" }), { varies }), 1);
  assert.equal(faults(json({ ...same, at: undefined }), { varies }), 1);
});

test("a declared difference is told, so that one that went away is noticed", () => {
  const differs = { "json /at": "a reason" };
  const compared = (at) => compare({ ...request, ...json({ ...same, at }) }, request, { differs });
  assert.deepEqual(compared("x").differing, ["json /at"]);
  assert.deepEqual(compared(same.at).differing, []);
  assert.deepEqual([compared("x").faults, compared(same.at).faults], [[], []]);
});

test("JWTs are compared by header and claims", () => {
  const jwt = (claims) => ["{}", JSON.stringify(claims), "mac"].map((part) => Buffer.from(part).toString("base64url")).join(".");
  const bearer = (claims) => ({ ...request, headers: { authorization: `Bearer ${jwt(claims)}` } });
  const rules = { jwts: ["header authorization"] };
  assert.equal(compare(bearer({ iss: "a" }), bearer({ iss: "a" }), rules).faults.length, 0);
  assert.equal(compare(bearer({ iss: "a" }), bearer({ iss: "b" }), rules).faults.length, 1);
});

// What came of a hand-over, held against what an SDK's file expects, and as a row of docs/browser-sdks.md.
// check.mjs uses it.

import { isDeepStrictEqual } from "node:util";

/** What of the token goes over the wire: all of it, if the SDK's file does not say otherwise. */
const sent = (sdk, pass) => sdk.sent?.(pass) ?? pass.access_token;

/** A JSON pointer to each text in a value. */
function* texts(value, pointer = "") {
  if (typeof value === "string") yield [pointer, value];
  else if (value && typeof value === "object")
    for (const [key, inner] of Object.entries(value)) yield* texts(inner, `${pointer}/${key}`);
}

function parsed(body) {
  try {
    return JSON.parse(body);
  } catch {
    return Object.fromEntries(new URLSearchParams(body));
  }
}

/** Where a text is in a request, or undefined. */
export function place(request, text) {
  const within = Object.entries(request.headers).find(([, value]) => value.includes(text));
  if (within) return `header ${within[0]}: ${within[1].replace(text, "…")}`;
  const asked = Object.entries(request.query).find(([, value]) => value.includes(text));
  if (asked) return `query ${asked[0]}`;
  if (decodeURIComponent(request.path).includes(text)) return "path";
  const pointer = [...texts(parsed(request.body))].find(([, value]) => value === text);
  return pointer && `body ${pointer[0]}`;
}

const line = ({ method, host, path }) => `${method} ${host}${path}`;
/** Whether a request is the one of a pattern, in which `*` stands for an id. */
const is = (request, pattern) => {
  const [ours, theirs] = [line(request).split("/"), pattern.split("/")];
  return ours.length === theirs.length && theirs.every((part, nth) => part === "*" || part === ours[nth]);
};

/** The first request that has the token, and the first call of a vendor's function. */
function found(sdk, { requests, calls, pass }) {
  const text = sent(sdk, pass);
  // A browser asks before a request to another origin; that has no token.
  const real = requests.filter(({ method }) => method !== "OPTIONS");
  const nth = sdk.expect.script
    ? real.findIndex((request) => is(request, sdk.expect.script))
    : real.findIndex((request) => place(request, text));
  return { first: real[nth], before: real.slice(0, Math.max(nth, 0)), call: calls[0], text };
}

/** Whether the hand-over has come to what is expected of it. */
export function came(sdk, seen) {
  const { first, call } = found(sdk, seen);
  return first?.status !== undefined && (!sdk.expect.call || call !== undefined);
}

/** What is not as the SDK's file expects. */
export function faults_of(sdk, seen) {
  const { expect, takes, untaken = [], aborted = [] } = sdk;
  const { first, before, call, text } = found(sdk, seen);
  const faults = seen.errors.map((error) => `an error in the page: ${error}`);
  const same = (what, is, wanted) =>
    isDeepStrictEqual(is, wanted) || faults.push(`${what}: ${JSON.stringify(is)} and not ${JSON.stringify(wanted)}`);

  const pattern = expect.script ?? expect.first;
  if (!first || !is(first, pattern))
    faults.push(`the first request: ${first ? line(first) : "none"} and not ${pattern}`);
  same("requests before it", [...new Set(before.map(line))].sort(), [...(expect.before ?? [])].sort());
  if (first && first.status !== 200) faults.push(`the answer to the first request: ${first.status}`);
  if (expect.call) {
    same("the vendor's function", call?.call, expect.call);
    const pointers = [...texts(call?.args)].filter(([, value]) => value === text).map(([pointer]) => pointer);
    same("the token's place", pointers, [expect.place]);
  } else if (first) same("the token's place", place(first, text), expect.place);
  if ("told" in expect) same("what the SDK says", seen.told, expect.told);

  const stray = seen.requests.filter((request) => request.status === "aborted" && !aborted.includes(line(request)));
  faults.push(...stray.map((request) => `a request to nowhere: ${line(request)}`));
  const given = Object.keys(seen.pass.client_parameters).concat("access_token").sort();
  const accounted = [...new Set([...Object.values(takes), ...untaken.filter((name) => given.includes(name))])].sort();
  same("the client parameters", given, accounted);
  return faults;
}

/** Who answers: the kind of the check. */
export function kind(sdk) {
  if (sdk.expect.script) return "loader only";
  return sdk.sandbox ? "sandbox" : "stub";
}

function row(sdk, { version, seen }) {
  const { expect, mint, note } = sdk;
  const { first } = found(sdk, seen);
  const takes = Object.entries(sdk.takes).map(([where, what]) => `\`${where}\` ← \`${what}\``);
  const way = expect.call
    ? `\`${expect.script}\`, then \`${expect.call}\` with the token at \`${expect.place}\``
    : `\`${expect.first}\` with the token in \`${expect.place}\``;
  const accepted = {
    sandbox: `yes: ${first.status} of the sandbox; a changed token is refused`,
    stub: "sent; a stub answers",
    "loader only": "loader only",
  }[kind(sdk)];
  const grant = `${mint.connector} \`${mint.grant}\``;
  const verdict = note ? `${accepted}; ${note}` : accepted;
  return `| ${[`${sdk.name} ${version}`, grant, takes.join("<br>"), way, verdict].join(" | ")} |`;
}

/** The page docs/browser-sdks.md. */
export function table(results) {
  return `<!-- Made by \`node checks/browser/check.mjs <daypass> --write\`. -->
# Day passes in the vendors' own browser SDKs

Each package runs in a real Chromium, in a page that gets \`access_token\` and \`client_parameters\` as a shop's page
would. The token is made by the running service, with the sandbox as the vendor. No request of the page leaves the
machine, so this shows what the SDKs take and send, and not what the vendors' servers decide.

- **sandbox**: the SDK's own request with the token is answered by the sandbox's fake of that vendor. The same page with
  a changed token must fail.
- **stub**: the sandbox has no such API. The request is as expected; the answer is made up.
- **loader only**: the package only loads a script or a page of the vendor's, which is not in the package. A stub takes
  its place: the address is as expected, and the vendor's function gets the token in the documented argument.

| package | grant | takes | first request, and the token in it | accepted |
|---|---|---|---|---|
${results.map((result) => row(result.sdk, result)).join("\n")}

\`*\` stands for an id, and \`/0/…\` is a JSON pointer into the arguments of the call.
`;
}

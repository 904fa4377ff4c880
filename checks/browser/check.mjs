// Hands our tokens to the vendors' own browser SDKs, in a real Chromium, and looks at what they do with them.
//
//     node checks/browser/check.mjs target/debug/daypass [--only stripe,adyen] [--write] [--show]
//
// Each file of sdks/ is one SDK of package.json: the token that is made through the running service, the code of a
// shop's page that hands it over, and what must come of it. `page.mjs` builds the pages and answers each of their
// requests, so nothing leaves the machine. The run must say what docs/browser-sdks.md says; `--write` writes that page.
// `--show` prints each request. `npm ci --prefix checks/browser` comes first.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";

import { open, start } from "./page.mjs";
import { came, faults_of, kind, table } from "./table.mjs";

const HERE = import.meta.dirname;
const DOCS = resolve(HERE, "../../docs/browser-sdks.md");
/** A guard against hanging, in milliseconds. */
const PATIENCE = 60_000;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { only: { type: "string" }, write: { type: "boolean" }, show: { type: "boolean" } },
});
const only = options.only?.split(",");
if (options.write && only) throw new Error("--write needs all SDKs");

/** The running service, and where its sandbox is. */
async function serve(daypass) {
  const args = ["serve", "--sandbox", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
  const child = spawn(daypass, args, { stdio: ["ignore", "ignore", "pipe"] });
  const seen = {};
  for await (const line of createInterface({ input: child.stderr })) {
    seen.sandbox ??= /the sandbox at (http:\/\/[\d.:]+)/.exec(line)?.[1];
    seen.playground ??= /try it in a browser: ([^\s"]+)/.exec(line)?.[1];
    if (seen.sandbox && seen.playground) {
      child.stderr.resume();
      return {
        child,
        sandbox: seen.sandbox,
        origin: new URL(seen.playground).origin,
        playground: seen.playground,
      };
    }
  }
  throw new Error("the service ended without the address of its sandbox");
}

/** Makes a token as a shop's backend does; gives what that backend hands to its page. */
async function mint(service, { connector, grant, input }, reference) {
  const { enum: name, sandbox_credentials } = service.connectors.find((it) => it.connector === connector);
  const wrapped = { [connector[0].toUpperCase() + connector.slice(1)]: sandbox_credentials };
  const response = await fetch(`${service.origin}/ucs.v2.MerchantAuthenticationService/CreateAccessToken`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "x-connector": connector,
      "x-connector-auth": JSON.stringify(wrapped),
    },
    body: JSON.stringify({
      merchant_access_token_id: reference,
      connector: name,
      test_mode: true,
      connector_feature_data: JSON.stringify({ grant, ...input }),
    }),
    signal: AbortSignal.timeout(PATIENCE),
  });
  const answer = await response.json();
  assert.equal(answer.status, "SUCCESS", JSON.stringify(answer));
  const { access_token, token_type, client_parameters = {} } = answer;
  return { access_token, token_type, client_parameters };
}

const version = (name) => JSON.parse(readFileSync(join(HERE, "node_modules", name, "package.json"))).version;

/** Hands a token over in a page of its own; gives what was seen. */
async function hand_over(browser, name, sdk, service, pass) {
  const page = await open(browser, name, sdk, service.sandbox);
  const seen = Object.assign(page.seen, { pass });
  try {
    seen.told = await page.hand_over(pass, () => came(sdk, seen), PATIENCE);
  } catch (error) {
    seen.errors.push(String(error));
  } finally {
    await page.close();
  }
  if (options.show) console.log(JSON.stringify({ name, ...seen }, null, 2));
  return seen;
}

/** Another token of the same form, which the vendor does not know. */
const changed = (token) => `${token.slice(0, -6)}${token.endsWith("AAAAAA") ? "BBBBBB" : "AAAAAA"}`;

/** Checks one file of sdks/. */
async function check(name, service, browser) {
  const sdk = await import(`./sdks/${name}.mjs`);
  const pass = await mint(service, sdk.mint, `browser-check-${name}`);
  if (sdk.arrange) pass.access_token = sdk.arrange(pass.access_token);
  const seen = await hand_over(browser, name, sdk, service, pass);
  const faults = faults_of(sdk, seen);
  if (kind(sdk) === "sandbox") {
    // That a wrong token is refused shows that the right one was looked at.
    const wrong = { ...pass, access_token: (sdk.spoil ?? changed)(pass.access_token) };
    const { told, errors } = await hand_over(browser, name, sdk, service, wrong);
    if (errors.length === 0) faults.push(`a changed token is taken: ${JSON.stringify(told)}`);
  }
  return { name, sdk, seen, faults, version: version(sdk.name) };
}

const names = readdirSync(join(HERE, "sdks"))
  .map((file) => basename(file, ".mjs"))
  .sort();
const chosen = names.filter((name) => !only || only.includes(name));
const began = Date.now();
const service = await serve(resolve(positionals[0] ?? "target/debug/daypass"));
let browser;
const results = [];
try {
  service.connectors = (await (await fetch(`${service.playground}connectors.json`)).json()).connectors;
  browser = await start();
  for (const name of chosen) {
    const result = await check(name, service, browser);
    results.push(result);
    console.log(
      `${name.padEnd(34)} ${result.version.padEnd(8)} ${result.faults.length ? "FAULT" : kind(result.sdk)}`,
    );
    for (const fault of result.faults) console.log(`    ${fault}`);
  }
} finally {
  await browser?.close();
  service.child.kill();
}

let faults = results.reduce((sum, { faults }) => sum + faults.length, 0);
if (!only && faults === 0) {
  const page = table(results);
  if (options.write) writeFileSync(DOCS, page);
  else if (readFileSync(DOCS, "utf8") !== page) {
    console.log("FAULT: docs/browser-sdks.md is not what this run says: `--write` writes it");
    faults += 1;
  }
}
const requests = results.flatMap(({ seen }) => seen.requests);
const aborted = requests.filter(({ status }) => status === "aborted").length;
const seconds = Math.round((Date.now() - began) / 1000);
console.log(
  `\n${results.length} hand-overs, ${requests.length} requests, none of which left the machine, ${aborted} aborted, ` +
    `${faults} faults, ${seconds} s`,
);
process.exitCode = faults > 0 || chosen.length === 0 ? 1 : 0;

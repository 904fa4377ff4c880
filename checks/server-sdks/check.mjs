// Runs the programs of examples/server-sdks with the vendors' own packages, and counts the requests for tokens.
//
//     node checks/server-sdks/check.mjs target/debug/daypass [--only paypal,square]
//
// Each program makes ten calls at once: first as the SDK does it alone, then with the token of the running service. A
// gateway on loopback stands for the vendors' hosts; it sends each request to the sandbox's fake of that vendor.
// Connections of the SDKs are led to the gateway by redirect.cjs and redirect/sitecustomize.py.
// Packages are installed in target/ci-tools/server-sdks.

import assert from "node:assert/strict";
import { execFile, execFileSync, spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import https from "node:https";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs, promisify } from "node:util";

import { authority } from "../vendors/recorder.mjs";

const HERE = import.meta.dirname;
const EXAMPLES = resolve(HERE, "../../examples/server-sdks");
const INSTALLED = resolve(HERE, "../../target/ci-tools/server-sdks");
/** A guard against hanging, in milliseconds. */
const PATIENCE = 60_000;
const CALLS = 10;
const OF_THE_CONNECTION = /^(host|connection|content-length|transfer-encoding)$/;

/**
 * The vendor of each host, and where it gives tokens. What the fakes refuse or leave out is made up here: that of
 * Checkout.com takes refunds with keys only; that of Global Payments wants each nonce once, which the SDK takes from
 * the clock, and leaves out a member that the SDK reads.
 */
const VENDORS = [
  { connector: "paypal", host: /^api-m\.sandbox\.paypal\.com$/, token: "/v1/oauth2/token" },
  {
    connector: "checkout",
    host: /\.sandbox\.checkout\.com$/,
    token: "/connect/token",
    made_up: [[/\/refunds$/, { status: 202, body: { action_id: "act_made_up" } }]],
  },
  {
    connector: "globalpay",
    host: /^apis\.sandbox\.globalpay\.com$/,
    token: "/ucp/accesstoken",
    made_up: [
      [/\/accesstoken$/, { status: 200, body: { token: "made-up", type: "Bearer", scope: { accounts: [] } } }],
      [
        /\/refund$/,
        { status: 200, body: { id: "TRN_made_up", status: "CAPTURED", action: { result_code: "SUCCESS" } } },
      ],
    ],
  },
  { connector: "square", host: /^connect\.squareupsandbox\.com$/, token: "/oauth2/token" },
];

/** The token requests that each program makes with the SDK alone, and with the shared token. */
const PROGRAMS = [
  { program: "node/paypal.js", connector: "paypal", alone: 10, shared: 1 },
  { program: "node/checkout.js", connector: "checkout", alone: 10, shared: 1 },
  { program: "node/globalpayments.js", connector: "globalpay", alone: 10, shared: 1 },
  // The SDK has no token request of its own.
  { program: "node/square.js", connector: "square", shared: 1 },
  // The vendor no longer takes the token of one call, which is repeated with a new one.
  { program: "node/square.js", connector: "square", revoked: 1, shared: 2 },
  { program: "python/paypal.py", connector: "paypal", alone: 10, shared: 1 },
  // The SDK asks once, when the client is built.
  { program: "python/checkout.py", connector: "checkout", alone: 1, shared: 1 },
];

const { values: options, positionals } = parseArgs({ allowPositionals: true, options: { only: { type: "string" } } });
const daypass = resolve(positionals[0] ?? "target/debug/daypass");

/** Installs the pinned packages once, and copies the programs beside them. */
function install() {
  const wanted = ["node/package-lock.json", "python/requirements.txt"]
    .map((file) => readFileSync(join(EXAMPLES, file), "utf8"))
    .join();
  const stamp = join(INSTALLED, "installed");
  const fits = existsSync(stamp) && readFileSync(stamp, "utf8") === wanted;
  mkdirSync(INSTALLED, { recursive: true });
  cpSync(EXAMPLES, INSTALLED, {
    recursive: true,
    filter: (path) => !/node_modules|__pycache__/.test(path.slice(EXAMPLES.length)),
  });
  if (fits) return;
  rmSync(stamp, { force: true });
  const run = (cwd, program, ...args) =>
    execFileSync(program, args, { cwd, stdio: ["ignore", "ignore", "inherit"], timeout: 900_000 });
  run(join(INSTALLED, "node"), "npm", "ci", "--no-fund", "--no-audit", "--ignore-scripts", "--loglevel=error");
  run(INSTALLED, "python3", "-m", "venv", "venv");
  run(
    INSTALLED,
    "venv/bin/pip",
    "install",
    "--quiet",
    "--disable-pip-version-check",
    "-r",
    "python/requirements.txt",
  );
  writeFileSync(stamp, wanted);
}

/** A new service, so that no token is left of an earlier program. */
async function serve() {
  const args = ["serve", "--sandbox", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
  const child = spawn(daypass, args, { stdio: ["ignore", "ignore", "pipe"] });
  let [address, sandbox] = [];
  for await (const line of createInterface({ input: child.stderr })) {
    address ??= /Connect\/JSON on ([\d.:]+)/.exec(line)?.[1];
    sandbox ??= /the sandbox at (http:\/\/[\d.:]+)/.exec(line)?.[1];
    if (address && sandbox) {
      child.stderr.resume();
      return { child, address, sandbox };
    }
  }
  throw new Error("the service ended without its addresses");
}

/** The vendors' hosts: each request goes to the fake of its host. */
class Gateway {
  /** The SDK's requests for tokens, and its other calls. */
  tokens = 0;
  calls = [];
  /** The number of calls that are answered with 401 first. */
  revoked = 0;

  static async start(ca) {
    const gateway = new Gateway();
    gateway.server = https.createServer(
      { ...ca.pair("127.0.0.1"), SNICallback: (name, done) => done(null, ca.context(name)) },
      (request, response) => gateway.#answer(request, response),
    );
    await new Promise((done) => gateway.server.listen(0, "127.0.0.1", done));
    return gateway;
  }

  async #answer(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const vendor = VENDORS.find(({ host }) => host.test(request.headers.host));
    const path = request.url.split("?")[0];
    const made_up = vendor?.made_up?.find(([pattern]) => pattern.test(path))?.[1];
    let answer = { status: 421, text: "no such host" };
    if (path !== vendor?.token && this.revoked-- > 0) answer = { status: 401, text: '{"errors": []}' };
    else if (made_up) answer = { status: made_up.status, text: JSON.stringify(made_up.body) };
    else if (vendor)
      answer = await this.#forward(
        `${this.sandbox}/${vendor.connector}${request.url}`,
        request,
        Buffer.concat(chunks),
      );
    if (path === vendor?.token) this.tokens += 1;
    else this.calls.push({ status: answer.status, authorization: request.headers.authorization });
    response.writeHead(answer.status, { "content-type": "application/json" });
    response.end(answer.text);
  }

  async #forward(url, { method, headers: given }, body) {
    const headers = Object.fromEntries(Object.entries(given).filter(([name]) => !OF_THE_CONNECTION.test(name)));
    const answer = await fetch(url, { method, headers, body: body.length ? body : undefined });
    return { status: answer.status, text: await answer.text() };
  }

  stop() {
    this.server.close();
    this.server.closeAllConnections();
  }
}

/** Runs a program; gives the number of token requests that the vendor gets, from the SDK or from the service. */
async function run({ program, connector, revoked = 0 }, gateway, ca, mode) {
  const service = await serve();
  try {
    Object.assign(gateway, { sandbox: service.sandbox, tokens: 0, calls: [], revoked });
    const env = {
      PATH: process.env.PATH,
      PYTHONDONTWRITEBYTECODE: "1",
      GATEWAY_PORT: String(gateway.server.address().port),
      NODE_EXTRA_CA_CERTS: ca.certificate,
      SSL_CERT_FILE: ca.certificate,
      REQUESTS_CA_BUNDLE: ca.certificate,
      PYTHONPATH: join(HERE, "redirect"),
      ...(mode === "shared" && { TOKEN_SERVICE_ADDRESS: service.address }),
    };
    const node = program.endsWith(".js");
    const interpreter = node ? process.execPath : join(INSTALLED, "venv/bin/python");
    const args = node ? ["--require", join(HERE, "redirect.cjs"), "--no-warnings"] : [];
    await promisify(execFile)(interpreter, [...args, join(INSTALLED, program)], { env, timeout: PATIENCE });
    if (mode === "alone") return gateway.tokens;
    const { requests } = await (await fetch(`${service.sandbox}/_sandbox/seen?connector=${connector}`)).json();
    const { token } = VENDORS.find((vendor) => vendor.connector === connector);
    return gateway.tokens + requests.filter(({ path }) => path.endsWith(token)).length;
  } finally {
    service.child.kill();
  }
}

install();
const scratch = mkdtempSync(join(tmpdir(), "server-sdks-"));
const ca = authority(scratch);
const gateway = await Gateway.start(ca);
let faults = 0;
try {
  const only = options.only?.split(",");
  for (const it of PROGRAMS.filter(({ connector }) => !only || only.includes(connector))) {
    const told = it.revoked ? ["one of them is refused"] : [];
    for (const mode of ["alone", "shared"].filter((mode) => mode in it)) {
      try {
        const requests = await run(it, gateway, ca, mode);
        told.push(`${mode} ${requests}`);
        assert.equal(requests, it[mode], `token requests, ${mode}`);
        const done = gateway.calls.filter(({ status }) => status < 300);
        assert.deepEqual([done.length, gateway.calls.length], [CALLS, CALLS + (it.revoked ?? 0)], `calls, ${mode}`);
        const bearers = new Set(gateway.calls.map(({ authorization }) => authorization));
        if (mode === "shared") assert.equal(bearers.size, it.shared, "tokens of the calls");
      } catch (error) {
        faults += 1;
        told.push(`FAULT: ${error.stack}`);
      }
    }
    console.log(`${it.program.padEnd(24)} token requests for ${CALLS} calls: ${told.join(", ")}`);
  }
} finally {
  gateway.stop();
  rmSync(scratch, { recursive: true, force: true });
}
console.log(`${faults} faults`);
process.exitCode = faults > 0 ? 1 : 0;

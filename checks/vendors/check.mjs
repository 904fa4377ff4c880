// Compares what daypass sends with what the vendors' own SDKs send, and with what the SDKs' types allow.
//
//     node checks/vendors/check.mjs target/debug/daypass [--newest] [--only stripe,adyen] [--show]
//
// The SDKs of package.json run unchanged, each in a process whose connections all go to a recorder on loopback.
// The service makes the same tokens from the same made-up credentials, with base URLs that lead to the recorder.
// `--newest` installs and tries the newest versions where they differ; it tells what changed and is never red.
// `--show` prints each pair of requests.

import { execFileSync, fork, spawn, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { parseArgs } from "node:util";

import { compare } from "./compare.mjs";
import { authority, Recorder } from "./recorder.mjs";
import { typeFaults } from "./types.mjs";

const HERE = import.meta.dirname;
const ROOT = resolve(HERE, "../..");
const TOOLS = join(ROOT, "target/ci-tools");
/** Longest time for one call of an SDK, and for the start of a process. */
const PATIENCE = 30_000;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { newest: { type: "boolean" }, show: { type: "boolean" }, only: { type: "string" } },
});
const daypass = resolve(positionals[0] ?? "target/debug/daypass");
const { dependencies, overrides, alone } = JSON.parse(readFileSync(join(HERE, "package.json")));
const requirements = readFileSync(join(HERE, "requirements.txt"), "utf8").trim().split("\n").map((line) => line.split("=="));
const pinned = { npm: dependencies, alone, pypi: Object.fromEntries(requirements) };

/** Installs versions of npm's and PyPI's SDKs into a folder, once, with a copy of the check's own files beside them. */
function install(folder, { npm, alone, pypi }) {
  mkdirSync(folder, { recursive: true });
  const wanted = JSON.stringify({ private: true, type: "module", dependencies: npm, overrides, alone, pypi }, null, 2);
  const stamp = join(folder, "installed.json");
  if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== wanted) {
    rmSync(stamp, { force: true });
    writeFileSync(join(folder, "package.json"), wanted);
    const run = (program, ...args) =>
      execFileSync(program, args, { cwd: folder, stdio: ["ignore", "ignore", "inherit"], timeout: 900_000 });
    run("npm", "install", "--no-fund", "--no-audit", "--ignore-scripts", "--omit=optional", "--loglevel=error");
    // Of these a part is used that needs few of the many dependencies.
    for (const [name, version] of Object.entries(alone)) {
      const packed = execFileSync("npm", ["pack", "--silent", `${name}@${version}`], { cwd: folder, encoding: "utf8" }).trim();
      const place = join(folder, "node_modules", name);
      mkdirSync(place, { recursive: true });
      run("tar", "--extract", "--file", packed, "--strip-components", "1", "--directory", place);
      rmSync(join(folder, packed));
    }
    run("python3", "-m", "venv", "venv");
    run("venv/bin/pip", "install", "--quiet", "--disable-pip-version-check", ...Object.entries(pypi).map((pair) => pair.join("==")));
    writeFileSync(stamp, wanted);
  }
  // The SDKs are found from the files that import them.
  for (const name of ["driver.mjs", "redirect.cjs", "python.mjs", "python", "vendors"]) {
    rmSync(join(folder, name), { recursive: true, force: true });
    cpSync(join(HERE, name), join(folder, name), { recursive: true });
  }
}

/** The SDK of each vendor, as its file names it. */
const sdks = Object.fromEntries(
  readdirSync(join(HERE, "vendors")).map((file) => {
    const text = readFileSync(join(HERE, "vendors", file), "utf8");
    return [basename(file, ".mjs"), /^export const sdk = "(.*)";$/m.exec(text)?.[1]];
  }),
);

/** The pins of an installed folder, with the newest version where an SDK has another one. */
function newestVersions(folder) {
  const ask = (program, ...args) => {
    // `npm outdated` says by its status that there is something to tell.
    const { stdout } = spawnSync(program, args, { cwd: folder, encoding: "utf8", timeout: 120_000 });
    return stdout.trim();
  };
  const outdated = JSON.parse(ask("npm", "outdated", "--json") || "{}");
  const pip = JSON.parse(ask("venv/bin/pip", "list", "--outdated", "--format=json", "--disable-pip-version-check") || "[]");
  const newer = {
    npm: Object.fromEntries(Object.entries(outdated).map(([name, { latest }]) => [name, latest])),
    alone: Object.fromEntries(Object.keys(pinned.alone).map((name) => [name, ask("npm", "view", name, "version")])),
    pypi: Object.fromEntries(pip.map(({ name, latest_version }) => [name.toLowerCase(), latest_version])),
  };
  const isSdk = (name) => Object.values(sdks).includes(name);
  const moved = (from) => Object.entries(pinned[from]).map(([name, version]) => [name, (isSdk(name) && newer[from][name]) || version]);
  return Object.fromEntries(Object.keys(pinned).map((from) => [from, Object.fromEntries(moved(from))]));
}

/** What `daypass connectors --json` tells. */
let listing;
const connectors = () => (listing ??= JSON.parse(execFileSync(daypass, ["connectors", "--json"], { maxBuffer: 1 << 26 })));

/** The running service, with each connector's base URLs leading to the recorder. */
class Service {
  static async start(recorder) {
    // Some tokens live for longer than the default limit.
    const env = { PATH: process.env.PATH, DAYPASS_LOG: "error", DAYPASS_POLICY__CLIENT_TOKEN_MAX_SECONDS: "2592000" };
    for (const { connector, hosts } of connectors()) {
      for (const [setting, origin] of Object.entries(hosts ?? {})) {
        const port = await recorder.listen({ origin });
        env[`DAYPASS_CONNECTORS__${connector.toUpperCase()}__${setting.toUpperCase()}`] = `http://127.0.0.1:${port}`;
      }
    }
    const args = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    const child = spawn(daypass, args, { env, stdio: ["ignore", "ignore", "pipe"] });
    const address = await new Promise((done, failed) => {
      let text = "";
      child.stderr.on("data", (chunk) => {
        text += chunk;
        const found = /on (127\.0\.0\.1:\d+)/.exec(text);
        if (found) done(found[1]);
      });
      child.on("exit", () => failed(new Error(`the service did not start: ${text}`)));
    });
    return new Service(child, address);
  }

  #calls = 0;

  constructor(child, address) {
    Object.assign(this, { child, address });
  }

  /** Makes the token of a case; gives the service's answer. */
  async token(vendor, { grant, input, ttl_seconds, scopes, metadata, mode, reference, audience, credentials }) {
    const { connector, enum: name } = connectors().find(({ connector }) => connector === vendor.connector);
    const feature = { grant, ttl_seconds, scopes, audience, ...input };
    const body = {
      merchant_access_token_id: reference ?? `vendor-check-${(this.#calls += 1)}`,
      connector: name,
      test_mode: mode !== "live",
      connector_feature_data: JSON.stringify(feature),
      metadata: metadata && JSON.stringify(metadata),
    };
    const wrapped = { [connector[0].toUpperCase() + connector.slice(1)]: { ...vendor.credentials, ...credentials } };
    const headers = {
      "content-type": "application/json",
      "x-connector": connector,
      "x-connector-auth": JSON.stringify(wrapped),
    };
    const path = "ucs.v2.MerchantAuthenticationService/CreateAccessToken";
    const sent = { method: "POST", headers, body: JSON.stringify(body), signal: AbortSignal.timeout(PATIENCE) };
    return (await fetch(`http://${this.address}/${path}`, sent)).text();
  }

  /** The origin that the first call of a case really goes to: a host with a label, say, that an input fills. */
  static realOrigin(vendor, { grant, input, ttl_seconds, scopes, mode, audience, credentials }) {
    const env = {
      PATH: process.env.PATH,
      DAYPASS_CREDENTIALS: JSON.stringify({ ...vendor.credentials, ...credentials }),
      DAYPASS_FEATURE_DATA: JSON.stringify({ grant, ttl_seconds, scopes, audience, ...input }),
    };
    const told = execFileSync(daypass, ["explain", vendor.connector, mode === "live" ? "--live" : "--test"], { env, encoding: "utf8" });
    return /^[A-Z]+ (https:\/\/[^/\s]+)/m.exec(told)[1];
  }

  stop() {
    this.child.removeAllListeners("exit");
    this.child.kill();
  }
}

/** The process of one vendor's SDK. */
class Driver {
  static async start(folder, file, env) {
    const child = fork(join(folder, "driver.mjs"), [file], {
      execArgv: ["--require", join(folder, "redirect.cjs"), "--no-warnings"],
      cwd: folder,
      env: { PATH: process.env.PATH, HOME: folder, TZ: "UTC", ...env },
      stdio: ["ignore", options.show ? "inherit" : "ignore", options.show ? "inherit" : "pipe", "ipc"],
    });
    const driver = new Driver(child);
    driver.vendor = await driver.#message();
    return driver;
  }

  constructor(child) {
    this.child = child;
    this.errors = "";
    child.stderr?.on("data", (chunk) => (this.errors += chunk));
  }

  call(name, ours, answer) {
    this.child.send({ name, ours, answer });
    return this.#message();
  }

  #message() {
    return new Promise((done, failed) => {
      const end = (act, value) => {
        clearTimeout(timer);
        this.child.removeAllListeners();
        act(value);
      };
      const timer = setTimeout(() => end(failed, new Error("the SDK did not come to an end")), PATIENCE);
      this.child.once("message", (message) => end(done, message));
      this.child.once("exit", (code) => end(failed, new Error(`the SDK's process ended: ${code}\n${this.errors}`)));
    });
  }
}

/** Checks one vendor: `{ vendor, cases, types, faults, known }`. */
async function check(folder, name, service, recorder, env) {
  const result = { name, vendor: {}, cases: 0, types: 0, faults: [], known: [], typed: null };
  let driver;
  try {
    driver = await Driver.start(folder, join(folder, "vendors", `${name}.mjs`), env);
    const vendor = (result.vendor = { connector: name, ...driver.vendor });
    for (const [caseName, rules] of Object.entries(vendor.cases)) {
      recorder.answers = { ...vendor.answers, ...rules.answers };
      const fault = (text) => (rules.known ? result.known : result.faults).push(`${caseName}: ${text}`);
      recorder.take();
      const wanted = { grant: caseName.split(" ")[0], ...rules };
      const answer = await service.token(vendor, wanted);
      const ours = recorder.take();
      for (const request of ours.filter(({ url }) => url.includes("{"))) {
        request.url = request.url.replace(/^https:\/\/[^/]+/, rules.origin ?? Service.realOrigin(vendor, wanted));
      }
      const { problem, faults: unverified } = await driver.call(caseName, ours, answer);
      const others = vendor.notCalls ?? {};
      const theirs = recorder.take().filter(({ url }) => !(new URL(url).host in others));
      // A signature may cover the host. Then the SDK was given ours, and it stands for the vendor's.
      for (const request of theirs) request.url = request.url.replace(`https://${ours[0]?.headers.host}/`, `${ours[0] && new URL(ours[0].url).origin}/`);
      if (options.show) console.log(JSON.stringify({ caseName, answer, problem, ours, theirs }, null, 2));
      const before = result.faults.length + result.known.length;
      unverified.forEach(fault);
      const [seen, differing] = [new Set(), new Set()];
      const pairs = rules.pairs ?? ours.map((_, nth) => [nth, nth]);
      if (rules.verifyOnly) pairs.length = 0;
      else if (ours.length === 0) fault(`we sent nothing: ${answer}`);
      else if (theirs.length === 0) fault(`the SDK sent nothing: ${problem}`);
      else if (!rules.pairs && ours.length !== theirs.length) {
        fault(`${ours.length} calls of ours, ${theirs.length} of the SDK: ${theirs.map(({ url }) => url).join(" ")}; ${problem ?? answer}`);
      } else {
        for (const [a, b] of pairs) {
          if (!ours[a] || !theirs[b]) fault(`no call ${a} of ours or ${b} of the SDK: ${answer}`);
          else {
            const compared = compare(ours[a], theirs[b], merged(vendor, rules));
            compared.faults.forEach((text) => fault(`${pairs.length > 1 ? `call ${a + 1}: ` : ""}${text}`));
            compared.seen.forEach((field) => seen.add(field));
            compared.differing.forEach((field) => differing.add(field));
          }
        }
        for (const field of Object.keys(rules.varies ?? {})) if (!seen.has(field)) fault(`${field} is in no call`);
        for (const field of Object.keys(rules.differs ?? {})) if (!differing.has(field)) fault(`${field} does not differ`);
      }
      if (result.faults.length + result.known.length === before) {
        result.cases += 1;
        if (rules.known) result.faults.push(`${caseName} is equal, though it is declared as known: ${rules.known}`);
      }
    }
  } catch (error) {
    result.faults.push(String(error?.stack ?? error));
  } finally {
    driver?.child.kill();
  }
  return result;
}

/** The rules of the vendor and of the case together. */
function merged(vendor, rules) {
  const both = (name) => ({ ...vendor[name], ...rules[name] });
  return {
    decoration: vendor.decoration,
    jwts: vendor.jwts,
    only: rules.only,
    renamed: rules.renamed,
    varies: both("varies"),
    differs: both("differs"),
  };
}

/** Runs these vendors against the SDKs of one folder. */
async function run(folder, versions, names) {
  const scratch = mkdtempSync(join(tmpdir(), "vendor-check-"));
  const recorder = new Recorder();
  let service;
  try {
    const ca = authority(scratch);
    const env = {
      NODE_EXTRA_CA_CERTS: ca.certificate,
      RECORDER_TLS_PORT: await recorder.listen({ authority: ca }),
      RECORDER_PLAIN_PORT: await recorder.listen(),
    };
    service = await Service.start(recorder);
    const results = [];
    for (const name of names) {
      results.push(await check(folder, name, service, recorder, env));
    }
    typeFaults(folder, join(ROOT, "crates/connectors/fixtures"), results);
    for (const result of results) print(result, versions);
    return results;
  } finally {
    service?.stop();
    recorder.close();
    rmSync(scratch, { recursive: true, force: true });
  }
}

function print({ name, vendor, cases, types, faults, known }, versions) {
  const sdk = vendor.sdk ? `${vendor.sdk} ${versions.npm[vendor.sdk] ?? versions.alone[vendor.sdk] ?? versions.pypi[vendor.sdk]}` : "";
  const parts = [];
  if (Object.keys(vendor.cases ?? {}).length) parts.push(`request equal (${cases} of ${Object.keys(vendor.cases).length})`);
  if (vendor.types) parts.push(`types allow it (${types} fixtures)`);
  console.log(`${name.padEnd(16)} ${sdk.padEnd(38)} ${parts.join(", ")}`);
  for (const text of known) console.log(`    known: ${text}`);
  for (const text of faults) console.log(`    FAULT: ${text}`);
}

if (!options.newest) {
  const folder = join(TOOLS, "vendors");
  install(folder, pinned);
  const names = Object.keys(sdks).sort().filter((name) => !options.only || options.only.split(",").includes(name));
  const results = await run(folder, pinned, names);
  const sum = (of) => results.reduce((total, result) => total + of(result), 0);
  let faults = sum(({ faults }) => faults.length);
  if (!options.only) {
    const without = JSON.parse(readFileSync(join(HERE, "without_sdk.json")));
    const available = connectors().filter(({ status }) => status === "available");
    for (const { connector } of available.filter(({ connector }) => connector in sdks === connector in without)) {
      console.log(`FAULT: ${connector} must be in vendors/ or, with the reason, in without_sdk.json`);
      faults += 1;
    }
    console.log("\nwithout an SDK that could be asked:");
    for (const [connector, why] of Object.entries(without)) console.log(`${connector.padEnd(20)} ${why}`);
  }
  console.log(
    `\n${results.length} vendors, ${sum(({ cases }) => cases)} requests equal, ${sum(({ types }) => types)} bodies allowed by types,` +
      ` ${sum(({ known }) => known.length)} known differences, ${faults} faults`,
  );
  process.exitCode = faults > 0 ? 1 : 0;
} else {
  const [folder, pinnedFolder] = [join(TOOLS, "vendors-newest"), join(TOOLS, "vendors")];
  install(pinnedFolder, pinned);
  const newest = newestVersions(pinnedFolder);
  const moved = Object.keys(pinned).flatMap((from) =>
    Object.keys(pinned[from]).filter((name) => newest[from][name] !== pinned[from][name]).map((name) => [from, name]),
  );
  if (moved.length === 0) console.log("all SDKs are the newest");
  else {
    for (const [from, name] of moved) console.log(`${name}: ${pinned[from][name]} is checked, ${newest[from][name]} is the newest`);
    // Most packages are the same: their files are linked, so that npm fetches only the others.
    if (!existsSync(folder)) {
      mkdirSync(folder);
      for (const name of ["node_modules", "package-lock.json"]) execFileSync("cp", ["-al", join(pinnedFolder, name), folder]);
    }
    install(folder, newest);
    const names = moved.map(([, name]) => name);
    await run(folder, newest, Object.keys(sdks).filter((vendor) => names.includes(sdks[vendor])));
  }
}

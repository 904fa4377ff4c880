// The playground in a browser: node .ci/playground.mjs <daypass> <folder for screenshots> [<folder for those of the README>]
//
// Gets a token, tokenizes a card, is refused, expires; then every grant of every connector. Checks
// each request of the browser for credentials, the policy of the page for violations, the page for
// people who use a keyboard or a screen reader (axe-core), and the snippets by running them.
// Needs chromium (Debian's package), playwright-core and axe-core; uses loopback only. The pictures in
// docs/images are made by `node .ci/playground.mjs <daypass> <folder> docs/images`.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

// Packages are found by NODE_PATH, which `import` does not know.
const require = createRequire(import.meta.url);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const [daypass, images = join(tmpdir(), "daypass-playground"), kept] = process.argv.slice(2);
// A guard against hanging. Nothing is expected to be slow.
const HANGS = 60_000;
// The screenshots in the README, and their names there.
const KEPT = {
  "expired-1440-light.png": "playground.png",
  "requests-1440-dark.png": "playground-dark.png",
  "used-390-light.png": "playground-narrow.png",
};
const REAL_CARD = "4539148803436467";

async function served() {
  const child = spawn(daypass, ["serve", "--sandbox", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  for await (const line of createInterface({ input: child.stderr })) {
    const url = /try it in a browser: ([^\s"]+)/.exec(line)?.[1];
    if (url) {
      child.stderr.resume();
      return { child, url };
    }
  }
  throw new Error("the server ended without the URL of its playground");
}

// A page whose requests are all looked at. `secrets` are the credentials that none may have.
async function open(browser, url, { viewport = { width: 1440, height: 900 }, scheme = "light", keys, at = "" } = {}) {
  const context = await browser.newContext({ viewport, colorScheme: scheme, reducedMotion: "reduce", permissions: ["clipboard-read", "clipboard-write"] });
  const page = await context.newPage();
  page.setDefaultTimeout(HANGS);
  const seen = { requests: 0, faults: [], secrets: keys ?? [] };
  page.on("pageerror", (error) => seen.faults.push(`error in the page: ${error}`));
  page.on("console", (message) => {
    // A refusal by the vendor is what some steps want.
    if (message.type() === "error" && !/Failed to load resource/.test(message.text())) seen.faults.push(message.text());
  });
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));
  });
  context.on("request", async (request) => {
    seen.requests += 1;
    const sent = [request.url(), JSON.stringify(await request.allHeaders().catch(() => request.headers())), request.postData() ?? ""].join("\n");
    for (const text of [sent, decoded(sent)]) {
      if (seen.secrets.some((secret) => text.includes(secret))) seen.faults.push(`a credential in ${request.method()} ${request.url()}`);
      if (text.includes(REAL_CARD)) seen.faults.push(`a real card number in ${request.url()}`);
    }
    const { hostname } = new URL(request.url());
    if (hostname !== "127.0.0.1") seen.faults.push(`a request to ${hostname}`);
  });
  await page.goto(`${url}${at}`);
  await page.waitForSelector("html[data-ready]");
  return { page, seen, close: () => context.close() };
}

function decoded(text) {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return text;
  }
}

function leaves(value) {
  return value && typeof value === "object" ? Object.values(value).flatMap(leaves) : [String(value)];
}

function secrets_of(connector) {
  const secret = connector.credentials.filter((field) => field.secret);
  const inputs = connector.grants.flatMap(({ inputs, example }) =>
    inputs.filter(({ type }) => type === "secret").map(({ field }) => example?.[field]).filter(Boolean));
  return [...secret.flatMap((field) => leaves(connector.sandbox_credentials[field.field])), ...inputs].filter((value) => value.length >= 6);
}

async function accessible(page, what) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  const told = violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((node) => node.target.join(" ")).join(", ")}`);
  assert.deepEqual(told, [], what);
}

async function fits(page, what) {
  const [wide, seen] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(wide <= seen, `${what}: ${wide} px wide in ${seen}`);
}

const result = (page, name) => page.locator(`li:has(#do-${name}) .result`);

async function use(page, name, verdict) {
  await page.click(`#do-${name}`);
  await result(page, name).waitFor();
  const told = await result(page, name).innerText();
  assert.match(told, new RegExp(`^${verdict}`), `${name}: ${told}`);
}

async function get(page) {
  await page.click("#get");
  await page.locator(".ticket:not(.blank)").waitFor();
}

// The story: get, reveal, tokenize, refund, expire. Screenshots on the way.
async function story(browser, url, stripe) {
  for (const scheme of ["light", "dark"]) {
    for (const viewport of [{ width: 1440, height: 900 }, { width: 390, height: 844 }, { width: 360, height: 740 }]) {
      const size = `${viewport.width}-${scheme}`;
      const { page, seen, close } = await open(browser, url, { viewport, scheme, keys: secrets_of(stripe) });
      const picture = async (name) => viewport.width !== 360 && page.screenshot({ path: join(images, `${name}-${size}.png`) });
      await accessible(page, `nothing yet, ${size}`);
      await fits(page, `nothing yet, ${size}`);
      await get(page);
      assert.match(await page.locator("#token").innerText(), /^cs_test_•+$/);
      assert.match(await page.locator("#reply").innerText(), /"access_token": "cs_test_•+"/);
      await accessible(page, `pass alive, ${size}`);
      await fits(page, `pass alive, ${size}`);
      await page.keyboard.press("r");
      assert.match(await page.locator("#token").innerText(), /^cs_test_\w+_secret_\w+$/);
      await page.keyboard.press("r");

      await page.fill("#card-number", REAL_CARD);
      await page.click("#do-allowed");
      assert.match(await page.locator("#card-number-fault").innerText(), /Test numbers only/);
      await page.fill("#card-number", "4242 4242 4242 4242");
      await use(page, "allowed", "Accepted");
      await use(page, "forbidden", "Refused");
      await picture("used");
      await use(page, "late", "Refused");
      assert.equal(await page.locator("#left").innerText(), "expired");
      await accessible(page, `expired, ${size}`);
      await fits(page, `expired, ${size}`);
      await picture("expired");

      await page.selectOption("#outcome", "decline_401");
      await get(page);
      assert.match(await page.locator(".ticket.refused").innerText(), /Stripe refused[\s\S]*AUTHENTICATION_FAILED · 401/);
      await accessible(page, `refused, ${size}`);
      await page.click("#wire summary");
      await accessible(page, `requests, ${size}`);
      await fits(page, `requests, ${size}`);
      assert.equal(await page.locator("#leaks").innerText(), "the API key was in 0 of them");
      await picture("requests");
      const counted = Number.parseInt(await page.locator("#sent").innerText(), 10);
      assert.equal(counted, await page.locator("#wire ol > li").count());
      assert.deepEqual(seen.faults, []);
      await close();
    }
  }
}

async function keyboard(browser, url) {
  const { page, seen, close } = await open(browser, url);
  const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.value);
  await page.keyboard.press("/");
  assert.equal(await focused(), "search");
  await page.keyboard.type("adyen");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Space");
  // The page has changed its address by now; Playwright hears of it a moment later.
  await page.waitForURL(/#connector=adyen&/);
  await page.locator("#input-currency").fill("");
  await page.locator("#input-currency").press("Enter");
  await page.locator(".ticket.mistake").waitFor();
  assert.equal(await focused(), "input-currency", "the field with the mistake has the focus");
  assert.equal(await page.locator("#input-currency").getAttribute("aria-invalid"), "true");
  await accessible(page, "mistake");
  await page.keyboard.type("EUR");
  await page.keyboard.press("Enter");
  await page.locator(".ticket.alive").waitFor();
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press("c");
  await page.waitForFunction(() => document.querySelector("#copy.done"));
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), await page.locator("#snippet").innerText());
  assert.deepEqual(seen.faults, []);
  await close();
}

// Nothing of a token stays when the page is left, and nothing is in the browser's stores.
async function leaving(browser, url) {
  const { page, seen, close } = await open(browser, url, { at: "#connector=stripe&grant=ephemeral_key&input.customer=cus_77" });
  assert.equal(await page.locator("#input-customer").inputValue(), "cus_77");
  await get(page);
  await page.keyboard.press("r");
  const token = await page.locator("#token").innerText();
  assert.ok(!page.url().includes(token));
  await page.evaluate(() => dispatchEvent(new PageTransitionEvent("pagehide")));
  assert.ok(!(await page.content()).includes(token), "the token is in the page after it was left");
  const stored = await page.evaluate(async () => [localStorage.length, sessionStorage.length, document.cookie, (await indexedDB.databases()).length]);
  assert.deepEqual(stored, [0, 0, "", 0]);
  assert.deepEqual(seen.faults, []);
  await close();
}

// Every grant gives its token, and a CLIENT token does in a browser what it may and not what it may not.
async function every_grant(browser, url, connectors) {
  const { page, seen, close } = await open(browser, url);
  let [grants, clients, cards] = [0, 0, 0];
  const faults = [];
  for (const connector of connectors) {
    for (const grant of connector.grants) {
      const name = `${connector.connector} ${grant.name}`;
      seen.secrets = secrets_of(connector);
      await page.evaluate((link) => { location.hash = link; }, `connector=${connector.connector}&grant=${grant.name}`);
      await page.waitForFunction((grant) => document.querySelector("#grant")?.value === grant, grant.name);
      grants += 1;
      try {
        await get(page);
        const ticket = page.locator(".ticket");
        assert.match(await ticket.getAttribute("class"), /alive/, await ticket.innerText());
        if (grant.audience === "client") {
          clients += 1;
          cards += await page.locator("#card-number").count();
          await use(page, "forbidden", "Refused");
          // The vendor compares the page's origin with the grant's, and this page has another one.
          const foreign = connector.connector === "adyenplatform";
          await use(page, "allowed", foreign ? "Refused" : "Accepted");
          if (foreign) assert.match(await result(page, "allowed").innerText(), /this page is http/);
        }
      } catch (error) {
        faults.push(`${name}: ${error.message}`);
      }
      faults.push(...seen.faults.splice(0).map((fault) => `${name}: ${fault}`));
    }
  }
  assert.deepEqual(faults, []);
  assert.equal(await page.locator("#leaks").innerText(), "the API key was in 0 of them");
  await close();
  return { grants, clients, cards, requests: seen.requests };
}

const RUN = { curl: ["bash", "sh"], Python: ["python3", "py"], Node: [process.execPath, "mjs"] };

async function snippets(browser, url) {
  const folder = join(images, "snippets");
  mkdirSync(folder, { recursive: true });
  for (const connector of ["stripe", "adyen", "paypal", "truelayer"]) {
    for (const [language, [program, ending]] of Object.entries(RUN)) {
      const { page, close } = await open(browser, url, { at: `#connector=${connector}` });
      await page.getByRole("tab", { name: language, exact: true }).click();
      const file = join(folder, `${connector}.${ending}`);
      writeFileSync(file, await page.locator("#snippet").innerText());
      const { stdout } = await promisify(execFile)(program, [file], { timeout: HANGS });
      assert.match(stdout, /SUCCESS/, `${connector} ${language}: ${stdout}`);
      await close();
    }
  }
}

// The service's own line of the call: it names the call, and holds no secret.
async function log_line(browser, url) {
  const { page, close } = await open(browser, url);
  await get(page);
  await page.getByRole("tab", { name: "Log", exact: true }).click();
  const reply = page.locator("#reply");
  await reply.filter({ hasText: '"outcome": "SUCCESS"' }).waitFor();
  const line = JSON.parse(await reply.innerText());
  assert.equal(line.connector, "stripe");
  await page.keyboard.press("r");
  assert.ok(!JSON.stringify(line).includes(await page.locator("#token").innerText()), "the token is in the log line");
  await accessible(page, "the log line");
  await close();
}

async function unreachable(browser, url, child) {
  const { page, close } = await open(browser, url);
  child.kill();
  await new Promise((ended) => child.once("exit", ended));
  await get(page);
  assert.match(await page.locator(".ticket.unreachable").innerText(), /does not answer/);
  await accessible(page, "unreachable");
  await close();
}

mkdirSync(images, { recursive: true });
const { child, url } = await served();
// Debian's sandbox of chromium does not work for root, and the page is ours.
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
try {
  const { connectors } = await (await fetch(`${url}connectors.json`)).json();
  await story(browser, url, connectors.find(({ connector }) => connector === "stripe"));
  await keyboard(browser, url);
  await leaving(browser, url);
  await snippets(browser, url);
  await log_line(browser, url);
  const { grants, clients, cards, requests } = await every_grant(browser, url, connectors);
  await unreachable(browser, url, child);
  if (kept) for (const [name, to] of Object.entries(KEPT)) copyFileSync(join(images, name), join(kept, to));
  console.log(`${grants} grants, ${clients} of clients (${cards} with a card form), ${requests} requests, no credential in any`);
} finally {
  await browser.close();
  child.kill();
}

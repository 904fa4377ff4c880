// A shop's page in Chromium: check.mjs opens one for each SDK.
//
// esbuild bundles the `handOver` of a file of sdks/ with the SDK's package. Each request of the page is taken before it
// leaves the browser: the shop's own files are made here, the calls of a vendor's API go to the sandbox, a vendor's
// scripts and pages are stubs of that file, and everything else is aborted and counted.

import { join } from "node:path";

import { build } from "esbuild";
import { chromium } from "playwright-core";

const HERE = import.meta.dirname;
const SHOP = "https://shop.example";
/** A page of any origin may ask. */
const CORS = Object.fromEntries(
  ["origin", "headers", "methods"].map((what) => [`access-control-allow-${what}`, "*"]),
);

/** A browser that resolves no name, so that a request which escapes the interception has nowhere to go. */
export function start() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    // Debian's sandbox of chromium does not work for root, and the pages are ours.
    args: ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND", "--disable-background-networking"],
  });
}

/** The shop's script: `handOver` with the SDK in it. */
async function script(name) {
  const { outputFiles } = await build({
    stdin: {
      contents: `import { handOver } from "./sdks/${name}.mjs"; globalThis.handOver = handOver;`,
      resolveDir: HERE,
    },
    bundle: true,
    write: false,
    format: "iife",
    outdir: "shop",
    platform: "browser",
    define: { "process.env.NODE_ENV": '"production"' },
    loader: { ".svg": "dataurl", ".png": "dataurl" },
    logLevel: "error",
    absWorkingDir: HERE,
    nodePaths: [join(HERE, "node_modules")],
  });
  return outputFiles.find(({ path }) => path.endsWith(".js")).text;
}

const PAGE = "<!doctype html><meta charset=utf-8><title>Shop</title><div id=pay></div><script src=/shop.js></script>";

/** What a stub answers: a text is a script or, with `<` first, a page; anything else is JSON. */
function stubbed(answer) {
  if (typeof answer !== "string") return { json: answer, headers: CORS };
  const page = answer.trimStart().startsWith("<");
  return { body: answer, contentType: page ? "text/html" : "text/javascript", headers: CORS };
}

/** Sends a vendor's call to its fake. */
async function sandboxed(request, url) {
  const headers = await request.allHeaders();
  for (const name of Object.keys(headers)) if (/^:|^(host|content-length)$/.test(name)) delete headers[name];
  const body = request.postDataBuffer() ?? undefined;
  const response = await fetch(url, { method: request.method(), headers: { ...headers, origin: SHOP }, body });
  const type = response.headers.get("content-type") ?? "application/json";
  return { status: response.status, headers: { ...CORS, "content-type": type }, body: await response.text() };
}

/** The answer to a request of the page, or null for one that is to go nowhere. */
async function answer(request, sdk, sandbox, shop) {
  const { origin, host, pathname, search } = new URL(request.url());
  if (origin === SHOP) {
    if (pathname === "/") return stubbed(PAGE);
    return pathname === "/shop.js" ? stubbed(shop) : null;
  }
  const stub = Object.entries(sdk.stubs ?? {}).find(([prefix]) => request.url().startsWith(prefix));
  if (stub) return stubbed(stub[1]);
  if (!sdk.sandbox?.includes(host)) return null;
  if (request.method() === "OPTIONS") return { status: 204, headers: CORS };
  return sandboxed(request, `${sandbox}/${sdk.mint.connector}${pathname}${search}`);
}

/**
 * Opens the shop's page of an SDK. `seen` grows: the requests to others than the shop, the vendor's functions that were
 * called, and the page's errors.
 */
export async function open(browser, name, sdk, sandbox) {
  const shop = await script(name);
  const context = await browser.newContext({ locale: "en-GB", serviceWorkers: "block" });
  const seen = { requests: [], calls: [], errors: [] };
  let look = () => {};
  await context.exposeFunction("told", (call, args) => {
    seen.calls.push({ call, args });
    look();
  });
  // What a stub puts in the place of a vendor's function.
  await context.addInitScript(() => {
    globalThis.recorded =
      (call, result) =>
      (...args) => {
        globalThis.told(call, JSON.parse(JSON.stringify(args)));
        return result;
      };
  });
  await context.route(/^https?:/, async (route) => {
    const request = route.request();
    const url = new URL(request.url());
    const entry = {
      method: request.method(),
      host: url.host,
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      headers: request.headers(),
      body: request.postData() ?? "",
    };
    if (url.origin !== SHOP) seen.requests.push(entry);
    const made = await answer(request, sdk, sandbox, shop).catch(
      (error) => void seen.errors.push(`${url}: ${error}`),
    );
    entry.status = made ? (made.status ?? 200) : "aborted";
    // The page may be closed by now.
    await (made ? route.fulfill(made) : route.abort()).catch(() => {});
    look();
  });
  const page = await context.newPage();
  page.on("pageerror", (error) => seen.errors.push(String(error)));
  await page.goto(`${SHOP}/`);
  return {
    seen,
    close: () => context.close(),
    /** Calls `handOver` and waits until `done`; gives what `handOver` gives. */
    async hand_over(pass, done, patience) {
      let timer;
      const late = new Promise((_, failed) => {
        timer = setTimeout(() => failed(new Error(`nothing came of it in ${patience} ms`)), patience);
      });
      const came = new Promise((found) => {
        look = () => done() && found();
        look();
      });
      try {
        const told = await Promise.race([page.evaluate((pass) => globalThis.handOver(pass), pass), late]);
        await Promise.race([came, late]);
        return told;
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

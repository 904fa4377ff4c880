// The process in which one vendor's SDK runs: `node --require redirect.cjs driver.mjs <file of the vendor>`.
// It tells the cases of the file to its parent, and makes the SDK's call of each when the parent asks for it.
//
// A case has `theirs(ours)`, the SDK's call; and where they are of use `at(ours)`, the moment to stop the clock at, and
// `verify(ours, answer)`, which lets the SDK check our requests, or the token, and gives the faults that it found.

import { pathToFileURL } from "node:url";

// A failed telemetry call, say, must not end the process.
process.on("unhandledRejection", () => {});
process.on("uncaughtException", (error) => console.error(error));

const vendor = await import(pathToFileURL(process.argv[2]).href);
const cases = vendor.cases;

// The values that another process can receive: everything but functions.
const data = (value) => JSON.parse(JSON.stringify(value));

process.on("message", async ({ name, ours, answer }) => {
  const { theirs, at, verify } = cases[name];
  let problem = null;
  let faults = [];
  try {
    if (at) globalThis.freezeClock(at(ours));
    await theirs?.(ours);
  } catch (error) {
    // Most SDKs do not like the recorder's answer. It matters only where no request came.
    problem = String(error?.stack ?? error).slice(0, 2000);
  }
  globalThis.freezeClock(undefined);
  try {
    faults = (await verify?.(ours, answer)) ?? [];
  } catch (error) {
    faults = [`the SDK could not verify our request: ${error}`];
  }
  process.send({ name, problem, faults });
});
process.send(data(vendor));

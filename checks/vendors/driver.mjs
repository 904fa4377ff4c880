// The process in which one vendor's SDK runs: `node --require redirect.cjs driver.mjs <file of the vendor>`.
// It tells the cases of the file to its parent, and makes the SDK's call of each when the parent asks for it.

import { pathToFileURL } from "node:url";

const vendor = await import(pathToFileURL(process.argv[2]).href);
const cases = vendor.cases;

// What can be told to another process: everything but functions.
const data = (value) => JSON.parse(JSON.stringify(value));

process.on("message", async ({ name, ours }) => {
  const { theirs, at } = cases[name];
  let problem = null;
  try {
    if (at) globalThis.freezeClock(at(ours));
    await theirs(ours);
  } catch (error) {
    // Most SDKs do not like the recorder's answer. It matters only where no request came.
    problem = String(error?.stack ?? error).slice(0, 2000);
  }
  globalThis.freezeClock(undefined);
  process.send({ name, problem });
});
process.send({ ...data(vendor), cases: data(cases) });

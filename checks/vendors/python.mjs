// Runs lines of Python with the SDKs of requirements.txt, beside the driver that needs them.

import { spawn } from "node:child_process";

const HERE = import.meta.dirname;

/** What `code` prints; its arguments are `sys.argv[1:]`. Rejects with what it wrote to standard error. */
export function python(code, ...args) {
  const ca = process.env.NODE_EXTRA_CA_CERTS;
  const env = { ...process.env, PYTHONPATH: `${HERE}/python`, SSL_CERT_FILE: ca, REQUESTS_CA_BUNDLE: ca };
  const child = spawn(`${HERE}/venv/bin/python`, ["-c", code, ...args], { env, stdio: ["ignore", "pipe", "pipe"], timeout: 25_000 });
  let [output, errors] = ["", ""];
  child.stdout.on("data", (chunk) => (output += chunk));
  child.stderr.on("data", (chunk) => (errors += chunk));
  return new Promise((done, failed) => {
    child.on("error", failed);
    child.on("close", (code) => (code === 0 ? done(output) : failed(new Error(errors))));
  });
}

// A server on loopback that writes down each request and gives the answers that a case names.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { isIP } from "node:net";
import { join } from "node:path";
import tls from "node:tls";

/** Makes a certificate authority in `folder` that lives as long as this run. */
export function authority(folder) {
  const openssl = (...args) => execFileSync("openssl", args, { cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  openssl("req", "-x509", ...key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=vendor check");
  openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "host.key");
  const pair = (host) => {
    const name = isIP(host) ? `IP:${host}` : `DNS:${host}`;
    openssl(
      ...["req", "-x509", "-new", "-key", "host.key", "-CA", "ca.pem", "-CAkey", "ca.key", "-out", "host.pem"],
      ...["-days", "2", "-subj", "/CN=host", "-addext", `subjectAltName=${name}`],
      ...["-addext", "basicConstraints=critical,CA:FALSE"],
    );
    const [key, cert] = ["host.key", "host.pem"].map((name) => readFileSync(join(folder, name)));
    return { key, cert };
  };
  const contexts = new Map();
  const context = (host) => {
    if (!contexts.has(host)) contexts.set(host, tls.createSecureContext(pair(host)));
    return contexts.get(host);
  };
  return { certificate: join(folder, "ca.pem"), pair, context };
}

export class Recorder {
  requests = [];
  /** Answers by `METHOD /path`, then by `*`. */
  answers = {};
  #servers = [];

  /** Starts a listener. Requests to it are written down under `origin`, or under the host that they name. */
  async listen({ origin, authority } = {}) {
    const handle = (request, response) => this.#record(request, response, origin);
    const server = authority
      ? https.createServer({ ...authority.pair("127.0.0.1"), SNICallback: (name, done) => done(null, authority.context(name)) }, handle)
      : http.createServer(handle);
    this.#servers.push(server);
    await new Promise((done) => server.listen(0, "127.0.0.1", done));
    return server.address().port;
  }

  close() {
    for (const server of this.#servers) {
      server.close();
      server.closeAllConnections();
    }
  }

  /** The requests since the last time. */
  take() {
    return this.requests.splice(0);
  }

  async #record(request, response, origin) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const scheme = request.socket.encrypted ? "https" : "http";
    const headers = Object.fromEntries(Object.entries(request.headersDistinct).map(([name, all]) => [name, all.join(", ")]));
    this.requests.push({
      method: request.method,
      // A target is a path, or a whole URL (RFC 9112 section 3.2.2).
      url: request.url.startsWith("/") ? `${origin ?? `${scheme}://${headers.host}`}${request.url}` : request.url,
      headers,
      body: Buffer.concat(chunks).toString(),
    });
    const path = request.url.split("?")[0];
    const answer = this.answers[`${request.method} ${path}`] ?? this.answers["*"] ?? {};
    const text = typeof answer === "string" ? answer : JSON.stringify(answer);
    response.writeHead(200, { "content-type": typeof answer === "string" ? "text/plain" : "application/json" });
    response.end(text);
  }
}

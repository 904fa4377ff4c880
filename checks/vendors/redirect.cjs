// Loaded before a vendor's SDK. Every connection of the process goes to the recorder on loopback, whatever
// host and port the SDK asks for. The name that it asks for stays in the TLS handshake and the Host header.

const net = require("node:net");
const tls = require("node:tls");

const { RECORDER_TLS_PORT, RECORDER_PLAIN_PORT } = process.env;

const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function (...args) {
  // Node's own callers pass one array: [options, callback].
  const options = Array.isArray(args[0]) ? args[0][0] : args[0];
  if (typeof options !== "object") throw new Error("a connection in a form that cannot be sent to the recorder");
  if (options.path) throw new Error("a connection that does not go to a host");
  const port = this instanceof tls.TLSSocket ? RECORDER_TLS_PORT : RECORDER_PLAIN_PORT;
  Object.assign(options, { host: "127.0.0.1", port: Number(port), lookup: undefined });
  return connect.apply(this, args);
};

// Some SDKs trust only their vendor's certificates. The recorder's stand in for these.
const tlsConnect = tls.connect;
tls.connect = (...args) => {
  for (const arg of args) {
    if (arg && typeof arg === "object") {
      if (arg.host && !net.isIP(arg.host)) arg.servername ||= arg.host;
      delete arg.ca;
    }
  }
  return tlsConnect(...args);
};

// `globalThis.freezeClock(milliseconds)` stops the clock that the SDK reads, so that it signs the same moment
// as we did. Without a moment the clock runs again.
const RealDate = Date;
let moment;
globalThis.Date = class extends RealDate {
  constructor(...args) {
    super(...(args.length === 0 && moment !== undefined ? [moment] : args));
  }
  static now() {
    return moment ?? RealDate.now();
  }
};
globalThis.freezeClock = (milliseconds) => {
  moment = milliseconds;
};

// Loaded before a program of examples/server-sdks. Connections to other hosts than loopback go to the check's gateway;
// the name that the SDK asks for stays in the TLS handshake and the Host header.

const net = require("node:net");

const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function (...args) {
  // Node's own callers pass one array: [options, callback].
  const options = Array.isArray(args[0]) ? args[0][0] : args[0];
  if (typeof options !== "object" || options.path) throw new Error("a connection that cannot be led to the gateway");
  if (options.host !== "127.0.0.1") {
    Object.assign(options, { host: "127.0.0.1", port: Number(process.env.GATEWAY_PORT), lookup: undefined });
  }
  return connect.apply(this, args);
};

// The same product on another host, and the same SDK.
export * from "./cybersource.mjs";

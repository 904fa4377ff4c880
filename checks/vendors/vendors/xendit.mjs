import { Xendit } from "xendit-node";
export const sdk = "xendit-node";
export const cases = {};

import { createPublicKey } from "node:crypto";
import * as signing from "truelayer-signing";

export const sdk = "truelayer-signing";
export const credentials = {};
export const cases = {};

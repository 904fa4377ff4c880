import { createHash } from "node:crypto";
import * as gp from "globalpayments-api";

export const sdk = "globalpayments-api";
export const credentials = { app_id: "madeUpGlobalpayApp01", app_key: "madeUpGlobalpayKey01" };

export const cases = {};

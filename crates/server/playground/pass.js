// The card of the day pass: its states, the ring of its remaining time, and what it allows.

import { h, s, show, byId, icon, announce, copy, masked, sentence } from "./dom.js";

const ROUND = 2 * Math.PI * 26;
// The moments, in seconds before the end, that are announced.
const ANNOUNCED = [60, 0];

let timer;

// `view`: the state's name, and what the state needs: pass, connector, grant, error, ahead, revealed.
export function show_card(view, act) {
  clearInterval(timer);
  const body = { empty, asking, refused: failed, mistake: failed, unreachable: failed }[view.state] ?? ticket;
  show("card", body(view, act));
  if (body === ticket && view.pass.expires_at) {
    let before = remaining(view);
    tick(view);
    timer = setInterval(() => {
      const left = remaining(view);
      for (const moment of ANNOUNCED) {
        if (before > moment && left <= moment) announce(moment ? `The day pass ends in ${moment} seconds` : "The day pass has expired");
      }
      if (before > 0 && left <= 0) act.expired();
      before = left;
      tick(view);
    }, 1000);
  }
}

// The seconds until the expiry, by the vendor's clock: `ahead` is how far that is ahead of ours.
// The lifetime counts from the answer, so a wrong clock of this machine does no harm.
export function remaining({ pass, ahead }) {
  return Math.ceil(pass.lifetime - (performance.now() - pass.answered) / 1000 - ahead);
}

export function spoken(seconds) {
  if (seconds <= 0) return "expired";
  const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const from = parts.findIndex(([size]) => seconds >= size);
  return parts.slice(from, from + 2).map(([size, unit], nth) =>
    `${Math.floor((nth ? seconds % parts[from][0] : seconds) / size)} ${unit}`).join(" ");
}

function tick(view) {
  const left = remaining(view);
  const share = Math.max(0, Math.min(1, left / view.pass.lifetime));
  byId("ring")?.setAttribute("stroke-dashoffset", String(ROUND * (1 - share)));
  const text = byId("left");
  if (text) text.textContent = spoken(left);
}

function empty() {
  return h("div", { class: "ticket blank" },
    h("p", { class: "lead" }, "No day pass yet"),
    h("p", { class: "muted" }, "Press ", h("kbd", null, "⏎"),
      ". Your backend calls Daypass with its key, and the page gets a token that can do little and ends soon."));
}

function asking({ connector }) {
  return h("div", { class: "ticket blank", "aria-busy": "true" },
    h("p", { class: "lead" }, `Asking ${connector.name} …`),
    h("p", { class: "muted" }, "Your backend makes the call."));
}

const FAILED = {
  refused: ({ connector }) => `${connector.name} refused`,
  mistake: () => "The call is not right yet",
  unreachable: () => "The server does not answer",
};

function failed({ state, error, connector }) {
  return h("div", { class: `ticket failed ${state}`, role: "group", "aria-label": "The answer is no day pass" },
    h("p", { class: "lead" }, icon("cross"), FAILED[state]({ connector })),
    h("dl", null, error.facts.filter(([, value]) => value).map(([name, value]) => [h("dt", null, name), h("dd", null, value)])),
    error.remedy && h("p", { class: "remedy" }, error.remedy));
}

function ticket({ state, pass, connector, grant, revealed }, act) {
  const client = pass.audience === "CLIENT";
  const parameters = Object.entries(pass.parameters);
  const bounds = grant.bound_to.length ? grant.bound_to.join(", ") : "nothing";
  return h("div", { class: `ticket ${client ? "client" : "server"} ${state}` },
    h("div", { class: "face" },
      h("div", null,
        h("p", { class: "badges" },
          h("span", { class: "badge" }, pass.audience),
          state === "expired" && h("span", { class: "badge over" }, "expired"),
          state === "used" && h("span", { class: "badge over" }, "used up")),
        h("p", { class: "lead" }, connector.name),
        h("p", { class: "muted grant" }, pass.grant.split("_").flatMap((word, nth) => (nth ? ["_", h("wbr"), word] : [word])))),
      clock(pass, state)),
    h("div", { class: "token" },
      h("code", { id: "token", tabindex: "0", "aria-label": revealed ? "Token" : "Token, masked" }, revealed ? pass.token : masked(pass.token)),
      h("button", { type: "button", class: "quiet", id: "reveal", "aria-pressed": String(revealed), onclick: act.reveal },
        icon("eye"), revealed ? "Hide" : "Reveal"),
      h("button", { type: "button", class: "quiet", onclick: (event) => copy(pass.token, event.currentTarget) }, icon("copy"), "Copy")),
    h("dl", null,
      h("dt", null, "May"), h("dd", null, sentence(grant.allows)),
      client
        ? [h("dt", null, "Worst case"), h("dd", null, `A hostile holder can ${grant.worst_case}`),
          h("dt", null, "Bound to"), h("dd", null, bounds)]
        : [h("dt", null, "Must not"), h("dd", null, "Leave your backend: it has full access to the API")],
      pass.scopes.length > 0 && [h("dt", null, "Scopes"), h("dd", null, pass.scopes.join(", "))],
      grant.single_use && [h("dt", null, "Uses"), h("dd", null, "One")],
      parameters.length > 0 && [h("dt", null, "Beside it"),
        h("dd", null, h("ul", { class: "parameters" }, parameters.map(([name, value]) =>
          h("li", null, h("code", null, name), " ", h("span", { class: "muted" }, meaning(grant, name)),
            h("code", { class: "value" }, revealed ? value : masked(value))))))]));
}

function meaning(grant, name) {
  return grant.client_parameters.find((known) => known.name === name)?.meaning ?? "";
}

function clock(pass, state) {
  if (!pass.expires_at) return h("p", { class: "no-ring muted" }, pass.use_once ? "ends with its use" : "no expiry published");
  const at = new Date(pass.expires_at * 1000);
  return h("div", { class: "clock" },
    s("svg", { viewBox: "0 0 64 64", class: "ring", "aria-hidden": "true" },
      s("circle", { cx: 32, cy: 32, r: 26 }),
      s("circle", {
        cx: 32, cy: 32, r: 26, id: "ring", class: "left", "stroke-dasharray": ROUND,
        "stroke-dashoffset": state === "expired" ? ROUND : 0, transform: "rotate(-90 32 32)",
      })),
    h("p", null, h("span", { class: "unseen" }, "Remaining time: "), h("strong", { id: "left" }, ""),
      h("span", { class: "muted" }, `until ${at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" })}`)));
}

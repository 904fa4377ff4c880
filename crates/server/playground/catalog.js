// The list of connectors: search, and a filter by audience.

import { h, show, byId } from "./dom.js";

const AUDIENCES = { all: "All", client: "Client", server: "Server" };

let filter = { text: "", audience: "all" };

export function fits(connector) {
  const words = `${connector.name} ${connector.connector} ${connector.grants.map((grant) => grant.name).join(" ")}`;
  return words.toLowerCase().includes(filter.text.toLowerCase().trim())
    && (filter.audience === "all" || connector.grants.some((grant) => grant.audience === filter.audience));
}

export function show_catalog(connectors, selected, choose) {
  const list = h("div", { class: "list", role: "radiogroup", "aria-label": "Connector", id: "connectors" });
  const refresh = () => {
    const found = connectors.filter(fits);
    list.replaceChildren(...found.map((connector) => option(connector, selected(), choose)),
      found.length ? "" : h("p", { class: "muted none" }, "No connector has this name."));
    byId("found").textContent = `${found.length} of ${connectors.length}`;
  };
  const audience = Object.entries(AUDIENCES).map(([value, label]) =>
    h("label", null,
      h("input", {
        type: "radio", name: "audience", value, checked: value === filter.audience,
        onchange: () => { filter.audience = value; refresh(); },
      }), h("span", null, label)));
  show("catalog",
    h("div", { class: "search" },
      h("label", { for: "search", class: "unseen" }, "Search connectors and grants"),
      h("input", {
        id: "search", type: "search", placeholder: `Search ${connectors.length} connectors`, autocomplete: "off", spellcheck: "false",
        oninput: (event) => { filter.text = event.target.value; refresh(); },
        onkeydown: (event) => {
          if (event.key !== "ArrowDown") return;
          event.preventDefault();
          (list.querySelector("input:checked") ?? list.querySelector("input"))?.focus();
        },
      })),
    h("fieldset", { class: "segments" }, h("legend", { class: "unseen" }, "Audience of the tokens"), audience,
      h("span", { id: "found", class: "muted", "aria-live": "polite" })),
    list);
  refresh();
  list.querySelector(":checked")?.closest("label").scrollIntoView({ block: "center" });
}

function option(connector, selected, choose) {
  const grants = connector.grants.length;
  return h("label", null,
    h("input", {
      type: "radio", name: "connector", value: connector.connector, checked: connector.connector === selected,
      onchange: () => choose(connector.connector),
    }),
    h("span", null, connector.name, h("small", { class: "muted" }, grants === 1 ? "1 grant" : `${grants} grants`)));
}

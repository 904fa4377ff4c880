// Small helpers for elements. Text is always set as text, never parsed as markup.

export function h(name, attributes, ...children) {
  return fill(document.createElement(name), attributes, children);
}

export function s(name, attributes, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked" || name === "open") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(9).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const byId = (id) => document.getElementById(id);

export function show(id, ...children) {
  byId(id).replaceChildren(...children.flat(9).filter(Boolean));
}

const ICONS = {
  check: "M3.5 8.5l3 3 6-7",
  cross: "M4 4l8 8M12 4l-8 8",
  copy: "M6 6h7v7H6zM10 6V3H3v7h3",
  eye: "M1.5 8S4 3.5 8 3.5 14.500 8 14.500 8 12 12.500 8 12.500 1.500 8 1.500 8zM8 6a2 2 0 1 0 0 4 2 2 0 0 0 0-4z",
  shield: "M8 1.800l5 1.700v4c0 3.200-2 5.500-5 6.700-3-1.200-5-3.500-5-6.700v-4zM5.700 8l1.700 1.700 3-3.300",
};

export function icon(name) {
  return s("svg", { viewBox: "0 0 16 16", class: "icon", "aria-hidden": "true" }, s("path", { d: ICONS[name] }));
}

// Says a sentence to screen readers. The same sentence twice is said twice.
export function announce(text) {
  const live = byId("live");
  live.textContent = "";
  requestAnimationFrame(() => { live.textContent = text; });
}

// A list of tabs after the pattern of the ARIA Authoring Practices: arrows move, one tab stop.
export function tabs(label, names, selected, choose, controls) {
  const buttons = names.map((name) =>
    h("button", {
      type: "button",
      role: "tab",
      "aria-selected": String(name === selected),
      "aria-controls": controls,
      tabindex: name === selected ? "0" : "-1",
      onclick: () => choose(name),
    }, name));
  const move = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = (names.indexOf(selected) + step + names.length) % names.length;
    choose(names[next]);
    document.querySelector(`[aria-controls="${controls}"][aria-selected="true"]`)?.focus();
  };
  return h("div", { role: "tablist", class: "tabs", "aria-label": label, onkeydown: move }, buttons);
}

export async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
    announce("Copied");
    button?.classList.add("done");
    setTimeout(() => button?.classList.remove("done"), 1200);
  } catch {
    announce("The browser does not allow copying here");
  }
}

const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|('(?:[^'\\]|\\.)*')|((?:^|(?<=\s))(?:#|\/\/)[^\n]*)|\b(-?\d+(?:\.\d+)?|true|false|null)\b/g;

// Code with colours: strings, names of members, comments, numbers. `mask` replaces a string.
export function coloured(text, mask = (value) => value) {
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(TOKEN)) {
    const [all, double, colon, single, comment, number] = match;
    parts.push(text.slice(end, match.index));
    end = match.index + all.length;
    if (double && colon) parts.push(h("span", { class: "name" }, double), colon);
    else if (double || single) parts.push(h("span", { class: "text" }, mask(double ?? single)));
    else if (comment) parts.push(h("span", { class: "comment" }, comment));
    else parts.push(h("span", { class: "number" }, number));
  }
  parts.push(text.slice(end));
  return parts;
}

export function sentence(text) {
  return text ? text[0].toUpperCase() + text.slice(1) : text;
}

export function masked(value) {
  return value.length > 16 ? `${value.slice(0, 8)}${"•".repeat(12)}` : "•".repeat(12);
}

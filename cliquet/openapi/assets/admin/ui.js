// What all views are written with: markup in templates, hooks, and small pieces of markup.
import htm from "./htm.js";
import { createElement } from "./preact.js";

export { createElement, render } from "./preact.js";
export { useCallback, useEffect, useMemo, useRef, useState } from "./hooks.js";

/**
 * Markup. Every value within it becomes a text or a property of an element, never markup of its
 * own. Values of records are made texts before, because an object would be taken for an element.
 */
export const html = htm.bind(createElement);

/** Classes from names and conditions. */
export const classes = (...names) => names.filter(Boolean).join(" ");

const EXACT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const SHORT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** A moment in the words of the user: a timestamp in milliseconds, or a date; anything else as it is. */
export function moment(value, format = EXACT) {
  const date = new Date(typeof value === "number" || typeof value === "string" ? value : NaN);
  return Number.isNaN(date.getTime()) ? String(value ?? "") : format.format(date);
}

export const shortMoment = (value) => moment(value, SHORT);

/** A name of a program in the words of people: `cap_mm` is "cap mm". */
export const words = (name) => String(name).replaceAll("_", " ").trim() || String(name);

/** The same at the beginning of a text: "Cap mm". */
export function title(name) {
  const [first = "", ...rest] = words(name);
  return first.toLocaleUpperCase() + rest.join("");
}

export function Notice({ kind = "info", title, children, actions }) {
  const role = kind === "error" ? "alert" : "status";
  return html`<div class=${classes("notice", kind)} role=${role}>
    <div class="grow">${title && html`<strong>${title}</strong>`} ${children}</div>
    ${actions && html`<div class="actions">${actions}</div>`}
  </div>`;
}

/** What the service said against a request. */
export function Failure({ error, actions }) {
  if (!error) return null;
  const details = error.details?.length > 1 || error.details?.some((one) => one.name) ? error.details : [];
  return html`<${Notice} kind="error" title=${error.title ?? "Error"} actions=${actions}>
    <span> ${error.message}</span>
    ${details.length > 1 &&
    html`<ul>
      ${details.map((one) => html`<li><code>${String(one.name ?? one.location)}</code> ${String(one.description)}</li>`)}
    </ul>`}
  <//>`;
}

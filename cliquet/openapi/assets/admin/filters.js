// Filters: the query string of a list as conditions, and the form that adds one.
import { OPERATORS } from "./description.js";
import { parse, stringify } from "./json.js";
import { html, title, useState } from "./ui.js";

const SEVERAL = new Set(["in_", "exclude_", "contains_", "contains_any_"]);

/** The types of JSON that a schema allows, null apart. */
export function typesOf(schema, description) {
  const found = [schema.type ?? []].flat();
  for (const one of schema.anyOf ?? []) found.push(...typesOf(description.resolve(one), description));
  return new Set(found.filter((type) => type !== "null"));
}

/** The conditions of a query string: the field, the operator, and the value in words. */
export function conditions(resource, query) {
  const known = new Map();
  for (const { field, operators } of resource.filters) {
    for (const prefix of operators) known.set(prefix + field, { field, prefix });
  }
  return [...new URLSearchParams(query)]
    .filter(([name]) => known.has(name))
    .map(([name, raw]) => ({ ...known.get(name), name, raw, value: shown(raw) }));
}

function shown(raw) {
  if (!/^["[]/.test(raw)) return raw;
  try {
    const value = parse(raw);
    return Array.isArray(value) ? value.map((one) => (typeof one === "string" ? one : stringify(one))).join(", ") : String(value);
  } catch {
    return raw;
  }
}

/** The text of one value: a text in quotes, so that `7` is not taken for a number. */
const literal = (text, types) => (types.size === 1 && types.has("string") ? stringify(text) : text.trim());

/** The value of a parameter for what somebody typed. */
export function encode(prefix, text, schema, description) {
  if (prefix === "like_" || prefix === "has_") return text;
  if (!SEVERAL.has(prefix)) return literal(text, typesOf(schema, description));
  const one = prefix.startsWith("contains") ? description.resolve(schema.items) : schema;
  const types = typesOf(one, description);
  const parts = text.split(",").map((part) => part.trim()).filter(Boolean);
  return types.has("string") ? stringify(parts) : parts.join(",");
}

const labelOf = ({ field, prefix, value }) =>
  prefix === "has_"
    ? `${title(field)} ${value === "false" ? "is absent" : "is present"}`
    : `${title(field)} ${OPERATORS.get(prefix)} ${value === "" ? "empty" : value}`;

function Value({ schema, prefix, description, value, onInput }) {
  const name = { id: "filter-value", "aria-label": "Value", value, onInput: (event) => onInput(event.target.value) };
  const choices = prefix === "has_" || typesOf(schema, description).has("boolean") ? ["true", "false"] : schema.enum;
  if (Array.isArray(choices) && !SEVERAL.has(prefix) && prefix !== "like_") {
    const said = (one) => (prefix === "has_" ? (one === "true" ? "yes" : "no") : String(one));
    return html`<select ...${name}>
      <option value="">Choose…</option>
      ${choices.map((one) => html`<option value=${String(one)}>${said(one)}</option>`)}
    </select>`;
  }
  const type = schema.format === "date" && !SEVERAL.has(prefix) && prefix !== "like_" ? "date" : "text";
  const hint = SEVERAL.has(prefix) ? "Values, between commas" : "Value";
  return html`<input ...${name} type=${type} placeholder=${hint} autocomplete="off" />`;
}

/** The form that adds a condition. */
export function FilterForm({ resource, onAdd, onClose }) {
  const [field, setField] = useState(resource.filters[0].field);
  const found = resource.filters.find((one) => one.field === field);
  const [wanted, setPrefix] = useState("");
  const prefix = found.operators.includes(wanted) ? wanted : found.operators[0];
  const [value, setValue] = useState("");
  const { description } = resource;
  const add = (event) => {
    event.preventDefault();
    const sent = prefix === "has_" && value === "" ? "true" : value;
    onAdd(prefix + field, encode(prefix, sent, found.schema, description));
  };
  return html`<form class="filter-form" onSubmit=${add}>
    <label><span>Field</span>
      <select value=${field} autofocus onChange=${(event) => (setField(event.target.value), setValue(""))}>
        ${resource.filters.map((one) => html`<option value=${one.field}>${title(one.field)}</option>`)}
      </select>
    </label>
    <label><span>Condition</span>
      <select value=${prefix} onChange=${(event) => (setPrefix(event.target.value), setValue(""))}>
        ${found.operators.map((one) => html`<option value=${one}>${OPERATORS.get(one)}</option>`)}
      </select>
    </label>
    <label><span>Value</span>
      <${Value} ...${{ schema: found.schema, prefix, description, value, onInput: setValue }} />
    </label>
    <div class="actions">
      <button class="primary">Apply</button>
      <button type="button" onClick=${onClose}>Cancel</button>
    </div>
  </form>`;
}

/** The conditions of a list, each of which can be removed. */
export function Chips({ found, onRemove }) {
  if (!found.length) return null;
  return html`<ul class="chips" aria-label="Filters">
    ${found.map(
      (one) => html`<li key=${one.name}>
        <span>${labelOf(one)}</span>
        <button type="button" aria-label=${`Remove the filter: ${labelOf(one)}`} onClick=${() => onRemove(one.name)}>×</button>
      </li>`,
    )}
  </ul>`;
}

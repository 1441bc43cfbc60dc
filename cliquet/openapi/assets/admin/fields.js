// The inputs of a form, one kind for each kind of schema. `undefined` is an absent member.
import { isObject, isRaw, member, parse, stringify, withMember } from "./json.js";
import { classes, html, useEffect, useRef, useState, title } from "./ui.js";

const MAX_DEPTH = 5;
const LONG_TEXT = 80;
const INTEGER = /^-?(0|[1-9]\d*)$/;
const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?(e[-+]?\d+)?$/i;
const EXAMPLES = { email: "name@example.com", uri: "https://example.com/", time: "12:30:00" };

/** A schema without references, alternatives of one, and null. */
function plain(schema, description) {
  const found = description.resolve(schema);
  const some = found.anyOf ?? found.oneOf ?? (found.allOf?.length === 1 ? found.allOf : undefined);
  if (some) {
    const others = some.map((one) => description.resolve(one)).filter((one) => one.type !== "null");
    if (others.length === 1) return { ...plain(others[0], description), ...pick(found, "description", "default", "title") };
    return { ...pick(found, "description", "default", "title") };
  }
  if (Array.isArray(found.type)) {
    const types = found.type.filter((type) => type !== "null");
    return { ...found, type: types.length === 1 ? types[0] : undefined };
  }
  return found;
}

const pick = (object, ...names) =>
  Object.fromEntries(names.filter((name) => name in object).map((name) => [name, object[name]]));

/** The kind of input for a schema and the value that is there now. */
function kindOf(schema, value, depth) {
  const isScalar = (one) => typeof one !== "object" || one === null || isRaw(one);
  if (Array.isArray(schema.enum) && schema.enum.every(isScalar)) {
    return value === undefined || schema.enum.includes(value) ? "choice" : "json";
  }
  const fits = {
    boolean: () => typeof value === "boolean" && "boolean",
    integer: () => (typeof value === "number" || isRaw(value)) && "number",
    number: () => (typeof value === "number" || isRaw(value)) && "number",
    string: () => typeof value === "string" && "text",
    array: () => Array.isArray(value) && "list",
    object: () => isObject(value) && "object",
  }[schema.type];
  const empty = { boolean: "boolean", integer: "number", number: "number", string: "text", array: "list", object: "object" };
  const kind = fits && (value === undefined ? empty[schema.type] : fits() || "json");
  if (kind === "object" && (!isObject(schema.properties) || depth >= MAX_DEPTH)) return "json";
  if (kind === "list" && (!isObject(schema.items) || schema.prefixItems || depth >= MAX_DEPTH)) return "json";
  return kind || "json";
}

/** What a new item of an array is at first. */
const FIRST = { text: "", number: 0, boolean: false, object: {}, list: [], json: null };

function firstItem(schema, form, depth) {
  const item = plain(schema.items, form.description);
  return Array.isArray(item.enum) ? item.enum[0] : FIRST[kindOf(item, undefined, depth + 1)];
}

function Text({ attributes, schema, value, isRequired, onChange }) {
  const [isLong] = useState(() => value?.includes("\n") || value?.length > LONG_TEXT || schema.maxLength > 300);
  const change = (event) => onChange(event.target.value === "" && !isRequired ? undefined : event.target.value);
  const kind = dateKind(schema, value);
  if (kind === "datetime-local") return html`<${Moment} ...${{ attributes, value, isRequired, onChange }} />`;
  if (isLong) return html`<textarea ...${attributes} rows="4" value=${value ?? ""} onInput=${change}></textarea>`;
  return html`<input ...${attributes} type=${kind} placeholder=${EXAMPLES[schema.format] ?? ""} autocomplete="off" value=${value ?? ""} onInput=${change} />`;
}

function dateKind(schema, value = "") {
  if (schema.format === "date" && /^(\d{4}-\d\d-\d\d)?$/.test(value)) return "date";
  if (schema.format === "date-time" && (value === "" || !Number.isNaN(Date.parse(value)))) return "datetime-local";
  return "text";
}

/** A moment, in the time zone of the user; it is only written anew when it is changed. */
function Moment({ attributes, value, isRequired, onChange }) {
  const local = (text) => {
    const date = new Date(text);
    return text && new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
  };
  const change = (event) => {
    const text = event.target.value;
    onChange(text ? new Date(text).toISOString() : isRequired ? "" : undefined);
  };
  return html`<input ...${attributes} type="datetime-local" step="1" value=${local(value ?? "")} onChange=${change} />`;
}

/** A text that has to be understood before it is a value. */
function useParsed(value, path, report, read, write, onChange) {
  const [text, setText] = useState(() => write(value));
  const [mistake, setMistake] = useState("");
  useEffect(() => () => report(path, false), []);
  const change = (event) => {
    const typed = event.target.value;
    setText(typed);
    let found = "";
    try {
      onChange(read(typed.trim()));
    } catch (error) {
      found = error.message;
    }
    setMistake(found);
    report(path, Boolean(found));
  };
  return { text, change, mistake };
}

function Mistake({ text }) {
  return text ? html`<p class="mistake" role="alert">${text}</p>` : null;
}

function NumberInput({ attributes, schema, value, isRequired, onChange, path, report }) {
  const isInteger = schema.type === "integer";
  const read = (typed) => {
    if (typed === "" && !isRequired) return undefined;
    if (!(isInteger ? INTEGER : NUMBER).test(typed)) throw new Error(isInteger ? "A whole number is expected." : "A number is expected.");
    return parse(typed);
  };
  const write = (one) => (one === undefined ? "" : stringify(one));
  const { text, change, mistake } = useParsed(value, path, report, read, write, onChange);
  return html`<input ...${attributes} type="text" inputmode=${isInteger ? "numeric" : "decimal"} autocomplete="off" value=${text} onInput=${change} /><${Mistake} text=${mistake} />`;
}

export function JSONInput({ attributes, value, isRequired, onChange, path, report, check }) {
  const read = (typed) => {
    if (typed === "" && !isRequired) return undefined;
    let found;
    try {
      found = parse(typed);
    } catch (error) {
      throw new Error(`This is not JSON: ${error.message}`);
    }
    check?.(found);
    return found;
  };
  const write = (one) => (one === undefined ? "" : stringify(one, 2));
  const { text, change, mistake } = useParsed(value, path, report, read, write, onChange);
  const rows = Math.min(Math.max(text.split("\n").length, 2), 24);
  return html`<textarea ...${attributes} class="code" spellcheck=${false} rows=${rows} value=${text} onInput=${change}></textarea><${Mistake} text=${mistake} />`;
}

function Choice({ attributes, choices, value, isRequired, onChange }) {
  const at = choices.findIndex(([one]) => one === value);
  return html`<select ...${attributes} value=${String(at)} onChange=${(event) => onChange(choices[Number(event.target.value)]?.[0])}>
    ${(!isRequired || at < 0) && html`<option value="-1">Not set</option>`}
    ${choices.map(([, said], number) => html`<option value=${String(number)}>${said}</option>`)}
  </select>`;
}

const BOOLEANS = [[true, "Yes"], [false, "No"]];

/** One member of a record, or one item of an array. */
export function Field({ schema: given, value, onChange, path, label, isRequired, isItem, depth = 0, form, children }) {
  const schema = plain(given, form.description);
  const kind = value === null ? "null" : kindOf(schema, value, depth);
  const id = `field-${path}`;
  const errors = form.errors.get(path) ?? [];
  const said = typeof schema.description === "string" ? [schema.description] : [];
  const hint = [...said, ...(kind === "json" ? ["As JSON."] : [])].join(" ");
  const described = [hint && `${id}-hint`, errors.length && `${id}-error`].filter(Boolean).join(" ");
  const attributes = { id, "aria-describedby": described || undefined, "aria-invalid": errors.length ? "true" : undefined };
  const common = { attributes, schema, value, isRequired: isRequired || isItem, onChange, path, report: form.report };
  const notes = html`${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}
    ${errors.length > 0 && html`<p class="mistake" id=${`${id}-error`}>${errors.join("; ")}</p>`}`;
  const heading = html`${label}${isRequired && !isItem && html`<span class="required" title="Required"> *</span>`}`;

  if (kind === "object" || kind === "list") {
    const Inner = kind === "object" ? Members : Items;
    const isThere = value !== undefined;
    return html`<fieldset class=${classes("nested", kind)} id=${id}>
      <legend>${heading}</legend>
      ${notes}
      ${isThere && html`<${Inner} ...${{ schema, value, onChange, path, depth, form }} />`}
      <div class="actions">
        ${!isThere && html`<button type="button" class="small" aria-label=${`Add ${label}`} onClick=${() => onChange(FIRST[kind])}>Add</button>`}
        ${isThere && kind === "list" && html`<button type="button" class="small" aria-label=${`Add an item to ${label}`} onClick=${() => onChange([...value, firstItem(schema, form, depth)])}>Add an item</button>`}
        ${isThere && !isRequired && !isItem && html`<button type="button" class="small quiet" aria-label=${`Leave out ${label}`} onClick=${() => onChange(undefined)}>Leave out</button>`}
        ${children}
      </div>
    </fieldset>`;
  }
  return html`<div class=${classes("field", errors.length && "wrong")}>
    <label for=${id}>${heading}</label>
    <div class="control">
      ${kind === "null" && html`<span class="null"><code>null</code> <button type="button" class="small" id=${id} onClick=${() => onChange(isItem ? (FIRST[kindOf(schema, undefined, depth)] ?? null) : undefined)}>Change</button></span>`}
      ${kind === "choice" && html`<${Choice} ...${common} choices=${schema.enum.map((one) => [one, String(one)])} />`}
      ${kind === "boolean" && html`<${Choice} ...${common} choices=${BOOLEANS} />`}
      ${kind === "number" && html`<${NumberInput} ...${common} />`}
      ${kind === "text" && html`<${Text} ...${common} />`}
      ${kind === "json" && html`<${JSONInput} ...${common} />`}
      ${children}
    </div>
    ${notes}
  </div>`;
}

/** The members that a schema declares; others stay as they are. */
export function Members({ schema, value, onChange, path, depth, form, without }) {
  const latest = useRef();
  latest.current = value;
  return Object.entries(schema.properties)
    .filter(([name]) => !without?.has(name))
    .map(
      ([name, one]) => html`<${Field}
        key=${name}
        schema=${one}
        value=${member(value, name)}
        onChange=${(changed) => onChange(withMember(latest.current, name, changed))}
        path=${`${path}.${name}`}
        label=${title(name)}
        isRequired=${Boolean(schema.required?.includes(name))}
        depth=${depth + 1}
        form=${form}
      />`,
    );
}

function Items({ schema, value, onChange, path, depth, form }) {
  // An item keeps what was typed into it when others before it are removed.
  const keys = useRef([]);
  const next = useRef(0);
  while (keys.current.length < value.length) keys.current.push(next.current++);
  const latest = useRef();
  latest.current = value;
  const change = (at, one) => onChange(latest.current.map((old, number) => (number === at ? one : old)));
  const move = (from, to) => {
    const [items, names] = [[...value], keys.current];
    items.splice(to, 0, ...items.splice(from, 1));
    names.splice(to, 0, ...names.splice(from, 1));
    onChange(items);
  };
  const remove = (at) => {
    keys.current.splice(at, 1);
    onChange(value.filter((_, number) => number !== at));
  };
  return html`${value.map(
    (one, at) => html`<${Field} key=${keys.current[at]} ...${{ schema: schema.items, value: one, path: `${path}.${at}`, depth: depth + 1, form }} label=${`Item ${at + 1}`} isItem=${true} onChange=${(changed) => change(at, changed)}>
      <button type="button" class="small quiet" disabled=${at === 0} aria-label=${`Move item ${at + 1} up`} onClick=${() => move(at, at - 1)}>↑</button>
      <button type="button" class="small quiet" aria-label=${`Remove item ${at + 1}`} onClick=${() => remove(at)}>×</button>
    <//>`,
  )}`;
}

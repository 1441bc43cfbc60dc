// The form of a record, made from its schema, and the record as JSON.
import { Field, JSONInput, Members } from "./fields.js";
import { isObject, member, withMember } from "./json.js";
import { html, title } from "./ui.js";

function checkObject(value) {
  if (value !== undefined && !isObject(value)) throw new Error("An object is expected.");
}

/** The members that the schema does not declare, where records may have some. */
function Others({ resource, value, onChange, form }) {
  const declared = resource.input.properties ?? {};
  const isOther = ([name]) => !Object.hasOwn(declared, name) && !resource.own.has(name);
  const others = Object.entries(value).filter(isOther);
  if (!others.length && resource.input.additionalProperties !== true) return null;
  const change = (found) => {
    const kept = Object.entries(value).filter((entry) => !isOther(entry));
    onChange(Object.fromEntries([...kept, ...Object.entries(found ?? {}).filter(isOther)]));
  };
  return html`<div class="field">
    <label for="field-others">Other members</label>
    <div class="control">
      <${JSONInput}
        attributes=${{ id: "field-others", "aria-describedby": "field-others-hint" }}
        value=${others.length ? Object.fromEntries(others) : undefined}
        onChange=${change}
        path="others"
        report=${form.report}
        check=${checkObject}
      />
    </div>
    <p class="hint" id="field-others-hint">Members that the schema does not declare, as a JSON object.</p>
  </div>`;
}

export function Form({ resource, value, onChange, form, isNew }) {
  const { idField, input } = resource;
  const idSchema = member(input.properties, idField);
  return html`
    <${Members} schema=${{ properties: {}, ...input }} value=${value} onChange=${onChange} path="data" depth=${0} form=${form} without=${resource.own} />
    <${Others} ...${{ resource, value, onChange, form }} />
    ${isNew &&
    idSchema &&
    resource.canPut &&
    html`<details class="more" open=${Boolean(member(value, idField))}>
      <summary>Choose the id</summary>
      <${Field}
        schema=${{ type: "string", description: "Left empty, the service makes one." }}
        value=${member(value, idField)}
        onChange=${(id) => onChange(withMember(value, idField, id))}
        path=${`data.${idField}`}
        label=${title(idField)}
        form=${form}
      />
    </details>`}
  `;
}

export function RawForm({ value, onChange, form }) {
  return html`<div class="field">
    <label for="field-raw">The record as JSON</label>
    <div class="control">
      <${JSONInput} attributes=${{ id: "field-raw" }} isRequired=${true} path="raw" report=${form.report} check=${checkObject} ...${{ value, onChange }} />
    </div>
  </div>`;
}

// The table of a list, and what a value looks like in it.
import { brief, isObject, member } from "./json.js";
import { listHref } from "./router.js";
import { classes, html, moment, shortMoment, title } from "./ui.js";

/** A value of a record as a text. */
export function Cell({ value, schema = {} }) {
  if (value === undefined || value === null) {
    return html`<span class="faint">${value === null ? "null" : "—"}</span>`;
  }
  if (typeof value === "boolean") {
    return html`<span class=${classes("flag", value && "on")}>${value ? "Yes" : "No"}</span>`;
  }
  if (typeof value === "string") {
    if (value === "") return html`<span class="faint">empty</span>`;
    if (schema.format === "date-time") return html`<span title=${brief(value)}>${shortMoment(value)}</span>`;
    return html`<span class=${schema.enum ? "tag" : ""} title=${brief(value, 1000)}>${brief(value)}</span>`;
  }
  if (typeof value === "number") return html`<span class="number">${String(value)}</span>`;
  const text = Array.isArray(value) && value.every((one) => typeof one === "string")
    ? brief(value.join(", "))
    : brief(value);
  const isCode = isObject(value) || Array.isArray(value);
  return html`<span class=${isCode ? "code" : "number"} title=${brief(value, 1000)}>${text}</span>`;
}

const ARIA = { "": "none", "-": "descending", "+": "ascending" };

function Header({ field, sort, onSort }) {
  const sign = sort === field ? "+" : sort === `-${field}` ? "-" : "";
  if (!onSort) return html`<th scope="col">${title(field)}</th>`;
  const next = { "": field, "+": `-${field}`, "-": "" }[sign];
  return html`<th scope="col" aria-sort=${ARIA[sign]}>
    <button type="button" class=${classes("sort", sign && "on")} onClick=${() => onSort(next)}>
      ${title(field)} <span class="arrow" aria-hidden="true">${{ "": "↕", "+": "↑", "-": "↓" }[sign]}</span>
    </button>
  </th>`;
}

const shortId = (id) => (id.length > 13 ? `${id.slice(0, 8)}…` : id);

function Row({ resource, variables, record, columns, isFresh, isGone }) {
  const id = String(record[resource.idField]);
  const isDeleted = isGone || record[resource.deletedField] === true;
  const when = record[resource.modifiedField];
  return html`<tr class=${classes(isDeleted && "deleted", isFresh && "fresh")}>
    <th scope="row" data-label=${title(resource.idField)}>
      <a href=${listHref(resource.record(variables, id), isDeleted ? `deleted=${encodeURIComponent(record[resource.modifiedField])}` : "")} title=${id}>${shortId(id)}</a>
      ${isDeleted && html` <span class="badge danger">${isGone ? "gone" : "deleted"}</span>`}
    </th>
    ${columns.map(
      ({ field, schema }) => html`<td key=${field} data-label=${title(field)}>
        <${Cell} value=${member(record, field)} schema=${schema} />
      </td>`,
    )}
    <td data-label=${title(resource.modifiedField)} class="when" title=${moment(when)}>${shortMoment(when)}</td>
  </tr>`;
}

export function Table({ resource, variables, records, columns, sort, onSort, fresh, gone, isLoading }) {
  const sorter = (field) => (resource.sorts(field) ? onSort : null);
  const { idField, modifiedField } = resource;
  return html`<div class=${classes("table", isLoading && "loading")} tabindex="0" role="region" aria-label="Records" aria-busy=${isLoading ? "true" : "false"}>
    <table>
      <thead>
        <tr>
          <${Header} field=${idField} sort=${sort} onSort=${sorter(idField)} />
          ${columns.map(({ field }) => html`<${Header} key=${field} field=${field} sort=${sort} onSort=${sorter(field)} />`)}
          <${Header} field=${modifiedField} sort=${sort} onSort=${sorter(modifiedField)} />
        </tr>
      </thead>
      <tbody>
        ${records.map((record) => {
          const id = String(record[idField]);
          return html`<${Row} key=${id} ...${{ resource, variables, record, columns }} isFresh=${fresh.has(id)} isGone=${gone.has(id)} />`;
        })}
      </tbody>
    </table>
  </div>`;
}

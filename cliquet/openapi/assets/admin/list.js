// A page of a list: filters, order, columns, pages, deleted records, and what changes meanwhile.
import { Chips, FilterForm, conditions } from "./filters.js";
import { LiveBadge, useLive } from "./live.js";
import { go, listHref, newHref } from "./router.js";
import { Table } from "./table.js";
import { Failure, html, useEffect, useMemo, useRef, useState, title, words } from "./ui.js";

const SIZES = [10, 25, 50, 100];
const DEFAULT_SIZE = 25;
const DEFAULT_COLUMNS = 5;

/** How each page was reached: the address of the page before, and how many records come before. */
const trail = new Map();

const number = (value) => new Intl.NumberFormat().format(value);

function useColumns(resource) {
  const key = `cliquet-admin-columns:${resource.collectionPath}`;
  const [names, setNames] = useState(() => {
    try {
      return JSON.parse(localStorage.getItem(key)) ?? null;
    } catch {
      return null;
    }
  });
  const chosen = resource.columns.filter(({ field }, at) =>
    Array.isArray(names) ? names.includes(field) : at < DEFAULT_COLUMNS,
  );
  const toggle = (field) => {
    const known = chosen.map((one) => one.field);
    const changed = known.includes(field) ? known.filter((one) => one !== field) : [...known, field];
    localStorage.setItem(key, JSON.stringify(changed));
    setNames(changed);
  };
  return [chosen, toggle];
}

/** Only the columns are asked for, where their names can stand in a list between commas. */
function fieldsOf(resource, columns) {
  const names = columns.map(({ field }) => field);
  if (names.some((name) => /[.,]/.test(name)) || !resource.parameters.has("_fields")) return "";
  return [resource.idField, ...names].join(",");
}

function ColumnMenu({ resource, columns, onToggle }) {
  if (!resource.columns.length) return null;
  const shown = new Set(columns.map(({ field }) => field));
  return html`<details class="menu">
    <summary>Columns</summary>
    <fieldset>
      <legend class="hidden">Columns</legend>
      ${resource.columns.map(
        ({ field }) => html`<label key=${field} class="check">
          <input type="checkbox" checked=${shown.has(field)} onChange=${() => onToggle(field)} />${title(field)}
        </label>`,
      )}
    </fieldset>
  </details>`;
}

function DeletedChoice({ resource, search, onChange }) {
  if (!resource.parameters.has("_since")) return null;
  const { deletedField } = resource;
  const state = !search.has("_since") ? "live" : search.has(deletedField) ? "only" : "with";
  const change = (event) => {
    const wanted = event.target.value;
    onChange({ _since: wanted === "live" ? null : "0", [deletedField]: wanted === "only" ? "true" : null });
  };
  return html`<select aria-label="Deleted records" value=${state} onChange=${change}>
    <option value="live">Without deleted</option>
    <option value="with">With deleted</option>
    ${resource.parameters.has(deletedField) && html`<option value="only">Only deleted</option>`}
  </select>`;
}

function SortChoice({ resource, columns, sort, onSort }) {
  const shown = [resource.idField, ...columns.map(({ field }) => field), resource.modifiedField];
  const fields = [...new Set([...shown, ...(sort ? [sort.replace(/^-/, "")] : [])])];
  return html`<select class="narrow-only" aria-label="Order" value=${sort} onChange=${(event) => onSort(event.target.value)}>
    <option value="">Latest first</option>
    ${fields
      .filter((field) => resource.sorts(field))
      .flatMap((field) => [
        html`<option value=${field}>${title(field)} ↑</option>`,
        html`<option value=${`-${field}`}>${title(field)} ↓</option>`,
      ])}
  </select>`;
}

function Pager({ here, page, search, onSize }) {
  const came = trail.get(here);
  const start = search.has("_token") ? came?.start : 0;
  const count = page.records.length;
  // The total counts no deleted records.
  const total = page.total === null || search.has("_since") ? "" : ` of ${number(page.total)}`;
  const range = !count ? "No records" : start === undefined ? `${count} records${total}` : `${number(start + 1)}–${number(start + count)}${total}`;
  const first = new URLSearchParams(search);
  first.delete("_token");
  return html`<nav class="pager" aria-label="Pages">
    <span aria-live="polite">${range}</span>
    <label class="inline"><span>Per page</span>
      <select value=${search.get("_limit") ?? String(DEFAULT_SIZE)} onChange=${(event) => onSize(event.target.value)}>
        ${SIZES.map((size) => html`<option value=${String(size)}>${String(size)}</option>`)}
      </select>
    </label>
    <span class="actions">
      <button type="button" disabled=${!search.has("_token")} onClick=${() => go(listHref(page.path, first.toString()))}>First</button>
      <button type="button" disabled=${!came} onClick=${() => go(came.before)}>Previous</button>
      <button type="button" disabled=${!page.next} onClick=${() => {
        trail.set(page.next, { before: here, start: start === undefined ? undefined : start + count });
        go(page.next);
      }}>Next</button>
    </span>
  </nav>`;
}

/** The address of the view for `Next-Page`, of which only the query string matters. */
function nextHref(path, answer) {
  const next = answer.headers.get("Next-Page");
  if (!next) return null;
  const search = new URL(next, document.location).searchParams;
  search.delete("_fields");
  return listHref(path, search.toString());
}

function usePage(service, resource, path, query, fields) {
  const [state, setState] = useState({ records: [], isLoading: true });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const stop = new AbortController();
    setState((known) => ({ ...known, isLoading: true }));
    const search = new URLSearchParams(query);
    if (!search.has("_limit")) search.set("_limit", String(DEFAULT_SIZE));
    if (fields) search.set("_fields", fields);
    service
      .send(path, { query: search.toString(), signal: stop.signal })
      .then((answer) => {
        const [total, etag] = ["Total-Records", "ETag"].map((name) => answer.headers.get(name));
        setState({
          ...{ path, query, records: answer.body.data, next: nextHref(path, answer), isLoading: false },
          total: total === null ? null : Number(total),
          since: etag === null ? undefined : Number(etag.replaceAll('"', "")),
        });
      })
      .catch((error) => stop.signal.aborted || setState({ records: [], error, isLoading: false }));
    return () => stop.abort();
  }, [path, query, fields, turn]);
  return [state, setState, () => setTurn((known) => known + 1)];
}

export function List({ service, view }) {
  const { resource, path, query, variables } = view;
  const here = listHref(path, query);
  const search = useMemo(() => new URLSearchParams(query), [query]);
  const [columns, toggleColumn] = useColumns(resource);
  const fields = fieldsOf(resource, columns);
  const [page, setPage, reload] = usePage(service, resource, path, query, fields);
  const [isAdding, setAdding] = useState(false);
  const [news, setNews] = useState({ fresh: new Set(), gone: new Set(), others: new Set() });
  useEffect(() => setAdding(false), [query]);
  useEffect(() => setNews({ fresh: new Set(), gone: new Set(), others: new Set() }), [page.since, path, query]);

  const found = conditions(resource, query).filter(({ name }) => name !== resource.deletedField);
  const followed = new URLSearchParams(found.map(({ name, raw }) => [name, raw]));
  if (fields) followed.set("_fields", fields);
  const hasDeleted = search.has("_since");

  const shown = useRef([]);
  shown.current = page.records.map((one) => String(one[resource.idField]));
  const onChange = (record) => {
    const id = String(record[resource.idField]);
    const isTombstone = record[resource.deletedField] === true;
    if (!shown.current.includes(id)) {
      // Where deleted records are not shown, nobody misses the tombstone of one.
      if (isTombstone && !hasDeleted) return;
      setNews((known) => ({ ...known, others: new Set(known.others).add(id) }));
      return;
    }
    setNews(({ fresh, gone, others }) => {
      const [nextFresh, nextGone] = [new Set(fresh).add(id), new Set(gone)];
      if (isTombstone) nextGone.add(id);
      else nextGone.delete(id);
      return { fresh: nextFresh, gone: nextGone, others };
    });
    if (isTombstone) return;
    const replace = (one) => (String(one[resource.idField]) === id ? record : one);
    setPage((known) => ({ ...known, records: known.records.map(replace) }));
  };
  const live = useLive({
    ...{ service, resource, path, onChange, onReset: reload },
    ...{ query: followed.toString(), since: page.isLoading ? undefined : page.since },
  });

  /** Go to the list with other parameters, at its first page; null removes one. */
  const change = (values) => {
    const changed = new URLSearchParams(search);
    changed.delete("_token");
    for (const [name, value] of Object.entries(values)) {
      if (value === null || value === "" && name.startsWith("_")) changed.delete(name);
      else changed.set(name, value);
    }
    setAdding(false);
    const href = listHref(path, changed.toString());
    if (href === here) reload();
    else go(href);
  };
  const sort = search.get("_sort") ?? "";
  const onSort = (wanted) => change({ _sort: wanted });
  const isEmpty = !page.isLoading && !page.error && !page.records.length;

  return html`<section>
    <div class="heading">
      <h1 tabindex="-1">${title(resource.label)}</h1>
      <${LiveBadge} state=${live} />
      <span class="grow"></span>
      ${resource.canCreate && html`<a class="button primary" href=${newHref(path)}>New ${words(resource.name)}</a>`}
    </div>
    ${path !== resource.collectionPath && html`<p class="path"><code>${path}</code></p>`}
    <div class="toolbar">
      <button type="button" aria-expanded=${isAdding ? "true" : "false"} onClick=${() => setAdding(!isAdding)}>Filter</button>
      <${DeletedChoice} resource=${resource} search=${search} onChange=${change} />
      <${SortChoice} resource=${resource} columns=${columns} sort=${sort} onSort=${onSort} />
      <${ColumnMenu} resource=${resource} columns=${columns} onToggle=${toggleColumn} />
      <span class="grow"></span>
      <button type="button" onClick=${reload}>Refresh</button>
    </div>
    ${isAdding && html`<${FilterForm} resource=${resource} onAdd=${(name, value) => change({ [name]: value })} onClose=${() => setAdding(false)} />`}
    <${Chips} found=${found} onRemove=${(name) => change({ [name]: null })} />
    ${news.others.size > 0 &&
    html`<div class="notice info" role="status">
      <div class="grow">${news.others.size === 1 ? "One record that is not on this page was added or changed." : `${number(news.others.size)} records that are not on this page were added or changed.`}</div>
      <div class="actions"><button type="button" onClick=${reload}>Show</button></div>
    </div>`}
    <${Failure} error=${page.error} actions=${html`<button type="button" onClick=${reload}>Try again</button>`} />
    ${page.records.length > 0 &&
    html`<${Table} ...${{ resource, variables, records: page.records, columns, sort, onSort }} fresh=${news.fresh} gone=${news.gone} isLoading=${page.isLoading} />`}
    ${isEmpty &&
    html`<div class="empty">
      <p>${found.length || hasDeleted ? "No record matches." : "There are no records yet."}</p>
      ${resource.canCreate && !found.length && html`<a class="button" href=${newHref(path)}>Create the first one</a>`}
    </div>`}
    ${page.isLoading && !page.records.length && html`<p class="faint" role="status">Loading…</p>`}
    ${!page.error && page.path && html`<${Pager} here=${here} page=${page} search=${search} onSize=${(size) => change({ _limit: size })} />`}
  </section>`;
}

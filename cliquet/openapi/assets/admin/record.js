// One record: its form, its JSON, its permissions; saved only if nobody else has changed it meanwhile.
import { Conflict } from "./conflict.js";
import { create, differences, load, save } from "./draft.js";
import { Form, RawForm } from "./form.js";
import { withMember } from "./json.js";
import { useLive } from "./live.js";
import { Permissions } from "./permissions.js";
import { go, guard, listHref, newHref } from "./router.js";
import { Failure, Notice, html, moment, useEffect, useMemo, useRef, useState, title, words } from "./ui.js";

/** The faults that the service found, by the paths of the inputs that they belong to. */
function faults(error) {
  const found = new Map();
  for (const { name, description } of error?.details ?? []) {
    if (typeof name === "string") found.set(name, [...(found.get(name) ?? []), String(description)]);
  }
  // The value of a unique field that another record has.
  if (error?.field) found.set(`data.${error.field}`, ["Another record has this value."]);
  return found;
}

function Tabs({ tabs, shown, onShow }) {
  const keys = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(tabs.findIndex(([name]) => name === shown) + step + tabs.length) % tabs.length][0];
    onShow(next);
    document.getElementById(`tab-${next}`)?.focus();
  };
  return html`<div class="tabs" role="tablist" aria-label="Views of the record" onKeyDown=${keys}>
    ${tabs.map(
      ([name, title]) => html`<button type="button" role="tab" id=${`tab-${name}`} key=${name} aria-controls="panel" aria-selected=${shown === name ? "true" : "false"} tabindex=${shown === name ? 0 : -1} onClick=${() => onShow(name)}>${title}</button>`,
    )}
  </div>`;
}

function DeleteDialog({ what, error, isBusy, onDelete, onClose }) {
  const dialog = useRef();
  useEffect(() => dialog.current.showModal(), []);
  return html`<dialog ref=${dialog} aria-labelledby="delete-title" onClose=${onClose}>
    <h2 id="delete-title">Delete this record?</h2>
    <p>What remains is a tombstone with the id <code>${what}</code>. The other members are lost.</p>
    <${Failure} error=${error} />
    <div class="actions">
      <button type="button" class="danger" disabled=${isBusy} onClick=${onDelete}>Delete</button>
      <button type="button" autofocus onClick=${() => dialog.current.close()}>Cancel</button>
    </div>
  </dialog>`;
}

/** The state of an editor, and what can be done with it. */
function useEditor({ service, view, initial, path }) {
  const { resource } = view;
  const [state, setState] = useState({ base: initial, draft: initial, version: 0 });
  const invalid = useRef(new Set());
  const [, redraw] = useState(0);
  const set = (values) => setState((known) => ({ ...known, ...values }));
  const start = (base, more = {}) => {
    invalid.current.clear();
    setState(({ version }) => ({ base, draft: base, version: version + 1, ...more }));
  };
  const changed = differences(resource, state.base, state.draft).length;
  const isDirty = changed > 0 || invalid.current.size > 0;
  const dirty = useRef(false);
  dirty.current = isDirty && !state.isGone;
  useEffect(() => guard(() => dirty.current), []);

  /** Run a request; hand what the service says against it to the view. */
  const attempt = async (work, onStale) => {
    set({ isBusy: true, error: undefined });
    try {
      await work();
      set({ isBusy: false });
    } catch (error) {
      set({ isBusy: false });
      if ([404, 412].includes(error.status) && onStale) await attempt(onStale);
      else set({ error });
    }
  };
  const theirs = async () => {
    try {
      return await load(service, resource, path);
    } catch (error) {
      if (error.status === 404) return null;
      throw error;
    }
  };
  const store = (base, draft) =>
    attempt(
      async () => start(await save(service, resource, path, base, draft), { said: "Saved." }),
      async () => {
        const found = await theirs();
        set(found ? { conflict: { base, theirs: found, mine: draft } } : { isGone: true });
      },
    );
  return {
    ...{ state, set, start, attempt, store, theirs, changed, isDirty },
    report: (name, isWrong) => {
      const had = invalid.current.has(name);
      if (isWrong) invalid.current.add(name);
      else invalid.current.delete(name);
      if (had !== isWrong) redraw((count) => count + 1);
    },
    isInvalid: invalid.current.size > 0,
  };
}

function Editor({ service, view, initial, user, isNew, onModified }) {
  const { resource, variables, path, id } = view;
  const list = resource.collection(variables);
  const editor = useEditor({ service, view, initial, path });
  const { state, set, start, attempt, store, isDirty } = editor;
  const { base, draft, error, conflict } = state;
  const [tab, setTab] = useState("form");
  const [isDeleting, setDeleting] = useState(false);
  const [newer, setNewer] = useState(null);

  useEffect(() => onModified(base.data[resource.modifiedField]), [base]);
  const modified = (data) => Number(data[resource.modifiedField]) || 0;
  useLive({
    ...{ service, resource, path: list },
    query: `${encodeURIComponent(resource.idField)}=${encodeURIComponent(JSON.stringify(id ?? ""))}`,
    since: isNew ? undefined : modified(initial.data),
    onChange: setNewer,
    onReset: () => {},
  });
  const isStale = newer && modified(newer) > modified(base.data) && !state.isBusy && !conflict;
  const reload = () =>
    attempt(async () => {
      const found = await editor.theirs();
      if (found) start(found);
      else set({ isGone: true });
    });
  // Nobody loses anything where nothing was changed.
  useEffect(() => {
    if (isStale && !isDirty) reload();
  }, [isStale, isDirty]);

  const submit = (event) => {
    event.preventDefault();
    if (!isNew) return store(base, draft);
    return attempt(async () => {
      const made = await create(service, resource, variables, draft);
      go(listHref(resource.record(variables, String(made.data[resource.idField]))), true);
    });
  };
  const remove = () =>
    attempt(
      async () => {
        await service.send(path, { method: "DELETE", headers: { "If-Match": base.etag } });
        go(listHref(list), true);
      },
      async () => {
        setDeleting(false);
        await reload();
        set({ said: "Somebody else has changed the record since you opened it. This is what it is now: look at it before you delete it." });
      },
    );

  useEffect(() => {
    if (!error) return;
    const wrong = document.querySelector("form [aria-invalid=true]");
    (wrong ?? document.querySelector(".editor .notice.error"))?.focus();
  }, [error]);
  useEffect(() => {
    if (conflict) document.getElementById("conflict-title")?.focus();
  }, [conflict]);

  if (state.isGone) {
    const data = withMember(draft.data, resource.idField, id);
    const again = () => attempt(async () => start(await create(service, resource, variables, { ...draft, data }), { said: "Created again." }));
    return html`<${Failure} error=${error} />
      <div class="empty">
        <p>Somebody else has deleted this record.</p>
        ${resource.canPut && html`<button type="button" disabled=${state.isBusy} onClick=${again}>Create it again as you have it here</button>`}
      </div>`;
  }
  if (conflict) {
    return html`<${Conflict}
      key=${conflict.theirs.etag}
      ...${{ resource, ...conflict, isBusy: state.isBusy }}
      onSave=${(merged) => (differences(resource, conflict.theirs, merged).length ? store(conflict.theirs, merged) : start(conflict.theirs, { said: "Nothing was left to save." }))}
      onTheirs=${() => start(conflict.theirs)}
      onBack=${() => set({ conflict: undefined })}
    />`;
  }
  const other = error?.existing?.[resource.idField];
  const existing = other !== undefined && other !== id && html`<a href=${listHref(resource.record(variables, String(other)))}>Show that record</a>`;
  const isFixed = isNew ? false : !resource.canEdit;
  const form = { description: resource.description, errors: faults(error), report: editor.report };
  const tabs = [["form", "Form"], ["json", "JSON"], ...(resource.isShared ? [["permissions", "Permissions"]] : [])];
  const edit = (data) => set({ draft: { ...draft, data }, said: undefined });
  return html`<div class="editor">
    <${Tabs} tabs=${tabs} shown=${tab} onShow=${setTab} />
    ${state.said && !isDirty && html`<${Notice} kind="good">${state.said}<//>`}
    ${isStale && isDirty && html`<${Notice} kind="warn" actions=${html`<button type="button" onClick=${reload}>Discard mine, show theirs</button>`}>Somebody else has just ${newer[resource.deletedField] === true ? "deleted" : "changed"} this record. If you save, you can choose between both.<//>`}
    <${Failure} error=${isDeleting ? undefined : error} actions=${existing} />
    ${isFixed && html`<${Notice}>This record can be read, and not changed.<//>`}
    <div role="tabpanel" id="panel" aria-labelledby=${`tab-${tab}`} key=${`${tab} ${state.version}`}>
      ${tab === "permissions" &&
      html`<${Permissions} ...${{ resource, value: draft.permissions, user, isFixed }} onChange=${(permissions) => set({ draft: { ...draft, permissions }, said: undefined })} />`}
      <form class="record" id="record-form" onSubmit=${submit} novalidate>
        <fieldset disabled=${isFixed} class="bare">
          <legend class="hidden">${isNew ? "New record" : "Record"}</legend>
          ${tab === "form" && html`<${Form} ...${{ resource, value: draft.data, onChange: edit, form, isNew }} />`}
          ${tab === "json" && html`<${RawForm} ...${{ value: draft.data, onChange: edit, form }} />`}
        </fieldset>
      </form>
    </div>
    <div class="bar">
      ${!isFixed && html`<button class="primary" form="record-form" disabled=${state.isBusy || editor.isInvalid || (!isNew && !isDirty)}>${isNew ? "Create" : "Save"}</button>`}
      ${!isNew && isDirty && html`<button type="button" onClick=${() => start(base)}>Undo changes</button>`}
      <span class="faint" role="status">${editor.isInvalid ? "Something is not understood yet." : !isNew && isDirty ? "Not saved" : ""}</span>
      <span class="grow"></span>
      ${!isNew && resource.canDelete && html`<button type="button" class="danger quiet" onClick=${() => (set({ error: undefined }), setDeleting(true))}>Delete…</button>`}
    </div>
    ${isDeleting && html`<${DeleteDialog} what=${id} error=${error} isBusy=${state.isBusy} onDelete=${remove} onClose=${() => setDeleting(false)} />`}
  </div>`;
}

function Gone({ resource, variables, id, text }) {
  const again = newHref(resource.collection(variables), new URLSearchParams({ [resource.idField]: id }).toString());
  return html`<div class="empty">
    <p>${text}</p>
    ${resource.canPut && html`<a class="button" href=${again}>Create one with this id</a>`}
  </div>`;
}

function Below({ view }) {
  const below = view.resource.below(view.variables, view.id);
  if (!below.length) return null;
  return html`<p class="below">
    ${below.map(({ resource, path }) => html`<a class="button small" key=${path} href=${listHref(path)}>${title(resource.label)}</a>`)}
  </p>`;
}

export function Record({ service, view, user }) {
  const { resource, variables, path, id, kind, query } = view;
  const isNew = kind === "new";
  const search = useMemo(() => new URLSearchParams(query), [query]);
  const [state, setState] = useState({});
  useEffect(() => {
    const stop = new AbortController();
    if (isNew) {
      const given = search.get(resource.idField);
      setState({ found: { data: given ? { [resource.idField]: given } : {}, permissions: {}, etag: "" } });
      return undefined;
    }
    setState({});
    load(service, resource, path, stop.signal)
      .then((found) => setState({ found }))
      .catch((error) => stop.signal.aborted || setState({ error }));
    return () => stop.abort();
  }, [path, isNew]);

  const deleted = Number(search.get("deleted"));
  const isMissing = state.error?.status === 404;
  const [when, setWhen] = useState();
  return html`<section>
    <p class="crumbs"><a href=${listHref(resource.collection(variables))}>${title(resource.label)}</a> <span aria-hidden="true">/</span></p>
    <div class="heading">
      <h1 tabindex="-1">${isNew ? `New ${words(resource.name)}` : html`<code>${id}</code>`}</h1>
      ${when && html`<span class="faint">Modified ${moment(when)}</span>`}
    </div>
    ${!isNew && html`<${Below} view=${view} />`}
    ${isMissing
      ? html`<${Gone} ...${{ resource, variables, id }} text=${deleted ? `This record was deleted on ${moment(deleted)}.` : "There is no such record."} />`
      : html`<${Failure} error=${state.error} />`}
    ${!state.found && !state.error && html`<p class="faint" role="status">Loading…</p>`}
    ${state.found && html`<${Editor} key=${path + kind} ...${{ service, view, user, isNew }} onModified=${setWhen} initial=${state.found} />`}
  </section>`;
}

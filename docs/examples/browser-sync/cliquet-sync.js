/**
 * A copy of a collection in IndexedDB, for pages that work offline.
 *
 * What the user does is kept at once and sent by `sync()`, under the condition that the record is
 * still the one that they saw. What others do is read with tokens (`?_sync=`), and kept in one
 * transaction with the token that tells where it ends.
 */

/** What a handler of conflicts returns if it has no fields for the record. */
export const LATER = Symbol("the edit stays, and the conflict is reported");
export const REMOTE = Symbol("the record of the service stays, and the edit is dropped");
export const DELETE = Symbol("the record is deleted");

const NEVER_SENT = "never"; // in the place of JSON
const ROUNDS = 10;
const ATTEMPTS = 4;
const UNAVAILABLE = [429, 502, 503, 504];
const STREAM_SILENCE_MS = 60_000;

/** The service refused a request. `body` is its JSON error. */
export class ServiceError extends Error {
  constructor(status, body, message) {
    super(message);
    this.name = "ServiceError";
    this.status = status;
    this.body = body;
  }
}

/** Let the edit of the user win, whatever others wrote. */
export const keepLocal = ({ local, error }) => (error ? LATER : (local ?? DELETE));

/** Take each field from the side that changed it; leave the conflict if both did. */
export function mergeFields({ local, original, remote, error }) {
  if (error || !local || !original || !remote) return LATER;
  const merged = {};
  for (const name of Object.keys(writable({ ...remote, ...local }))) {
    const [before, ours, theirs] = [original, local, remote].map((side) => canonical(side[name]));
    if (ours !== before && theirs !== before && theirs !== ours) return LATER;
    const side = ours === before ? remote : local;
    if (name in side) merged[name] = side[name];
  }
  return merged;
}

/**
 * Open the copy of a collection.
 *
 * @param {string} url URL of the collection; the service needs the setting `sync_enabled`.
 * @param {object} [options]
 * @param {string} [options.name] name of the database. Each user needs their own.
 * @param {object} [options.headers] headers of all requests, with the credentials.
 * @param {object} [options.filters] parameters of the list, to follow a part of the collection.
 * @param {number} [options.pageSize] greatest number of records of a page.
 * @param {function} [options.onConflict] is given `{id, local, original, remote, error}`; returns the
 *   fields that the record shall have, `LATER`, `REMOTE` or `DELETE`, or a promise of these.
 */
export async function openCollection(url, options = {}) {
  const opening = (options.indexedDB ?? indexedDB).open(options.name ?? url, 1);
  opening.onupgradeneeded = () => {
    for (const name of ["records", "edits"]) {
      opening.result.createObjectStore(name, { keyPath: "id" });
    }
    opening.result.createObjectStore("state");
  };
  return new Collection(url.replace(/\/+$/, ""), await done(opening), options);
}

class Collection {
  #url;
  #db;
  #options;
  #starts = 0;

  constructor(url, db, options) {
    this.#url = url;
    this.#db = db;
    this.#options = { headers: {}, filters: {}, onConflict: () => LATER, ...options };
  }

  close() {
    this.#db.close();
  }

  // What the user sees, and does

  /** Return a record as the user sees it, or `undefined`. */
  get(id) {
    return this.#transaction("readonly", async ({ records, edits }) => {
      const edit = await done(edits.get(id));
      return edit ? seen(edit) : (await done(records.get(id)))?.record;
    });
  }

  /** Return all records that the user sees. */
  all() {
    return this.#transaction("readonly", async ({ records, edits }) => {
      const visible = new Map();
      for (const { id, record } of await done(records.getAll())) visible.set(id, record);
      for (const edit of await done(edits.getAll())) {
        if (edit.data) visible.set(edit.id, seen(edit));
        else visible.delete(edit.id);
      }
      return [...visible.values()];
    });
  }

  /** Return the edits that the service does not know yet, in the order in which they began. */
  edits() {
    return this.#transaction("readonly", async ({ edits }) =>
      (await done(edits.getAll())).sort((one, other) => one.number - other.number),
    );
  }

  /** Add a record, and return its id. */
  async create(data, id = crypto.randomUUID()) {
    await this.#write(id, (record) => {
      if (record) throw new RangeError(`${id} exists`);
      return data;
    });
    return id;
  }

  /** Give a record other fields. With the `last_modified` that was read, later changes conflict. */
  replace(id, data) {
    return this.#write(id, (record) => found(id, record) && data);
  }

  /** Change some fields of a record. */
  update(id, changes) {
    return this.#write(id, (record) => ({ ...found(id, record), ...changes }));
  }

  /** Delete a record. */
  remove(id) {
    return this.#write(id, (record) => found(id, record) && null);
  }

  #write(id, make) {
    return this.#transaction("readwrite", async ({ records, edits, state }) => {
      const edit = await done(edits.get(id));
      const told = (await done(records.get(id)))?.record;
      const data = make(edit ? seen(edit) : told);
      const read = data?.last_modified;
      let original = edit ? edit.original : (told ?? null);
      if (read !== undefined && original?.last_modified !== read) {
        original = { id, last_modified: read }; // what it was like is not known any more
      }
      if (!data && !original && (!edit || edit.sent === NEVER_SENT)) {
        edits.delete(id); // the service has never heard of it
        return;
      }
      const number = edit?.number ?? ((await done(state.get("number"))) ?? 0) + 1;
      if (!edit) state.put(number, "number");
      const revision = (edit?.revision ?? 0) + 1;
      const sent = edit?.sent ?? NEVER_SENT;
      edits.put({ id, data: data && writable(data), original, sent, revision, number });
    });
  }

  // Exchange with the service

  /** Send the edits, then read what has changed. Returns `{sent, changes, conflicts}`. */
  sync() {
    return exclusive(`cliquet-sync ${this.#db.name}`, async () => {
      const result = { sent: 0, changes: [], conflicts: [] };
      for (const { id } of await this.edits()) {
        const conflict = await this.#push(id);
        if (conflict) result.conflicts.push(conflict);
        else result.sent += 1;
      }
      for await (const change of this.#pull()) result.changes.push(change);
      return result;
    });
  }

  /**
   * Yield changes `{id, record}` when they happen; `record` is `null` if it is gone.
   *
   * It goes on for ever over broken connections, until the signal is aborted. It throws a
   * `ServiceError` if the service refuses for good.
   */
  async *follow({ signal } = {}) {
    for (let failures = 0; !signal?.aborted; ) {
      try {
        yield* this.#pull();
        yield* this.#stream(signal);
        failures = 0;
      } catch (error) {
        if (signal?.aborted) return;
        const isPassing = error instanceof ServiceError ? error.status >= 429 : isNetwork(error);
        if (!isPassing) throw error;
        failures += 1;
        const seconds = Math.min(2 ** (failures - 2), 30) * (0.5 + Math.random() / 2);
        await pause(1000 * seconds, signal);
      }
    }
  }

  // Edits go out

  async #push(id) {
    let conflict;
    for (let round = 0; round < ROUNDS; round++) {
      const edit = await this.#transaction("readonly", ({ edits }) => done(edits.get(id)));
      if (!edit) return undefined;
      conflict = await this.#try(edit);
      if (conflict && !(await this.#resolve(edit, conflict))) return conflict;
    }
    return conflict;
  }

  async #try(edit) {
    const { id, data, original } = edit;
    if (edit.sent !== NEVER_SENT && edit.sent !== JSON.stringify(data)) {
      // What was sent before may have arrived, and the new data would then begin there.
      const remote = await this.#remote(id);
      if (hasArrived(edit.sent, remote)) return void (await this.#rebase(edit, remote, data));
      if (!data && !original) {
        // A creation that was refused or lost, and then taken back.
        if (remote) return { id, local: null, original: null, remote };
        return void (await this.#settle(edit, null));
      }
    }
    await this.#transaction("readwrite", async ({ edits }) => {
      const now = await done(edits.get(id));
      if (now) edits.put({ ...now, sent: JSON.stringify(data) });
    });
    const condition = original
      ? { "If-Match": `"${original.last_modified}"` }
      : { "If-None-Match": "*" };
    const response = data
      ? await this.#send(`/${encodeURIComponent(id)}`, "PUT", condition, { data })
      : await this.#send(`/${encodeURIComponent(id)}`, "DELETE", condition);
    if (response.ok) {
      const record = (await response.json()).data;
      return void (await this.#settle(edit, record.deleted === true ? null : record));
    }
    const error = await errorOf(response);
    if (response.status === 401) throw error;
    if (![404, 410, 412].includes(response.status)) {
      return { id, local: data, original, remote: await this.#told(id), error };
    }
    const remote = await this.#remote(id);
    if (data ? hasArrived(edit.sent, remote) : !remote) {
      return void (await this.#settle(edit, remote));
    }
    return {
      ...{ id, local: data, original, remote },
      error: response.status === 412 ? undefined : error,
    };
  }

  async #resolve(edit, conflict) {
    const answer = await this.#options.onConflict(conflict);
    if (answer === LATER) return false;
    if (answer === REMOTE) await this.#settle(edit, conflict.remote);
    else await this.#rebase(edit, conflict.remote, answer === DELETE ? null : writable(answer));
    return true;
  }

  /** Keep the state of the service; the edit is done with, unless the user went on. */
  #settle(edit, remote) {
    return this.#transaction("readwrite", async (stores) => {
      await tell(stores, edit.id, remote);
      const now = await done(stores.edits.get(edit.id));
      if (now?.revision === edit.revision) stores.edits.delete(edit.id);
      else if (now) stores.edits.put({ ...now, original: remote, sent: NEVER_SENT });
    });
  }

  /** Let an edit begin at another state of the record; if the user went on, their data stay. */
  #rebase(edit, remote, data) {
    return this.#transaction("readwrite", async (stores) => {
      await tell(stores, edit.id, remote);
      const now = await done(stores.edits.get(edit.id));
      if (!now) return;
      const kept = now.revision === edit.revision ? data : now.data;
      stores.edits.put({ ...now, original: remote, sent: NEVER_SENT, data: kept });
    });
  }

  async #remote(id) {
    const response = await this.#send(`/${encodeURIComponent(id)}`);
    if (response.ok) return (await response.json()).data;
    // 400: the service has no records with such an id.
    if ([400, 403, 404, 410].includes(response.status)) return null;
    throw await errorOf(response);
  }

  #told(id) {
    return this.#transaction(
      "readonly",
      async ({ records }) => (await done(records.get(id)))?.record ?? null,
    );
  }

  // Changes come in

  async *#pull() {
    this.#starts = 0;
    // The pages of an interrupted synchronisation tell nothing of later changes.
    const rounds = (await this.#progress()).page ? 2 : 1;
    for (let round = 0; round < rounds; round++) {
      for (let isLast = false; !isLast; ) {
        const page = await this.#page();
        isLast = page.isLast;
        yield* page.changes;
      }
    }
  }

  async #page(headers) {
    let since = await this.#progress();
    if (!since.token && !since.page) since = await this.#start();
    const response = await this.#send(`?${since.page ?? this.#query(since.token)}`, "GET", headers);
    if (!response.ok) {
      const error = await errorOf(response);
      const details = Array.isArray(error.body.details) ? error.body.details : [];
      // 400: a token of another user's collection, or of other filters.
      const isRefused = response.status === 400 && details.some(({ name }) => name === "_sync");
      if (response.status !== 410 && !isRefused) throw error;
      await this.#startAgain(error);
      return { changes: [], isLast: false };
    }
    const token = response.headers.get("Sync-Token");
    const following = response.headers.get("Next-Page");
    if (!token && !following) throw new ServiceError(200, {}, "no tokens: see sync_enabled");
    // The service may know itself by another host, to which no credentials must go.
    const page = following && new URL(following).search.slice(1);
    const items = (await response.json()).data;
    const changes = await this.#apply(items, since, token, page);
    return { changes: changes ?? [], isLast: Boolean(changes && token) };
  }

  /** Keep items together with what comes after them; `undefined` if another has started again. */
  #apply(items, since, token, page) {
    return this.#transaction("readwrite", async (stores) => {
      const now = (await done(stores.state.get("progress"))) ?? {};
      if (now.walk !== since.walk || !now.token !== !since.token) return undefined;
      const changes = items.map((item) => ({
        id: item.id,
        record: item.deleted === true ? null : item,
      }));
      for (const { id, record } of changes) await tell(stores, id, record, now.walk);
      if (!now.token && token) {
        // The end of a start: records that were not told are gone.
        for (const { id, walk } of await done(stores.records.getAll())) {
          if (walk < now.walk) {
            stores.records.delete(id);
            changes.push({ id, record: null });
          }
        }
      }
      stores.state.put({ ...now, token: token ?? now.token, page: page ?? undefined }, "progress");
      return changes;
    });
  }

  async #start() {
    return this.#transaction("readwrite", async ({ state }) => {
      const { walk = 0 } = (await done(state.get("progress"))) ?? {};
      const progress = { walk: walk + 1, page: this.#query("") };
      state.put(progress, "progress");
      return progress;
    });
  }

  async #startAgain(reason) {
    this.#starts += 1;
    if (this.#starts > 3) throw reason;
    await this.#start();
  }

  async #progress() {
    return this.#transaction(
      "readonly",
      async ({ state }) => (await done(state.get("progress"))) ?? { walk: 0 },
    );
  }

  #query(token) {
    const { filters, pageSize } = this.#options;
    const limit = pageSize ? { _limit: pageSize } : {};
    return new URLSearchParams({ ...filters, ...limit, _sync: token }).toString();
  }

  async *#stream(signal) {
    const { token, walk } = await this.#progress();
    const silence = new AbortController();
    let timer;
    const listen = () => {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(new TypeError("silence")), STREAM_SILENCE_MS);
    };
    const stop = () => silence.abort(signal.reason);
    signal?.addEventListener("abort", stop);
    try {
      listen();
      const response = await this.#fetch(`?${this.#query(token)}`, {
        headers: { Accept: "text/event-stream" },
        signal: silence.signal,
      });
      if (response.ok && response.headers.get("Content-Type")?.startsWith("text/event-stream")) {
        yield* this.#events(response.body, walk, listen);
        return;
      }
      const { status } = response;
      if (status !== 200 && status !== 406 && status !== 410 && status !== 503) {
        throw await errorOf(response);
      }
      await response.body?.cancel();
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", stop);
      silence.abort(); // also if nobody wants more
    }
    // No stream: ask for what changes in the next time.
    const { changes } = await this.#page({ Prefer: "wait=50" });
    yield* changes;
    if (!changes.length) await pause(5000, signal);
  }

  async *#events(body, walk, listen) {
    let items = [];
    for await (const { name, data } of parse(body, listen)) {
      if (name === "change") items.push(data);
      else if (name === "checkpoint") {
        const since = await this.#progress();
        const isSame = since.walk === walk;
        const changes = isSame && (await this.#apply(items, since, data.token, since.page));
        if (!changes) return; // another page has started again
        yield* changes;
        items = [];
      } else if (name === "reset") {
        return void (await this.#startAgain(new ServiceError(410, { details: data }, "reset")));
      } else if (name === "end") {
        throw new ServiceError(data.code ?? 503, data, data.message);
      }
    }
  }

  // Requests

  /** Send a request that may be repeated without harm: its conditions see to that. */
  async #send(path, method = "GET", headers = {}, body = undefined) {
    const type = body ? { "Content-Type": "application/json" } : {};
    for (let attempt = 1; ; attempt++) {
      let wait = 250 * 2 ** attempt;
      try {
        const response = await this.#fetch(path, {
          method,
          headers: { ...headers, ...type },
          body: body && JSON.stringify(body),
        });
        if (!UNAVAILABLE.includes(response.status)) return response;
        if (attempt === ATTEMPTS) throw await errorOf(response);
        wait = 1000 * Math.min(Number(response.headers.get("Retry-After")) || wait / 1000, 30);
      } catch (error) {
        if (attempt === ATTEMPTS || !isNetwork(error)) throw error;
      }
      await pause(wait);
    }
  }

  #fetch(path, { headers, ...options }) {
    const all = { ...this.#options.headers, ...headers };
    const send = this.#options.fetch ?? fetch;
    return send(this.#url + path, { cache: "no-store", ...options, headers: all });
  }

  async #transaction(mode, work) {
    const names = ["records", "edits", "state"];
    const transaction = this.#db.transaction(names, mode, { durability: "strict" });
    const end = new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onabort = () => reject(transaction.error ?? new Error("aborted"));
    });
    const stores = Object.fromEntries(names.map((name) => [name, transaction.objectStore(name)]));
    try {
      const result = await work(stores);
      await end;
      return result;
    } catch (error) {
      end.catch(() => {});
      try {
        transaction.abort();
      } catch {
        // It has ended already.
      }
      throw error;
    }
  }
}

const done = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

async function tell({ records, state }, id, record, walk) {
  if (!record) records.delete(id);
  else records.put({ id, record, walk: walk ?? (await done(state.get("progress")))?.walk ?? 0 });
}

function found(id, record) {
  if (!record) throw new RangeError(`there is no ${id}`);
  return record;
}

const seen = ({ id, data, original }) =>
  data
    ? { ...data, id, ...(original ? { last_modified: original.last_modified } : {}) }
    : undefined;

function writable(record) {
  const { id, last_modified, ...fields } = record;
  return fields;
}

function hasArrived(sent, remote) {
  if (sent === NEVER_SENT) return false;
  const data = JSON.parse(sent);
  if (!data || !remote) return data === remote;
  return Object.keys(data).every((name) => canonical(remote[name]) === canonical(data[name]));
}

/** Return JSON in which the order of members says nothing. */
const canonical = (value) =>
  JSON.stringify(value, (_, inner) =>
    inner && typeof inner === "object" && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([one], [other]) => (one < other ? -1 : 1)))
      : inner,
  );

async function* parse(body, listen) {
  let [rest, name, data] = ["", "message", []];
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { value, done: isOver } = await reader.read();
    if (isOver) return;
    listen();
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (!line && data.length) {
        yield { name, data: JSON.parse(data.join("\n")) };
        [name, data] = ["message", []];
      } else if (line.startsWith("event:")) name = line.slice(6).trim();
      else if (line.startsWith("data:")) data.push(line.slice(5));
    }
  }
}

async function errorOf(response) {
  const body = (await response.json().catch(() => null)) ?? {};
  const said = body.message ?? body.error ?? response.statusText;
  return new ServiceError(response.status, body, `${response.url}: ${response.status} ${said}`);
}

/** `fetch` and its streams throw a TypeError for a connection that fails. */
const isNetwork = (error) => error instanceof TypeError;

const pause = (milliseconds, signal) =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });

/** Let one page of the browser do something at a time. */
const exclusive = (name, work) =>
  globalThis.navigator?.locks ? navigator.locks.request(name, work) : work();

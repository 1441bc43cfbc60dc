/**
 * Replication of an RxDB 17 collection with a cliquet service, for its own `replicateRxCollection`.
 *
 * The checkpoint of RxDB is the sync token. A write goes out under the condition that the service
 * still has the state that RxDB assumes. Otherwise the state of the service is returned, and the
 * conflict handler of the collection decides.
 */
import { Subject } from "rxjs";

/**
 * Return options for `replicateRxCollection({ ...options, collection, replicationIdentifier })`.
 *
 * The schema of the collection needs the primary key `id` and a number `last_modified`.
 *
 * @param {string} url URL of the collection; the service needs the setting `sync_enabled`.
 * @param {object} collection the RxDB collection.
 * @param {object} [headers] headers of all requests, with the credentials.
 * @param {AbortSignal} [signal] ends the requests that wait for changes.
 */
export function cliquetReplication(url, collection, { headers = {}, signal, send = fetch } = {}) {
  const request = async (path, options = {}) => {
    const all = { ...headers, ...options.headers };
    return send(url + path, { cache: "no-store", signal, ...options, headers: all });
  };
  const stream$ = new Subject();
  let walk; // the start that is under way: its ids

  async function pull(checkpoint, limit) {
    let { token, page } = checkpoint ?? {};
    if (page && !walk) page = undefined; // the program has ended in the middle of a start
    if (!token && !page) walk = new Set();
    const documents = [];
    for (;;) {
      const query = page ?? new URLSearchParams({ _limit: limit, _sync: token ?? "" });
      const response = await request(`?${query}`);
      if (response.status === 410) return pull(undefined, limit);
      if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
      const { data } = await response.json();
      for (const item of data) {
        walk?.add(item.id);
        documents.push({ ...item, deleted: item.deleted === true });
      }
      token = response.headers.get("Sync-Token") ?? undefined;
      if (token) break;
      page = new URL(response.headers.get("Next-Page")).search.slice(1);
      // RxDB takes a short page for the last one.
      if (documents.length >= limit) return { documents, checkpoint: { page } };
    }
    if (walk) documents.push(...(await gone(walk)));
    walk = undefined;
    follow(token);
    return { documents, checkpoint: { token } };
  }

  /** Return tombstones of documents that the service has not told in a start. */
  async function gone(told) {
    const all = await collection.find().exec();
    const left = all.map((document) => document.toJSON()).filter(({ id }) => !told.has(id));
    return left.filter((document) => document.last_modified).map(tombstone);
  }

  const tombstone = (document) => ({ ...document, deleted: true });

  async function push(rows) {
    const conflicts = [];
    for (const { assumedMasterState: assumed, newDocumentState: wanted } of rows) {
      const conflict = await write(assumed, wanted, assumed?.last_modified);
      if (conflict) conflicts.push(conflict);
    }
    return conflicts;
  }

  async function write(assumed, wanted, base) {
    const path = `/${encodeURIComponent(wanted.id)}`;
    const headers = base ? { "If-Match": `"${base}"` } : { "If-None-Match": "*" };
    if (wanted.deleted && !base) return undefined;
    const response = wanted.deleted
      ? await request(path, { method: "DELETE", headers })
      : await request(path, {
          method: "PUT",
          headers: { ...headers, "Content-Type": "application/json" },
          body: JSON.stringify({ data: fields(wanted) }),
        });
    if (response.ok) return undefined;
    if (![404, 412].includes(response.status)) {
      throw new Error(`${response.status}: ${await response.text()}`);
    }
    const found = await request(path);
    const remote = found.ok ? { ...(await found.json()).data, deleted: false } : undefined;
    if (!remote) return wanted.deleted ? undefined : tombstone(assumed ?? wanted);
    if (text(remote) === text(wanted)) return undefined; // the answer to this write was lost
    // What RxDB assumes is what it wrote last; of the service it has not heard the timestamp yet.
    if (assumed && text(remote) === text(assumed) && base !== remote.last_modified) {
      return write(assumed, wanted, remote.last_modified);
    }
    return remote;
  }

  const fields = ({ id, last_modified, deleted, ...others }) => others;
  const text = (document) => JSON.stringify(Object.entries({ ...fields(document), deleted: undefined }).sort());

  let isFollowing = false;
  let latest;
  /** Let RxDB pull when something changes after a token. */
  async function follow(token) {
    latest = token;
    if (isFollowing || !signal) return;
    isFollowing = true;
    while (!signal.aborted) {
      const asked = latest;
      const query = new URLSearchParams({ _limit: 1, _sync: asked });
      const waited = await request(`?${query}`, { headers: { Prefer: "wait=50" } }).catch(() => {});
      const items = waited?.ok ? (await waited.json()).data : [];
      const isOutdated = waited?.status === 410;
      if (items.length || isOutdated) stream$.next("RESYNC");
      if (latest === asked && !waited?.headers.has("Preference-Applied")) await pause(5000);
      else if (items.length || isOutdated) await pause(100); // for RxDB to move the token
    }
  }
  const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

  return {
    deletedField: "deleted",
    pull: { handler: pull, stream$: stream$.asObservable() },
    push: { handler: push },
  };
}

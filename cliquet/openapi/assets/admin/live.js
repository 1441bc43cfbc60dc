// Changes as they happen: from a stream, else from long polls, else by asking now and then.
import { parse } from "./json.js";
import { html, useEffect, useRef, useState } from "./ui.js";

const POLL_SECONDS = 30;
const ASK_SECONDS = 15;
const MAX_PAUSE_SECONDS = 30;
// Who only passes by a view takes no place for a stream, of which a service has not many.
const BEFORE_SECONDS = 0.7;
const STREAM_AGAIN_MS = 60_000;

/** Thrown where the service can no longer tell all changes, so that the view has to load again. */
class Reset extends Error {}

const pause = (seconds, signal) =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });

/** The events of a stream, as the standard of HTML cuts them. */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let [text, event, data] = ["", "", []];
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (text + value).split(/\r\n|\n/);
    text = lines.pop();
    for (const line of lines) {
      if (line === "") {
        if (data.length) yield { event, data: parse(data.join("\n")) };
        [event, data] = ["", []];
      } else if (line.startsWith("event:")) event = line.slice(6).trim();
      else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
    }
  }
}

class Following {
  #token = "";
  #streamAfter = 0;

  constructor(service, { path, query, signal, onChange, onState }) {
    Object.assign(this, { service, path, query, signal, onChange, onState });
  }

  async run() {
    await pause(BEFORE_SECONDS, this.signal);
    for (let failures = 0; !this.signal.aborted; ) {
      try {
        await (Date.now() >= this.#streamAfter ? this.#stream() : this.#poll());
        failures = 0;
      } catch (error) {
        if (this.signal.aborted) return;
        if (error instanceof Reset) throw error;
        if ([400, 401, 403, 404].includes(error.status)) return this.onState("off");
        if (error.status === 410) throw new Reset();
        this.onState("waiting");
        failures += 1;
        await pause(Math.min(2 ** failures, MAX_PAUSE_SECONDS), this.signal);
      }
    }
  }

  #address() {
    return { query: `${this.query}&_sync=${encodeURIComponent(this.#token)}`, signal: this.signal };
  }

  async #stream() {
    const response = await this.service.open(this.path, {
      ...this.#address(),
      headers: { Accept: "text/event-stream" },
    });
    const isStream = response.headers.get("Content-Type")?.startsWith("text/event-stream");
    if (!response.ok || !isStream) {
      await response.body?.cancel();
      // All places are taken, or the server has none; it can still be asked now and then.
      this.#streamAfter = Date.now() + STREAM_AGAIN_MS;
      return;
    }
    this.onState("live");
    for await (const { event, data } of events(response.body)) {
      if (event === "change") this.onChange(data);
      else if (event === "checkpoint") this.#token = data.token;
      else if (event === "reset") throw new Reset();
      else if (event === "end") {
        throw Object.assign(new Error(), { status: data.code });
      }
    }
  }

  async #poll() {
    const headers = this.#token ? { Prefer: `wait=${POLL_SECONDS}` } : {};
    // The time for an answer is that of ordinary requests, and longer than the wait.
    const answer = await this.service.send(this.path, { ...this.#address(), headers });
    this.onState("polling");
    for (const item of answer.body.data) this.onChange(item);
    const next = answer.headers.get("Next-Page");
    const token = answer.headers.get("Sync-Token");
    const hasWaited = Boolean(answer.headers.get("Preference-Applied")?.includes("wait"));
    const hadToken = this.#token !== "";
    if (token) this.#token = token;
    else if (next) this.#token = new URL(next, document.location).searchParams.get("_sync") ?? this.#token;
    if (hadToken && !hasWaited && !next) await pause(ASK_SECONDS, this.signal);
  }
}

/**
 * Follow what happens to a collection after a moment, as long as the view is there and visible.
 *
 * Only what is newer than the moment is asked for: a stream from the beginning of the collection
 * would load all of it.
 */
export function useLive({ service, resource, path, query = "", since, onChange, onReset }) {
  const [state, setState] = useState("off");
  const latest = useRef();
  latest.current = { onChange, onReset };
  const [isVisible, setVisible] = useState(!document.hidden);
  useEffect(() => {
    const change = () => setVisible(!document.hidden);
    document.addEventListener("visibilitychange", change);
    return () => document.removeEventListener("visibilitychange", change);
  }, []);
  const isOn = resource.hasTokens && resource.canList && isVisible && since !== undefined;
  useEffect(() => {
    if (!isOn) {
      setState("off");
      return undefined;
    }
    const stop = new AbortController();
    const search = new URLSearchParams(query);
    const newer = `gt_${resource.modifiedField}`;
    search.set(newer, String(Math.max(Number(search.get(newer)) || 0, since)));
    const following = new Following(service, {
      ...{ path, query: search.toString(), signal: stop.signal },
      onChange: (change) => stop.signal.aborted || latest.current.onChange(change),
      onState: (one) => stop.signal.aborted || setState(one),
    });
    following.run().catch(() => stop.signal.aborted || latest.current.onReset());
    return () => stop.abort();
  }, [isOn, path, query, since]);
  return state;
}

const WORDS = {
  live: ["Live", "Changes are shown as they happen."],
  polling: ["Live", "Changes are shown within some seconds."],
  waiting: ["Connecting", "The service is asked again shortly."],
};

export function LiveBadge({ state }) {
  if (!WORDS[state]) return null;
  const [word, title] = WORDS[state];
  return html`<span class=${`live ${state}`} title=${title}><span class="dot" aria-hidden="true"></span>${word}</span>`;
}

// Requests to the service. Credentials are in the memory of the page, and in no address.
import { parse, stringify } from "./json.js";

const KEY = "cliquet-admin-authorization";
const TIMEOUT_MS = 60_000;

/** What the service said against a request, or why it said nothing. */
export class Refused extends Error {
  constructor(status, body, headers) {
    super(String(body?.message ?? "The service gave an answer that this page does not understand."));
    this.status = status;
    this.body = body;
    this.headers = headers;
    this.title = status ? `${body?.error ?? "Error"}${status < 400 ? "." : ` (${status})`}` : "No answer";
    const details = body?.details;
    this.details = Array.isArray(details) ? details : [];
    this.existing = details?.existing;
    this.field = details?.field;
  }
}

export const basic = (user, password) =>
  `Basic ${btoa(String.fromCodePoint(...new TextEncoder().encode(`${user}:${password}`)))}`;

/** The service at the folder of this page. */
export class Service {
  #authorization = sessionStorage.getItem(KEY) ?? "";

  constructor() {
    this.base = new URL(".", document.location).href;
    this.hasBasic = false;
  }

  get isSignedIn() {
    return this.#authorization !== "";
  }

  /** Send a value of `Authorization` from now on; keep it for reloads of this tab if asked. */
  signIn(authorization, isKept) {
    this.#authorization = authorization;
    if (isKept) sessionStorage.setItem(KEY, authorization);
  }

  signOut() {
    this.#authorization = "";
    sessionStorage.removeItem(KEY);
  }

  /** The response itself, for those who read it piece by piece. */
  async open(path, { method = "GET", query, headers, body, signal } = {}) {
    // A path that begins with // would be another host.
    const url = new URL(`.${path}`, this.base);
    if (query) url.search = query;
    const sent = new Headers(headers);
    if (this.#authorization) sent.set("Authorization", this.#authorization);
    // Without credentials, the browser would ask for some in a window of its own after a 401.
    const credentials = this.#authorization || !this.hasBasic ? "same-origin" : "omit";
    try {
      return await fetch(url, {
        ...{ method, body, signal, credentials, headers: sent },
        ...{ cache: "no-store", redirect: "error", referrerPolicy: "no-referrer" },
      });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Refused(0, { message: "The service cannot be reached." }, new Headers());
    }
  }

  /** The answer to a request: status, headers, body. A status of 400 or more is an error. */
  async send(path, { value, type = "application/json", ...options } = {}) {
    const headers = new Headers({ Accept: "application/json", ...options.headers });
    const timeout = AbortSignal.timeout(TIMEOUT_MS);
    const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
    if (value !== undefined) {
      headers.set("Content-Type", type);
      options.body = stringify(value);
    }
    const response = await this.open(path, { ...options, headers, signal });
    let body;
    try {
      const text = await response.text();
      body = text ? parse(text) : undefined;
    } catch (error) {
      if (error.name === "AbortError") throw error;
    }
    if (!response.ok || body === undefined) throw new Refused(response.status, body, response.headers);
    return { status: response.status, headers: response.headers, body };
  }
}

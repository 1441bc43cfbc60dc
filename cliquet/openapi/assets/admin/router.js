// The address of a view is the path of the API that it shows, after `#`.
import { useEffect, useState } from "./ui.js";

const NEW = "new:";
let isDirty = () => false;

/** Tell how to know whether leaving the view would lose something. */
export function guard(test) {
  isDirty = test;
  return () => {
    if (isDirty === test) isDirty = () => false;
  };
}

const mayLeave = () => !isDirty() || window.confirm("Leave without saving your changes?");

export const listHref = (path, query = "") => `#${path}${query && `?${query}`}`;
export const newHref = (path, query = "") => `#${NEW}${path}${query && `?${query}`}`;

/** Go to another view. `isSure` is for views that have just saved what they had. */
export function go(href, isSure = false) {
  if (isSure) isDirty = () => false;
  document.location.hash = href;
}

/** The view that the address names, of the resources of a description. */
export function route(resources, hash) {
  const isNew = hash.startsWith(`#${NEW}`);
  const [path, query = ""] = split(hash.slice(isNew ? NEW.length + 1 : 1), "?");
  const tries = resources
    .flatMap((resource) => [
      { resource, template: resource.collectionPath },
      { resource, template: resource.recordPath, isRecord: true },
    ])
    .sort((one, other) => count(one.template) - count(other.template));
  for (const { resource, template, isRecord } of tries) {
    const found = match(template, path);
    if (!found) continue;
    const { [isRecord ? resource.idVariable : ""]: id, ...variables } = found;
    const kind = isRecord ? "record" : isNew ? "new" : "list";
    const lacks = resource.variables.filter((name) => variables[name] === `{${name}}`);
    return { kind, resource, variables, id, query, path, lacks };
  }
  return null;
}

const count = (template) => template.split("{").length;

function split(text, mark) {
  const at = text.indexOf(mark);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

function match(template, path) {
  const [parts, given] = [template.split("/"), path.split("/")];
  if (parts.length !== given.length) return null;
  const found = {};
  for (const [at, part] of parts.entries()) {
    const name = /^\{(\w+)\}$/.exec(part)?.[1];
    if (!name && part !== given[at]) return null;
    if (name && !given[at]) return null;
    try {
      if (name) found[name] = decodeURIComponent(given[at]);
    } catch {
      return null;
    }
  }
  return found;
}

/** The part of the address after `#`, which changes only if the view may be left. */
export function useHash() {
  const [hash, setHash] = useState(document.location.hash);
  useEffect(() => {
    let shown = document.location.hash;
    const change = () => {
      const wanted = document.location.hash;
      if (wanted === shown) return;
      if (!mayLeave()) {
        history.replaceState(null, "", shown || "#");
        return;
      }
      isDirty = () => false;
      shown = wanted;
      setHash(wanted);
    };
    const unload = (event) => isDirty() && event.preventDefault();
    window.addEventListener("hashchange", change);
    window.addEventListener("beforeunload", unload);
    return () => {
      window.removeEventListener("hashchange", change);
      window.removeEventListener("beforeunload", unload);
    };
  }, []);
  return hash;
}

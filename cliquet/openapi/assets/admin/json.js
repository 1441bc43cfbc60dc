// JSON without loss, and the comparison of its values.

const hasRaw = typeof JSON.rawJSON === "function";

/** A number with more digits than a number of JavaScript keeps, as it was written. */
export const isRaw = (value) => hasRaw && JSON.isRawJSON(value);

export const isObject = (value) =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !isRaw(value);

function exact(key, value, context) {
  if (typeof value !== "number" || !hasRaw || !context?.source) return value;
  const digits = context.source.replace(/e.*$/i, "").replace(/\D/g, "");
  return digits.length > 15 && String(value) !== context.source
    ? JSON.rawJSON(context.source)
    : value;
}

/** The value of a text of JSON. Long numbers keep their digits where the browser knows how. */
export const parse = (text) => JSON.parse(text, exact);

export const stringify = (value, space) => JSON.stringify(value, null, space);

/** A member of an object; `undefined` if the object itself has none of that name. */
export const member = (object, name) =>
  isObject(object) && Object.hasOwn(object, name) ? object[name] : undefined;

/** The object with another value of one member, and without it for `undefined`. */
export function withMember(object, name, value) {
  const known = Object.entries(isObject(object) ? object : {});
  const kept = value === undefined
    ? known.filter(([one]) => one !== name)
    : known.map(([one, old]) => [one, one === name ? value : old]);
  const isNew = value !== undefined && !known.some(([one]) => one === name);
  // `__proto__` is a member like others when it comes from entries.
  return Object.fromEntries(isNew ? [...kept, [name, value]] : kept);
}

/** Whether two values are equal, the order of members apart. */
export function same(one, other) {
  if (isRaw(one) || isRaw(other)) return stringify(one) === stringify(other);
  if (Array.isArray(one) && Array.isArray(other)) {
    return one.length === other.length && one.every((item, at) => same(item, other[at]));
  }
  if (isObject(one) && isObject(other)) {
    const names = Object.keys(one);
    return (
      names.length === Object.keys(other).length &&
      names.every((name) => Object.hasOwn(other, name) && same(one[name], other[name]))
    );
  }
  return Object.is(one, other);
}

/** A value as a text of one line, cut after some characters. */
export function brief(value, length = 160) {
  const text = typeof value === "string" ? value : stringify(value) ?? "";
  return text.length > length ? `${text.slice(0, length)}…` : text;
}

// The form for credentials.
import { basic } from "./api.js";
import { Failure, html, useState } from "./ui.js";

/** The ways to sign in that the description names, in the order of the policies. */
export function waysOf(schemes) {
  const found = new Set();
  for (const scheme of schemes) {
    if (scheme.type === "http" && scheme.scheme === "basic") found.add("basic");
    else if (scheme.type === "http" || scheme.type === "oauth2" || scheme.type === "openIdConnect") found.add("bearer");
    else if (scheme.type === "apiKey" && scheme.in === "header" && scheme.name === "Authorization") found.add("other");
  }
  return [...found];
}

const NAMES = { basic: "Name and password", bearer: "Bearer token", other: "Authorization header" };

export function SignIn({ ways, title, onSignIn, onSkip }) {
  const [way, setWay] = useState(ways[0]);
  const [values, setValues] = useState({ user: "", password: "", token: "" });
  const [isKept, setKept] = useState(false);
  const [state, setState] = useState({});
  const field = (name) => ({
    ...{ value: values[name], required: true, spellcheck: false, autocapitalize: "off" },
    onInput: (event) => setValues({ ...values, [name]: event.target.value }),
  });
  const submit = async (event) => {
    event.preventDefault();
    const { user, password, token } = values;
    if (way === "basic" && user.includes(":")) {
      setState({ error: { title: "Name", message: "A name has no colon." } });
      return;
    }
    setState({ isBusy: true });
    const authorization = { basic: () => basic(user, password), bearer: () => `Bearer ${token.trim()}`, other: () => token.trim() }[way]();
    setState({ error: await onSignIn(authorization, isKept) });
  };
  return html`<section class="sign-in card">
    <h1 tabindex="-1">Sign in</h1>
    <p class="faint">to ${title}</p>
    <form onSubmit=${submit}>
      ${ways.length > 1 &&
      html`<label><span>With</span>
        <select value=${way} onChange=${(event) => setWay(event.target.value)}>
          ${ways.map((one) => html`<option value=${one}>${NAMES[one]}</option>`)}
        </select>
      </label>`}
      ${way === "basic" &&
      html`<label><span>Name</span><input type="text" name="user" autocomplete="username" ...${field("user")} /></label>
        <label><span>Password</span><input type="password" name="password" autocomplete="current-password" ...${field("password")} required=${false} /></label>`}
      ${way !== "basic" &&
      html`<label><span>${NAMES[way]}</span><input type="password" name="token" autocomplete="off" ...${field("token")} /></label>`}
      <label class="check"><input type="checkbox" checked=${isKept} onChange=${(event) => setKept(event.target.checked)} />Keep until this tab is closed</label>
      <${Failure} error=${state.error} />
      <div class="actions">
        <button class="primary" disabled=${state.isBusy}>Sign in</button>
        <button type="button" onClick=${onSkip}>Continue without</button>
      </div>
    </form>
    <p class="faint small">This page has no rights of its own: it may do what your credentials may do. They stay in this tab.</p>
  </section>`;
}

// The page: who is signed in, which resources there are, and the view that the address names.
import { Refused, Service } from "./api.js";
import { Description } from "./description.js";
import { List } from "./list.js";
import { Record } from "./record.js";
import { listHref, route, useHash } from "./router.js";
import { SignIn, waysOf } from "./signin.js";
import { Failure, Notice, classes, createElement, html, render, useEffect, useRef, title, useState, words } from "./ui.js";

/** Who the service takes the user for; a text that is empty if it does not know them. */
const whoAmI = async (service) => String((await service.send("/")).body.user?.id ?? "");

function useService() {
  const [service] = useState(() => new Service());
  const [state, setState] = useState({});
  const set = (values) => setState((known) => ({ ...known, ...values }));
  useEffect(() => {
    (async () => {
      const { body } = await service.send("/__api__");
      const description = new Description(body);
      service.hasBasic = waysOf(description.schemes).includes("basic");
      document.title = `${description.title} · Administration`;
      const user = await whoAmI(service).catch(() => "");
      if (!user) service.signOut();
      set({ description, user, isAsking: !user && description.schemes.length > 0 });
    })().catch((error) => set({ error: error instanceof Refused ? error : new Refused(0, { message: error.message }) }));
  }, []);
  const signIn = async (authorization, isKept) => {
    service.signIn(authorization, isKept);
    try {
      const user = await whoAmI(service);
      if (!user) throw new Refused(401, { error: "Not signed in", message: "The service does not know these credentials." });
      set({ user, isAsking: false });
      return undefined;
    } catch (error) {
      service.signOut();
      return error;
    }
  };
  const signOut = () => {
    service.signOut();
    set({ user: "", isAsking: true });
  };
  return { service, ...state, signIn, signOut, ask: (isAsking) => set({ isAsking }) };
}

function User({ user, hasWays, onSignIn, onSignOut }) {
  const [isCopied, setCopied] = useState(false);
  if (!user) return hasWays && html`<button type="button" onClick=${onSignIn}>Sign in</button>`;
  const copy = async () => {
    await navigator.clipboard?.writeText(user);
    setCopied(true);
    setTimeout(() => setCopied(false), 2000);
  };
  return html`<div class="user">
    <button type="button" class="quiet id" title=${`Copy your id: ${user}`} onClick=${copy}>${isCopied ? "Copied" : html`You: <code>${user}</code>`}</button>
    ${hasWays && html`<button type="button" onClick=${onSignOut}>Sign out</button>`}
  </div>`;
}

function Menu({ resources, shown }) {
  return html`<nav class="menu-side" aria-label="Resources">
    <ul>
      ${resources.map((one) => {
        const isShown = shown === one;
        const parents = one.variables.length ? one.collectionPath.split("/").filter((part) => part && !part.startsWith("{")).slice(0, -1) : [];
        return html`<li key=${one.name}>
          <a href=${listHref(one.collectionPath)} class=${classes(isShown && "here", parents.length && "sub")} aria-current=${isShown ? "page" : undefined}>
            ${title(one.label)}${parents.length > 0 && html` <span class="faint small">in ${words(parents.at(-1))}</span>`}
            ${one.isShared && html` <span class="badge" title="Its records have permissions of their own">shared</span>`}
          </a>
        </li>`;
      })}
    </ul>
  </nav>`;
}

/** Which collection of a nested resource is meant: its path has variables. */
function Which({ view }) {
  const [values, setValues] = useState({});
  const submit = (event) => {
    event.preventDefault();
    document.location.hash = listHref(view.resource.collection({ ...view.variables, ...values }));
  };
  return html`<section class="card">
    <h1 tabindex="-1">${title(view.resource.label)}</h1>
    <p>There is one collection for each value of <code>${view.resource.collectionPath}</code>.</p>
    <form onSubmit=${submit}>
      ${view.lacks.map(
        (name) => html`<label key=${name}><span>${title(name)}</span>
          <input type="text" required value=${values[name] ?? ""} spellcheck=${false} autocomplete="off" onInput=${(event) => setValues({ ...values, [name]: event.target.value })} /></label>`,
      )}
      <div class="actions"><button class="primary">Show</button></div>
    </form>
  </section>`;
}

/** What there is to look at; nothing of it is loaded before somebody chooses. */
function Home({ description, isLost }) {
  const { resources } = description;
  const none = "This service has no resource that its settings leave enabled.";
  return html`<section>
    <h1 tabindex="-1">${description.title}</h1>
    ${isLost && html`<${Notice} kind="warn">Nothing is at this address.<//>`}
    <p class="faint">${resources.length ? "Choose a resource to look at its records." : none}</p>
    <ul class="tiles">
      ${resources.map(
        (one) => html`<li key=${one.name}>
          <a class="card" href=${listHref(one.collectionPath)}>
            <strong>${title(one.label)}</strong>
            <code class="faint">${one.collectionPath}</code>
            <span class="faint small">${one.canEdit || one.canCreate ? (one.isShared ? "Shared records" : "Records of each user") : "Can be read only"}</span>
          </a>
        </li>`,
      )}
    </ul>
  </section>`;
}

function Main({ service, description, user, view, isLost }) {
  if (!view) return html`<${Home} description=${description} isLost=${isLost} />`;
  if (view.lacks.length) return html`<${Which} key=${view.path} view=${view} />`;
  if (view.kind === "list") {
    if (!view.resource.canList) return html`<section class="empty"><h1 tabindex="-1">${title(view.resource.label)}</h1><p>The settings of the service switch its lists off.</p></section>`;
    return html`<${List} key=${view.path} ...${{ service, view }} />`;
  }
  return html`<${Record} key=${view.kind + view.path} ...${{ service, view, user }} />`;
}

function App() {
  const { service, description, user, error, isAsking, signIn, signOut, ask } = useService();
  const hash = useHash();
  const resources = description?.resources ?? [];
  const view = hash.length > 1 ? route(resources, hash) : null;
  const wasShown = useRef(false);
  const place = isAsking ? "sign in" : `${view?.kind} ${view?.path}`;
  useEffect(() => {
    // After the first view, what reads the page aloud is led to the new one.
    if (description && wasShown.current) document.querySelector("main h1")?.focus();
    wasShown.current = Boolean(description);
  }, [place, Boolean(description)]);
  if (error) return html`<main class="alone"><h1 class="hidden">Administration</h1><${Failure} error=${error} /></main>`;
  if (!description) return html`<main class="alone"><h1 class="hidden">Administration</h1><p class="faint" role="status">Loading…</p></main>`;
  const ways = waysOf(description.schemes);
  return html`
    <a class="skip" href="#main" onClick=${(event) => (event.preventDefault(), document.getElementById("main").focus())}>Skip to the content</a>
    <header class="top">
      <a class="brand" href="#">${description.title}</a>
      <span class="faint wide-only">Administration</span>
      <span class="grow"></span>
      ${description.hasDocs && html`<a class="wide-only" href="__docs__">API</a>`}
      ${!isAsking && html`<${User} user=${user} hasWays=${ways.length > 0} onSignIn=${() => ask(true)} onSignOut=${signOut} />`}
    </header>
    <div class=${classes("columns", isAsking && "alone")}>
      ${!isAsking && html`<${Menu} resources=${resources} shown=${view?.resource} />`}
      <main id="main" tabindex="-1">
        ${isAsking && ways.length
          ? html`<${SignIn} ways=${ways} title=${description.title} onSignIn=${signIn} onSkip=${() => ask(false)} />`
          : html`<${Main} key=${user} ...${{ service, description, user, view }} isLost=${hash.length > 1 && !view} />`}
      </main>
    </div>
  `;
}

render(createElement(App), document.getElementById("app"));

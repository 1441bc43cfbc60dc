// Shows the description of this service, and asks nobody else.

// Swagger UI has dark colours, and a button for them in a part of it that is not shown here.
const dark = matchMedia("(prefers-color-scheme: dark)");

function paint() {
  document.documentElement.classList.toggle("dark-mode", dark.matches);
}

dark.addEventListener("change", paint);
paint();

const page = document.getElementById("docs");

// What Swagger UI does not tell those who hear a page: what an input is for, where a
// part begins, and which heading is below which.
const NAMES = {
  "select#servers": "Server",
  ".examples-select-element": "Example",
  ".body-param__text": "Body",
  ".body-param-content-type select, .content-type": "Media type",
  ".close-modal": "Close",
};

const ROLES = {
  ".information-container": ["region", "About the service"],
  ".scheme-container": ["region", "Server and credentials"],
  ".modal-ux": ["dialog", "Credentials"],
};

function complete() {
  for (const [selector, [role, name]] of Object.entries(ROLES)) {
    for (const element of page.querySelectorAll(`${selector}:not([role])`)) {
      element.setAttribute("role", role);
      element.setAttribute("aria-label", name);
    }
  }
  for (const [selector, name] of Object.entries(NAMES)) {
    for (const element of page.querySelectorAll(`:is(${selector}):not([aria-label])`)) {
      element.setAttribute("aria-label", name);
    }
  }
  for (const heading of page.querySelectorAll(":is(h3, h4, h5):not([aria-level])")) {
    heading.setAttribute("role", "heading");
    heading.setAttribute("aria-level", String(Number(heading.localName[1]) - 1));
  }
  // What scrolls by itself has to be reached by the keyboard.
  for (const text of page.querySelectorAll("pre.microlight:not([tabindex])")) text.tabIndex = 0;
  // A link within a button is none for the keyboard. The button changes the address, too.
  for (const link of page.querySelectorAll("button a[href]")) link.removeAttribute("href");
  // Its name has to begin as what it shows.
  for (const button of page.querySelectorAll("button.authorize[aria-label='Apply credentials']")) {
    button.removeAttribute("aria-label");
  }
}

new MutationObserver(complete).observe(page, { childList: true, subtree: true });

SwaggerUIBundle({
  url: new URL("__api__", document.location).href,
  dom_id: "#docs",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  tagsSorter: "alpha",
  // Without this, the page would ask a service of its authors whether the document is valid.
  validatorUrl: null,
  onComplete() {
    const title = document.querySelector(".info .title");
    if (title) {
      document.title = title.firstChild.textContent;
    }
  },
});

import createPurifier, { type Config, type DOMPurify } from "dompurify";

/** What our own renderer writes, and nothing more: raw HTML in a reply is shown as text, so it needs no tag here. */
const TAGS = (
  "a blockquote br code del div em h3 h4 h5 h6 hr li ol p pre span strong table tbody td th thead tr ul"
).split(" ");
const ATTRIBUTES = "align class href start tabindex title".split(" ");
const LINKS = /^(?:https?:|mailto:)/i;

/** Trusted Types are not in every browser, nor in TypeScript's own library. */
type Policy = NonNullable<Config["TRUSTED_TYPES_POLICY"]>;
type TrustedWindow = Window & { trustedTypes?: { createPolicy(name: string, rules: object): Policy } };

let purifier: DOMPurify | null = null;
let config: Config = {};

function prepare(): DOMPurify {
  const purify = createPurifier(window);
  config = {
    ALLOWED_TAGS: TAGS,
    ALLOWED_ATTR: ATTRIBUTES,
    ALLOWED_URI_REGEXP: LINKS,
    // The purifier holds every other attribute's value against the expression above.
    ADD_URI_SAFE_ATTR: ["align", "start", "tabindex"],
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    RETURN_DOM_FRAGMENT: true,
  };
  // The one policy that the Content-Security-Policy names. It stays in this file: whatever reaches it goes through
  // the purifier.
  const policy = (window as TrustedWindow).trustedTypes?.createPolicy("lianhua", {
    createHTML: (html: string) => html,
    createScriptURL: () => "",
  });
  if (policy !== undefined) config.TRUSTED_TYPES_POLICY = policy;

  purify.addHook("afterSanitizeAttributes", (element) => {
    if (element.tagName !== "A") return;
    element.setAttribute("target", "_blank");
    element.setAttribute("rel", "noopener noreferrer nofollow");
  });
  return purify;
}

/**
 * The nodes of `html` that can do no harm: no script, no style, nothing that is loaded, links to http(s) and mail only.
 * `other` are the tags and attributes of another language than that of replies.
 */
export function sanitise(html: string, other: Config = {}): DocumentFragment {
  purifier ??= prepare();
  return purifier.sanitize(html, { ...config, ...other, RETURN_DOM_FRAGMENT: true });
}

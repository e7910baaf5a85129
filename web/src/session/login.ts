import { signal } from "@preact/signals";

/** Whether the server asks who is there: it has refused for want of a login, or the address brings a one-time link. */
export const isLoginAsked = signal(/^#link=/.test(location.hash));

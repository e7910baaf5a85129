/** What this page calls what it shares with other tabs, and keeps: pages of another path of the host are another server's. */
export const INSTANCE = `lianhua${location.pathname.replace(/\/$/, "")}`;

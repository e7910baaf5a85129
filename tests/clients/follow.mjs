// One of npm's clients of event streams follows a URL: `node follow.mjs CLIENT URL`.
// What it has seen goes to stdout as JSON once it stops by itself, or with `--for MS` after that time or a second answer.
import { fetchEventSource } from "@microsoft/fetch-event-source";
import { EventSource } from "eventsource";
import { createEventSource } from "eventsource-client";

const NAMES = ["turn", "reasoning", "notice", "snapshot", "end"];
const [client, url, , forMs] = process.argv.slice(2);
const seen = { text: "", turns: 0, ends: 0, ids: [], snapshots: 0, strangers: 0, statuses: [], stopped: "" };

function take(name, data, id) {
  const content = data === "" ? null : JSON.parse(data);
  if (content === null || (name !== "message" && !NAMES.includes(name))) seen.strangers += 1;
  else if (name === "message") seen.text += content.content;
  else if (name === "snapshot") [seen.text, seen.snapshots] = [content.content, seen.snapshots + 1];
  else if (name === "turn") seen.turns += 1;
  else if (name === "end") seen.ends += 1;
  seen.ids.push(id);
}

function finish(how) {
  seen.stopped ||= how;
  process.stdout.write(JSON.stringify(seen), () => process.exit(0));
}

async function counted(address, options) {
  const response = await fetch(address, options);
  seen.statuses.push(response.status);
  if (forMs && seen.statuses.length > 1) finish("again");
  return response;
}

const CLIENTS = {
  eventsource() {
    const source = new EventSource(url, { fetch: counted });
    setInterval(() => {}, 60_000); // while it waits to come back nothing else keeps the process from ending, with 0
    for (const name of ["message", ...NAMES]) source.addEventListener(name, (e) => take(name, e.data, e.lastEventId));
    source.onerror = () => source.readyState === EventSource.CLOSED && finish("closed");
  },

  "eventsource-client"() {
    const source = createEventSource({
      url,
      fetch: counted,
      onMessage: ({ event, data, id }) => take(event ?? "message", data, id),
      onDisconnect: () => setTimeout(() => source.readyState === "closed" && finish("closed")),
    });
  },

  // Made for browsers: it asks for these two, whatever it is told. A 204 it takes for a fault and asks again for ever,
  // and a body that ends in order for the end of all, so both are settled here as its own README does it.
  "@microsoft/fetch-event-source"() {
    globalThis.window = globalThis;
    globalThis.document = { addEventListener() {}, removeEventListener() {} };
    const over = new AbortController();
    fetchEventSource(url, {
      fetch: counted,
      signal: over.signal,
      openWhenHidden: true,
      async onopen(response) {
        if (response.status === 204) over.abort();
        else if (response.status !== 200) throw new Error(`status ${response.status}`);
      },
      onmessage: ({ event, data, id }) => take(event || "message", data, id),
      onclose() {
        throw new Error("closed, perhaps in the middle");
      },
    }).then(
      () => finish("closed"),
      (error) => finish(String(error)),
    );
  },
};

if (forMs) setTimeout(() => finish("time"), Number(forMs));
CLIENTS[client]();

/** More than any mark has. */
const MARK_BYTES = 512;
/** A file is held whole to be hashed; of a longer one the length must do. */
const HASHED_BYTES = 64 * 1024 * 1024;

/** As the server ends its files: the last member of JSON, or a comment in Markdown, which both say what comes before. */
const MARK = /\n((?:"end":\{"conversations":\d+,|<!-- end \{)"bytes":(\d+),"sha256":"([0-9a-f]{64})"\}(?:\}| -->)\n)$/;

/**
 * Whether an exported file is all that the server sent. Some browsers hand over a body that was cut off as if it were
 * whole. The hash is looked at where the browser can make one: not over plain HTTP.
 */
export async function isWhole(content: Blob): Promise<boolean> {
  const found = MARK.exec(await content.slice(-MARK_BYTES).text());
  if (found === null) return false;
  const [, mark = "", bytes, hash] = found;
  if (content.size !== Number(bytes) + mark.length) return false;
  if (content.size > HASHED_BYTES || globalThis.crypto?.subtle === undefined) return true;
  const digest = await crypto.subtle.digest("SHA-256", await content.slice(0, Number(bytes)).arrayBuffer());
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("") === hash;
}

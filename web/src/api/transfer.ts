import { type Api, query, whole } from "./client.ts";
import type { ImportReport, UsageReport } from "./contract.ts";
import { readProblem, Unreachable } from "./problem.ts";

/** What the reader's turns have used on the days (UTC) from `from` to `to`, both included. */
export function usage(api: Api, from: string, to: string): Promise<UsageReport> {
  return api.json("GET", `api/usage?${query({ from, to })}`);
}

/** How much of a file has been sent, from 0 to 1. */
type Progress = (sent: number) => void;

interface ImportOptions {
  /** The reader's language, for what the server says. */
  readonly language: string;
  /** Whether what is not understood is kept as raw JSON. */
  readonly isUnknownKept: boolean;
  readonly signal: AbortSignal;
  readonly onProgress: Progress;
}

/**
 * Brings in a file; the server sees by itself what it is. Throws `Problem` and `Unreachable`, and where `signal` was
 * aborted its reason. Not by `fetch`, which does not tell how much has been sent.
 */
export async function imported(file: Blob, { language, isUnknownKept, signal, onProgress }: ImportOptions): Promise<ImportReport> {
  const request = new XMLHttpRequest();
  const answered = new Promise<Response>((resolve, reject) => {
    request.onload = () => resolve(new Response(request.response, { status: request.status, headers: headersOf(request) }));
    request.onerror = () => reject(new Unreachable(null));
    request.onabort = () => reject(signal.reason);
    request.upload.onprogress = ({ loaded, total }) => onProgress(total === 0 ? 1 : loaded / total);
    request.upload.onload = () => onProgress(1);
  });
  signal.addEventListener("abort", () => request.abort());
  request.open("POST", isUnknownKept ? "api/import?keep=unknown" : "api/import");
  request.setRequestHeader("Accept-Language", language);
  request.setRequestHeader("Content-Type", "application/octet-stream");
  request.send(file);
  const response = await answered;
  if (!response.ok) throw await readProblem(response);
  return whole(response.json() as Promise<ImportReport>);
}

function headersOf(request: XMLHttpRequest): HeadersInit {
  const retryAfter = request.getResponseHeader("Retry-After");
  return retryAfter === null ? {} : { "Retry-After": retryAfter };
}

import { loadModels } from "./models.ts";
import { api } from "../session/client.ts";
import { report } from "../session/status.ts";

const DOWNLOAD = "api/models/download";

export async function stopDownload(): Promise<void> {
  await api.send("DELETE", DOWNLOAD).catch(report);
  await loadModels();
}

export async function startDownload(): Promise<void> {
  await api.send("POST", DOWNLOAD).catch(report);
  await loadModels();
}

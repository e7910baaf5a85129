import { DownloadBanner } from "./DownloadBanner.tsx";

export { DownloadBanner };

declare module "../ui/lazy.tsx" {
  interface Deferred {
    readonly DownloadBanner: typeof DownloadBanner;
  }
}

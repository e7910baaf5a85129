import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

import { precompress } from "./precompress.ts";

export default defineConfig({
  // Every address relative to the page's own: the server may be reached below any path.
  base: "./",
  plugins: [precompress()],
  resolve: { alias: { "preact/jsx-runtime": fileURLToPath(new URL("src/ui/jsx.ts", import.meta.url)) } },
  build: {
    outDir: "../src/lianhua/page",
    emptyOutDir: true,
    // One step above Vite's own baseline, so that light-dark() and nesting stay as they are written.
    target: ["chrome123", "firefox123", "safari17.5"],
    // A data: URL in the bundle would be loaded by everyone; a file is cached.
    assetsInlineLimit: 0,
    // Two pages: the chat, and the documentation of the API.
    rolldownOptions: { input: ["index.html", "docs.html"] },
    // The licence of every package that went into them.
    license: { fileName: "licenses.md" },
    // The viewer of the documentation is one file of that size as it comes, and the chat loads nothing of it.
    chunkSizeWarningLimit: 2_000,
    // Every browser above knows <link rel="modulepreload">.
    modulePreload: { polyfill: false },
  },
  server: {
    // `npm run dev` beside a `lianhua serve` on its usual port.
    proxy: { "/api": "http://127.0.0.1:8000" },
  },
});

import { defineConfig } from "vitest/config";

// Apart from vite.config.ts: a build has no test runner installed.
export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    restoreMocks: true,
  },
});

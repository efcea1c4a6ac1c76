import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// Fonts stay files of their own: the browser takes only the subsets it needs.
export default defineConfig({
  plugins: [react()],
  build: { assetsInlineLimit: 0, sourcemap: false, emptyOutDir: true },
  server: { proxy: { "/api": "http://127.0.0.1:7080" } },
});

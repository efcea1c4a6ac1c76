import { beforeAll, expect, test } from "vitest";

// The pages read the address line; a bare stand-in is enough for their functions.
beforeAll(() => {
  Object.assign(globalThis, { window: { addEventListener() {} }, location: { pathname: "/", search: "", origin: "http://x" } });
});

test("buckets without events are drawn too", async () => {
  const { filled } = await import("../src/pages/search.tsx");
  const b = filled({ step_s: 60, buckets: [{ start: "2026-01-01T00:02:00Z", count: 5 }] }, { from: "2026-01-01T00:00:00Z", to: "2026-01-01T00:05:00Z" });
  expect(b.map((x) => x.count)).toEqual([0, 0, 5, 0, 0]);
});

test("what is copied is defanged", async () => {
  const { defang } = await import("../src/ui.tsx");
  expect(defang({ kind: "domain", value: "a.example.com" })).toBe("a[.]example[.]com");
  expect(defang({ kind: "url", value: "https://a.example.com/x.y" })).toBe("hxxps[:]//a[.]example[.]com/x.y");
  expect(defang({ kind: "sha256", value: "ab.c" })).toBe("ab.c");
});

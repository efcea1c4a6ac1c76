// @vitest-environment node
import { expect, test } from "vitest";
import { duration, keys, translate } from "../src/i18n.ts";

test("every text is there in both languages, and differs", () => {
  for (const k of keys) {
    const [ja, en] = [translate("ja", k), translate("en", k)];
    expect(ja, k).not.toBe("");
    expect(en, k).not.toBe("");
    // English must not hold kana, or a translation was forgotten; the name of the other language may.
    if (k !== "language") expect(en, k).not.toMatch(/[ぁ-んァ-ヶ]/);
  }
});

test("durations read as a person reads them", () => {
  expect(duration(4.23, "en")).toEqual(["4.2", "ms"]);
  expect(duration(312, "en")).toEqual(["312", "ms"]);
  expect(duration(1234, "ja")).toEqual(["1.23", "秒"]);
  expect(duration(240_000, "ja")).toEqual(["4", "分"]);
});

// Both languages of the interface side by side. A missing text is a type error,
// so it cannot be forgotten. Terms follow the project's glossary.
import { createContext, useContext } from "react";
import { decisions } from "./texts/decisions.ts";
import { exposure } from "./texts/exposure.ts";
import { line } from "./texts/line.ts";

export type Lang = "ja" | "en";

const texts = { ...line, ...exposure, ...decisions };

export type Key = keyof typeof texts;
export const LangContext = createContext<Lang>("ja");

export function translate(lang: Lang, key: Key): string {
  return texts[key][lang === "ja" ? 0 : 1];
}

export function useT() {
  const lang = useContext(LangContext);
  return {
    lang,
    t: (key: Key) => translate(lang, key),
    // word translates a value of the API, such as a state, if there is a word.
    word: (v: string) => (v in texts ? translate(lang, v as Key) : v),
    pick: (en: string, ja?: string) => (lang === "ja" && ja ? ja : en),
  };
}

export const keys = Object.keys(texts) as Key[];

// Times in the reader's zone; in Japanese the date in the imperial calendar.
export function clockTime(at: string, lang: Lang): string {
  if (!at || at.startsWith("0001")) return "—";
  const d = new Date(at);
  const time = d.toLocaleTimeString(lang === "ja" ? "ja-JP" : "en-GB", { hour12: false });
  if (Date.now() - d.getTime() < 20 * 3600 * 1000) return time;
  return d.toLocaleDateString(lang === "ja" ? "ja-JP" : "en-GB", { month: "short", day: "numeric" }) + " " + time;
}

export function longDate(d: Date, lang: Lang): string {
  return lang === "ja"
    ? new Intl.DateTimeFormat("ja-JP-u-ca-japanese", { dateStyle: "long" }).format(d) + new Intl.DateTimeFormat("ja-JP", { weekday: "short" }).format(d).replace(/^/, "(") + ")"
    : new Intl.DateTimeFormat("en-GB", { dateStyle: "full" }).format(d);
}

// duration writes milliseconds as a person reads them.
export function duration(ms: number, lang: Lang): [string, string] {
  if (ms < 1000) return [ms < 10 ? ms.toFixed(1) : Math.round(ms).toString(), "ms"];
  if (ms < 60_000) return [(ms / 1000).toFixed(2), translate(lang, "seconds")];
  return [Math.round(ms / 60_000).toString(), lang === "ja" ? "分" : "min"];
}

// bytes writes an amount of data as a person reads it.
export function bytes(n: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const i = n < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(n) / 10));
  const v = n / 1024 ** i;
  return `${i === 0 || v >= 100 ? v.toFixed(0) : v.toFixed(1)} ${units[i]}`;
}

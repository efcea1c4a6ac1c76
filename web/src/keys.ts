// Keys work on every page; never while somebody types or composes Japanese.
import { useLayoutEffect } from "react";

export function typing(e: KeyboardEvent): boolean {
  // An input method reports its own keys as 229, also where isComposing is late.
  if (e.isComposing || e.keyCode === 229) return true;
  const el = e.target as HTMLElement | null;
  return !!el && (el.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(el.tagName));
}

export function useKeys(map: Record<string, (e: KeyboardEvent) => void>) {
  // Before the page is painted: what is seen can be reached by its key.
  useLayoutEffect(() => {
    const on = (e: KeyboardEvent) => {
      if (typing(e) || e.ctrlKey || e.metaKey || e.altKey) return;
      // A focused button keeps its own space and enter.
      if ((e.key === " " || e.key === "Enter") && (e.target as HTMLElement).closest?.("button, a, summary")) return;
      const fn = map[e.key] ?? map[e.key.toLowerCase()];
      if (fn) {
        e.preventDefault();
        fn(e);
      }
    };
    window.addEventListener("keydown", on);
    return () => window.removeEventListener("keydown", on);
  });
}

// useCursor moves a selection through a list by J and K, and keeps it in sight.
export function useCursor<T extends { id: string }>(items: T[], at: string | undefined, select: (id: string) => void) {
  const index = items.findIndex((x) => x.id === at);
  const move = (d: number) => {
    const next = items[Math.min(items.length - 1, Math.max(0, index < 0 ? 0 : index + d))];
    if (!next) return;
    select(next.id);
    requestAnimationFrame(() => document.getElementById(next.id)?.scrollIntoView({ block: "nearest" }));
  };
  return { j: () => move(1), k: () => move(-1), ArrowDown: () => move(1), ArrowUp: () => move(-1) };
}

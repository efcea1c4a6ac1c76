// Every view is a URL: a path and search parameters. This is all the routing
// that six pages need.
import { useSyncExternalStore } from "react";

const listeners = new Set<() => void>();
const announce = () => listeners.forEach((l) => l());
window.addEventListener("popstate", announce);

const subscribe = (l: () => void) => {
  listeners.add(l);
  return () => void listeners.delete(l);
};

export function go(to: string, replace = false) {
  if (to === location.pathname + location.search) return;
  history[replace ? "replaceState" : "pushState"](null, "", to);
  announce();
}

export function useLocation() {
  const href = useSyncExternalStore(subscribe, () => location.pathname + location.search);
  const url = new URL(href, location.origin);
  return { path: url.pathname, params: url.searchParams };
}

// setParams changes search parameters of this page; an empty value removes one.
export function setParams(changes: Record<string, string | undefined>, replace = true) {
  const p = new URLSearchParams(location.search);
  for (const [k, v] of Object.entries(changes)) if (v) p.set(k, v); else p.delete(k);
  const s = p.toString();
  go(location.pathname + (s ? "?" + s : ""), replace);
}

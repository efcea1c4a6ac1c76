// The shell: the line as navigation, the language and theme, the palette, and
// the live stream that says when to read again.
import { QueryClient, QueryClientProvider, useQuery, useQueryClient } from "@tanstack/react-query";
import { StrictMode, useEffect, useRef, useState } from "react";
import { createRoot } from "react-dom/client";
import "@fontsource-variable/inter/wght.css";
import "@fontsource-variable/noto-sans-jp/wght.css";
import "./styles.css";
import { type Beacon, del, get, type Org, post, Problem, type Session } from "./api.ts";
import { type Lang, LangContext, longDate, useT } from "./i18n.ts";
import { jump, pages } from "./pages.tsx";
import { Brake, useStatus } from "./pages/status.tsx";
import { go, useLocation } from "./route.ts";
import { Failed } from "./ui.tsx";

const client = new QueryClient({ defaultOptions: { queries: { staleTime: 1000, retry: (n, e) => n < 2 && !(e instanceof Problem && e.status < 500) } } });

// Links of the application do not load a page anew.
document.addEventListener("click", (e) => {
  const a = (e.target as HTMLElement).closest("a");
  if (!a || e.defaultPrevented || e.ctrlKey || e.metaKey || e.shiftKey || a.origin !== location.origin || a.target) return;
  e.preventDefault();
  go(a.pathname + a.search);
});

function App() {
  const [lang, setLang] = useState<Lang>(() => (localStorage.getItem("noroshi.lang") as Lang) || (navigator.language.startsWith("ja") ? "ja" : "en"));
  const [theme, setTheme] = useState(() => localStorage.getItem("noroshi.theme") ?? "");
  useEffect(() => { document.documentElement.lang = lang; localStorage.setItem("noroshi.lang", lang); }, [lang]);
  useEffect(() => { document.documentElement.dataset.theme = theme; localStorage.setItem("noroshi.theme", theme); }, [theme]);
  const { path } = useLocation();
  const session = useQuery({ queryKey: ["session"], queryFn: () => get<Session>("/session"), enabled: path !== "/sign-in", retry: false });
  return (
    <LangContext value={lang}>
      {path === "/sign-in" || (session.error instanceof Problem && session.error.status === 401) ? <SignIn /> : session.data ? (
        <Shell session={session.data} other={() => setLang(lang === "ja" ? "en" : "ja")} turn={() => setTheme(theme === "light" ? "dark" : theme === "dark" ? "" : "light")} />
      ) : session.error ? <main className="signin"><Failed error={session.error} /></main> : null}
    </LangContext>
  );
}

function SignIn() {
  const { t } = useT();
  const [error, setError] = useState<unknown>();
  const secret = useRef(location.pathname === "/sign-in" ? location.hash.slice(1) : "");
  const begun = useRef(false);
  useEffect(() => {
    if (!secret.current || begun.current) return;
    begun.current = true;
    history.replaceState(null, "", "/sign-in"); // The secret leaves the address line.
    post("/session", { link: secret.current }).then(() => { client.clear(); go("/", true); }, setError);
  }, []);
  return (
    <main className="signin">
      <svg viewBox="0 0 16 18" className="tower lit" aria-hidden="true"><path d="M8 2 13.5 16H2.5Z" /></svg>
      <h1>狼煙 Noroshi</h1>
      <h2>{t("signInTitle")}</h2>
      {error ? <Failed error={error} /> : secret.current ? <p role="status">{t("signingIn")}</p> : null}
      <p className="muted">{t("signInHint")}</p>
    </main>
  );
}

function Shell({ session, other, turn }: { session: Session; other: () => void; turn: () => void }) {
  const { t, lang, pick } = useT();
  const { path } = useLocation();
  const cache = useQueryClient();
  const beacon = useQuery({ queryKey: ["beacon"], queryFn: () => get<Beacon>("/beacon"), refetchInterval: 10_000 });
  const status = useStatus();
  const orgs = useQuery({ queryKey: ["organisations"], queryFn: () => get<{ items: Org[] }>("/organisations") }).data?.items ?? [];
  const find = useRef<HTMLInputElement>(null);
  const [now, setNow] = useState(() => new Date());
  useEffect(() => { const id = setInterval(() => setNow(new Date()), 1000); return () => clearInterval(id); }, []);
  useEffect(() => {
    const reads: Record<string, string[]> = { signal: ["beacon", "indicator"], finding: ["findings", "finding", "beacon"], indicator: ["indicators", "indicator", "beacon"], node: ["nodes", "status"], status: ["status"], action: ["actions", "action", "hit", "systems"] };
    const due = new Set<string>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const live = new EventSource("/api/v1/live");
    // What changed before it listened, or while it was away, nobody told it.
    live.addEventListener("open", () => void cache.invalidateQueries());
    for (const [topic, keys] of Object.entries(reads))
      live.addEventListener(topic, () => {
        keys.forEach((k) => due.add(k));
        // A busy moment is read once.
        timer ??= setTimeout(() => { timer = undefined; due.forEach((k) => void cache.invalidateQueries({ queryKey: [k] })); due.clear(); }, 250);
      });
    return () => { live.close(); clearTimeout(timer); };
  }, [cache]);
  useEffect(() => {
    const on = (e: KeyboardEvent) => { if ((e.ctrlKey || e.metaKey) && e.key === "k" && !e.isComposing) { e.preventDefault(); find.current?.focus(); } };
    window.addEventListener("keydown", on);
    return () => window.removeEventListener("keydown", on);
  }, []);
  const page = pages.find((p) => p.path === path);
  useEffect(() => { document.title = (page ? t(page.key) + " · " : "") + "狼煙 Noroshi"; }, [page, t]);
  return (
    <div className="shell">
      <nav className="line" aria-label="Noroshi">
        <p className="brand"><b>狼煙 Noroshi</b><span className="muted">{pick(session.organisation.name, session.organisation.name_ja)}</span></p>
        <ul>
          {pages.filter((p) => !p.off).map((p) => {
            const [lamp, n] = p.lamp(beacon.data, status.data);
            return <li key={p.path}><a href={p.path} aria-current={p.path === path ? "page" : undefined}><span className={"lamp " + lamp} aria-hidden="true" />{t(p.key)}<span className="num muted">{n}</span></a></li>;
          })}
        </ul>
        <p className="foot muted">{longDate(now, lang)}<br /><span className="num">{now.toLocaleTimeString(lang === "ja" ? "ja-JP" : "en-GB", { hour12: false, timeZoneName: "short" })}</span></p>
      </nav>
      <div className="page">
        <header className="top">
          <span className="realm"><span aria-hidden="true">●</span> {t("real")}</span>
          <form onSubmit={(e) => { e.preventDefault(); const v = find.current?.value.trim(); if (v) go(jump(v, t)); find.current?.blur(); }}>
            <input ref={find} list="places" aria-label={t("palette")} placeholder={t("palette")} />
            <datalist id="places">{pages.map((p) => <option key={p.path} value={t(p.key)} />)}</datalist>
          </form>
          <button className="quiet" onClick={turn}>{t("theme")}</button>
          <button className="quiet" lang={lang === "ja" ? "en" : "ja"} onClick={other}>{t("language")}</button>
          <button className="quiet" onClick={() => void del("/session").then(() => { client.clear(); go("/sign-in"); })}>{t("signOut")}</button>
        </header>
        {path !== "/status" && <Brake />}
        <main>
          {page ? page.view(orgs) : <p className="empty">{t("unknownPage")}</p>}
        </main>
      </div>
    </div>
  );
}

createRoot(document.getElementById("root")!).render(<StrictMode><QueryClientProvider client={client}><App /></QueryClientProvider></StrictMode>);

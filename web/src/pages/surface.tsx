// 攻撃対象面 Attack surface: what the Internet sees of an organisation, what became
// different since last week, what may be its own, and what may be scanned.
import { useQuery } from "@tanstack/react-query";
import { type Action, type Asset, type Difference, get, type List, type Org, type Page, query, type ScanRun, type Service } from "../api.ts";
import { clockTime, type Key, useT } from "../i18n.ts";
import { useCursor, useKeys } from "../keys.ts";
import { setParams, useLocation } from "../route.ts";
import { Failed, Lead, LevelMark } from "../ui.tsx";
import { day } from "./actions.tsx";
import { Discoveries } from "./discoveries.tsx";
import { Scopes } from "./scopes.tsx";

const views = ["assets", "changes", "discoveries", "scopes", "scans"] as const;
const week = () => new Date(Date.now() - 7 * 86_400_000).toISOString().slice(0, 13) + ":00:00Z";

export function SurfacePage({ orgs }: { orgs: Org[] }) {
  const { t, pick } = useT();
  const { params } = useLocation();
  const view = params.get("view") ?? "assets";
  const org = params.get("org") ?? "";
  const since = week();
  const fresh = useQuery({ queryKey: ["surface", "changes", org, since], queryFn: () => get<List<Difference>>("/surface/changes" + query({ org, since, limit: 500 })) });
  const weak = useQuery({ queryKey: ["actions", "surface", org], queryFn: () => get<Page<Action>>("/actions" + query({ state: "open,claimed", source: "surface", org, sort: "priority", limit: 100 })) });
  const changes = fresh.data?.items ?? [];
  const kinds = (k: string) => changes.filter((c) => c.kind === k).length;
  const many = (n: number, more?: string) => (more ? `${n}+` : String(n));
  return (
    <>
      <Lead urgent={kinds("new") + kinds("returned") > 0} help="helpSurface">{changes.length > 0 ? `${many(changes.length, fresh.data?.next)} ${t("changesSinceWeek")}` : t("noChanges")}</Lead>
      <section className="figures">
        <div><h2>{t("newPorts")}</h2><p className={"figure" + (kinds("new") + kinds("returned") ? " amber" : "")}><a href="/surface?view=changes">{kinds("new") + kinds("returned")}</a></p></div>
        <div><h2>{t("changedPorts")}</h2><p className="figure"><a href="/surface?view=changes">{kinds("changed")}</a></p></div>
        <div><h2>{t("gonePorts")}</h2><p className="figure"><a href="/surface?view=changes">{kinds("gone")}</a></p></div>
        <div><h2>{t("weaknesses")}</h2><p className="figure"><a href={"/actions" + query({ source: "surface", org })}>{many(weak.data?.items.length ?? 0, weak.data?.next)}</a></p></div>
      </section>
      <nav className="tabs" aria-label={t("surface")}>
        {views.map((v) => <button key={v} aria-pressed={view === v} onClick={() => setParams({ view: v === "assets" ? undefined : v, id: undefined, cursor: undefined, state: undefined })}>{t(("view_" + v) as Key)}</button>)}
        {orgs.length > 1 && <select aria-label={t("org")} value={org} onChange={(e) => setParams({ org: e.target.value, cursor: undefined })}><option value="">{t("org")}</option>{orgs.map((o) => <option key={o.id} value={o.id}>{pick(o.name, o.name_ja)}</option>)}</select>}
        <a className="muted" href={"/api/v1/surface/services.csv" + query({ org })} target="_blank" rel="noreferrer" download>{t("exportCsv")}</a>
        <a className="muted" href="/about-scans" target="_blank" rel="noreferrer">{t("publicPage")}</a>
      </nav>
      {fresh.error ? <Failed error={fresh.error} /> : null}
      {view === "changes" ? <Changes list={changes} orgs={orgs} /> : view === "discoveries" ? <Discoveries orgs={orgs} org={org} /> : view === "scopes" ? <Scopes orgs={orgs} org={org} /> : view === "scans" ? <Scans orgs={orgs} org={org} /> : <Assets orgs={orgs} org={org} />}
    </>
  );
}

export function useOrg(orgs: Org[]) {
  const { pick } = useT();
  return (id: string) => { const o = orgs.find((x) => x.id === id); return o ? pick(o.name, o.name_ja) : "—"; };
}

const says = (s: Service) => [s.seen.product || s.seen.service || "?", s.seen.package_version || s.seen.version].filter(Boolean).join(" ");

function Assets({ orgs, org }: { orgs: Org[]; org: string }) {
  const { t, lang } = useT();
  const { params } = useLocation();
  const name = useOrg(orgs);
  const q = { org, q: params.get("q") ?? "", cursor: params.get("cursor") ?? "" };
  const list = useQuery({ queryKey: ["surface", "assets", q], queryFn: () => get<List<Asset>>("/assets" + query({ ...q, limit: 100 })) });
  const items = list.data?.items ?? [];
  const at = params.get("id") ?? undefined;
  useKeys({ ...useCursor(items, at, (id) => setParams({ id })), Escape: () => setParams({ id: undefined }) });
  return (
    <div className="split">
      <section className="main scroll">
        {list.error ? <Failed error={list.error} /> : null}
        {list.data && items.length === 0 && <p className="empty">{t("emptyAssets")}</p>}
        {items.length > 0 && <table className="dense">
          <thead><tr><th>{t("address")}</th><th>{t("org")}</th><th>{t("openPorts")}</th><th>{t("firstSeen")}</th><th>{t("lastLooked")}</th></tr></thead>
          <tbody>{items.map((h) => (
            <tr key={h.id} id={h.id} className={h.id === at ? "on" : ""} aria-selected={h.id === at} onClick={() => setParams({ id: h.id })}>
              <td><a className="mono" href={"/surface?id=" + h.id} onClick={(e) => e.preventDefault()}>{h.address}</a></td><td>{name(h.org)}</td>
              <td>{h.services.filter((s) => s.state === "open").map((s) => `${s.place} ${says(s)}`).join(" · ") || "—"}</td><td className="num">{day(h.first_seen, lang)}</td><td className="num">{clockTime(h.last_looked, lang)}</td>
            </tr>
          ))}</tbody>
        </table>}
        {list.data?.next && <button onClick={() => setParams({ cursor: list.data.next }, false)}>→</button>}
      </section>
      <aside className="peek" aria-label={t("asset")}>{at ? <AssetPeek id={at} name={name} /> : <p className="empty">{t("pickOne")}</p>}</aside>
    </div>
  );
}

// AssetPeek is the page of one host: what answers, what is weak, what changed.
function AssetPeek({ id, name }: { id: string; name: (org: string) => string }) {
  const { t, lang, pick, word } = useT();
  const one = useQuery({ queryKey: ["surface", "asset", id], queryFn: () => get<Asset>("/assets/" + id) });
  const h = one.data;
  const weak = useQuery({ queryKey: ["actions", "of", h?.address], queryFn: () => get<Page<Action>>("/actions" + query({ state: "open,claimed,excepted", q: h!.address, sort: "priority", limit: 50 })), enabled: !!h });
  if (!h) return one.error ? <Failed error={one.error} /> : null;
  return (
    <article>
      <h2 className="mono">{h.address}</h2>
      <p className="muted">{name(h.org)} · {t("firstSeen")} {day(h.first_seen, lang)} · {t("lastLooked")} {clockTime(h.last_looked, lang)}</p>
      <h3>{t("weaknesses")}</h3>
      <ul className="near">{(weak.data?.items ?? []).filter((a) => a.weakness.asset.key === h.address).map((a) => <li key={a.id}><LevelMark level={a.weakness.level} /> <a href={"/actions?state=all&id=" + a.id}>{pick(a.weakness.title, a.weakness.title_ja)}</a> <small className="mono muted">{a.weakness.place}</small></li>)}</ul>
      <h3>{t("openPorts")}</h3>
      {h.services.map((s) => (
        <details key={s.place} open={s.state === "open"}>
          <summary><b className="mono">{s.place}</b> {says(s)} {s.state !== "open" && <span className="muted">{word(s.state)}</span>}</summary>
          <dl className="fields">
            {([["service", s.seen.service], ["version", s.seen.version], ["package", s.seen.package_version], ["os", s.seen.os], ["title", s.seen.http?.title], ["tls", s.seen.tls?.versions.join(" ")], ["certificate", s.seen.tls?.subject], [t("expires"), s.seen.tls?.not_after && day(s.seen.tls.not_after, lang)], [t("postQuantum"), s.seen.tls || s.seen.ssh ? t((s.seen.tls ?? s.seen.ssh)!.post_quantum ? "ready" : "notReady") : undefined], [t("lastSeen"), clockTime(s.last_seen, lang)]] as [string, string | undefined][]).filter(([, v]) => v).map(([k, v]) => <div key={k}><dt>{k}</dt><dd>{v}</dd></div>)}
            {Object.entries(s.seen.evidence ?? {}).map(([k, v]) => <div key={k}><dt>{k}</dt><dd>{v}</dd></div>)}
          </dl>
        </details>
      ))}
      <h3>{t("view_changes")}</h3>
      <ul className="near">{(h.changes ?? []).map((c) => <li key={c.id}><time className="num">{clockTime(c.at, lang)}</time> <b>{t(("change_" + c.kind) as Key)}</b> <span className="mono">{c.place} {c.before && `${c.before} → `}{c.after}</span></li>)}</ul>
    </article>
  );
}

const marks: Record<string, string> = { new: "▲", returned: "▲", changed: "◆", gone: "▽" };

function Changes({ list, orgs }: { list: Difference[]; orgs: Org[] }) {
  const { t, lang } = useT();
  const name = useOrg(orgs);
  return (
    <section className="main">
      {list.length === 0 && <p className="empty">{t("noChanges")}</p>}
      {list.length > 0 && <table className="dense">
        <thead><tr><th>{t("at")}</th><th>{t("kind")}</th><th>{t("address")}</th><th>{t("org")}</th><th>{t("what")}</th></tr></thead>
        <tbody>{list.map((c) => <tr key={c.id}><td className="num">{clockTime(c.at, lang)}</td><td className={c.kind === "new" || c.kind === "returned" ? "amber" : c.kind === "gone" ? "muted" : ""}>{marks[c.kind]} {t(("change_" + c.kind) as Key)}</td><td><a className="mono" href={"/surface?id=" + c.asset}>{c.address} {c.place}</a></td><td>{name(c.org)}</td><td>{c.before && `${c.before} → `}{c.after}</td></tr>)}</tbody>
      </table>}
    </section>
  );
}

function Scans({ orgs, org }: { orgs: Org[]; org: string }) {
  const { t, lang, word } = useT();
  const name = useOrg(orgs);
  const list = useQuery({ queryKey: ["surface", "runs", org], queryFn: () => get<List<ScanRun>>("/surface/runs" + query({ org, limit: 100 })), refetchInterval: 10_000 });
  const items = list.data?.items ?? [];
  return (
    <section className="main">
      {list.error ? <Failed error={list.error} /> : null}
      {list.data && items.length === 0 && <p className="empty">{t("emptyScans")}</p>}
      {items.length > 0 && <table className="dense">
        <thead><tr><th>{t("began")}</th><th>{t("state")}</th><th>{t("org")}</th><th>{t("scanner")}</th><th className="num">{t("openPorts")}</th><th className="num">{t("view_changes")}</th><th className="num">{t("weaknesses")}</th><th>{t("kind")}</th></tr></thead>
        <tbody>{items.map((r) => <tr key={r.id}><td className="num">{clockTime(r.began, lang)}</td><td>{word(r.state)}{r.why && r.why !== "done" && <span className="muted"> {word(r.why)}</span>}</td><td>{name(r.org)}</td><td>{r.by}</td><td className="num">{r.open}</td><td className="num">{r.changes}</td><td className="num">{r.weaknesses}</td><td>{r.only ? t("recheck") : t("wholeScan")}</td></tr>)}</tbody>
      </table>}
    </section>
  );
}
